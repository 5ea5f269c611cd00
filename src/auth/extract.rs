//! What a handler asks for to know who calls: `Member` and `Admin` under `/api`, `Caller` on the model endpoints.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::header::{AUTHORIZATION, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::Auth;
use super::authenticator::KeyProblem;
use super::keys::{ApiKey, KeyRefusal, PREFIX};
use super::tokens::Claims;
use crate::audit::{Action, Actor, Entry, Origin};
use crate::edge::dialect::Spoken;
use crate::edge::error::{ApiError, Result};
use crate::edge::request_log::RequestId;
use crate::messages::say;
use crate::providers::Profile;
use crate::store::users::{Role, User};

/// A signed-in person: an access token, never a key.
#[derive(Clone, Debug)]
pub struct Member {
    pub user: Arc<User>,
    pub claims: Claims,
}

impl Member {
    /// The beginning of an audit entry: this person does something.
    pub fn does(&self, action: Action, client: &Client) -> Entry {
        Entry::new(action, Actor::Person(self.user.id), client)
    }
}

/// A signed-in administrator.
#[derive(Clone, Debug)]
pub struct Admin(pub Member);

/// Who calls a model: by key or by access token.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: Arc<User>,
    /// `None` when an access token was presented.
    pub key: Option<Arc<ApiKey>>,
}

/// Where a request comes from, behind the proxies that the operator trusts.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: IpAddr,
    agent: String,
    request_id: Option<Arc<str>>,
}

impl Client {
    /// A client at an address, for what does not come over HTTP.
    pub fn at(address: IpAddr, agent: &str) -> Self {
        Self { address, agent: agent.to_owned(), request_id: None }
    }

    /// What the client calls itself, for people to recognise it by.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Tells one client from another without keeping what it sent.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(format!("{}\n{}", self.address, self.agent)))
    }
}

impl From<&Client> for Origin {
    fn from(client: &Client) -> Self {
        Self { address: Some(client.address), request_id: client.request_id.clone() }
    }
}

/// What an `Authorization` header holds.
enum Credentials<'a> {
    Absent,
    OtherScheme,
    Bearer(&'a str),
}

fn credentials(headers: &HeaderMap) -> Credentials<'_> {
    let Some(header) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return Credentials::Absent;
    };
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    let token = token.trim();
    if scheme.is_empty() || token.is_empty() {
        Credentials::Absent
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Credentials::Bearer(token)
    } else {
        Credentials::OtherScheme
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Member
where
    Arc<Auth>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let auth = Arc::<Auth>::from_ref(state);
        let token = match credentials(&parts.headers) {
            Credentials::Absent => return Err(ApiError::forbidden("not_authenticated", "Not authenticated")),
            Credentials::OtherScheme => {
                return Err(ApiError::forbidden("not_authenticated", "Invalid authentication credentials"));
            }
            Credentials::Bearer(token) => token,
        };
        let (user, claims) = auth.authenticator.by_access_token(token).await?;
        tracing::Span::current().record("user", user.id.0);
        Ok(Self { user, claims })
    }
}

/// Who reads everything: an auditor or an administrator.
#[derive(Clone, Debug)]
pub struct Auditor(pub Member);

impl<S: Send + Sync> FromRequestParts<S> for Auditor
where
    Arc<Auth>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let auth = Arc::<Auth>::from_ref(state);
        let member = Member::from_request_parts(parts, state).await?;
        match member.user.role() {
            Role::Auditor => Ok(Self(member)),
            Role::Admin | Role::Member => Admin::of(&auth, member).map(|Admin(member)| Self(member)),
        }
    }
}

impl Admin {
    /// The member as an administrator, if they are one and have the second factor that the policy asks for.
    pub fn of(auth: &Auth, member: Member) -> Result<Self> {
        match member.user.role() {
            Role::Admin if auth.core.config.people.admins_need_totp && !member.user.has_totp => {
                Err(ApiError::forbidden("totp_needed", say("totp_needed")))
            }
            Role::Admin => Ok(Self(member)),
            Role::Member | Role::Auditor => {
                Err(ApiError::forbidden("permission_denied", say("permission_denied")))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin
where
    Arc<Auth>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let auth = Arc::<Auth>::from_ref(state);
        Self::of(&auth, Member::from_request_parts(parts, state).await?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Arc<Auth>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let auth = Arc::<Auth>::from_ref(state);
        // The contract: a header of the dialect's own decides alone, and is a key whatever it looks like.
        if let Some(key) = key_of_dialect(parts) {
            let (user, key) = auth.authenticator.by_key(&key).await?.map_err(refuse_key)?;
            tracing::Span::current().record("key", key.id.0);
            return may_call(Self { user, key: Some(key) });
        }
        let Credentials::Bearer(token) = credentials(&parts.headers) else {
            let message = "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'.";
            return Err(ApiError::unauthorized("missing_api_key", message));
        };
        let caller = if token.starts_with(PREFIX) {
            let (user, key) = auth.authenticator.by_key(token).await?.map_err(refuse_key)?;
            tracing::Span::current().record("key", key.id.0);
            Self { user, key: Some(key) }
        } else {
            let (user, _) = auth.authenticator.by_access_token(token).await.map_err(refuse_access_token)?;
            Self { user, key: None }
        };
        may_call(caller)
    }
}

fn may_call(caller: Caller) -> Result<Caller> {
    tracing::Span::current().record("user", caller.user.id.0);
    if caller.user.is_silenced {
        return Err(ApiError::forbidden("account_silenced", "This account may not call models at present."));
    }
    Ok(caller)
}

/// A key where only the dialect of the route has it: `x-api-key` for Anthropic's, `x-goog-api-key` and `?key=` for Google's.
/// The query counts only where no header holds anything.
fn key_of_dialect(parts: &Parts) -> Option<Cow<'_, str>> {
    let header = |name: &str| {
        let text = parts.headers.get(name)?.to_str().ok()?.trim();
        (!text.is_empty()).then_some(Cow::Borrowed(text))
    };
    let Spoken(dialect) = parts.extensions.get::<Spoken>()?;
    let place = &Profile::of(*dialect).client_key;
    place.header.and_then(header).or_else(|| {
        let absent = matches!(credentials(&parts.headers), Credentials::Absent);
        let (name, query) = (place.query?, parts.uri.query().filter(|_| absent)?);
        let key = form_urlencoded::parse(query.as_bytes()).find(|(one, _)| one == name)?.1;
        (!key.is_empty()).then_some(key)
    })
}

fn refuse_key(problem: KeyProblem) -> ApiError {
    match problem {
        KeyProblem::Unknown | KeyProblem::OwnerGone => {
            ApiError::unauthorized("invalid_api_key", "This API key does not exist.")
        }
        KeyProblem::Refused(KeyRefusal::Disabled) => {
            ApiError::unauthorized("api_key_disabled", "This API key is switched off.")
        }
        KeyProblem::Refused(KeyRefusal::Expired) => {
            ApiError::unauthorized("api_key_expired", "This API key has expired.")
        }
        KeyProblem::OwnerDisabled => {
            ApiError::forbidden("account_disabled", "The account that this key belongs to is disabled.")
        }
    }
}

/// The words of `/api` in the language of model clients; what is not about the token stays as it is.
fn refuse_access_token(error: ApiError) -> ApiError {
    match (error.status(), error.code()) {
        (StatusCode::UNAUTHORIZED, "token_expired") => {
            ApiError::unauthorized("token_expired", "Your access token has expired; sign in again.")
        }
        (StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND, _) => {
            ApiError::unauthorized("invalid_api_key", "This is neither an API key nor a valid access token.")
        }
        (StatusCode::FORBIDDEN, _) => ApiError::unauthorized("account_disabled", "Your account is disabled."),
        _ => error,
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client
where
    Arc<Auth>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let auth = Arc::<Auth>::from_ref(state);
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let peer = peer.ok_or_else(|| ApiError::internal("the server did not say who is connected"))?;
        let trusted =
            |address: IpAddr| auth.core.config.http.trusted_proxies.iter().any(|net| net.contains(address));
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let address = client_address(peer, &parts.headers, trusted);
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        Ok(Self { address, agent: agent.to_owned(), request_id })
    }
}

/// The nearest address that is not a trusted proxy: what stands left of it the client could have made up.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut address = peer.to_canonical();
    let lists = headers.get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
    for hop in lists.flat_map(|list| list.rsplit(',')) {
        if !trusted(address) {
            break;
        }
        let Ok(next) = hop.trim().parse::<IpAddr>() else { break };
        address = next.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let trusted = |address: IpAddr| address.is_loopback();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.2.3.4, 5.6.7.8, 127.0.0.2".parse().unwrap());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(client_address(ip("127.0.0.1"), &headers, trusted), ip("5.6.7.8"));
        assert_eq!(client_address(ip("9.9.9.9"), &headers, trusted), ip("9.9.9.9"));
    }
}
