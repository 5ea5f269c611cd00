//! Signing in and out: the life of a session from password to the last refresh.
//!
//! A session is a family of refresh tokens and the access tokens made with them. Its storage is `state::sessions`.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Auth;
use super::extract::{Client, Member};
use super::one_time::{self, Door};
use super::passwords;
use super::second_factor::{self, Proof};
use super::tokens::{Claims, TokenError, TokenKind, TokenPair};
use crate::audit::{Action, Actor, Entry, Facts, Field, Target};
use crate::clock::Timestamp;
use crate::edge::error::{ApiError, Result};
use crate::ids::UserId;
use crate::messages::say;
use crate::names;
use crate::state::sessions::{NewRefresh, RefreshRecord, Rotation, UsedRefresh, naive_utc};
use crate::state::{Invalidation, throttle::Subject};
use crate::store::users::{Role, User};

/// Within this time the same client gets the same answer again: two tabs that refresh at once.
const GRACE: Duration = Duration::from_secs(10);
/// Characters kept of what a client calls itself.
const LONGEST_AGENT: usize = 200;

/// What a successful sign-in or refresh hands out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

impl From<TokenPair> for Pair {
    fn from(pair: TokenPair) -> Self {
        Self { access: pair.access, refresh: pair.refresh }
    }
}

/// What came of proving who one is.
#[derive(Debug)]
pub enum Entered {
    Session(Pair, Box<User>),
    /// The second factor is still to be shown, together with this challenge.
    SecondFactor(SecretString),
}

/// Signs in with a password, and with the second factor where the person has one.
pub async fn sign_in(
    auth: &Auth,
    username: &str,
    password: &SecretString,
    proof: Option<&Proof>,
    client: &Client,
) -> Result<Entered> {
    let now = auth.core.clock.now();
    let address = client.address.to_string();
    let (account, address) = (Subject::Account(username), Subject::Address(&address));
    for subject in [address, account] {
        let wait = auth.core.state.login_attempt(subject, now).await?;
        if !wait.is_zero() {
            return Err(ApiError::too_many("too_many_logins", say("too_many_logins"), wait));
        }
    }
    let user = find(auth, username).await?;
    let hash = user.as_ref().and_then(|user| user.password_hash.as_deref());
    let matches = auth.passwords.verify(password, hash).await?;
    let user = match user {
        Some(user) if matches => user,
        other => {
            let reason = "password";
            record_failure(auth, other.as_ref(), username, reason, client).await?;
            return Err(refuse_sign_in(other.as_ref()));
        }
    };
    auth.core.state.login_succeeded(account).await?;
    auth.core.state.forget_attempt(address).await?;
    if user.is_active {
        strengthen(auth, &user, password).await;
    }
    enter(auth, user, "password", proof, client).await
}

/// Names are registered in plain letters; another keyboard may send the same name in another form.
async fn find(auth: &Auth, username: &str) -> Result<Option<User>> {
    if let Some(user) = auth.core.store.find_user_by_name(username).await? {
        return Ok(Some(user));
    }
    let plain = names::plain(username);
    if plain == username {
        return Ok(None);
    }
    Ok(auth.core.store.find_user_by_name(&plain).await?)
}

/// Lets a person in whose identity is proven but for the second factor: by password, or by a sign-in provider.
pub async fn enter(
    auth: &Auth,
    user: User,
    way: &'static str,
    proof: Option<&Proof>,
    client: &Client,
) -> Result<Entered> {
    if let Err(refused) = may_enter(auth, &user) {
        record_failure(auth, Some(&user), &user.username, refused.code(), client).await?;
        return Err(refused);
    }
    if user.has_totp {
        let Some(proof) = proof else {
            let challenge = one_time::give(auth, Door::SecondFactor, &user).await?;
            return Ok(Entered::SecondFactor(challenge));
        };
        second_factor::verify(auth, &user, proof, client).await?;
    }
    enter_proven(auth, user, way, client).await
}

/// Lets a person in who has shown everything.
pub async fn enter_proven(auth: &Auth, user: User, way: &'static str, client: &Client) -> Result<Entered> {
    may_enter(auth, &user)?;
    let (pair, user) = begin(auth, user, way, client).await?;
    Ok(Entered::Session(pair, Box::new(user)))
}

/// Administrators may always: they are who can change the policy.
fn may_enter(auth: &Auth, user: &User) -> Result<()> {
    if !user.is_active {
        return Err(ApiError::forbidden("account_disabled", say("person_disabled")));
    }
    if user.role() == Role::Member && !auth.core.config.policy.of(user.trust_level).may_sign_in {
        return Err(ApiError::forbidden("trust_level_too_low", say("trust_level_too_low")));
    }
    Ok(())
}

/// Sets a person's password and ends all their sessions.
pub async fn replace_password(
    auth: &Auth,
    user: &User,
    password: &SecretString,
    entry: &Entry,
) -> Result<()> {
    let hash = auth.passwords.hash(password).await?;
    let mut tx = auth.core.store.begin().await?;
    tx.set_password(user.id, &hash, auth.core.clock.now()).await?;
    auth.core.audit.commit(tx, entry).await?;
    forget_sessions(auth, user.id).await
}

/// Tells everybody that a person's tokens are of an earlier generation now, and forgets their sessions. After the
/// generation was raised: tokens of sessions that a crash leaves in shared state are refused by their generation.
async fn forget_sessions(auth: &Auth, user: UserId) -> Result<()> {
    auth.core.state.publish(Invalidation::User(user)).await;
    Ok(auth.core.state.end_all_sessions(user).await?)
}

/// Changes a member's own password. All sessions end but this one, which goes on with new tokens.
pub async fn change_password(
    auth: &Auth,
    member: &Member,
    current: Option<&SecretString>,
    new: &SecretString,
    client: &Client,
) -> Result<Pair> {
    let user = &member.user;
    if let Some(hash) = user.password_hash.as_deref() {
        let subject = Subject::Account(&user.username);
        let wait = auth.core.state.login_attempt(subject, auth.core.clock.now()).await?;
        if !wait.is_zero() {
            return Err(ApiError::too_many("too_many_logins", say("too_many_logins"), wait));
        }
        let nothing = SecretString::default();
        if !auth.passwords.verify(current.unwrap_or(&nothing), Some(hash)).await? {
            return Err(ApiError::bad_request("wrong_password", say("wrong_password")));
        }
        auth.core.state.login_succeeded(subject).await?;
    }
    passwords::check(new, &user.username).await?;
    let entry = member.does(Action::PasswordChanged, client).on(Target::person(user.id));
    replace_password(auth, user, new, &entry).await?;
    let gone = || ApiError::not_found(say("no_such_user"));
    let user = auth.core.store.find_user(user.id).await?.ok_or_else(gone)?;
    let sid = member.claims.sid.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    issue(auth, &user, &sid, client).await
}

/// A name that nobody has is not kept: people type passwords into its field.
async fn record_failure(
    auth: &Auth,
    user: Option<&User>,
    username: &str,
    reason: &'static str,
    client: &Client,
) -> Result<()> {
    let target = match user {
        Some(user) => Target::person(user.id),
        None => Target::name(auth.core.audit.fingerprint(username)),
    };
    let facts = Facts::new().with(Field::Way, "password").with(Field::Reason, reason);
    Ok(auth
        .core
        .audit
        .record(&Entry::new(Action::SignInFailed, Actor::Nobody, client).on(target).after(facts))
        .await?)
}

/// The contract tells a person without a password which way to take.
fn refuse_sign_in(user: Option<&User>) -> ApiError {
    let message = match user {
        Some(User { password_hash: None, .. }) => say("no_password_set"),
        _ => say("wrong_name_or_password"),
    };
    ApiError::new(axum::http::StatusCode::UNAUTHORIZED, "invalid_credentials", message)
}

/// Replaces a hash of too little cost, now that the password is at hand. Failing is no reason to refuse.
async fn strengthen(auth: &Auth, user: &User, password: &SecretString) {
    let Some(old) = user.password_hash.as_deref().filter(|hash| passwords::is_weak(hash)) else { return };
    let replaced = async {
        let new = auth.passwords.hash(password).await?;
        auth.core.store.rehash_password(user.id, old, &new).await?;
        Ok::<_, ApiError>(())
    };
    if let Err(error) = replaced.await {
        tracing::warn!(user = user.id.0, ?error, "a weak password hash could not be replaced");
    }
}

/// Begins a session for a person whose identity is proven, by which `way` the audit log tells.
pub async fn begin(auth: &Auth, mut user: User, way: &'static str, client: &Client) -> Result<(Pair, User)> {
    let now = auth.core.clock.now();
    let sid = Uuid::new_v4().to_string();
    let facts = Facts::new().with(Field::Way, way).typed(Field::Session, &sid);
    let entry = Entry::new(Action::SignedIn, Actor::Person(user.id), client);
    let mut tx = auth.core.store.begin().await?;
    tx.touch_login(user.id, now).await?;
    auth.core.audit.commit(tx, &entry.on(Target::person(user.id)).after(facts)).await?;
    user.last_login_at = Some(now);
    // No session without its entry; a crash in between leaves an entry without a session.
    let pair = issue(auth, &user, &sid, client).await?;
    Ok((pair, user))
}

/// The first tokens of a session.
async fn issue(auth: &Auth, user: &User, sid: &str, client: &Client) -> Result<Pair> {
    let now = auth.core.clock.now();
    let pair = auth.tokens.issue(user, sid, now).map_err(ApiError::internal)?;
    let record = record(user, sid, now, now.to_string(), client);
    auth.core.state.begin_session(&new_refresh(auth, &pair, &record, sid)).await?;
    Ok(pair.into())
}

fn record(user: &User, sid: &str, now: Timestamp, began_at: String, client: &Client) -> RefreshRecord {
    RefreshRecord {
        user_id: user.id,
        username: user.username.clone(),
        created_at: naive_utc(now),
        sid: Some(sid.to_owned()),
        began_at: Some(began_at),
        address: Some(client.address.to_string()),
        agent: Some(client.agent().chars().take(LONGEST_AGENT).collect()),
    }
}

fn new_refresh<'a>(
    auth: &Auth,
    pair: &'a TokenPair,
    record: &'a RefreshRecord,
    sid: &'a str,
) -> NewRefresh<'a> {
    NewRefresh { jti: &pair.refresh_jti, record, sid, life: auth.tokens.refresh_life() }
}

/// AntiHub's refresh tokens name no session: each begins one that is called like the token.
fn session_of(claims: &Claims) -> &str {
    claims.sid.as_deref().unwrap_or(&claims.jti)
}

fn revoked() -> ApiError {
    ApiError::unauthorized("invalid_refresh_token", say("refresh_token_invalid"))
}

/// Exchanges a refresh token for a new pair; a token that was used before ends its whole session.
pub async fn refresh(auth: &Auth, token: &str, client: &Client) -> Result<Pair> {
    let now = auth.core.clock.now();
    let claims = auth.tokens.verify(token, TokenKind::Refresh, now).map_err(|error| match error {
        TokenError::Expired => ApiError::unauthorized("refresh_token_expired", say("refresh_token_expired")),
        TokenError::Invalid => revoked(),
    })?;
    let user = living_owner(auth, &claims).await?;
    let sid = session_of(&claims);
    let pair = auth.tokens.issue(&user, sid, now).map_err(ApiError::internal)?;
    let old = auth.core.state.refresh_record(&claims.jti).await?;
    let began_at = old.and_then(|old| old.began_at).unwrap_or_else(|| now.to_string());
    let record = record(&user, sid, now, began_at, client);
    let new = new_refresh(auth, &pair, &record, sid);
    let answer = Pair { access: pair.access.clone(), refresh: pair.refresh.clone() };
    let text = serde_json::to_string(&answer).map_err(ApiError::internal)?;
    let used = UsedRefresh {
        sid: sid.to_owned(),
        used_at_micros: now.micros(),
        client: client.fingerprint(),
        answer: auth.core.vault.encrypt(&text),
    };
    match auth.core.state.rotate_refresh(&claims.jti, &new, &used).await? {
        Rotation::Rotated => Ok(answer),
        Rotation::AlreadyUsed(earlier) => used_again(auth, &user, &earlier, client, now).await,
        Rotation::Unknown => Err(revoked()),
    }
}

async fn living_owner(auth: &Auth, claims: &Claims) -> Result<User> {
    let user = match claims.user_id() {
        Some(id) => auth.core.store.find_user(id).await?,
        None => None,
    };
    let user = user.ok_or_else(|| {
        ApiError::new(axum::http::StatusCode::UNAUTHORIZED, "user_not_found", say("no_such_user"))
    })?;
    if !user.is_active {
        return Err(ApiError::forbidden("account_disabled", say("person_disabled")));
    }
    if user.token_generation != claims.generation() {
        return Err(revoked());
    }
    Ok(user)
}

async fn used_again(
    auth: &Auth,
    user: &User,
    earlier: &UsedRefresh,
    client: &Client,
    now: Timestamp,
) -> Result<Pair> {
    let age = now.since(Timestamp::from_micros(earlier.used_at_micros));
    if age <= GRACE && earlier.client == client.fingerprint() {
        let text = auth.core.vault.decrypt(&earlier.answer).map_err(ApiError::internal)?;
        return serde_json::from_str(text.expose_secret()).map_err(ApiError::internal);
    }
    auth.core.state.end_session(&earlier.sid, auth.tokens.refresh_life()).await?;
    let entry = Entry::new(Action::RefreshTokenReused, Actor::Nobody, client).on(Target::person(user.id));
    auth.core.audit.record(&entry.after(Facts::new().typed(Field::Session, &earlier.sid))).await?;
    tracing::warn!(
        event = "refresh_token_reuse", user = user.id.0, address = %client.address, session = earlier.sid,
        "a refresh token was used a second time; its session is ended"
    );
    Err(revoked())
}

/// Ends the session of this access token, and that of the refresh token when it is the same person's.
pub async fn sign_out(auth: &Auth, member: &Member, refresh_token: Option<&str>) -> Result<()> {
    let now = auth.core.clock.now();
    let life = auth.tokens.refresh_life();
    match &member.claims.sid {
        Some(sid) => auth.core.state.end_session(sid, life).await?,
        None => auth.core.state.blacklist_access(&member.claims.jti, member.claims.remaining(now)).await?,
    }
    let claims = refresh_token.and_then(|token| auth.tokens.verify(token, TokenKind::Refresh, now).ok());
    if let Some(claims) = claims.filter(|claims| claims.user_id() == Some(member.user.id)) {
        auth.core.state.end_session(session_of(&claims), life).await?;
        auth.core.state.remove_refresh(&claims.jti).await?;
    }
    Ok(())
}

/// Ends every session of a person on every instance at once.
pub async fn sign_out_everywhere(auth: &Auth, user: &User, entry: &Entry) -> Result<()> {
    let mut tx = auth.core.store.begin().await?;
    tx.next_token_generation(user.id).await?;
    auth.core.audit.commit(tx, entry).await?;
    forget_sessions(auth, user.id).await
}
