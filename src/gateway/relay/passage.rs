//! What an answer passes on its way: bytes of the provider go in, bytes for the client come out, and at the end it is known
//! what was used. Today they are the same bytes, watched; translating between dialects will stand behind the same few
//! methods.

use bytes::Bytes;
use millpond_wire::error::WireError;
use millpond_wire::{Dialect, Observed, StreamObserver};

/// What an answer looks like.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) dialect: Dialect,
    /// Usage was asked for on the client's behalf.
    pub(crate) drop_usage_chunk: bool,
    /// A stream comes as one JSON array.
    pub(crate) array: bool,
}

/// One streamed answer between the provider's bytes and the client's.
pub(super) struct Passage {
    observer: StreamObserver,
}

impl Passage {
    pub(super) fn new(shape: Shape) -> Self {
        let observer = match shape.array {
            true => StreamObserver::of_array(shape.dialect),
            false => StreamObserver::new(shape.dialect, shape.drop_usage_chunk),
        };
        Self { observer }
    }

    /// Takes what came from the provider.
    pub(super) fn feed(&mut self, bytes: &Bytes) {
        self.observer.feed(bytes);
    }

    /// What the client gets next, as far as it is known.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.observer.pop()
    }

    /// Whether the provider has said that this is all.
    pub(super) fn has_ended(&self) -> bool {
        self.observer.has_ended()
    }

    /// The provider has ended it: what was learnt. The end itself stays back until it is released.
    pub(super) fn end(&mut self) -> Observed {
        self.observer.end()
    }

    /// It was cut off: what was learnt until then.
    pub(super) fn cut(&mut self) -> Observed {
        self.observer.cut()
    }

    /// Lets the end out.
    pub(super) fn release(&mut self) {
        self.observer.release();
    }

    /// An error as the last thing that the client reads, where it can still read one.
    pub(super) fn broken(&mut self, error: &WireError) -> Option<Bytes> {
        self.observer.broken(error)
    }
}
