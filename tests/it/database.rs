//! Changes that tests make in the database behind the program's back.

use millpond::app::App;
use millpond::ids::{AccountId, UserId};
use millpond::store::accounts::AccountRow;
use millpond::store::users::UserChanges;

/// Changes a person behind the program's back.
pub(crate) async fn update_user(app: &App, id: UserId, changes: &UserChanges) {
    let mut tx = app.core.store.begin().await.unwrap();
    tx.update_user(id, changes, app.core.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// Ends a person's tokens, without a word to anybody.
pub(crate) async fn end_tokens(app: &App, id: UserId) {
    let mut tx = app.core.store.begin().await.unwrap();
    tx.next_token_generation(id).await.unwrap();
    tx.commit().await.unwrap();
}

/// Puts an account in the place of another one of its owner.
pub(crate) async fn replace_account(app: &App, old: &AccountId, new: &AccountRow) {
    let mut tx = app.core.store.begin().await.unwrap();
    tx.delete_account(new.user_id, old).await.unwrap();
    tx.create_account(new).await.unwrap();
    tx.commit().await.unwrap();
}
