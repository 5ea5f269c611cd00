//! The audit log, for auditors and administrators.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::extract::Auditor;
use crate::clock::Timestamp;
use crate::edge::error::{ErrorBody, Result, ValidationBody};
use crate::edge::input::{QueryMap, query_invalid};
use crate::store::audit::{AuditFilter, AuditRow};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

const DEFAULT_PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 500;

/// One entry: who did what to whom, from where, and what changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    seq: i64,
    at: Timestamp,
    /// `user`, `nobody`, `command_line` or `millpond`.
    actor_kind: String,
    actor_id: Option<i32>,
    action: String,
    target_kind: Option<String>,
    target_id: Option<String>,
    address: Option<String>,
    request_id: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    hash: String,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        let state = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            seq: row.seq,
            at: row.at,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            action: row.action,
            target_kind: row.target_kind,
            target_id: row.target_id,
            address: row.address,
            request_id: row.request_id,
            before: state(row.state_before),
            after: state(row.state_after),
            hash: row.hash,
        }
    }
}

/// One page of entries, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct AuditPage {
    success: bool,
    data: Vec<AuditEntry>,
    /// Give it as `cursor` to get the next page; null on the last.
    next_cursor: Option<i64>,
}

fn moment(query: &QueryMap, name: &str) -> Result<Option<Timestamp>> {
    let Some(text) = query.given(name) else { return Ok(None) };
    let msg = "Input should be a valid datetime with a time zone";
    Timestamp::parse(text).map(Some).ok_or_else(|| query_invalid(name, "datetime_parsing", msg))
}

/// Who did what. `millpond audit verify` checks that nothing is missing or changed.
#[utoipa::path(get, operation_id = "list_audit_entries", path = "/api/admin/audit", tag = "admin", security(("access_token" = [])), params(
    ("action" = Option<String>, Query), ("actor_id" = Option<i32>, Query), ("target_kind" = Option<String>, Query),
    ("target_id" = Option<String>, Query), ("from" = Option<Timestamp>, Query), ("until" = Option<Timestamp>, Query),
    ("cursor" = Option<i64>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = AuditPage), (status = 403, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn list(State(app): State<App>, _: Auditor, query: QueryMap) -> Result<Json<AuditPage>> {
    // No word of the log has a NUL, and PostgreSQL refuses to look for one.
    let text = |name: &str| query.given(name).map(|text| text.replace('\0', "\u{fffd}"));
    let filter = AuditFilter {
        action: text("action"),
        actor_id: query.given("actor_id").and_then(|id| id.parse().ok()),
        target_kind: text("target_kind"),
        target_id: text("target_id"),
        from: moment(&query, "from")?,
        until: moment(&query, "until")?,
    };
    let before = query.given("cursor").and_then(|cursor| cursor.parse().ok());
    let limit = query.given("limit").and_then(|limit| limit.parse().ok()).unwrap_or(DEFAULT_PAGE);
    let limit = limit.clamp(1, LARGEST_PAGE);
    let rows = app.core.store.list_audit(&filter, before, limit).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next_cursor = rows.last().map(|row| row.seq).filter(|_| full);
    Ok(Json(AuditPage { success: true, data: rows.into_iter().map(AuditEntry::from).collect(), next_cursor }))
}
