//! The one error at the edge: what a client may read, what only the operator may, and how each dialect writes it.
//!
//! A handler returns `ApiError`; its response carries no body but the error itself, and `render` (the outermost layer
//! that knows the path) writes the body: FastAPI's shapes under `/api`, the provider's own under `/v1` and `/v1beta`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use millpond_wire::error::{ErrorKind, WireError};
use millpond_wire::{Dialect, Endpoint};
use serde::Serialize;
use serde_json::json;

use crate::messages::{Language, Text, say};

pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// The stable code of an error, for clients that must tell errors apart whatever the language of the sentence.
pub const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// One thing that is wrong with a request under `/api`, in pydantic's words; never an echo of what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Pydantic's code, such as `missing` or `string_too_short`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `body`, `query` or `path`, then the member.
    #[schema(value_type = Vec<String>)]
    pub loc: Vec<serde_json::Value>,
    /// A sentence.
    pub msg: String,
}

/// What is wrong, for people; one level deeper where the original passed on what its Plug-in API said.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum ErrorDetail {
    Text(String),
    Nested { error: String },
}

/// The body of an error under `/api`.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ErrorBody {
    detail: ErrorDetail,
}

/// The body of a 422 under `/api`.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ValidationBody {
    /// Always `VALIDATION_ERROR`.
    error_code: String,
    message: String,
    /// Every problem.
    details: Vec<FieldError>,
}

/// A refusal or failure on its way to the client.
#[derive(Debug)]
pub struct ApiError {
    pub(crate) status: StatusCode,
    /// Stable over versions and languages.
    pub(crate) code: &'static str,
    pub(crate) message: Text,
    pub(crate) param: Option<Box<str>>,
    details: Box<[FieldError]>,
    retry_after: Option<Duration>,
    challenge: bool,
    /// The sentence stands one level deeper under `/api`.
    nested: bool,
    cause: Option<Cause>,
}

impl ApiError {
    /// An error that the client can read and act on.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Text>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            param: None,
            details: Box::default(),
            retry_after: None,
            challenge: false,
            nested: false,
            cause: None,
        }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(code: &'static str, message: impl Into<Text>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401 with a challenge: the credential is absent or not good.
    pub fn unauthorized(code: &'static str, message: impl Into<Text>) -> Self {
        Self { challenge: true, ..Self::new(StatusCode::UNAUTHORIZED, code, message) }
    }

    /// 403: known, but not allowed.
    pub fn forbidden(code: &'static str, message: impl Into<Text>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 404: no such thing, or not the caller's.
    pub fn not_found(message: impl Into<Text>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 422 with what is wrong where.
    pub fn validation(details: Vec<FieldError>) -> Self {
        Self {
            details: details.into(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR", say("invalid_request"))
        }
    }

    /// 429 with the moment at which trying again makes sense.
    pub fn too_many(code: &'static str, message: impl Into<Text>, wait: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message).retry_after(wait)
    }

    /// 500: our fault; the cause is for the log only.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", say("internal_error"))
        }
    }

    /// 503: something that we need is away; trying again later makes sense.
    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Self {
            cause: Some(cause.into()),
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", say("service_unavailable"))
        }
    }

    /// Adds `Retry-After`, in whole seconds rounded up.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Writes `{"detail": {"error": …}}` under `/api`: what the original passed on from its Plug-in API.
    pub fn nested(mut self) -> Self {
        self.nested = true;
        self
    }

    /// What is wrong where, if that is what it is about.
    pub fn details(&self) -> &[FieldError] {
        &self.details
    }

    /// Names the request member that is wrong, where the dialect can say it.
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into().into_boxed_str());
        self
    }

    /// Adds what only the operator may read.
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What only the operator may read: the cause and its causes.
    pub fn private_cause(&self) -> Option<String> {
        let mut text = self.cause.as_ref()?.to_string();
        let mut next = self.cause.as_ref()?.source();
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        Some(text)
    }

    fn body(&self, dialect: Option<Dialect>) -> Vec<u8> {
        match dialect {
            None => self.fastapi_body(),
            Some(dialect) => millpond_wire::error::body(dialect, &self.to_wire()),
        }
    }

    fn fastapi_body(&self) -> Vec<u8> {
        let body = match self.status {
            StatusCode::UNPROCESSABLE_ENTITY if !self.details.is_empty() => {
                json!({"error_code": self.code, "message": self.message, "details": self.details})
            }
            StatusCode::INTERNAL_SERVER_ERROR => {
                json!({"error_code": self.code, "message": self.message, "detail": self.message})
            }
            _ if self.nested => json!({"detail": {"error": self.message}}),
            _ => json!({"detail": self.message}),
        };
        body.to_string().into_bytes()
    }

    /// The same error as the model dialects know it.
    pub(crate) fn to_wire(&self) -> WireError {
        let kind = match self.status.as_u16() {
            401 => ErrorKind::Authentication,
            403 => ErrorKind::Permission,
            404 => ErrorKind::NotFound,
            405 => ErrorKind::MethodNotAllowed,
            413 => ErrorKind::TooLarge,
            415 => ErrorKind::UnsupportedMediaType,
            429 if self.code == "insufficient_quota" => ErrorKind::QuotaExhausted,
            429 => ErrorKind::RateLimited,
            502 => ErrorKind::Upstream,
            503 => ErrorKind::Overloaded,
            504 => ErrorKind::Timeout,
            500.. => ErrorKind::Internal,
            _ => ErrorKind::InvalidRequest,
        };
        // Words for people under /api are Chinese; model clients get English.
        let message = match kind {
            ErrorKind::Internal => "Something went wrong on our side.".to_owned(),
            ErrorKind::Overloaded if self.code == "service_unavailable" => {
                "The service is not available right now; try again in a moment.".to_owned()
            }
            _ => self.message.written_in(Language::English).into_owned(),
        };
        WireError {
            kind,
            message,
            code: Some(self.code.into()),
            param: self.param.as_deref().map(str::to_owned),
        }
    }
}

impl From<crate::store::StoreError> for ApiError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::unavailable(error)
    }
}

impl From<crate::state::StateError> for ApiError {
    fn from(error: crate::state::StateError) -> Self {
        Self::unavailable(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        headers.insert(ERROR_CODE, HeaderValue::from_static(self.code));
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Which dialect a client of a path that has no route will understand; `None` is FastAPI's.
pub fn dialect_of(path: &str) -> Option<Dialect> {
    if path == "/v1/messages" || path.starts_with("/v1/messages/") {
        Some(Dialect::Anthropic)
    } else if path == "/v1beta" || path.starts_with("/v1beta/") || is_gemini_action(path) {
        Some(Dialect::Gemini)
    } else if path == "/v1" || path.starts_with("/v1/") {
        Some(Dialect::OpenAi)
    } else {
        None
    }
}

/// Google's newer clients call `/v1/models/{model}:generateContent` and the like.
fn is_gemini_action(path: &str) -> bool {
    let action = path.strip_prefix("/v1/models/").and_then(|target| target.rsplit_once(':'));
    action.is_some_and(|(_, action)| Endpoint::of_gemini_action(action).is_some())
}

/// The body of an error is written.
#[derive(Clone, Copy)]
struct Written;

/// Writes the body of an error response in a dialect, unless that was done further inside.
pub fn write(dialect: Option<Dialect>, response: Response) -> Response {
    let extensions = response.extensions();
    let Some(error) = extensions.get::<Arc<ApiError>>().filter(|_| extensions.get::<Written>().is_none())
    else {
        return response;
    };
    let error = error.clone();
    let (mut parts, _) = response.into_parts();
    parts.extensions.insert(Written);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(error.body(dialect)))
}

/// 500 for a handler that panicked.
pub fn panicked() -> Response {
    ApiError::internal("a handler panicked").into_response()
}

/// 404 for a path that no route has.
pub async fn unknown_path() -> ApiError {
    ApiError::not_found("Not Found")
}

/// 405; the router adds `Allow`.
pub async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed")
}
