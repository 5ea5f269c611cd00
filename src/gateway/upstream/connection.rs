//! One connection to a provider, driven by whoever uses it: the task that waits for an answer also writes the request and
//! reads the socket. So no call crosses to another task and back, and a call that is dropped closes its connection.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Builder, Connection as Driver, SendRequest};

use crate::gateway::accounts::prepared::Route;
use crate::gateway::upstream::dial::Stream;
use crate::gateway::upstream::idle::Idle;

/// What of an answer is held in memory; its head must fit.
const LARGEST_BUFFER: usize = 32 << 10;

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) error: hyper::Error,
    /// Whether something of an answer came.
    pub(super) began: bool,
}

/// An open connection, between two calls or within one.
pub(super) struct Connection {
    pub(super) route: Arc<Route>,
    sender: SendRequest<Full<Bytes>>,
    /// None once the connection is over.
    driver: Option<Box<Driver<Stream, Full<Bytes>>>>,
}

impl Connection {
    pub(super) async fn new(route: Arc<Route>, stream: Stream) -> hyper::Result<Self> {
        let (sender, driver) = Builder::new().max_buf_size(LARGEST_BUFFER).handshake(stream).await?;
        Ok(Self { route, sender, driver: Some(Box::new(driver)) })
    }

    /// Reads and writes as far as it goes; what else was read when it is over.
    fn drive(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        let Some(driver) = &mut self.driver else { return Poll::Ready(Bytes::new()) };
        // What it ends with, whoever waits for the answer or its body is told too.
        if Pin::new(&mut **driver).poll(context).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(self.driver.take().map(|driver| driver.into_parts().read_buf).unwrap_or_default())
    }

    /// Whether another call may be sent on it, as far as one can know without sending.
    pub(super) fn is_free(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop())).is_pending() && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of its answer. The connection goes home to `idle` after the body's end.
    pub(super) async fn exchange(
        mut self,
        request: Request<Full<Bytes>>,
        idle: &Arc<Idle>,
    ) -> Result<Response<AnswerBody>, Lost> {
        let mut answering = pin!(self.sender.try_send_request(request));
        let mut unread = Bytes::new();
        let answer = poll_fn(|context| {
            if let Poll::Ready(left) = self.drive(context)
                && !left.is_empty()
            {
                unread = left;
            }
            answering.as_mut().poll(context)
        });
        match answer.await {
            Ok(response) => Ok(response.map(|incoming| AnswerBody {
                incoming,
                connection: Some(self),
                idle: idle.clone(),
            })),
            Err(lost) => {
                let held = self.driver.map(|driver| driver.into_parts().read_buf).unwrap_or_default();
                Err(Lost { error: lost.into_error(), began: !(unread.is_empty() && held.is_empty()) })
            }
        }
    }
}

/// The body of a provider's answer. Whoever reads it moves its connection on.
pub(crate) struct AnswerBody {
    incoming: Incoming,
    /// None once the body has ended.
    connection: Option<Connection>,
    idle: Arc<Idle>,
}

impl AnswerBody {
    fn go_home(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && connection.is_free()
        {
            self.idle.put(connection);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        // Asked for first, because the driver reads no further than somebody wants.
        let mut frame = Pin::new(&mut self.incoming).poll_frame(context);
        if frame.is_pending()
            && let Some(connection) = &mut self.connection
        {
            let _ = connection.drive(context);
            frame = Pin::new(&mut self.incoming).poll_frame(context);
        }
        if matches!(frame, Poll::Ready(None)) {
            self.go_home();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for AnswerBody {
    /// Readers stop at what they know to be the end, one step before the end is read from the connection.
    fn drop(&mut self) {
        if self.connection.is_none() {
            return;
        }
        let mut context = Context::from_waker(Waker::noop());
        let whole = self.incoming.is_end_stream();
        if whole || matches!(Pin::new(&mut *self).poll_frame(&mut context), Poll::Ready(None)) {
            self.go_home();
        }
    }
}
