//! Becoming a member with name and password: rules of names and passwords, invites, and the first administrator.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::Auth;
use super::extract::Client;
use super::{one_time, passwords};
use crate::audit::{Action, Actor, Entry, Target};
use crate::config::Registration;
use crate::edge::error::{ApiError, Result};
use crate::ids::UserId;
use crate::messages::say;
use crate::names;
use crate::store::Tx;
use crate::store::invites::Invited;
use crate::store::users::{NewUser, Role, User};

/// The one set-up link of an installation without people, encrypted, so that every instance shows the same.
const SETUP_KEY: &str = "millpond:setup";
const SETUP_LIFE: Duration = Duration::from_secs(86_400);

fn accept_name(name: &str) -> Result<String> {
    names::accept(name)
        .map_err(|problem| ApiError::bad_request("bad_username", say("bad_username")).because(problem))
}

fn taken() -> ApiError {
    ApiError::new(axum::http::StatusCode::CONFLICT, "username_taken", say("username_taken"))
}

async fn new_user(auth: &Auth, name: &str, password: &SecretString, role: Role) -> Result<NewUser> {
    let username = accept_name(name)?;
    passwords::check(password, &username).await?;
    Ok(NewUser {
        username,
        password_hash: Some(auth.passwords.hash(password).await?),
        oauth_id: None,
        avatar_url: None,
        trust_level: 0,
        is_active: true,
        is_silenced: false,
        is_beta: false,
        role,
    })
}

/// Makes a new person last, with the entry that says so: what somebody did to themselves.
async fn commit(auth: &Auth, tx: Tx, id: UserId, action: Action, client: &Client) -> Result<User> {
    let entry = Entry::new(action, Actor::Person(id), client).on(Target::person(id));
    auth.core.audit.commit(tx, &entry).await?;
    auth.core.store.find_user(id).await?.ok_or_else(|| ApiError::internal("a person just made is gone"))
}

/// Makes a member, as the installation's rules allow.
pub async fn register(
    auth: &Auth,
    name: &str,
    password: &SecretString,
    invite: Option<&str>,
    client: &Client,
) -> Result<User> {
    let now = auth.core.clock.now();
    match auth.core.config.people.registration {
        Registration::Closed => Err(ApiError::forbidden("registration_closed", say("registration_closed"))),
        Registration::Sso => {
            Err(ApiError::forbidden("registration_by_provider", say("registration_by_provider")))
        }
        Registration::Open => {
            let user = new_user(auth, name, password, Role::Member).await?;
            let mut tx = auth.core.store.begin().await?;
            let id = tx.create_user(&user, now).await?.ok_or_else(taken)?;
            commit(auth, tx, id, Action::Registered, client).await
        }
        Registration::Invite => {
            let not_invited = || ApiError::forbidden("not_invited", say("not_invited"));
            let code = one_time::hash(invite.ok_or_else(not_invited)?.trim());
            let user = new_user(auth, name, password, Role::Member).await?;
            let mut tx = auth.core.store.begin().await?;
            match tx.create_invited_user(&user, &code, now).await? {
                Invited::Created(id) => commit(auth, tx, id, Action::Registered, client).await,
                Invited::NameTaken => Err(taken()),
                Invited::NotInvited => Err(not_invited()),
            }
        }
    }
}

/// The secret with which the first administrator can be made; `None` when there is somebody already.
pub async fn setup_secret(auth: &Auth) -> Result<Option<SecretString>> {
    if !auth.core.store.list_users(UserId(0), 1).await?.is_empty() {
        return Ok(None);
    }
    let fresh = auth.core.vault.encrypt(one_time::secret().expose_secret());
    // Of several instances that start at once one decides; what an earlier start left is shown again.
    auth.core.state.compare_and_put(SETUP_KEY, None, &fresh, SETUP_LIFE).await?;
    let kept = auth.core.state.get(SETUP_KEY).await?;
    kept.map(|kept| auth.core.vault.decrypt(&kept)).transpose().map_err(ApiError::internal)
}

/// Makes the first administrator. The secret is good once, and only while there is nobody.
pub async fn set_up(
    auth: &Auth,
    secret: &str,
    name: &str,
    password: &SecretString,
    client: &Client,
) -> Result<User> {
    let refused = || ApiError::forbidden("setup_refused", say("setup_refused"));
    let expected = setup_secret(auth).await?.ok_or_else(refused)?;
    if !bool::from(expected.expose_secret().as_bytes().ct_eq(secret.as_bytes())) {
        return Err(refused());
    }
    let user = new_user(auth, name, password, Role::Admin).await?;
    // Checked again by taking it: of many uses at once one goes on.
    let taken_secret = auth.core.state.take(SETUP_KEY).await?.ok_or_else(refused)?;
    let same = auth.core.vault.decrypt(&taken_secret).map_err(ApiError::internal)?;
    if same.expose_secret() != expected.expose_secret() {
        return Err(refused());
    }
    let mut tx = auth.core.store.begin().await?;
    let id = tx.create_user(&user, auth.core.clock.now()).await?.ok_or_else(taken)?;
    commit(auth, tx, id, Action::UserCreated, client).await
}
