//! Leaving: a person's sessions, keys and accounts end everywhere at once; their calls stay in the totals.

use super::Auth;
use crate::edge::error::{ApiError, Result};
use crate::messages::say;
use crate::state::Invalidation;
use crate::store::users::{Role, User};

/// What becomes of the usage rows of who leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// They count under nobody's name.
    Anonymised,
    /// They stay together under a number that names nobody.
    Kept,
}

/// Refuses to take the last administrator away.
pub async fn spare_last_admin(auth: &Auth, user: &User) -> Result<()> {
    if user.role() == Role::Admin && !auth.core.store.has_other_admin(user.id).await? {
        let status = axum::http::StatusCode::CONFLICT;
        return Err(ApiError::new(status, "last_admin", say("last_admin")));
    }
    Ok(())
}

/// Removes a person.
pub async fn remove(auth: &Auth, user: &User, rows: Rows) -> Result<()> {
    spare_last_admin(auth, user).await?;
    let now = auth.core.clock.now();
    let removed = match rows {
        Rows::Anonymised => auth.core.store.delete_user(user.id, now).await?,
        Rows::Kept => auth.core.store.strip_user(user.id, now).await?,
    };
    auth.core.state.end_all_sessions(user.id).await?;
    auth.core.state.publish(Invalidation::User(user.id)).await;
    auth.core.state.publish(Invalidation::AccountsOf(user.id)).await;
    if removed { Ok(()) } else { Err(ApiError::not_found(say("no_such_user"))) }
}
