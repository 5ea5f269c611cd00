//! What people and the console call: one file a resource. A handler parses, calls one function and renders.
//!
//! The model endpoints are not here but in `gateway`.

pub mod accounts;
pub mod admin;
mod answer;
pub mod auth;
mod body;
mod browser;
pub mod health;
pub mod identities;
pub mod invites;
pub mod keys;
pub mod limits;
pub mod own_data;
pub mod plugin;
pub mod preference;
pub mod registration;
pub mod second_factor;
pub mod sessions;
pub mod sso;
pub mod usage;
pub mod usage_of_pool;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every route of this room.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(auth::routes())
        .merge(sso::routes())
        .merge(identities::routes())
        .merge(registration::routes())
        .merge(second_factor::routes())
        .merge(sessions::routes())
        .merge(invites::routes())
        .merge(admin::routes())
        .merge(own_data::routes())
        .merge(keys::routes())
        .merge(accounts::routes())
        .merge(limits::routes())
        .merge(preference::routes())
        .merge(plugin::routes())
        .merge(usage::routes())
        .merge(usage_of_pool::routes())
        .merge(health::routes())
}
