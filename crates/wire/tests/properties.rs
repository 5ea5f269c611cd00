//! What must hold for any bytes, however they are cut into frames.

use bytes::Bytes;
use millpond_wire::{Dialect, Endpoint, Head, Observed, StreamObserver, observe};
use proptest::prelude::*;

/// Runs a stream through an observer in frames that end at the given places; answers what came out and what was learnt.
fn relay(
    dialect: Dialect,
    drop_usage: bool,
    stream: &[u8],
    cuts: &[prop::sample::Index],
) -> (Vec<u8>, Observed) {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    let mut observer = StreamObserver::new(dialect, drop_usage);
    let mut out = Vec::new();
    for pair in places.windows(2) {
        observer.feed(&Bytes::copy_from_slice(&stream[pair[0]..pair[1]]));
        while let Some(bytes) = observer.pop() {
            out.extend_from_slice(&bytes);
        }
    }
    let observed = observer.end();
    observer.release();
    while let Some(bytes) = observer.pop() {
        out.extend_from_slice(&bytes);
    }
    (out, observed)
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::OpenAi), Just(Dialect::Anthropic), Just(Dialect::Gemini)]
}

/// Pieces that streams are made of, and some that they are not.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-zäöü\"\\\\ ]{0,12}".prop_map(|text| {
            let text = serde_json::Value::from(text);
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}}}}]}}\n\n")
                .into_bytes()
        }),
        Just(b": comment\r\n\r\n".to_vec()),
        Just(b"event: ping\ndata: {\"type\":\"ping\"}\n\n".to_vec()),
        Just(b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn bytes_pass_untouched(dialect in dialect(), stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let stream = [stream.as_slice(), b"\n\n"].concat();
        let (out, observed) = relay(dialect, false, &stream, &cuts);
        prop_assert_eq!(&out, &stream);
        prop_assert_eq!(observed.bytes, stream.len() as u64);
    }

    #[test]
    fn frames_make_no_difference(stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let usage = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";
        let stream = [b"data: {\"choices\":[]}\n\n", stream.as_slice(), b"\n\n", usage].concat();
        let (whole, learnt) = relay(Dialect::OpenAi, true, &stream, &[]);
        let (cut, learnt_in_pieces) = relay(Dialect::OpenAi, true, &stream, &cuts);
        prop_assert_eq!(whole, cut);
        prop_assert_eq!(learnt.usage, learnt_in_pieces.usage);
        prop_assert_eq!(learnt.delivered, learnt_in_pieces.delivered);
        prop_assert!(learnt_in_pieces.is_complete);
    }

    #[test]
    fn any_body_is_read_or_refused(dialect in dialect(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        for endpoint in [Endpoint::ChatCompletions, Endpoint::Messages, Endpoint::GenerateContent] {
            Head::parse(endpoint, &body).ok();
        }
        observe::observe_body(dialect, &body);
    }

    #[test]
    fn a_request_changes_only_where_it_must(
        text in "\\PC{0,20}", stream in any::<bool>(), options in prop::option::of(any::<bool>()), n in 1..9_u64,
    ) {
        let mut request = serde_json::json!({"n": n, "messages": [{"role": "user", "content": text}], "model": "public",
            "stream": stream, "extra": {"model": "inner", "stream_options": null}});
        if let Some(include_usage) = options {
            request["stream_options"] = serde_json::json!({"include_usage": include_usage, "other": 1});
        }
        let body = Bytes::from(request.to_string());
        let head = Head::parse(Endpoint::ChatCompletions, &body).unwrap();
        let sent = head.upstream_body(&body, "upstream", head.lacks_usage());
        let mut expected = request.clone();
        expected["model"] = "upstream".into();
        if stream {
            expected["stream_options"]["include_usage"] = true.into();
        }
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&sent).unwrap(), expected);
    }
}

#[test]
fn depth_is_no_danger() {
    for open in ["[", "{\"a\":"] {
        let body = format!("{{\"model\":\"m\",\"messages\":[{}", open.repeat(200_000));
        assert!(Head::parse(Endpoint::ChatCompletions, body.as_bytes()).is_err());
        observe::observe_body(Dialect::OpenAi, body.as_bytes());
    }
}
