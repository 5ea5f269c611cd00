//! The settings in force, secrets masked.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::extract::Auditor;
use crate::edge::error::{ErrorBody, Result};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(settings))
}

#[derive(Debug, Serialize, ToSchema)]
struct Settings {
    success: bool,
    version: &'static str,
    /// By variable; secrets are `***`.
    data: BTreeMap<String, String>,
}

/// The settings in force.
#[utoipa::path(get, operation_id = "show_settings", path = "/api/admin/settings", tag = "admin", security(("access_token" = [])),
    responses((status = 200, body = Settings), (status = 403, body = ErrorBody)))]
async fn settings(State(app): State<App>, _: Auditor) -> Result<Json<Settings>> {
    let shown = app.core.config.in_force.iter();
    let data = shown.map(|one| (one.variable.clone(), one.value.clone())).collect();
    Ok(Json(Settings { success: true, version: env!("CARGO_PKG_VERSION"), data }))
}
