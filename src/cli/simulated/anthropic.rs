//! Anthropic's messages, as the simulated provider answers them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{Said, events, last_question, said};

fn understand(models: &[String], request: &Value) -> Result<Said, (StatusCode, Json<Value>)> {
    let model = request["model"].as_str().unwrap_or_default();
    if !models.iter().any(|known| known == model) {
        let error = json!({"type": "not_found_error", "message": format!("model: {model}")});
        return Err((StatusCode::NOT_FOUND, Json(json!({"type": "error", "error": error}))));
    }
    Ok(said(model, &last_question(&request["messages"], "content"), &request["messages"]))
}

pub(super) async fn count(State(models): State<Arc<[String]>>, Json(request): Json<Value>) -> Response {
    match understand(&models, &request) {
        Err(refusal) => refusal.into_response(),
        Ok(said) => Json(json!({"input_tokens": said.input})).into_response(),
    }
}

pub(super) async fn answer(State(models): State<Arc<[String]>>, Json(request): Json<Value>) -> Response {
    match understand(&models, &request) {
        Err(refusal) => refusal.into_response(),
        Ok(said) if request["stream"] == true => streamed(&said),
        Ok(said) => {
            let content = json!([{"type": "text", "text": said.text}]);
            Json(message(&said, &content, &json!("end_turn"), said.output)).into_response()
        }
    }
}

fn message(said: &Said, content: &Value, stop_reason: &Value, output: u64) -> Value {
    let usage = json!({"input_tokens": said.input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "output_tokens": output});
    json!({"id": format!("msg_{}", uuid::Uuid::new_v4().simple()), "type": "message", "role": "assistant",
        "model": said.model, "content": content, "stop_reason": stop_reason, "stop_sequence": null, "usage": usage})
}

fn streamed(said: &Said) -> Response {
    let start = message(said, &json!([]), &Value::Null, 1);
    let mut all = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    all.extend(said.text.split_inclusive(' ').map(|piece| {
        let delta = json!({"type": "text_delta", "text": piece});
        json!({"type": "content_block_delta", "index": 0, "delta": delta})
    }));
    all.push(json!({"type": "content_block_stop", "index": 0}));
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": said.output}}));
    all.push(json!({"type": "message_stop"}));
    let line = |event: Value| {
        let name = event["type"].as_str().unwrap_or_default();
        format!("event: {name}\ndata: {event}\n\n")
    };
    events(all.into_iter().map(line).collect())
}
