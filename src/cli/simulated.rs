//! The demo's provider: speaks OpenAI's chat completions well enough for any client, and answers about the prompt.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use futures_util::stream;
use millpond_wire::models::{Model, ModelList};
use millpond_wire::tokens::estimate_tokens;
use serde_json::{Value, json};

/// Between two chunks, as a quick model has it.
const PACE: Duration = Duration::from_millis(15);

/// The provider's routes.
pub(super) fn router(models: &[&str]) -> Router {
    let models: Arc<[String]> = models.iter().map(|&model| model.to_owned()).collect();
    Router::new()
        .route("/v1/models", get(list))
        .route("/v1/chat/completions", post(complete))
        .with_state(models)
}

async fn list(State(models): State<Arc<[String]>>) -> Json<ModelList> {
    Json(ModelList::new(
        models.iter().map(|name| Model::new(name.clone(), 1_700_000_000, "simulated")).collect(),
    ))
}

/// One call, understood.
struct Call {
    id: String,
    model: String,
    answer: String,
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
            "id": self.id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": self.model,
            "system_fingerprint": "fp_simulated", "choices": choices,
        })
    }
}

fn last_question(messages: &Value) -> String {
    let last =
        messages.as_array().and_then(|messages| messages.iter().rfind(|message| message["role"] == "user"));
    let content = last.map(|message| &message["content"]).unwrap_or(&Value::Null);
    let parts = content.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str());
    content.as_str().map_or_else(|| parts.collect::<Vec<_>>().join(" "), str::to_owned)
}

fn understand(models: &[String], request: &Value) -> Result<Call, (StatusCode, Json<Value>)> {
    let model = request["model"].as_str().unwrap_or_default().to_owned();
    if !models.contains(&model) {
        let error = json!({"message": format!("The model `{model}` does not exist"), "type": "invalid_request_error",
            "param": null, "code": "model_not_found"});
        return Err((StatusCode::NOT_FOUND, Json(json!({"error": error}))));
    }
    let question: String = last_question(&request["messages"]).chars().take(400).collect();
    let words = question.split_whitespace().count();
    let answer = format!(
        "You asked: \u{201c}{question}\u{201d} That is {words} words. I am {model}, a simulated provider, so I don't \
         know the answer; but everything between you and me, from your key to the usage row, was real."
    );
    let input = estimate_tokens(&model, &request["messages"].to_string());
    let output = estimate_tokens(&model, &answer);
    let usage = json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    });
    let wants_usage = request["stream_options"]["include_usage"] == true;
    let id = format!("chatcmpl-{}", uuid::Uuid::new_v4().simple());
    Ok(Call { id, model, answer, usage, wants_usage })
}

async fn complete(State(models): State<Arc<[String]>>, Json(request): Json<Value>) -> Response {
    match understand(&models, &request) {
        Err(refusal) => refusal.into_response(),
        Ok(call) if request["stream"] == true => streamed(&call),
        Ok(call) => whole(&call),
    }
}

fn whole(call: &Call) -> Response {
    let message = json!({"role": "assistant", "content": call.answer, "refusal": null});
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
    Json(json!({
        "id": call.id, "object": "chat.completion", "created": 1_700_000_000, "model": call.model,
        "system_fingerprint": "fp_simulated", "choices": [choice], "usage": call.usage,
    }))
    .into_response()
}

fn streamed(call: &Call) -> Response {
    let mut frames = vec![call.chunk(&json!({"role": "assistant", "content": ""}), &Value::Null)];
    let pieces = call.answer.split_inclusive(' ');
    frames.extend(pieces.map(|piece| call.chunk(&json!({"content": piece}), &Value::Null)));
    frames.push(call.chunk(&json!({}), &json!("stop")));
    if call.wants_usage {
        let mut last = call.frame(&json!([]));
        last["usage"] = call.usage.clone();
        frames.push(last);
    }
    let lines =
        frames.into_iter().map(|frame| format!("data: {frame}\n\n")).chain(["data: [DONE]\n\n".to_owned()]);
    let paced = stream::iter(lines.collect::<Vec<_>>()).then(|line| async move {
        tokio::time::sleep(PACE).await;
        Ok::<_, Infallible>(line)
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(paced)).into_response()
}
