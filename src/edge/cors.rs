//! Which origins a browser may call from: those that are listed, with credentials; `*` lets every origin call without.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::config::HttpConfig;
use crate::edge::error::ERROR_CODE;
use crate::edge::request_log::REQUEST_ID;

const REMEMBERED: Duration = Duration::from_secs(600);

/// The layer.
pub fn layer(config: &HttpConfig) -> CorsLayer {
    let origins = &config.cors_origins;
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let layer = CorsLayer::new()
        .allow_methods(AllowMethods::list(methods))
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([REQUEST_ID, ERROR_CODE, header::RETRY_AFTER] as [HeaderName; 3])
        .max_age(REMEMBERED);
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(AllowOrigin::any());
    }
    let listed: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    layer.allow_origin(AllowOrigin::list(listed)).allow_credentials(true)
}
