//! Whether a finished call is on record, for whoever holds its last byte back until it is.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

/// Whether a call is on record. To be awaited where somebody waits for it.
#[derive(Debug)]
pub(crate) enum Recorded {
    Done,
    /// As soon as the database says so.
    Waits(oneshot::Receiver<()>),
    /// It is, but its next call would find it running still: as soon as Redis has heard of its end, or failed to.
    Settles(oneshot::Receiver<()>),
    /// As soon as its tokens are counted, and then perhaps not yet.
    Counts(oneshot::Receiver<Self>),
}

/// Neither disk nor database took the call.
#[derive(Debug, thiserror::Error)]
#[error("the call could not be recorded")]
pub(crate) struct NotRecorded;

impl Future for Recorded {
    type Output = Result<(), NotRecorded>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            *self = match &mut *self {
                Self::Done => return Poll::Ready(Ok(())),
                Self::Waits(hears) => {
                    return Pin::new(hears).poll(context).map(|heard| heard.map_err(|_| NotRecorded));
                }
                Self::Settles(hears) => return Pin::new(hears).poll(context).map(|_| Ok(())),
                Self::Counts(hears) => match ready!(Pin::new(hears).poll(context)) {
                    Ok(recorded) => recorded,
                    Err(_) => return Poll::Ready(Err(NotRecorded)),
                },
            };
        }
    }
}
