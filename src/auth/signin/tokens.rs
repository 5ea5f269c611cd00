//! Providers' tokens at rest: always encrypted. AntiHub's clear ones are rewritten once at start, and by every sign-in.

use secrecy::ExposeSecret as _;

use super::{Profile, Way};
use crate::auth::Auth;
use crate::edge::error::Result;
use crate::ids::UserId;
use crate::store::oauth_tokens::OauthTokens;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::vault::Vault;

const ROWS_AT_ONCE: i64 = 200;
/// What every Fernet token begins with.
const ENCRYPTED: &str = "gAAAAA";

/// A profile's tokens, encrypted.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
}

impl Sealed {
    pub(super) fn new(vault: &Vault, profile: &Profile) -> Self {
        let tokens = &profile.tokens;
        Self {
            access: vault.encrypt(tokens.access.expose_secret()),
            refresh: tokens.refresh.as_ref().map(|token| vault.encrypt(token.expose_secret())),
        }
    }
}

/// Keeps them where AntiHub does. It knows Linux.do and GitHub only.
pub(super) async fn keep_like_antihub(
    auth: &Auth,
    way: &Way<'_>,
    user: UserId,
    profile: &Profile,
    sealed: &Sealed,
) -> Result<()> {
    if matches!(way, Way::Oidc(_)) {
        return Ok(());
    }
    let now = auth.core.clock.now();
    let tokens = OauthTokens {
        access_token: &sealed.access,
        refresh_token: sealed.refresh.as_deref(),
        token_type: &profile.tokens.kind,
        expires_at: now.plus(profile.tokens.life),
    };
    Ok(auth.core.store.put_oauth_tokens(user, &tokens, now).await?)
}

/// Starts to encrypt what AntiHub left in clear. The server doesn't wait for it.
pub fn encrypt_clear_rows(tasks: &Tasks, store: &Store, vault: &Vault) {
    let (store, vault) = (store.clone(), vault.clone());
    tasks.spawn("encrypt-provider-tokens", |stop| async move {
        tokio::select! {
            () = stop.cancelled() => {}
            done = rewrite(&store, &vault) => match done {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "provider tokens that were stored in clear are encrypted now"),
                Err(error) => tracing::warn!(%error, "provider tokens stored in clear stay so until the next start"),
            },
        }
    });
}

async fn rewrite(store: &Store, vault: &Vault) -> Result<u64, StoreError> {
    let seal =
        |token: &str| if token.starts_with(ENCRYPTED) { token.to_owned() } else { vault.encrypt(token) };
    let (mut after, mut count) = (0, 0);
    loop {
        let rows = store.list_clear_oauth_tokens(after, ROWS_AT_ONCE).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = last.id;
        for row in &rows {
            let refresh = row.refresh_token.as_deref().map(seal);
            store.rewrite_oauth_tokens(row, &seal(&row.access_token), refresh.as_deref()).await?;
            count += 1;
        }
    }
}
