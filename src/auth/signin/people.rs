//! From a provider's person to ours: found by (provider, subject) and never by a name or an address, made when new.

use super::tokens::{Sealed, keep_like_antihub};
use super::{Profile, Way, may_register, pending};
use crate::audit::{Action, Actor, Entry, Facts, Field, Target};
use crate::auth::Auth;
use crate::auth::extract::Client;
use crate::edge::error::{ApiError, Result};
use crate::ids::UserId;
use crate::messages::say;
use crate::state::Invalidation;
use crate::store::identities::{Creation, IdentityRow, NewIdentity, Unlinking};
use crate::store::users::{NewUser, Role, User};

/// Somebody whom a provider gives no name.
const NAMELESS: &str = "user";
/// After so many taken names a random one is found at once.
const COUNTED_NAMES: u32 = 30;
const RANDOM_NAMES: u32 = 10;

/// What AntiHub keeps in `users.oauth_id` for this subject. It knows no other provider.
fn oauth_id(provider: &str, subject: &str) -> Option<String> {
    match provider {
        "linuxdo" => Some(subject.to_owned()),
        "github" => Some(format!("github:{subject}")),
        _ => None,
    }
}

/// Provider and subject of what AntiHub wrote.
fn of_oauth_id(oauth_id: &str) -> (&'static str, &str) {
    match oauth_id.strip_prefix("github:") {
        Some(subject) => ("github", subject),
        None => ("linuxdo", oauth_id),
    }
}

/// The person behind a profile, brought up to date; made when new. Refused people get nothing.
pub async fn sign_in(auth: &Auth, way: &Way<'_>, profile: &Profile, client: &Client) -> Result<User> {
    let sealed = Sealed::new(&auth.core.vault, profile);
    if let Some((user, identity)) = find(auth, way, profile).await? {
        return welcome_back(auth, way, profile, &sealed, user, &identity).await;
    }
    if !may_register(auth) {
        return Err(ApiError::forbidden("registration_closed", say("sign_in_registration_closed")));
    }
    if !auth.core.config.policy.of(profile.trust_level.unwrap_or(0)).may_sign_in {
        return Err(level_too_low());
    }
    match register(auth, way, profile, &sealed, client).await? {
        Some(user) => {
            keep_like_antihub(auth, way, user.id, profile, &sealed).await?;
            Ok(user)
        }
        // Somebody was faster with the same identity: the same person in another window.
        None => match find(auth, way, profile).await? {
            Some((user, identity)) => welcome_back(auth, way, profile, &sealed, user, &identity).await,
            None => Err(ApiError::internal("an identity was taken and is not there")),
        },
    }
}

fn level_too_low() -> ApiError {
    ApiError::forbidden("trust_level_too_low", say("trust_level_too_low"))
}

fn identity<'a>(
    way: &Way<'a>,
    profile: &'a Profile,
    sealed: &'a Sealed,
    oauth_id: Option<&'a str>,
) -> NewIdentity<'a> {
    NewIdentity {
        provider: way.provider(),
        subject: &profile.subject,
        username: profile.username.as_deref(),
        access_token: Some(&sealed.access),
        refresh_token: sealed.refresh.as_deref(),
        silenced_there: false,
        oauth_id,
    }
}

/// The person who has this identity; one of AntiHub's gets a row of ours on the way.
async fn find(auth: &Auth, way: &Way<'_>, profile: &Profile) -> Result<Option<(User, IdentityRow)>> {
    if let Some(found) = known(auth, way, &profile.subject).await? {
        return Ok(Some(found));
    }
    let Some(oauth_id) = oauth_id(way.provider(), &profile.subject) else { return Ok(None) };
    let Some(user) = auth.core.store.find_user_by_oauth_id(&oauth_id).await? else { return Ok(None) };
    adopt(auth, &user).await?;
    known(auth, way, &profile.subject).await
}

async fn known(auth: &Auth, way: &Way<'_>, subject: &str) -> Result<Option<(User, IdentityRow)>> {
    let Some(identity) = auth.core.store.find_identity(way.provider(), subject).await? else {
        return Ok(None);
    };
    let user = auth.core.store.find_user(identity.user_id).await?;
    Ok(user.map(|user| (user, identity)))
}

/// Gives the identity that AntiHub kept with a person a row of its own. Of several people that AntiHub let have one
/// identity the oldest has it, which is whom AntiHub found, too.
async fn adopt(auth: &Auth, user: &User) -> Result<()> {
    let Some(oauth_id) = user.oauth_id.as_deref() else { return Ok(()) };
    let oldest = auth.core.store.find_user_by_oauth_id(oauth_id).await?;
    if oldest.is_none_or(|oldest| oldest.id != user.id) {
        return Ok(());
    }
    let (provider, subject) = of_oauth_id(oauth_id);
    if auth.core.store.find_identity(provider, subject).await?.is_none() {
        auth.core.store.adopt_identity(user.id, (provider, subject), oauth_id, auth.core.clock.now()).await?;
    }
    Ok(())
}

/// What the provider's word on silence means here: the change of the person, and whether the silence is the provider's.
/// A silence that an administrator imposed is not the provider's to lift.
fn silence(user: &User, identity: &IdentityRow, says: Option<bool>) -> (Option<bool>, bool) {
    match says {
        Some(true) if !user.is_silenced => (Some(true), true),
        Some(false) if identity.silenced_there => (Some(false), false),
        _ => (None, identity.silenced_there),
    }
}

async fn welcome_back(
    auth: &Auth,
    way: &Way<'_>,
    profile: &Profile,
    sealed: &Sealed,
    user: User,
    found: &IdentityRow,
) -> Result<User> {
    if !user.is_active {
        return Err(ApiError::forbidden("account_disabled", say("sign_in_account_disabled")));
    }
    let now = auth.core.clock.now();
    let (silenced, silenced_there) = silence(&user, found, profile.silenced);
    auth.core
        .store
        .refresh_user(user.id, profile.avatar_url.as_deref(), profile.trust_level, silenced, now)
        .await?;
    let used = NewIdentity { silenced_there, ..identity(way, profile, sealed, None) };
    auth.core.store.use_identity(&used, now).await?;
    keep_like_antihub(auth, way, user.id, profile, sealed).await?;
    let fresh =
        auth.core.store.find_user(user.id).await?.ok_or_else(|| ApiError::internal("the person is gone"))?;
    if fresh != user {
        auth.core.state.publish(Invalidation::User(user.id)).await;
    }
    // Who administers can't be locked out by a number that comes from elsewhere.
    if fresh.role() == Role::Member && !auth.core.config.policy.of(fresh.trust_level).may_sign_in {
        return Err(level_too_low());
    }
    Ok(fresh)
}

/// The names to try, the wanted one first.
fn names(wanted: &str) -> impl Iterator<Item = String> {
    let counted = (2..=COUNTED_NAMES).map({
        let wanted = wanted.to_owned();
        move |number| format!("{wanted}{number}")
    });
    let random = (0..RANDOM_NAMES).map({
        let wanted = wanted.to_owned();
        move |_| format!("{wanted}-{:08x}", rand::random::<u32>())
    });
    std::iter::once(wanted.to_owned()).chain(counted).chain(random)
}

/// Makes a person with a free name; `None` when the identity turned out to be somebody's.
async fn register(
    auth: &Auth,
    way: &Way<'_>,
    profile: &Profile,
    sealed: &Sealed,
    client: &Client,
) -> Result<Option<User>> {
    let oauth_id = oauth_id(way.provider(), &profile.subject);
    let is_silenced = profile.silenced == Some(true);
    let identity =
        NewIdentity { silenced_there: is_silenced, ..identity(way, profile, sealed, oauth_id.as_deref()) };
    for username in names(profile.username.as_deref().unwrap_or(NAMELESS)) {
        let user = NewUser {
            username,
            password_hash: None,
            oauth_id: oauth_id.clone(),
            avatar_url: profile.avatar_url.clone(),
            trust_level: profile.trust_level.unwrap_or(0),
            is_active: true,
            is_silenced,
            is_beta: false,
            role: Role::Member,
        };
        let mut tx = auth.core.store.begin().await?;
        match tx.create_user_with_identity(&user, &identity, auth.core.clock.now()).await? {
            Creation::Made(id) => {
                auth.core.audit.commit(tx, &entry(Action::Registered, id, way, client)).await?;
                tracing::info!(user = id.0, provider = way.name(), "a person signed in for the first time");
                return Ok(auth.core.store.find_user(id).await?);
            }
            Creation::IdentityTaken => {
                tx.roll_back().await?;
                return Ok(None);
            }
            Creation::NameTaken => tx.roll_back().await?,
        }
    }
    Err(ApiError::internal("no free name was found"))
}

/// What somebody does with the word of a provider.
fn entry(action: Action, user: UserId, way: &Way<'_>, client: &Client) -> Entry {
    let facts = Facts::new().typed(Field::Provider, way.name());
    Entry::new(action, Actor::Person(user), client).on(Target::person(user)).after(facts)
}

/// Adds an identity to the person who asked for it.
pub async fn link(
    auth: &Auth,
    way: &Way<'_>,
    profile: &Profile,
    link: &pending::Link,
    client: &Client,
) -> Result<()> {
    let user = auth.core.store.find_user(link.user).await?;
    let user = user.filter(|user| user.is_active && user.token_generation == link.generation);
    let user = user.ok_or_else(|| way.invalid_state())?;
    let sealed = Sealed::new(&auth.core.vault, profile);
    let now = auth.core.clock.now();
    // AntiHub's identities must be seen before anything is added: this one may be somebody's since long.
    adopt(auth, &user).await?;
    if let Some((owner, _)) = find(auth, way, profile).await? {
        return if owner.id == user.id {
            Ok(())
        } else {
            Err(taken("identity_taken", "sign_in_identity_taken", way))
        };
    }
    let oauth_id = oauth_id(way.provider(), &profile.subject);
    let identity = identity(way, profile, &sealed, oauth_id.as_deref());
    let mut tx = auth.core.store.begin().await?;
    if tx.link_identity(user.id, &identity, now, None).await? {
        auth.core.audit.commit(tx, &entry(Action::IdentityLinked, user.id, way, client)).await?;
        tracing::info!(user = user.id.0, provider = way.name(), "an identity was linked");
        auth.core.state.publish(Invalidation::User(user.id)).await;
        return Ok(());
    }
    tx.roll_back().await?;
    match known(auth, way, &profile.subject).await? {
        Some((owner, _)) if owner.id == user.id => Ok(()),
        Some(_) => Err(taken("identity_taken", "sign_in_identity_taken", way)),
        None => Err(taken("provider_already_linked", "sign_in_already_linked", way)),
    }
}

fn taken(code: &'static str, key: &'static str, way: &Way<'_>) -> ApiError {
    let message = say(key).with("provider", way.label());
    ApiError::new(axum::http::StatusCode::CONFLICT, code, message)
}

/// A person's identities, AntiHub's included.
pub async fn list(auth: &Auth, user: &User) -> Result<Vec<IdentityRow>> {
    adopt(auth, user).await?;
    Ok(auth.core.store.list_identities(user.id).await?)
}

/// Removes a person's identity at a provider, unless it is the last way to sign in that works today.
pub async fn unlink(auth: &Auth, user: &User, provider: &str, entry: &Entry) -> Result<()> {
    adopt(auth, user).await?;
    let ways = Way::all(auth);
    let usable: Vec<&str> = ways.iter().map(Way::provider).collect();
    // Paths name a provider; one that is configured no longer is named as it is kept.
    let provider = ways.iter().find(|way| way.name() == provider).map_or(provider, Way::provider);
    let antihub = |row: &IdentityRow| oauth_id(&row.provider, &row.subject);
    let now = auth.core.clock.now();
    let mut tx = auth.core.store.begin().await?;
    match tx.unlink_identity(user.id, provider, antihub, &usable, now).await? {
        Unlinking::Done => {
            auth.core.audit.commit(tx, entry).await?;
            tracing::info!(user = user.id.0, provider, "an identity was unlinked");
            auth.core.state.publish(Invalidation::User(user.id)).await;
            Ok(())
        }
        Unlinking::Unknown => Err(ApiError::not_found(say("sign_in_no_identity"))),
        Unlinking::Last => Err(ApiError::new(
            axum::http::StatusCode::CONFLICT,
            "last_way_to_sign_in",
            say("sign_in_last_way"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn antihub_keeps_identities_in_one_column() {
        assert_eq!(oauth_id("linuxdo", "71").as_deref(), Some("71"));
        assert_eq!(oauth_id("github", "81").as_deref(), Some("github:81"));
        assert_eq!(oauth_id("https://issuer.example", "a"), None);
        assert_eq!(of_oauth_id("71"), ("linuxdo", "71"));
        assert_eq!(of_oauth_id("github:81"), ("github", "81"));
    }

    #[test]
    fn names_are_counted_up() {
        assert_eq!(names("ada").take(3).collect::<Vec<_>>(), ["ada", "ada2", "ada3"]);
    }
}
