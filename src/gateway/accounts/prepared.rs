//! What all requests of one account have in common, made once when the account is loaded.

use std::sync::Arc;

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use bytes::Bytes;
use http_body_util::Full;

use crate::gateway::accounts::credentials::Credentials;
use crate::gateway::accounts::proxy::Proxy;
use crate::providers::Profile;

const AGENT: &str = concat!("millpond/", env!("CARGO_PKG_VERSION"));

/// Where connections lead, and through what. One of the same route is as good as another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    /// Scheme, host and port; its path means nothing.
    pub(crate) origin: Uri,
    pub(crate) proxy: Option<Proxy>,
}

/// The route of an account's requests and the headers that they begin with.
pub(crate) struct Prepared {
    pub(crate) route: Arc<Route>,
    /// One set a credential.
    headers: Box<[HeaderMap]>,
}

impl Prepared {
    /// For requests to the host of `origin`.
    pub(crate) fn new(
        origin: &Uri,
        proxy: Option<Proxy>,
        profile: &Profile,
        added: &HeaderMap,
        credentials: &Credentials,
    ) -> Option<Self> {
        let host = host(origin)?;
        let of = |credential| {
            let mut headers = HeaderMap::with_capacity(added.len() + 8);
            headers.insert(HOST, host.clone());
            for (name, usual) in profile.needed_headers {
                headers.insert(*name, HeaderValue::from_static(usual));
            }
            headers.extend(added.clone());
            if let Some((name, value)) = credentials.header(credential) {
                headers.insert(name, value.clone());
            }
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
            // What is compressed can't be observed on its way.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers
        };
        let headers = (0..credentials.len()).map(of).collect();
        Some(Self { route: Arc::new(Route { origin: origin.clone(), proxy }), headers })
    }

    /// A request to a path of the account's host.
    pub(crate) fn request(
        &self,
        method: Method,
        url: &Uri,
        credential: usize,
        passed: &HeaderMap,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut headers = self.headers.get(credential).cloned().unwrap_or_default();
        if method == Method::GET {
            headers.remove(CONTENT_TYPE);
        }
        headers.extend(passed.clone());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.path_and_query().cloned().map(Uri::from).unwrap_or_default();
        *request.headers_mut() = headers;
        request
    }
}

/// The host as a provider is told it: with its port where that is not the usual one.
fn host(origin: &Uri) -> Option<HeaderValue> {
    let host = origin.host()?;
    let usual = if origin.scheme_str() == Some("http") { 80 } else { 443 };
    let text = match origin.port_u16() {
        Some(port) if port != usual => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    HeaderValue::try_from(text).ok()
}
