//! What watching a stream costs, an event a frame as providers send them.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use millpond_wire::{Dialect, StreamObserver};

const EVENTS: usize = 200;

fn frames(dialect: Dialect) -> Vec<Bytes> {
    let (event, end) = match dialect {
        Dialect::OpenAi => (
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1758793283,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" lilies\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":200,\"total_tokens\":207}}\n\ndata: [DONE]\n\n",
        ),
        Dialect::Anthropic => (
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" lilies\"}}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":200}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
        Dialect::Gemini => (
            "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\" lilies\"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":7,\"totalTokenCount\":7}}\r\n\r\n",
            "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":200}}\r\n\r\n",
        ),
    };
    let mut frames = vec![Bytes::from_static(event.as_bytes()); EVENTS];
    frames.push(Bytes::from_static(end.as_bytes()));
    frames
}

fn watch(dialect: Dialect, frames: &[Bytes]) -> usize {
    let mut observer = StreamObserver::new(dialect, true);
    let mut sent = 0;
    for frame in frames {
        observer.feed(frame);
        while let Some(bytes) = observer.pop() {
            sent += bytes.len();
        }
    }
    black_box(observer.end());
    sent
}

fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("watch");
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let frames = frames(dialect);
        group.throughput(Throughput::Elements(EVENTS as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(format!("{dialect:?}")),
            &frames,
            |bencher, frames| {
                bencher.iter(|| watch(dialect, frames));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, streams);
criterion_main!(benches);
