//! Leaving: a person's sessions, keys and accounts end everywhere at once; their calls stay in the totals.

use super::Auth;
use crate::audit::Entry;
use crate::edge::error::{ApiError, Result};
use crate::messages::say;
use crate::state::Invalidation;
use crate::store::Tx;
use crate::store::users::{Role, User};

/// What becomes of the usage rows of who leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// They count under nobody's name.
    Anonymised,
    /// They stay together under a number that names nobody.
    Kept,
}

/// Refuses to take the last administrator away, as long as the transaction lasts.
pub async fn spare_last_admin(tx: &mut Tx, user: &User) -> Result<()> {
    if user.role() == Role::Admin && !tx.has_other_admin(user.id).await? {
        let status = axum::http::StatusCode::CONFLICT;
        return Err(ApiError::new(status, "last_admin", say("last_admin")));
    }
    Ok(())
}

/// Removes a person.
pub async fn remove(auth: &Auth, user: &User, rows: Rows, entry: &Entry) -> Result<()> {
    let now = auth.core.clock.now();
    let mut tx = auth.core.store.begin().await?;
    spare_last_admin(&mut tx, user).await?;
    let removed = match rows {
        Rows::Anonymised => tx.delete_user(user.id, now).await?,
        Rows::Kept => tx.strip_user(user.id, now).await?,
    };
    if !removed {
        return Err(ApiError::not_found(say("no_such_user")));
    }
    auth.core.audit.commit(tx, entry).await?;
    auth.core.state.publish(Invalidation::User(user.id)).await;
    auth.core.state.publish(Invalidation::AccountsOf(user.id)).await;
    // Last: without their person, or of an earlier generation, sessions that a crash leaves behind open nothing.
    Ok(auth.core.state.end_all_sessions(user.id).await?)
}
