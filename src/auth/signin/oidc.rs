//! OpenID Connect: discovery, PKCE, nonce, and the checks of the ID token, all by the `openidconnect` crate over our client.
//!
//! A provider's description and keys are kept for an hour, and longer while it is away. A token signed with a key that we
//! don't know makes us read them again, once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenClaims,
    CoreJwsSigningAlgorithm as Alg, CoreProviderMetadata,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::http::HttpProblem;
use super::{Failure, Profile, ProviderTokens, clean_avatar, clean_text, pending};
use crate::auth::Auth;
use crate::clock::{Clock, Timestamp};
use crate::config::OidcConfig;

const FRESH: Duration = Duration::from_secs(3_600);
const STALE: Duration = Duration::from_secs(86_400);
/// Clocks may differ by this much.
const SKEW: Duration = Duration::from_secs(60);
const LONGEST_NAME: usize = 100;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

#[derive(Clone, Debug)]
struct Known {
    metadata: Arc<CoreProviderMetadata>,
    read_at: Timestamp,
}

/// One provider and what it last said of itself.
#[derive(Debug)]
pub struct OidcProvider {
    pub config: OidcConfig,
    known: Mutex<Option<Known>>,
}

/// Where to send the browser, and what the answer must fit.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) address: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

impl OidcProvider {
    pub(super) fn new(config: OidcConfig) -> Self {
        Self { config, known: Mutex::default() }
    }

    fn known(&self, now: Timestamp, age: Duration) -> Option<Arc<CoreProviderMetadata>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|known| now.since(known.read_at) <= age).map(|known| known.metadata.clone())
    }

    /// The provider's description and keys, an hour old at most, or a day old while it can't be reached.
    async fn metadata(&self, auth: &Auth) -> Result<Arc<CoreProviderMetadata>, Failure> {
        let now = auth.core.clock.now();
        if let Some(metadata) = self.known(now, FRESH) {
            return Ok(metadata);
        }
        match (self.discover(auth).await, self.known(now, STALE)) {
            (Err(failure), Some(metadata)) => {
                tracing::warn!(provider = self.config.name, ?failure, "an old description is used");
                Ok(metadata)
            }
            (read, _) => read,
        }
    }

    async fn discover(&self, auth: &Auth) -> Result<Arc<CoreProviderMetadata>, Failure> {
        let http = auth.signin.http.clone();
        let call = |request| http.clone().call(request);
        let issuer =
            IssuerUrl::new(self.config.issuer.clone()).map_err(|e| Failure::Discovery(e.to_string()))?;
        let read = CoreProviderMetadata::discover_async(issuer, &call).await;
        let metadata = read.map_err(|error| Failure::Discovery(without_answer(error)))?;
        self.check_endpoints(&metadata)?;
        let metadata = Arc::new(metadata);
        let known = Known { metadata: metadata.clone(), read_at: auth.core.clock.now() };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(metadata)
    }

    /// A provider over TLS has everything over TLS: secrets and tokens go to these addresses.
    fn check_endpoints(&self, metadata: &CoreProviderMetadata) -> Result<(), Failure> {
        let token = metadata.token_endpoint().map(|url| url.url().scheme());
        let user = metadata.userinfo_endpoint().map(|url| url.url().scheme());
        let page = Some(metadata.authorization_endpoint().url().scheme());
        let keys = Some(metadata.jwks_uri().url().scheme());
        if token.is_none() {
            return Err(Failure::Discovery("there is no token endpoint".to_owned()));
        }
        let plain = [token, user, page, keys].into_iter().flatten().any(|scheme| scheme != "https");
        if plain && self.config.issuer.starts_with("https://") {
            return Err(Failure::Discovery("an endpoint is not https".to_owned()));
        }
        Ok(())
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Result<Client, Failure> {
        let redirect = RedirectUrl::new(self.config.redirect_uri.clone());
        let redirect = redirect.map_err(|error| Failure::Discovery(error.to_string()))?;
        let methods = metadata.token_endpoint_auth_methods_supported();
        let wants_post = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let secret = ClientSecret::new(self.config.client_secret.expose_secret().to_owned());
        let id = ClientId::new(self.config.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, Some(secret));
        let auth = if wants_post { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(client.set_redirect_uri(redirect).set_auth_type(auth))
    }

    /// The provider's page for a new sign-in.
    pub(super) async fn ask(&self, auth: &Auth, state: &str) -> Result<Asked, Failure> {
        let metadata = self.metadata(auth).await?;
        let client = self.client(&metadata)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (state, nonce) = (state.to_owned(), pending::random_text());
        let sent = nonce.clone();
        let (address, ..) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(sent),
            )
            .add_scopes(self.config.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Asked { address: address.into(), nonce, verifier: verifier.into_secret() })
    }

    /// Exchanges a code, checks the ID token and reads the person out of it.
    pub(super) async fn fetch(
        &self,
        auth: &Auth,
        code: &str,
        nonce: &str,
        verifier: &SecretString,
    ) -> Result<Profile, Failure> {
        let metadata = self.metadata(auth).await?;
        let http = auth.signin.http.clone();
        let call = |request| http.clone().call(request);
        let client = self.client(&metadata)?;
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| Failure::Discovery(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()));
        let given = request.request_async(&call).await.map_err(|error| match error {
            RequestTokenError::Request(problem) => Failure::ExchangeUnreachable(problem),
            RequestTokenError::ServerResponse(refusal) => {
                Failure::Exchange(format!("the provider refuses: {}", refusal.error()))
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                Failure::Exchange("the provider's answer is no token answer".to_owned())
            }
        })?;
        let token = given.id_token().ok_or_else(|| Failure::Proof("no ID token came".to_owned()))?;
        let claims = self.verify(auth, &metadata, token, nonce).await?;
        let tokens = ProviderTokens {
            access: SecretString::from(given.access_token().secret().clone()),
            refresh: given.refresh_token().map(|token| SecretString::from(token.secret().clone())),
            kind: "bearer".to_owned(),
            life: given.expires_in().unwrap_or(FRESH),
        };
        self.profile(auth, &metadata, &claims, tokens).await
    }

    /// The claims of an ID token that is the provider's, for us, of now, and the answer to our question.
    async fn verify(
        &self,
        auth: &Auth,
        metadata: &CoreProviderMetadata,
        token: &CoreIdToken,
        nonce: &str,
    ) -> Result<CoreIdTokenClaims, Failure> {
        let checked = match self.check(&auth.core.clock, metadata, token, nonce)? {
            // The provider may sign with a newer key.
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                let metadata = self.discover(auth).await?;
                self.check(&auth.core.clock, &metadata, token, nonce)?
            }
            checked => checked,
        };
        let claims = checked.map_err(|error| Failure::Proof(with_causes(&error)))?;
        if claims.authorized_party().is_some_and(|party| **party != self.config.client_id) {
            return Err(Failure::Proof("the ID token is for another party".to_owned()));
        }
        Ok(claims)
    }

    fn check(
        &self,
        clock: &Clock,
        metadata: &CoreProviderMetadata,
        token: &CoreIdToken,
        nonce: &str,
    ) -> Result<Result<CoreIdTokenClaims, ClaimsVerificationError>, Failure> {
        let client = self.client(metadata)?;
        let now = moment(clock.now());
        let latest = moment(clock.now().plus(SKEW));
        let verifier = client
            .id_token_verifier()
            // Nothing that is signed with the client secret, and nothing unsigned.
            .set_allowed_algs([
                Alg::RsaSsaPkcs1V15Sha256,
                Alg::RsaSsaPkcs1V15Sha384,
                Alg::RsaSsaPkcs1V15Sha512,
                Alg::RsaSsaPssSha256,
                Alg::RsaSsaPssSha384,
                Alg::RsaSsaPssSha512,
                Alg::EcdsaP256Sha256,
                Alg::EcdsaP384Sha384,
                Alg::EdDsa,
            ])
            .set_time_fn(move || now)
            .set_issue_time_verifier_fn(move |issued| {
                if issued <= latest { Ok(()) } else { Err("issued in the future".to_owned()) }
            });
        Ok(token.claims(&verifier, &Nonce::new(nonce.to_owned())).cloned())
    }

    async fn profile(
        &self,
        auth: &Auth,
        metadata: &CoreProviderMetadata,
        claims: &CoreIdTokenClaims,
        tokens: ProviderTokens,
    ) -> Result<Profile, Failure> {
        let subject = claims.subject().to_string();
        if subject.is_empty() || subject.len() > 255 || subject.chars().any(char::is_control) {
            return Err(Failure::Profile("the subject is no subject".to_owned()));
        }
        let said = serde_json::to_value(claims).map_err(|error| Failure::Profile(error.to_string()))?;
        let mut username = name_in(&said);
        let mut avatar_url = clean_avatar(said.get("picture"));
        if let (None, Some(endpoint)) = (&username, metadata.userinfo_endpoint()) {
            let said = self.user_info(auth, endpoint.as_str(), &subject, &tokens).await?;
            username = name_in(&said);
            avatar_url = avatar_url.or_else(|| clean_avatar(said.get("picture")));
        }
        Ok(Profile { subject, username, avatar_url, trust_level: None, silenced: None, tokens })
    }

    /// What the provider tells apart from the token. It must be about the same person.
    async fn user_info(
        &self,
        auth: &Auth,
        endpoint: &str,
        subject: &str,
        tokens: &ProviderTokens,
    ) -> Result<Value, Failure> {
        let http = &auth.signin.http;
        let request = http.get(endpoint).bearer_auth(tokens.access.expose_secret());
        let answer = http.send(request).await.map_err(Failure::ProfileUnreachable)?;
        let said: Value = match (answer.status.is_success(), serde_json::from_slice(&answer.body)) {
            (true, Ok(said)) => said,
            _ => return Err(Failure::Profile(format!("user info answered {}", answer.status))),
        };
        if said.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(Failure::Profile("user info is about somebody else".to_owned()));
        }
        Ok(said)
    }
}

fn name_in(said: &Value) -> Option<String> {
    ["preferred_username", "nickname", "name"]
        .iter()
        .find_map(|name| clean_text(said.get(name), LONGEST_NAME))
}

fn moment(moment: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp(moment.seconds(), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Why discovery failed, without a word of what the provider answered.
fn without_answer(error: DiscoveryError<HttpProblem>) -> String {
    match error {
        DiscoveryError::Response(status, ..) => format!("the provider answered {status}"),
        DiscoveryError::Parse(_) => "the provider's description is not readable".to_owned(),
        DiscoveryError::Request(problem) => with_causes(&problem),
        other => other.to_string(),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
