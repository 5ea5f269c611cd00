//! `/api/admin`: what administrators change and auditors read.

mod announcements;
pub(crate) mod audit;
mod settings;
mod users;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(users::routes())
        .merge(settings::routes())
        .merge(announcements::routes())
        .merge(audit::routes())
}
