//! Many accounts at once, as JSON or CSV. In with credentials, out without. A line that is wrong is told by its number and
//! leaves the others alone.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{MOST_ACCOUNTS, fields, make, too_many_accounts};
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::edge::error::{ApiError, ErrorBody, FieldError, Result, ValidationBody};
use crate::edge::input::{self, Object, QueryMap, query_invalid};
use crate::ids::AccountId;
use crate::messages::{Text, say};
use crate::state::Invalidation;
use crate::store::accounts::AccountRow;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(import)).routes(routes!(export))
}

/// So many lines one import may have.
const MOST_LINES: usize = 1_000;
/// Columns of a CSV whose cells are JSON, and lists that may stand with `;` between their entries.
const STRUCTURED: [&str; 3] = ["aliases", "allowances", "headers"];
const LISTS: [&str; 3] = ["models", "disabled_models", "credentials"];
const NUMBERS: [&str; 6] = ["is_shared", "status", "priority", "weight", "max_concurrency", "drain_bytes"];
/// The columns of an export.
const COLUMNS: [&str; 14] = [
    "cookie_id",
    "name",
    "provider",
    "base_url",
    "is_shared",
    "status",
    "models",
    "aliases",
    "allowances",
    "priority",
    "weight",
    "max_concurrency",
    "drain_bytes",
    "disabled_models",
];

/// What was imported.
#[derive(Serialize, ToSchema)]
struct Imported {
    /// Whether every line was.
    success: bool,
    #[schema(value_type = String)]
    message: Text,
    created: Vec<ImportedLine>,
    failed: Vec<RefusedLine>,
}

/// A line that became an account.
#[derive(Serialize, ToSchema)]
struct ImportedLine {
    line: u64,
    cookie_id: AccountId,
}

/// A line that did not, and why.
#[derive(Serialize, ToSchema)]
struct RefusedLine {
    line: u64,
    #[schema(value_type = String)]
    message: Text,
    details: Vec<FieldError>,
}

impl RefusedLine {
    fn new(line: u64, error: ApiError) -> Self {
        Self { line, details: error.details().to_vec(), message: error.message }
    }
}

/// One line of a file, or what is wrong with it. JSON counts entries, CSV counts lines; both from 1.
type Entries = Vec<(u64, Result<Object>)>;

/// A member's file.
struct File(Member, Entries);

impl FromRequest<App> for File {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let member = Member::from_request_parts(&mut parts, app).await?;
        let body = input::read(body, &app.core.config).await?;
        let entries = entries(&parts.headers, &body)?;
        if entries.len() > MOST_LINES {
            let message = say("import_too_long").with("most", MOST_LINES);
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "import_too_long", message));
        }
        Ok(Self(member, entries))
    }
}

fn entries(headers: &HeaderMap, body: &Bytes) -> Result<Entries> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/csv")) {
        return from_csv(body);
    }
    if !input::is_json(headers) {
        return Err(input::unsupported_media_type());
    }
    let read: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let list = match read {
        Value::Array(list) => list,
        Value::Object(mut members) => match members.remove("accounts") {
            Some(Value::Array(list)) => list,
            _ => return Err(unreadable()),
        },
        _ => return Err(unreadable()),
    };
    let entry = |(place, value)| match value {
        Value::Object(members) => (place, Ok(Object::from(members))),
        _ => (place, Err(unreadable())),
    };
    Ok((1..).zip(list).map(entry).collect())
}

fn unreadable() -> ApiError {
    ApiError::bad_request("import_unreadable", say("import_unreadable"))
}

fn from_csv(body: &[u8]) -> Result<Entries> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(body);
    let columns: Vec<String> = match reader.headers() {
        Ok(columns) => columns.iter().map(str::to_lowercase).collect(),
        Err(_) => return Err(unreadable()),
    };
    if !columns.iter().any(|name| name == "provider") {
        return Err(unreadable());
    }
    let mut entries = Vec::new();
    let mut record = csv::ByteRecord::new();
    let mut lines = Lines { body, byte: 0, line: 1 };
    loop {
        let line = lines.of(reader.position().byte());
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(entries),
            Ok(true) => entries.push((line, from_record(&columns, &record))),
            // The reader goes on after a broken record.
            Err(_) => entries.push((line, Err(unreadable()))),
        }
        if entries.len() > MOST_LINES {
            return Ok(entries);
        }
    }
}

/// Counts lines as an editor does. The reader's own count is one too low after `\r\n` and takes blank lines for the
/// beginning of what follows them.
struct Lines<'a> {
    body: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that begins at or, after line ends, behind a byte. Asked in order.
    fn of(&mut self, byte: u64) -> u64 {
        let rest = self.body.get(self.byte..).unwrap_or_default();
        let skipped = usize::try_from(byte).unwrap_or(usize::MAX).saturating_sub(self.byte);
        let ends = rest.iter().skip(skipped).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = rest.iter().take(skipped.saturating_add(ends));
        self.byte += passed.len();
        self.line += u64::try_from(passed.filter(|byte| **byte == b'\n').count()).unwrap_or(0);
        self.line
    }
}

fn from_record(columns: &[String], record: &csv::ByteRecord) -> Result<Object> {
    if record.len() > columns.len() {
        return Err(unreadable());
    }
    let mut members = Map::new();
    for (name, cell) in columns.iter().zip(record) {
        let cell = std::str::from_utf8(cell).map_err(|_| unreadable())?;
        let cell = unguarded(cell);
        if !cell.is_empty() {
            members.insert(name.clone(), value_of(name, cell)?);
        }
    }
    Ok(Object::from(members))
}

fn value_of(name: &str, cell: &str) -> Result<Value> {
    let json = || serde_json::from_str(cell).map_err(|_| unreadable());
    if STRUCTURED.contains(&name) || (LISTS.contains(&name) && cell.starts_with('[')) {
        return json();
    }
    if LISTS.contains(&name) {
        return Ok(cell.split(';').map(str::trim).filter(|entry| !entry.is_empty()).collect());
    }
    let number = || cell.parse::<i64>().map_or_else(|_| json!(cell), |number| json!(number));
    Ok(if NUMBERS.contains(&name) { number() } else { json!(cell) })
}

/// Adds many accounts at once.
#[utoipa::path(post, operation_id = "import_accounts", path = "/api/plugin-api/accounts/import", tag = "accounts", security(("access_token" = [])),
    request_body(content = Value, description = "A list of accounts as for creating one, bare or as `accounts`; or CSV with the \
    members' names in its first line"),
    responses((status = 200, body = Imported), (status = 400, body = ErrorBody), (status = 422, body = Imported)))]
async fn import(
    State(app): State<App>,
    client: Client,
    File(member, entries): File,
) -> Result<(StatusCode, Json<Imported>)> {
    let (mut made, mut failed) = (Vec::new(), Vec::new());
    for (line, entry) in entries {
        match entry.and_then(|object| make(&app, &member, object)) {
            Ok(row) => made.push((line, row)),
            Err(error) => failed.push(RefusedLine::new(line, error)),
        }
    }
    let created = store_all(&app, &member, &client, made, &mut failed).await?;
    failed.sort_by_key(|bad| bad.line);
    let nothing = created.is_empty() && !failed.is_empty();
    let status = if nothing { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let message = say("accounts_imported").with("created", created.len()).with("failed", failed.len());
    Ok((status, Json(Imported { success: failed.is_empty(), message, created, failed })))
}

/// Stores what there is room for, all of it or, when the server fails, nothing.
async fn store_all(
    app: &App,
    member: &Member,
    client: &Client,
    made: Vec<(u64, AccountRow)>,
    failed: &mut Vec<RefusedLine>,
) -> Result<Vec<ImportedLine>> {
    let mut tx = app.core.store.begin().await?;
    let mut count = tx.count_accounts(member.user.id).await?;
    let mut created = Vec::new();
    for (line, row) in made {
        if count >= MOST_ACCOUNTS {
            failed.push(RefusedLine::new(line, too_many_accounts()));
            continue;
        }
        tx.create_account(&row).await?;
        count += 1;
        created.push(ImportedLine { line, cookie_id: row.id });
    }
    if !created.is_empty() {
        let count = i64::try_from(created.len()).unwrap_or(MOST_ACCOUNTS);
        let entry = member.does(Action::AccountsImported, client).on(Target::person(member.user.id));
        app.core.audit.commit(tx, &entry.after(Facts::new().with(Field::Count, count))).await?;
        app.core.state.publish(Invalidation::AccountsOf(member.user.id)).await;
        app.gateway.fresh(member.user.id).await;
    }
    Ok(created)
}

/// All my accounts as a file, without credentials, headers and proxies.
#[utoipa::path(get, operation_id = "export_accounts", path = "/api/plugin-api/accounts/export", tag = "accounts", security(("access_token" = [])),
    params(("format" = Option<String>, Query, description = "`json` (unless told) or `csv`")),
    responses((status = 200, description = "The file"), (status = 422, body = ValidationBody)))]
async fn export(State(app): State<App>, member: Member, client: Client, query: QueryMap) -> Result<Response> {
    let is_csv = match query.get("format") {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(query_invalid("format", "enum", "Input should be 'json' or 'csv'")),
    };
    let rows = app.core.store.list_accounts(member.user.id).await?;
    let rows: Vec<Value> = rows.iter().map(fields::exported).collect();
    let count = i64::try_from(rows.len()).unwrap_or(MOST_ACCOUNTS);
    let entry = member.does(Action::AccountsExported, &client).on(Target::person(member.user.id));
    app.core.audit.record(&entry.after(Facts::new().with(Field::Count, count))).await?;
    if is_csv {
        let attachment = "attachment; filename=\"accounts.csv\"";
        let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (CONTENT_DISPOSITION, attachment)];
        return Ok((headers, to_csv(&rows)?).into_response());
    }
    let headers = [(CONTENT_DISPOSITION, "attachment; filename=\"accounts.json\"")];
    Ok((headers, Json(json!({"accounts": rows}))).into_response())
}

fn to_csv(rows: &[Value]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(ApiError::internal)?;
    for row in rows {
        let cell = |name: &&str| match &row[*name] {
            Value::Null => String::new(),
            Value::String(text) => guarded(text),
            other => other.to_string(),
        };
        writer.write_record(COLUMNS.iter().map(cell)).map_err(ApiError::internal)?;
    }
    writer.into_inner().map_err(|error| ApiError::internal(error.to_string()))
}

/// Spreadsheets run cells that begin like this.
const RUNS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn runs(text: &str) -> bool {
    // A text that looks guarded already gets one more, so that it comes back as it was.
    text.trim_start_matches('\'').starts_with(RUNS)
}

fn guarded(text: &str) -> String {
    if runs(text) { format!("'{text}") } else { text.to_owned() }
}

fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| runs(rest)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_run_nothing_and_come_back() {
        for text in ["=1+1", "@x", "plain", "'quoted", "'=1", "''@x"] {
            assert_eq!(unguarded(&guarded(text)), text);
            assert!(!guarded(text).starts_with(RUNS));
        }
    }

    #[test]
    fn broken_lines_are_numbered() {
        let text = "name,provider,models\na,openai,m;n\nb,openai,m,too,many\n\"c\nd\",openai,\n\u{ff}e,openai,\nf,openai,x";
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let read = from_csv(&bytes).unwrap();
        let lines: Vec<(u64, bool)> = read.iter().map(|(line, entry)| (*line, entry.is_ok())).collect();
        assert_eq!(lines, [(2, true), (3, false), (4, true), (6, false), (7, true)]);
        let numbers = |text: &str| {
            let read = from_csv(text.as_bytes()).unwrap();
            read.iter().map(|(line, _)| *line).collect::<Vec<_>>()
        };
        assert_eq!(
            numbers("name,provider\r\na,x\r\n\r\n\"b\r\nc\",x\r\nd,x"),
            [2, 4, 6],
            "as an editor counts"
        );
        assert_eq!(numbers("\n\nname,provider\n\na,x\n"), [5]);
    }
}
