//! Keeps calls waiting until what earlier processes left is carried, as far as that can be done now.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Opens when everybody who has to has passed.
#[derive(Debug)]
pub(super) struct Gate {
    missing: AtomicUsize,
    opened: Notify,
}

impl Gate {
    pub(super) fn new(missing: usize) -> Self {
        Self { missing: AtomicUsize::new(missing), opened: Notify::new() }
    }

    pub(super) fn pass(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.opened.notify_waiters();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    pub(super) async fn opened(&self) {
        loop {
            // It hears from here on, also before it is polled.
            let opened = self.opened.notified();
            if self.is_open() {
                return;
            }
            opened.await;
        }
    }
}
