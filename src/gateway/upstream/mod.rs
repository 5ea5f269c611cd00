//! Calls to providers: HTTP/1.1 on connections that are used again, no redirects, every connection past the guard, every
//! wait bounded. A call that meets a connection which its provider has just closed is sent once more on a new one.

mod connection;
mod dial;
mod guard;
mod idle;
mod tls;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use millpond_pool::rules::Trouble;

use crate::config::UpstreamConfig;
use crate::gateway::accounts::Serving;
use crate::gateway::accounts::prepared::Route;
pub(crate) use crate::gateway::upstream::connection::AnswerBody;
use crate::gateway::upstream::connection::{Connection, Lost};
use crate::gateway::upstream::dial::{Connector, NoAllowedAddress};
use crate::gateway::upstream::guard::Guard;
use crate::gateway::upstream::idle::Idle;
pub use crate::gateway::upstream::tls::TlsError;
use crate::tasks::Tasks;

/// So much of a refusal is read, and so long.
const LONGEST_REFUSAL: usize = 64 << 10;
const REFUSAL_WITHIN: Duration = Duration::from_secs(5);
/// An answer that is not streamed may be this large.
pub(crate) const LARGEST_ANSWER: usize = 64 << 20;

/// Why an attempt failed in a way that another account may not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The host resolves to nothing that may be connected to.
    #[error("no allowed address")]
    Forbidden,
    /// No connection, or it broke before an answer came.
    #[error("{0}")]
    Broken(String),
    /// No connection in time, or silence within an answer.
    #[error("no answer in time")]
    Timeout,
    /// The call's own time was over, which says nothing of the account.
    #[error("the call's time was over")]
    Deadline,
    /// This machine can open no more connections, which says nothing of the account either.
    #[error("no connection can be opened here: {0}")]
    Exhausted(String),
    /// The provider refused. What that means is for `health` to say.
    #[error("status {}", .0.status)]
    Refused(Box<Refused>),
}

/// A provider's answer that is no success, its body bounded.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Failure {
    /// How the rules know it; `None` where it lies with this side.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Forbidden => Some(Trouble::Forbidden),
            Self::Broken(_) => Some(Trouble::Broken),
            Self::Timeout => Some(Trouble::Timeout),
            Self::Refused(refused) => Some(Trouble::Status(refused.status.as_u16())),
            Self::Deadline | Self::Exhausted(_) => None,
        }
    }
}

/// The way to providers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstream {
    connector: Arc<Connector>,
    idle: Arc<Idle>,
    limits: UpstreamConfig,
}

/// What is sent in one attempt.
pub(crate) struct Sending<'a> {
    pub(crate) url: Uri,
    /// Which of the account's credentials.
    pub(crate) credential: usize,
    /// Headers of the client that its dialect's provider must see.
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
}

impl Upstream {
    pub(crate) fn start(config: &UpstreamConfig, tasks: &Tasks) -> Result<Self, TlsError> {
        let tls = tls::config(config.ca_file.as_deref())?;
        let connector = Connector::new(tls, Guard::new(config), config.connect_timeout);
        let idle = Arc::new(Idle::default());
        tasks.spawn("idle connections", |stop| idle.clone().sweep(stop));
        Ok(Self { connector: Arc::new(connector), idle, limits: config.clone() })
    }

    pub(crate) fn limits(&self) -> &UpstreamConfig {
        &self.limits
    }

    /// Sends a call and waits for its answer until the deadline: the provider works on it, and bills it, however long
    /// that takes. `silent` is told when nothing came for long. An answer that is no success is a failure.
    pub(crate) async fn call(
        &self,
        account: &Serving,
        sending: Sending<'_>,
        deadline: Instant,
        silent: impl FnOnce(),
    ) -> Result<Response<AnswerBody>, Failure> {
        let mut answering = pin!(self.send(account, Method::POST, &sending));
        let silence = Instant::now() + self.limits.first_byte_timeout;
        let mut answer = tokio::time::timeout_at(silence.min(deadline).into(), &mut answering).await;
        if answer.is_err() && silence < deadline {
            silent();
            answer = tokio::time::timeout_at(deadline.into(), answering).await;
        }
        let response = answer.unwrap_or(Err(Failure::Deadline))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Failure::Refused(Box::new(refused(response, deadline).await)))
    }

    /// Asks for the provider's list of models.
    pub(crate) async fn models(&self, account: &Serving, limit: Duration) -> Result<Bytes, Failure> {
        self.get(account, account.models_url.clone(), 0, limit).await
    }

    /// Asks for something that only a good credential gets and that costs nothing.
    pub(crate) async fn look(
        &self,
        account: &Serving,
        credential: usize,
        limit: Duration,
    ) -> Result<Bytes, Failure> {
        self.get(account, account.check_url.clone(), credential, limit).await
    }

    async fn get(
        &self,
        account: &Serving,
        url: Uri,
        credential: usize,
        limit: Duration,
    ) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + limit;
        let headers = HeaderMap::new();
        let sending = Sending { url, credential, headers: &headers, body: Bytes::new() };
        let answer = tokio::time::timeout(limit, self.send(account, Method::GET, &sending)).await;
        let response = answer.unwrap_or(Err(Failure::Timeout))?;
        if !response.status().is_success() {
            return Err(Failure::Refused(Box::new(refused(response, deadline).await)));
        }
        read_body(response.into_body(), limit, deadline).await
    }

    async fn send(
        &self,
        account: &Serving,
        method: Method,
        sending: &Sending<'_>,
    ) -> Result<Response<AnswerBody>, Failure> {
        let Sending { url, credential, headers, body } = sending;
        let request = || account.prepared.request(method.clone(), url, *credential, headers, body.clone());
        self.exchange(&account.prepared.route, request).await
    }

    async fn exchange(
        &self,
        route: &Arc<Route>,
        request: impl Fn() -> Request<Full<Bytes>>,
    ) -> Result<Response<AnswerBody>, Failure> {
        if let Some(connection) = self.idle.take(route) {
            match connection.exchange(request(), &self.idle).await {
                Ok(response) => return Ok(response),
                Err(Lost { error, began: true }) => return Err(failure(&error)),
                // Nothing came: its provider closed it before it saw the request.
                Err(Lost { began: false, .. }) => {}
            }
        }
        let stream = self.connector.connect(route).await.map_err(|error| failure(&*error))?;
        let connection = Connection::new(route.clone(), stream).await.map_err(|error| failure(&error))?;
        connection.exchange(request(), &self.idle).await.map_err(|lost| failure(&lost.error))
    }
}

/// The whole of an answer, bounded in size and time.
pub(crate) async fn read_body(
    mut body: AnswerBody,
    idle: Duration,
    deadline: Instant,
) -> Result<Bytes, Failure> {
    let mut whole: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    loop {
        let limit = idle.min(deadline.saturating_duration_since(Instant::now()));
        let frame = tokio::time::timeout(limit, body.frame()).await.map_err(|_| Failure::Timeout)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|error| failure(&error))?.into_data() else { continue };
        // Most answers are one frame, which needs no copy.
        match whole.take() {
            None if joined.is_empty() => whole = Some(data),
            first => {
                joined.extend_from_slice(&first.unwrap_or_default());
                joined.extend_from_slice(&data);
            }
        }
        if joined.len() > LARGEST_ANSWER {
            return Err(Failure::Broken("the answer is too large".into()));
        }
    }
    Ok(whole.unwrap_or_else(|| joined.freeze()))
}

/// What came with a refusal. A body that is long or doesn't come is worth no more than the status.
async fn refused(response: Response<AnswerBody>, deadline: Instant) -> Refused {
    let (parts, body) = response.into_parts();
    let left = deadline.saturating_duration_since(Instant::now()).min(REFUSAL_WITHIN);
    let body = tokio::time::timeout(left, Limited::new(body, LONGEST_REFUSAL).collect()).await;
    let body = body.ok().and_then(Result::ok).map(Collected::to_bytes).unwrap_or_default();
    Refused { status: parts.status, headers: parts.headers, body }
}

/// Whether the machine has no file, port or memory left for another connection.
fn is_exhaustion(error: &io::Error) -> bool {
    const TOO_MANY_FILES: [i32; 2] = [23, 24];
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory)
        || error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code))
}

fn failure(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<NoAllowedAddress>() {
            return Failure::Forbidden;
        }
        match cause.downcast_ref::<io::Error>() {
            Some(cause) if cause.kind() == io::ErrorKind::TimedOut => return Failure::Timeout,
            Some(cause) if is_exhaustion(cause) => return Failure::Exhausted(cause.to_string()),
            _ => {}
        }
        let separator = if text.is_empty() { "" } else { ": " };
        text = format!("{text}{separator}{cause}");
        next = cause.source();
    }
    Failure::Broken(text)
}
