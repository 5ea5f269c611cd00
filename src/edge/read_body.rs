//! Reading the whole body of a request, bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};

use crate::config::Config;
use crate::edge::error::{ApiError, Result};

/// However steadily it comes, a body may take no longer.
const WITHIN: Duration = Duration::from_secs(300);
/// A body this short is copied out of the connection's buffer, which would else live as long as the call.
const SHORT: usize = 16 << 10;

/// The whole body: at most `MAX_BODY_BYTES`, never quiet for `CLIENT_TIMEOUT_SECONDS`, and within five minutes.
pub async fn read(body: Body, config: &Config) -> Result<Bytes> {
    let (limit, patience) = (config.http.max_body_bytes, config.http.client_timeout);
    let mut body = Limited::new(body, limit);
    let until = Instant::now() + WITHIN;
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    loop {
        let due = until.min(Instant::now() + patience);
        let Some(frame) = timeout_at(due, body.frame()).await.map_err(|_| too_slow())? else { break };
        let Ok(data) = frame.map_err(|error| unreadable(&*error, limit))?.into_data() else { continue };
        if first.is_empty() && joined.is_empty() {
            // Most bodies are one frame.
            first = data;
            continue;
        }
        joined.extend_from_slice(&std::mem::take(&mut first));
        joined.extend_from_slice(&data);
    }
    Ok(match first {
        first if first.len() > SHORT => first,
        first if joined.is_empty() => Bytes::copy_from_slice(&first),
        _ => joined.freeze(),
    })
}

fn too_slow() -> ApiError {
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body did not arrive in time.")
}

fn unreadable(error: &(dyn std::error::Error + Send + Sync + 'static), limit: usize) -> ApiError {
    if error.is::<LengthLimitError>() {
        let message = format!("The body is larger than {limit} bytes.");
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message);
    }
    ApiError::bad_request("incomplete_body", "The body did not arrive completely.")
}
