//! Watches an answer on its way to the client without changing it: what it used, what it said, how it ended. Bytes
//! pass as the slices they came in; the one change on offer is to leave out the usage chunk that the gateway asked
//! for and the client did not. Forwarding, waiting and accounting belong to the relay.
//!
//! ```
//! # use bytes::Bytes;
//! # use millpond_wire::{Dialect, StreamObserver};
//! # let frames = [Bytes::from("data: {\"choices\":[]}\n\n"), Bytes::from("data: [DONE]\n\n")];
//! # let send = |_bytes: Bytes| ();
//! let mut observer = StreamObserver::new(Dialect::OpenAi, false);
//! for frame in frames {
//!     observer.feed(frame);
//!     while let Some(bytes) = observer.pop() {
//!         send(bytes);
//!     }
//! }
//! let observed = observer.take(); // commit the usage row here
//! observer.release();
//! while let Some(bytes) = observer.pop() {
//!     send(bytes);
//! }
//! # assert!(observed.saw_end);
//! ```

mod elements;
mod inspect;

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use crate::{Dialect, Usage};
use elements::Framing;
use inspect::{Tally, Verdict};

/// How much streamed text is kept for an estimate, in bytes; what is beyond is only counted.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// An event larger than this many bytes is not looked into. Images in Gemini's events take megabytes.
const MAX_EVENT_BYTES: usize = 8 << 20;

/// An event larger than this many bytes cannot be a usage chunk and is let through before it is complete.
const MAX_FILTERED_BYTES: usize = 64 << 10;

/// At most this many bytes are kept back from the terminal event on.
const MAX_KEPT_BYTES: usize = 64 << 10;

/// What was learnt from an answer, whole or cut short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The largest counts that the provider reported, if it reported any.
    pub usage: Option<Usage>,
    /// Content, reasoning and tool arguments that were streamed, for an estimate; at most [`MAX_TEXT_BYTES`] before
    /// escapes were decoded.
    pub text: String,
    /// Bytes of streamed text beyond those in `text`, escapes included.
    pub more_text_bytes: u64,
    /// Whether any content was streamed: text, a tool call, or media.
    pub any_content: bool,
    /// Whether the terminal event came: `[DONE]`, `message_stop`, or for Gemini a finish reason in the last event.
    pub saw_end: bool,
    /// Whether a finish (or stop) reason came, which some imitators of OpenAI send without a `[DONE]`.
    pub finished: bool,
    /// The message of an error that the provider sent inside the stream.
    pub provider_error: Option<String>,
    /// All bytes that came from the provider.
    pub bytes: u64,
}

/// Watches one server-sent event stream; see the module's example for how a relay drives it.
///
/// Whatever is fed comes out of [`pop`](Self::pop) again, in order and unchanged (but for a dropped usage chunk):
/// at once, or after [`release`](Self::release) if it belongs to the terminal event or follows it.
#[derive(Debug)]
pub struct StreamObserver {
    dialect: Dialect,
    drop_usage_chunk: bool,
    framing: Framing,
    /// A copy of what came of the current event in earlier frames.
    partial: Vec<u8>,
    /// The current event is too large to be looked into.
    skipping: bool,
    /// The current event is too large to be a usage chunk; its bytes go through as they come.
    unfiltered: bool,
    /// Bytes of the current event, until it is known whether it stays.
    undecided: Lane,
    /// Bytes from the terminal event on.
    kept: Lane,
    keeping: bool,
    ready: VecDeque<Bytes>,
    tally: Tally,
    bytes: u64,
}

/// Slices in order, and how many bytes they are.
#[derive(Debug, Default)]
struct Lane {
    slices: VecDeque<Bytes>,
    bytes: usize,
}

impl Lane {
    fn push(&mut self, slice: Bytes) {
        self.bytes += slice.len();
        self.slices.push_back(slice);
    }

    fn clear(&mut self) {
        self.slices.clear();
        self.bytes = 0;
    }
}

impl StreamObserver {
    /// Watches a stream in `dialect`. With `drop_usage_chunk` (OpenAI only) the chunk that has usage and no choices
    /// is left out, for which an incomplete event waits until it is complete.
    pub fn new(dialect: Dialect, drop_usage_chunk: bool) -> Self {
        Self {
            dialect,
            drop_usage_chunk: drop_usage_chunk && dialect == Dialect::OpenAi,
            framing: Framing::default(),
            partial: Vec::new(),
            skipping: false,
            unfiltered: false,
            undecided: Lane::default(),
            kept: Lane::default(),
            keeping: false,
            ready: VecDeque::new(),
            tally: Tally::default(),
            bytes: 0,
        }
    }

    /// Watches a stream that is one JSON array, as Gemini's is without `alt=sse`.
    pub fn of_array(dialect: Dialect) -> Self {
        Self { framing: Framing::array(), ..Self::new(dialect, false) }
    }

    /// Takes the next frame from the provider.
    pub fn feed(&mut self, frame: Bytes) {
        self.bytes += frame.len() as u64;
        // `sent` bytes of the frame have been put into a lane; the current event begins at `start`.
        let (mut sent, mut start) = (0, 0);
        while let Some(length) = self.framing.find(&frame[start..]) {
            let stop = start + length;
            let verdict = self.complete(&frame[start..stop]);
            sent = self.settle(verdict, &frame, sent..start, stop);
            start = stop;
        }
        self.hold_partial(&frame[start..]);
        let terminal_begins = !self.keeping && inspect::begins_terminal(self.dialect, &self.partial);
        if terminal_begins {
            self.forward(&frame, sent, start);
            sent = start;
            self.keep_from_here();
        }
        if self.drop_usage_chunk && !self.unfiltered && start < frame.len() {
            self.forward(&frame, sent, start);
            self.undecided.push(frame.slice(start..));
            if self.undecided.bytes > MAX_FILTERED_BYTES {
                self.unfiltered = true;
                self.decide_to_pass();
            }
        } else {
            self.forward_rest(frame, sent);
        }
        self.bound_kept();
    }

    /// The next bytes to send to the client, if there are any for now.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// Whether the terminal event has come and is being kept back until [`release`](Self::release). Nothing that
    /// matters follows it, but in Gemini's event streams, which are only over when the provider ends them.
    pub fn has_ended(&self) -> bool {
        self.tally.saw_end && (self.dialect != Dialect::Gemini || self.framing.is_array())
    }

    /// Whether the client can have seen any content.
    pub fn any_content(&self) -> bool {
        self.tally.any_content
    }

    /// The usage reported so far.
    pub fn usage(&self) -> Option<Usage> {
        self.tally.usage
    }

    /// Ends the observation and hands over what was learnt; also for a stream that was cut short or a client that
    /// left, so it is the thing to call from `Drop`. A last event without its blank line is looked into as well.
    pub fn take(&mut self) -> Observed {
        if !self.partial.is_empty() || self.undecided.bytes > 0 {
            let verdict = self.complete(b"");
            self.settle(verdict, &Bytes::new(), 0..0, 0);
            self.framing.restart();
        }
        let observed = mem::take(&mut self.tally).into_observed(self.bytes);
        // A second call must not forget how the stream ended.
        self.tally.saw_end = observed.saw_end;
        self.tally.any_content = observed.any_content;
        self.tally.usage = observed.usage;
        observed
    }

    /// Gives free what was kept back; call it when the usage is on record.
    pub fn release(&mut self) {
        self.decide_to_pass();
        self.ready.extend(self.kept.slices.drain(..));
        self.kept.clear();
        self.keeping = false;
    }

    /// Looks into an event that ends with `tail`, the part of it in this frame.
    fn complete(&mut self, tail: &[u8]) -> Verdict {
        if mem::take(&mut self.skipping) {
            self.tally.count_unread(tail.len());
            return Verdict::Content;
        }
        if self.partial.is_empty() {
            return self.framing.inspect(&mut self.tally, self.dialect, tail);
        }
        self.partial.extend_from_slice(tail);
        let event = mem::take(&mut self.partial);
        let verdict = self.framing.inspect(&mut self.tally, self.dialect, &event);
        self.partial = event;
        self.partial.clear();
        verdict
    }

    /// Keeps a copy of an event that goes on in the next frame.
    fn hold_partial(&mut self, piece: &[u8]) {
        if self.skipping {
            self.tally.count_unread(piece.len());
        } else if self.partial.len() + piece.len() > MAX_EVENT_BYTES {
            self.skipping = true;
            self.tally.count_unread(self.partial.len() + piece.len());
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(piece);
        }
    }

    /// Sends a complete event its way. `unsent` is the range of the frame before it that waits in no lane yet, and
    /// the event's bytes in this frame reach from there to `stop`; returns where the unsent bytes begin now.
    fn settle(
        &mut self,
        verdict: Verdict,
        frame: &Bytes,
        unsent: std::ops::Range<usize>,
        stop: usize,
    ) -> usize {
        let unfiltered = mem::take(&mut self.unfiltered);
        let (sent, start) = (unsent.start, unsent.end);
        match verdict {
            Verdict::UsageOnly if self.drop_usage_chunk && !unfiltered => {
                self.forward(frame, sent, start);
                self.undecided.clear();
                return stop;
            }
            Verdict::Terminal => {
                self.forward(frame, sent, start);
                if self.keeping && self.dialect == Dialect::Gemini {
                    self.release_kept();
                }
                self.keep_from_here();
                self.decide_to_pass();
                return start;
            }
            Verdict::Content | Verdict::UsageOnly if self.keeping && self.dialect == Dialect::Gemini => {
                self.forward(frame, sent, start);
                self.release_kept();
                return start;
            }
            Verdict::Content | Verdict::UsageOnly | Verdict::Nothing => {}
        }
        self.decide_to_pass();
        sent
    }

    fn keep_from_here(&mut self) {
        self.keeping = true;
    }

    /// What looked like the end was not: more content followed.
    fn release_kept(&mut self) {
        self.ready.extend(self.kept.slices.drain(..));
        self.kept.clear();
        self.keeping = false;
    }

    fn decide_to_pass(&mut self) {
        while let Some(slice) = self.undecided.slices.pop_front() {
            self.lane(slice);
        }
        self.undecided.clear();
    }

    fn forward(&mut self, frame: &Bytes, from: usize, to: usize) {
        if from < to {
            self.lane(frame.slice(from..to));
        }
    }

    fn forward_rest(&mut self, frame: Bytes, from: usize) {
        if from == 0 && !frame.is_empty() {
            self.lane(frame);
        } else if from < frame.len() {
            self.lane(frame.slice(from..));
        }
    }

    fn lane(&mut self, slice: Bytes) {
        if self.keeping {
            self.kept.push(slice);
        } else {
            self.ready.push_back(slice);
        }
    }

    /// A provider that goes on and on after its terminal event does not make us keep it all.
    fn bound_kept(&mut self) {
        while self.kept.bytes > MAX_KEPT_BYTES
            && let Some(slice) = self.kept.slices.pop_front()
        {
            self.kept.bytes -= slice.len();
            self.ready.push_back(slice);
        }
    }
}

/// Learns the same from the complete body of an answer that was not streamed.
pub fn observe_body(dialect: Dialect, body: &[u8]) -> Observed {
    let mut tally = Tally::default();
    tally.read(dialect, b"", body);
    tally.usage = Usage::from_body(dialect, body);
    tally.saw_end = true;
    tally.into_observed(body.len() as u64)
}
