//! Only whole events go out, wherever a stream is cut; and what was learnt of it is what went out.

use bytes::Bytes;
use millpond_wire::error::ErrorKind;
use millpond_wire::{Dialect, Observed, StreamObserver, Usage, WireError};
use proptest::prelude::*;
use serde_json::Value;

const CHAT: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hél\"},\"finish_reason\":null}]}\n\n",
    ": a comment\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"\"}]}\r\n\r\n",
    "id: 3\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\n",
    "data: [DONE]\n\n",
);
const MESSAGE: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);
const CONTENT: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hel\"}]}}],\"usageMetadata\":{\"promptTokenCount\":11}}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"lo\"}]},\"finishReason\":\"STOP\"}],",
    "\"usageMetadata\":{\"promptTokenCount\":11,\"candidatesTokenCount\":7}}\r\n\r\n",
);
const ARRAY: &str = concat!(
    "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hel\"}]}}],\"usageMetadata\":{\"promptTokenCount\":11}}\n,\r\n",
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"lo\"}]},\"finishReason\":\"STOP\"}],",
    "\"usageMetadata\":{\"promptTokenCount\":11,\"candidatesTokenCount\":7}}\n]\n",
);

/// A stream, and how it is watched.
#[derive(Clone, Debug)]
struct Stream {
    dialect: Dialect,
    array: bool,
    bytes: Vec<u8>,
}

fn known() -> [Stream; 4] {
    let stream = |dialect, array, text: &str| Stream { dialect, array, bytes: text.into() };
    [
        stream(Dialect::OpenAi, false, CHAT),
        stream(Dialect::Anthropic, false, MESSAGE),
        stream(Dialect::Gemini, false, CONTENT),
        stream(Dialect::Gemini, true, ARRAY),
    ]
}

fn broke_off() -> WireError {
    WireError::new(ErrorKind::Upstream, "The provider broke off its answer.")
}

impl Stream {
    fn observer(&self) -> StreamObserver {
        match self.array {
            true => StreamObserver::of_array(self.dialect),
            false => StreamObserver::new(self.dialect, false),
        }
    }

    /// What a client gets of the first bytes of the stream, in frames of a size, and what was learnt; `None` for an end
    /// that breaks the connection.
    fn relayed(&self, bytes: usize, size: usize, cleanly: bool) -> (Vec<u8>, Observed, Option<Bytes>) {
        let (mut observer, mut out) = (self.observer(), Vec::new());
        let mut drain = |observer: &mut StreamObserver| {
            while let Some(bytes) = observer.pop() {
                out.extend_from_slice(&bytes);
            }
        };
        for frame in self.bytes[..bytes].chunks(size) {
            observer.feed(&Bytes::copy_from_slice(frame));
            drain(&mut observer);
        }
        let ended = cleanly || observer.has_ended();
        let observed = if ended { observer.end() } else { observer.cut() };
        let last = if observed.is_complete { Some(Bytes::new()) } else { observer.broken(&broke_off()) };
        observer.release();
        drain(&mut observer);
        (out, observed, last)
    }
}

/// The data of all events, or the elements of an array; panics on what is broken.
fn events(stream: &Stream, bytes: &[u8]) -> Vec<Value> {
    let text = &*String::from_utf8_lossy(bytes);
    if stream.array {
        return serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
    let data = text.replace('\r', "").split("\n\n").map(str::to_owned).collect::<Vec<_>>();
    let data = data.iter().filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")));
    let data = data.filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    for stream in known() {
        let whole = events(&stream, &stream.bytes);
        for bytes in 0..stream.bytes.len() {
            for (size, cleanly) in [(1, false), (7, false), (10_000, false), (7, true), (10_000, true)] {
                let (mut out, observed, last) = stream.relayed(bytes, size, cleanly);
                let context = format!("{:?} {} cut at {bytes} by {size}", stream.dialect, stream.array);
                assert!(stream.bytes.starts_with(&out), "{context}: bytes changed");
                let last = last.unwrap();
                out.extend_from_slice(&last);
                let mut got = events(&stream, &out);
                assert_eq!(last.is_empty(), observed.is_complete);
                if !observed.is_complete {
                    let error = got.pop().unwrap();
                    assert!(error.get("error").is_some(), "{context}: {error}");
                }
                assert!(whole.starts_with(&got), "{context}: {got:?}");
                assert_eq!(observed.bytes, bytes as u64);
            }
        }
    }
}

#[test]
fn a_whole_stream_is_the_same_however_it_comes() {
    for stream in known() {
        for size in 1..stream.bytes.len() + 1 {
            let (out, observed, _) = stream.relayed(stream.bytes.len(), size, true);
            assert_eq!(out, stream.bytes);
            assert!(observed.is_complete);
            let usage = observed.reported().unwrap();
            assert_eq!(usage, Usage { input_tokens: 11, output_tokens: 7, ..Usage::default() });
        }
    }
}

#[test]
fn a_frame_of_whole_events_is_passed_as_it_came() {
    let mut observer = StreamObserver::new(Dialect::OpenAi, false);
    let frame = Bytes::from_static(b"data: {\"choices\":[{}]}\n\ndata: {\"choices\":[{}]}\n\n");
    observer.feed(&frame);
    let passed = observer.pop().unwrap();
    assert_eq!((passed.as_ptr(), passed.len()), (frame.as_ptr(), frame.len()));
    assert!(observer.pop().is_none());
}

fn picture(array: bool, bytes: usize) -> Stream {
    let data = "iVBORw0KGgo".repeat(bytes / 11);
    let event = format!(
        "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"a pond\"}},{{\"inlineData\":{{\"mimeType\":\"image/png\",\"data\":\"{data}\"}}}}]}},\
         \"finishReason\":\"STOP\"}}],\"usageMetadata\":{{\"promptTokenCount\":11,\"candidatesTokenCount\":1290}}}}"
    );
    let bytes = if array { format!("[{event}\n]\n") } else { format!("data: {event}\r\n\r\n") };
    Stream { dialect: Dialect::Gemini, array, bytes: bytes.into() }
}

#[test]
fn an_event_of_megabytes_keeps_its_counts() {
    for array in [false, true] {
        let stream = picture(array, 9 << 20);
        for size in [1 << 10, 100_000] {
            let (out, observed, _) = stream.relayed(stream.bytes.len(), size, true);
            assert!(out == stream.bytes, "bytes changed");
            let usage = observed.reported().unwrap();
            assert_eq!((usage.input_tokens, usage.output_tokens), (11, 1290));
            assert_eq!((observed.delivered.text(), observed.is_complete), ("a pond".to_owned(), true));
        }
    }
}

#[test]
fn a_cut_picture_breaks_the_connection_and_is_no_text() {
    for array in [false, true] {
        let stream = picture(array, 1 << 20);
        for cleanly in [false, true] {
            let (out, observed, last) = stream.relayed(500_000, 8_192, cleanly);
            assert!(out.len() > 490_000 && stream.bytes.starts_with(&out), "it passes as it comes");
            assert!(last.is_none() && !observed.is_complete && observed.any_content);
            assert_eq!(observed.delivered.text(), "a pond");
        }
    }
}

#[test]
fn a_long_text_in_one_event_is_counted() {
    let text = "lily pads ".repeat(20_000);
    let event = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    );
    let stream = Stream { dialect: Dialect::OpenAi, array: false, bytes: event.into() };
    let (_, observed, _) = stream.relayed(stream.bytes.len(), 4_096, false);
    assert_eq!(observed.delivered.bytes(), text.len() as u64);
    let exact = millpond_wire::tokens::estimate_tokens("m", &text);
    assert!(observed.estimated("m", || 3).output_tokens.abs_diff(exact) * 10 < exact);
}

#[test]
fn what_was_counted_early_is_filled_up() {
    let [chat, message, content, _] = known();
    let estimated = |stream: &Stream, bytes: usize| {
        let (_, observed, _) = stream.relayed(bytes, 10_000, false);
        assert_eq!(observed.reported(), None);
        observed.estimated("m", || 99)
    };
    let at = |stream: &Stream, text: &str| String::from_utf8_lossy(&stream.bytes).find(text).unwrap();
    let usage = |input, output| Usage { input_tokens: input, output_tokens: output, ..Usage::default() };
    assert_eq!(estimated(&chat, at(&chat, "id: 3")), usage(99, 3), "nothing was reported");
    assert_eq!(estimated(&message, at(&message, "event: content")), usage(11, 1));
    assert_eq!(
        estimated(&content, at(&content, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"lo")),
        usage(11, 1)
    );
    // Counts that came with the end are whole, although the very last event is missing.
    let (_, observed, _) = message.relayed(at(&message, "event: message_stop"), 10_000, false);
    assert_eq!(observed.reported(), Some(usage(11, 7)));
    let (_, observed, _) = chat.relayed(at(&chat, "data: [DONE]"), 10_000, false);
    assert_eq!(observed.reported(), Some(usage(11, 7)));
    // Input that is said to be nothing is estimated, output that was counted is not.
    let zero = String::from_utf8(message.bytes).unwrap().replace("\"input_tokens\":11", "\"input_tokens\":0");
    let zero = Stream { dialect: Dialect::Anthropic, array: false, bytes: zero.into() };
    assert_eq!(estimated(&zero, zero.bytes.len()), usage(99, 7));
    // A placeholder at the beginning of a whole answer is no count of it.
    let late = CHAT.replace("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\n", "");
    let early = format!(
        "data: {{\"choices\":[{{\"delta\":{{}}}}],\"usage\":{{\"prompt_tokens\":11,\"completion_tokens\":1}}}}\n\n{late}"
    );
    let early = Stream { dialect: Dialect::OpenAi, array: false, bytes: early.into() };
    assert_eq!(estimated(&early, early.bytes.len()), usage(11, 3));
}

/// What comes of a chat stream for a client that asked for no usage chunk.
fn without_usage(text: &str, size: usize) -> (String, Observed) {
    let mut observer = StreamObserver::new(Dialect::OpenAi, true);
    for frame in text.as_bytes().chunks(size) {
        observer.feed(&Bytes::copy_from_slice(frame));
    }
    let observed = observer.end();
    observer.release();
    let out: Vec<u8> = std::iter::from_fn(|| observer.pop()).flatten().collect();
    (String::from_utf8_lossy(&out).into_owned(), observed)
}

#[test]
fn a_usage_chunk_is_left_out_whatever_its_choices_look_like() {
    let content = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    for chunk in [r#""choices":[],"#, r#""choices":null,"#, ""] {
        let chunk = format!("data: {{{chunk}\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":3}}}}\n\n");
        for size in [1, 7, 1_000] {
            let (out, observed) = without_usage(&format!("{content}{chunk}data: [DONE]\n\n"), size);
            assert_eq!(out, format!("{content}data: [DONE]\n\n"));
            assert_eq!(observed.reported().unwrap().output_tokens, 3);
        }
    }
    let filter = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
    assert_eq!(without_usage(&format!("{filter}{content}"), 1_000).0, format!("{filter}{content}"));
}

#[test]
fn nothing_follows_the_end() {
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    for size in [1, 1_000] {
        let (out, _) = without_usage(&format!("{end}\ndata: {{\"more\":1}}\n\n"), size);
        assert_eq!(out.trim_end(), end.trim_end());
    }
}

#[test]
fn events_of_one_line_each_are_understood() {
    let lines: String =
        CHAT.lines().filter(|line| line.starts_with("data")).map(|line| format!("{line}\n")).collect();
    for size in [1, 7, 50, 10_000] {
        let (out, observed) = without_usage(&lines, size);
        assert_eq!(out, lines);
        assert_eq!(observed.reported().map(|usage| usage.output_tokens), Some(7));
        assert!(observed.is_complete);
    }
}

#[test]
fn empty_errors_and_reasons_are_none() {
    for empty in
        ["{}", r#"{"message":"","type":"","code":null}"#, r#""""#, "null", r#"{"code":0,"message":""}"#, "[]"]
    {
        let text = format!(
            "data: {{\"error\":{empty},\"choices\":[{{\"delta\":{{\"content\":\"a\"}},\"finish_reason\":\"\"}}]}}\n\n"
        );
        let (_, observed) = without_usage(&text, 1_000);
        assert_eq!((observed.provider_error, observed.is_complete), (None, false), "{empty}");
    }
    for (error, message) in
        [(r#"{"message":"no","code":0}"#, "no"), (r#""no""#, "no"), (r#"{"code":503}"#, "{\"code\":503}")]
    {
        let (_, observed) = without_usage(&format!("data: {{\"error\":{error}}}\n\n"), 1_000);
        assert_eq!(observed.provider_error.as_deref(), Some(message));
    }
}

#[test]
fn an_array_that_never_finished_is_told_so_inside_of_it() {
    let unfinished = ARRAY.replace(",\"finishReason\":\"STOP\"", "");
    for text in [unfinished.as_str(), "[]", "[\n]\n", ""] {
        let stream = Stream { dialect: Dialect::Gemini, array: true, bytes: text.into() };
        let (mut out, observed, last) = stream.relayed(text.len(), 10_000, true);
        assert!(!observed.is_complete);
        out.extend_from_slice(&last.unwrap());
        let got = events(&stream, &out);
        assert!(got.last().unwrap().get("error").is_some(), "{text}");
    }
    let blocked = r#"[{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}]"#;
    let stream = Stream { dialect: Dialect::Gemini, array: true, bytes: blocked.into() };
    assert!(stream.relayed(blocked.len(), 10, true).1.is_complete, "a blocked prompt is an answer");
}

proptest! {
    #[test]
    fn the_first_bytes_of_any_stream_are_whole_events(
        texts in prop::collection::vec("\\PC{0,40}", 1..8), times in 1..300_usize, cut in any::<prop::sample::Index>(),
        size in 1..3_000_usize, which in 0..3_usize,
    ) {
        let event = |text: &String| {
            let text = Value::from(text.repeat(times));
            match which {
                0 => format!("data: {{\"choices\":[{{\"delta\":{{\"content\":{text}}}}}]}}\n\n"),
                1 => format!("event: content_block_delta\r\ndata: {{\"delta\":{{\"text\":{text}}}}}\r\n\r\n"),
                _ => format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":{text}}}]}}}}]}}\n\n"),
            }
        };
        let dialect = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini][which];
        let whole: Vec<String> = texts.iter().map(event).collect();
        let stream = Stream { dialect, array: false, bytes: whole.concat().into() };
        let bytes = cut.index(stream.bytes.len() + 1);
        let (out, observed, last) = stream.relayed(bytes, size, false);
        prop_assert!(stream.bytes.starts_with(&out));
        let mut ends = whole.iter().scan(0, |sum, event| { *sum += event.len(); Some(*sum) });
        let largest = whole.iter().map(String::len).max().unwrap();
        let at_an_end = out.is_empty() || ends.any(|end| end == out.len());
        prop_assert!(at_an_end || (last.is_none() && largest > 16 << 10));
        prop_assert!(bytes - out.len() <= 16 << 10, "no more is held back");
        prop_assert!(!observed.is_complete);
    }
}
