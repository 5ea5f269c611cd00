//! OpenAI's chat completions, as the simulated provider answers them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use millpond_wire::models::{Model, ModelList};
use serde_json::{Value, json};

use super::{Said, events, last_question, said};

pub(super) async fn list(State(models): State<Arc<[String]>>) -> Json<ModelList> {
    let named = |name: &String| Model::new(name.clone(), 1_700_000_000, "simulated");
    Json(ModelList::new(models.iter().map(named).collect()))
}

/// One call, understood.
struct Call {
    id: String,
    said: Said,
    usage: Value,
    wants_usage: bool,
}

impl Call {
    fn chunk(&self, delta: &Value, finish_reason: &Value) -> Value {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        self.frame(&json!([choice]))
    }

    fn frame(&self, choices: &Value) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": self.said.model,
            "system_fingerprint": "fp_simulated", "choices": choices,
        })
    }
}

fn understand(models: &[String], request: &Value) -> Result<Call, (StatusCode, Json<Value>)> {
    let model = request["model"].as_str().unwrap_or_default();
    if !models.iter().any(|known| known == model) {
        let error = json!({"message": format!("The model `{model}` does not exist"), "type": "invalid_request_error",
            "param": null, "code": "model_not_found"});
        return Err((StatusCode::NOT_FOUND, Json(json!({"error": error}))));
    }
    let said = said(model, &last_question(&request["messages"], "content"), &request["messages"]);
    let usage = json!({
        "prompt_tokens": said.input, "completion_tokens": said.output, "total_tokens": said.input + said.output,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    });
    let wants_usage = request["stream_options"]["include_usage"] == true;
    let id = format!("chatcmpl-{}", uuid::Uuid::new_v4().simple());
    Ok(Call { id, said, usage, wants_usage })
}

pub(super) async fn complete(State(models): State<Arc<[String]>>, Json(request): Json<Value>) -> Response {
    match understand(&models, &request) {
        Err(refusal) => refusal.into_response(),
        Ok(call) if request["stream"] == true => streamed(&call),
        Ok(call) => whole(&call),
    }
}

fn whole(call: &Call) -> Response {
    let message = json!({"role": "assistant", "content": call.said.text, "refusal": null});
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    Json(json!({
        "id": call.id, "object": "chat.completion", "created": 1_700_000_000, "model": call.said.model,
        "system_fingerprint": "fp_simulated", "choices": [choice], "usage": call.usage,
    }))
    .into_response()
}

fn streamed(call: &Call) -> Response {
    let mut frames = vec![call.chunk(&json!({"role": "assistant", "content": ""}), &Value::Null)];
    let pieces = call.said.text.split_inclusive(' ');
    frames.extend(pieces.map(|piece| call.chunk(&json!({"content": piece}), &Value::Null)));
    frames.push(call.chunk(&json!({}), &json!("stop")));
    if call.wants_usage {
        let mut last = call.frame(&json!([]));
        last["usage"] = call.usage.clone();
        frames.push(last);
    }
    let lines =
        frames.into_iter().map(|frame| format!("data: {frame}\n\n")).chain(["data: [DONE]\n\n".to_owned()]);
    events(lines.collect())
}
