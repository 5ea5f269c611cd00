//! What the gateway pays for reading a request: the head, the bound for the reservation, the conversation and the body to
//! send on, for a short question and for a long conversation.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use millpond_wire::{Endpoint, Head};

fn chat(turns: usize) -> Bytes {
    let said = "The pond keeps its lilies under a grey sky; \\\"and waits\\\" for rain.\\n".repeat(8);
    let turn = format!(r#"{{"role":"user","content":"{said}"}},{{"role":"assistant","content":"{said}"}}"#);
    let messages = vec![turn; turns].join(",");
    Bytes::from(format!(
        r#"{{"model":"public","messages":[{{"role":"system","content":"{said}"}},{messages}],"stream":true,"temperature":0.2,"max_tokens":500}}"#
    ))
}

fn message(turns: usize) -> Bytes {
    let said = "The pond keeps its lilies under a grey sky; \\\"and waits\\\" for rain.\\n".repeat(8);
    let turn = format!(
        r#"{{"role":"user","content":[{{"type":"text","text":"{said}"}}]}},{{"role":"assistant","content":"{said}"}}"#
    );
    let messages = vec![turn; turns].join(",");
    Bytes::from(format!(
        r#"{{"model":"public","max_tokens":500,"system":"{said}","messages":[{messages}],"stream":true,"metadata":{{"user_id":"u"}}}}"#
    ))
}

fn read(endpoint: Endpoint, body: &Bytes) -> Option<(u64, u64, Bytes)> {
    let head = Head::parse(endpoint, body).ok()?;
    let conversation = head.conversation_key(body, 7, None);
    Some((head.prompt.most_tokens(body), conversation, head.upstream_body(body, "upstream", true)))
}

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for turns in [1, 100] {
        for (name, endpoint, body) in [
            ("chat", Endpoint::ChatCompletions, chat(turns)),
            ("message", Endpoint::Messages, message(turns)),
        ] {
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_with_input(BenchmarkId::new(name, body.len()), &body, |bencher, body| {
                bencher.iter(|| black_box(read(endpoint, black_box(body))));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, heads);
criterion_main!(benches);
