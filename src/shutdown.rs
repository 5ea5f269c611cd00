//! How far the end of the process has come: it drains first, and hurries when it is asked twice.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// The way to the end.
#[derive(Debug, Default)]
pub struct Shutdown {
    /// Read with every call, so no lock.
    draining: AtomicBool,
    hurried: CancellationToken,
}

impl Shutdown {
    /// From now on new calls are refused, while running ones go on.
    pub fn begin(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether new calls are refused.
    pub fn has_begun(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Running calls get no more time.
    pub fn hurry(&self) {
        self.hurried.cancel();
    }

    /// Returns when running calls get no more time.
    pub async fn hurried(&self) {
        self.hurried.cancelled().await;
    }
}
