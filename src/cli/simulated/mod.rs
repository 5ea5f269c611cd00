//! The demo's provider: speaks OpenAI's, Anthropic's and Google's dialects well enough for any client, and answers about
//! the prompt. It knows no key and no limit.

mod anthropic;
mod gemini;
mod openai;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use millpond_wire::tokens::estimate_tokens;
use serde_json::Value;

/// Between two chunks, as a quick model has it.
const PACE: Duration = Duration::from_millis(15);

/// The provider's routes.
pub(super) fn router(models: &[&str]) -> Router {
    let models: Arc<[String]> = models.iter().map(|&model| model.to_owned()).collect();
    Router::new()
        .route("/v1/models", get(openai::list))
        .route("/v1/chat/completions", post(openai::complete))
        .route("/v1/messages", post(anthropic::answer))
        .route("/v1/messages/count_tokens", post(anthropic::count))
        .route("/v1beta/models/{target}", post(gemini::answer))
        .with_state(models)
}

/// What there is to say, in any dialect.
struct Said {
    model: String,
    text: String,
    input: u64,
    output: u64,
}

fn said(model: &str, question: &str, prompt: &Value) -> Said {
    let question: String = question.chars().take(400).collect();
    let words = question.split_whitespace().count();
    let text = format!(
        "You asked: \u{201c}{question}\u{201d} That is {words} words. I am {model}, a simulated provider, so I don't \
         know the answer; but everything between you and me, from your key to the usage row, was real."
    );
    let (input, output) = (estimate_tokens(model, &prompt.to_string()), estimate_tokens(model, &text));
    Said { model: model.to_owned(), text, input, output }
}

/// The text of the last message of the user, whose parts stand under `member`.
fn last_question(messages: &Value, member: &str) -> String {
    let last =
        messages.as_array().and_then(|messages| messages.iter().rfind(|message| message["role"] == "user"));
    let content = last.map(|message| &message[member]).unwrap_or(&Value::Null);
    let parts = content.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str());
    content.as_str().map_or_else(|| parts.collect::<Vec<_>>().join(" "), str::to_owned)
}

/// A stream of server-sent events at a pace.
fn events(lines: Vec<String>) -> Response {
    paced("text/event-stream", lines)
}

fn paced(content_type: &'static str, pieces: Vec<String>) -> Response {
    let paced = stream::iter(pieces).then(|piece| async move {
        tokio::time::sleep(PACE).await;
        Ok::<_, Infallible>(piece)
    });
    ([(header::CONTENT_TYPE, content_type)], Body::from_stream(paced)).into_response()
}
