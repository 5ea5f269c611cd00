//! Google's contents, as the simulated provider answers them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{Said, events, last_question, paced, said};

pub(super) async fn answer(
    State(models): State<Arc<[String]>>,
    Path(target): Path<String>,
    RawQuery(query): RawQuery,
    Json(request): Json<Value>,
) -> Response {
    let (model, action) = target.split_once(':').unwrap_or((&target, ""));
    if !models.iter().any(|known| known == model) {
        let message = format!("models/{model} is not found for API version v1beta");
        let error = json!({"code": 404, "message": message, "status": "NOT_FOUND"});
        return (StatusCode::NOT_FOUND, Json(json!({"error": error}))).into_response();
    }
    let said = said(model, &last_question(&request["contents"], "parts"), &request["contents"]);
    match action {
        "countTokens" => Json(json!({"totalTokens": said.input})).into_response(),
        "streamGenerateContent" => {
            let parts = parts(&said);
            match query.as_deref() {
                Some("alt=sse") => events(parts.iter().map(|part| format!("data: {part}\r\n\r\n")).collect()),
                _ => array(&parts),
            }
        }
        _ => Json(content(&said, &said.text, true)).into_response(),
    }
}

fn content(said: &Said, text: &str, last: bool) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": [{"text": text}]}, "index": 0});
    let mut usage = json!({"promptTokenCount": said.input, "totalTokenCount": said.input});
    if last {
        candidate["finishReason"] = json!("STOP");
        usage = json!({"promptTokenCount": said.input, "candidatesTokenCount": said.output,
            "totalTokenCount": said.input + said.output});
    }
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": said.model})
}

fn parts(said: &Said) -> Vec<Value> {
    let pieces: Vec<&str> = said.text.split_inclusive(' ').collect();
    let last = pieces.len().saturating_sub(1);
    pieces.iter().enumerate().map(|(place, piece)| content(said, piece, place == last)).collect()
}

fn array(parts: &[Value]) -> Response {
    let begin = |place: usize| if place == 0 { "[" } else { "\n,\r\n" };
    let mut pieces: Vec<String> =
        parts.iter().enumerate().map(|(place, part)| format!("{}{part}", begin(place))).collect();
    pieces.push("\n]\n".to_owned());
    paced("application/json; charset=UTF-8", pieces)
}
