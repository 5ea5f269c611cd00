//! Watches an answer on its way to the client without changing it: what it used, what it said, how it ended. Bytes
//! pass as the slices they came in, whole events only, so that whatever follows a broken answer can be read; the one change
//! on offer is to leave out the usage chunk that the gateway asked for and the client did not. Forwarding, waiting and
//! accounting belong to the relay.
//!
//! ```
//! # use bytes::Bytes;
//! # use millpond_wire::{Dialect, StreamObserver};
//! # let frames = [Bytes::from("data: {\"choices\":[]}\n\n"), Bytes::from("data: [DONE]\n\n")];
//! # let send = |_bytes: Bytes| ();
//! let mut observer = StreamObserver::new(Dialect::OpenAi, false);
//! for frame in frames {
//!     observer.feed(&frame);
//!     while let Some(bytes) = observer.pop() {
//!         send(bytes);
//!     }
//! }
//! let observed = observer.end(); // record the usage here
//! observer.release();
//! while let Some(bytes) = observer.pop() {
//!     send(bytes);
//! }
//! # assert!(observed.is_complete);
//! ```

mod digest;
mod framing;
mod observed;
mod tally;

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

pub use observed::{Observed, observe_body};
pub(crate) use tally::{Tally, Verdict};

use crate::error::{body as error_body, stream_frame};
use crate::sse::EventEnd;
use crate::{Dialect, WireError};
use digest::Digest;
use framing::Framing;

/// At most so many bytes of an event that comes in several frames are held back until it is whole. A larger one goes out
/// as it comes.
const MAX_HELD_BYTES: usize = 16 << 10;

/// Watches one streamed answer; see the module's example for how a relay drives it.
///
/// Whatever is fed comes out of [`pop`](Self::pop) again, in order and unchanged (but for a dropped usage chunk): when its
/// event is whole, or after [`release`](Self::release) if it is the event that ends the answer. What follows that event
/// goes nowhere.
#[derive(Debug)]
pub struct StreamObserver {
    dialect: Dialect,
    drop_usage_chunk: bool,
    framing: Framing,
    /// What came of the current event in earlier frames, while it may be held.
    held: Vec<u8>,
    /// The current event is too large to be held, and went out as far as it came.
    digest: Option<Digest>,
    /// The event that ends the answer, or may.
    kept: VecDeque<Bytes>,
    keeping: bool,
    ready: VecDeque<Bytes>,
    has_sent: bool,
    /// The answer has ended, so nothing else is passed on.
    over: bool,
    /// The last event went out without the blank line that it lacked.
    lacks_blank_line: bool,
    /// The last event went out in part.
    is_torn: bool,
    tally: Tally,
    bytes: u64,
}

impl StreamObserver {
    /// Watches an event stream in `dialect`. With `drop_usage_chunk` the chunk that has usage and no choices is left out.
    pub fn new(dialect: Dialect, drop_usage_chunk: bool) -> Self {
        Self {
            dialect,
            drop_usage_chunk,
            framing: Framing::Events(EventEnd::default()),
            held: Vec::new(),
            digest: None,
            kept: VecDeque::new(),
            keeping: false,
            ready: VecDeque::new(),
            has_sent: false,
            over: false,
            lacks_blank_line: false,
            is_torn: false,
            tally: Tally::default(),
            bytes: 0,
        }
    }

    /// Watches a stream that is one JSON array, as Gemini's is without `alt=sse`.
    pub fn of_array(dialect: Dialect) -> Self {
        Self { framing: Framing::Elements(framing::ElementEnd::default()), ..Self::new(dialect, false) }
    }

    /// Takes the next frame from the provider.
    pub fn feed(&mut self, frame: &Bytes) {
        self.bytes += frame.len() as u64;
        self.take(frame);
    }

    /// The next bytes to send to the client, if there are any for now.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// Whether the event came that ends the answer; it is kept back until [`release`](Self::release). Gemini's event
    /// streams have none and are over when the provider ends them.
    pub fn has_ended(&self) -> bool {
        self.over
    }

    /// Whether any content has come: text, a tool call, or media.
    pub fn any_content(&self) -> bool {
        self.tally.any_content()
    }

    /// The provider ended the stream in order, or [`has_ended`](Self::has_ended): hands over what was learnt. A last event
    /// without its blank line counts, if it is whole.
    pub fn end(&mut self) -> Observed {
        if !self.over && !self.held.is_empty() && self.framing.is_whole(&self.held) {
            let verdict = self.inspect(b"");
            self.settle(verdict, &Bytes::new(), 0, 0, 0);
            self.lacks_blank_line = true;
        }
        self.tear();
        let is_complete = self.is_complete();
        self.tally.observed(is_complete, self.bytes)
    }

    /// The stream broke off, or its client left: hands over what was learnt of what went out.
    pub fn cut(&mut self) -> Observed {
        self.tear();
        self.tally.observed(false, self.bytes)
    }

    /// Gives free what was kept back; call it when the usage is on record.
    pub fn release(&mut self) {
        self.has_sent |= !self.kept.is_empty();
        self.ready.append(&mut self.kept);
        self.keeping = false;
    }

    /// What to send last, after [`end`](Self::end) or [`cut`](Self::cut), when the answer broke off: the error as an event
    /// or element of its own. What was held back of a broken event is forgotten.
    ///
    /// `None` when a part of an event is out already, because it was too large to be held: whatever followed would be read
    /// as part of it and be a puzzle to the client, so the connection should break instead.
    pub fn broken(&mut self, error: &WireError) -> Option<Bytes> {
        self.held = Vec::new();
        if self.is_torn {
            return None;
        }
        if self.framing.is_array() {
            self.kept.clear();
            let before: &[u8] = if self.has_sent { b",\n" } else { b"[" };
            return Some([before, &error_body(self.dialect, error), b"]\n"].concat().into());
        }
        let blank: &[u8] = if self.lacks_blank_line { b"\n\n" } else { b"" };
        Some([blank, &stream_frame(self.dialect, error)].concat().into())
    }

    /// Looks into what went out of an event that never became whole.
    fn tear(&mut self) {
        if let Some(digest) = self.digest.take() {
            self.read_digest(digest, b"");
            self.is_torn = true;
        }
    }

    fn is_complete(&self) -> bool {
        let Tally { saw_end, finished, .. } = self.tally;
        match self.framing {
            Framing::Elements(_) => saw_end && finished,
            // Some imitators of OpenAI leave out the end.
            Framing::Events(_) | Framing::Lines => saw_end || finished,
        }
    }

    fn take(&mut self, frame: &Bytes) {
        if self.over {
            return self.keep_space(frame);
        }
        // The current event begins at `start`; from `unsent` on the frame waits to be passed on in one piece.
        let (mut unsent, mut start) = (0, 0);
        while let Some(length) = self.framing.find(&frame[start..]) {
            let stop = start + length;
            let verdict = self.inspect(&frame[start..stop]);
            unsent = self.settle(verdict, frame, unsent, start, stop);
            if self.over {
                return self.keep_space(&frame.slice(stop..));
            }
            start = stop;
        }
        self.hold(frame, unsent, start);
    }

    /// Looks into an event that ends with `tail`, the part of it in this frame.
    fn inspect(&mut self, tail: &[u8]) -> Verdict {
        if let Some(digest) = self.digest.take() {
            let verdict = self.read_digest(digest, tail);
            return if verdict == Verdict::UsageOnly { Verdict::Content } else { verdict };
        }
        if self.held.is_empty() {
            return self.framing.inspect(&mut self.tally, self.dialect, tail);
        }
        self.held.extend_from_slice(tail);
        self.framing.inspect(&mut self.tally, self.dialect, &self.held)
    }

    fn read_digest(&mut self, digest: Digest, tail: &[u8]) -> Verdict {
        self.tally.is_digest = true;
        let mut read = |part: &[u8]| self.framing.inspect(&mut self.tally, self.dialect, part);
        let verdict = digest.finish(tail, &mut read);
        self.tally.is_digest = false;
        verdict
    }

    /// Sends a complete event its way, and what of the frame waits before it; answers what waits now.
    fn settle(&mut self, verdict: Verdict, frame: &Bytes, unsent: usize, start: usize, stop: usize) -> usize {
        let mut unsent = unsent;
        match verdict {
            Verdict::UsageOnly if self.drop_usage_chunk => {
                self.pass(frame, unsent, start);
                self.held = Vec::new();
                return stop;
            }
            Verdict::Terminal => {
                self.pass(frame, unsent, start);
                self.release();
                self.keeping = true;
                self.over = self.framing.is_array() || self.dialect.protocol().has_end_event;
                unsent = start;
            }
            // What looked like the end was not.
            Verdict::Content | Verdict::UsageOnly if self.keeping => {
                self.pass(frame, unsent, start);
                self.release();
                unsent = start;
            }
            Verdict::Content | Verdict::UsageOnly | Verdict::Nothing => {}
        }
        if !self.held.is_empty() {
            let whole = mem::take(&mut self.held);
            self.lane(whole.into());
            return stop;
        }
        if self.over {
            self.pass(frame, unsent, stop);
            return stop;
        }
        unsent
    }

    /// Passes on the whole events of a frame, and holds the beginning of another back.
    fn hold(&mut self, frame: &Bytes, unsent: usize, start: usize) {
        if self.digest.is_some() {
            self.feed_digest(&frame[start..]);
            return self.pass(frame, unsent, frame.len());
        }
        if self.framing.are_lines(if self.held.is_empty() { &frame[start..] } else { &self.held }) {
            self.framing = Framing::Lines;
            self.pass(frame, unsent, start);
            let held = mem::take(&mut self.held);
            self.take(&[&held, &frame[start..]].concat().into());
        } else if self.held.len() + frame.len() - start > MAX_HELD_BYTES {
            self.release();
            self.digest = Some(self.framing.digest());
            let held = mem::take(&mut self.held);
            self.feed_digest(&held);
            self.feed_digest(&frame[start..]);
            self.lane(held.into());
            self.pass(frame, unsent, frame.len());
        } else {
            self.pass(frame, unsent, start);
            self.held.extend_from_slice(&frame[start..]);
        }
    }

    fn feed_digest(&mut self, piece: &[u8]) {
        let Some(digest) = &mut self.digest else { return };
        self.tally.is_digest = true;
        digest.feed(piece, &mut |part| {
            self.framing.inspect(&mut self.tally, self.dialect, part);
        });
        self.tally.is_digest = false;
    }

    fn pass(&mut self, frame: &Bytes, from: usize, to: usize) {
        if from < to {
            self.lane(frame.slice(from..to));
        }
    }

    fn lane(&mut self, slice: Bytes) {
        if slice.is_empty() {
            return;
        }
        if self.keeping {
            self.kept.push_back(slice);
        } else {
            self.has_sent = true;
            self.ready.push_back(slice);
        }
    }

    /// After the end only line ends pass, which may come a frame later than what they belong to.
    fn keep_space(&mut self, frame: &Bytes) {
        let space = frame.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.pass(frame, 0, space);
    }
}
