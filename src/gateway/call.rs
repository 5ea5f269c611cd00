//! The way of every call, whatever its dialect: read what is asked, admit it, find an answer, hand it to the relay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use millpond_wire::{Endpoint, Head, Observed, RequestError};

use super::Gateway;
use super::attempts::{self, Answer, Refusal};
use super::journal::Closed;
use super::relay::{self, Patience, Shape};
use super::request::{ModelRequest, Outside};
use super::settlement::{Call, End, Settlement};
use crate::auth::extract::Caller;
use crate::edge::error::{ApiError, Result};
use crate::edge::input;

fn unreadable(error: RequestError) -> ApiError {
    let refused = ApiError::bad_request(error.code, error.message);
    match error.param {
        Some(param) => refused.param(param),
        None => refused,
    }
}

fn closed(why: Closed) -> ApiError {
    let (code, message) = match why {
        Closed::Full => ("overloaded", "Too many calls are running at present."),
        Closed::Ending => ("overloaded", "The server is ending."),
        Closed::Recovering => {
            ("starting", "What was recorded before the server's start is still being read.")
        }
        Closed::Stuck => ("not_recordable", "Calls can't be recorded at present, so none is made."),
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
        .retry_after(Duration::from_secs(1))
        .because(why)
}

/// The way of every call.
pub(crate) async fn serve(
    gateway: &Gateway,
    caller: Caller,
    request_id: Arc<str>,
    request: Request,
    outside: impl FnOnce(&HeaderMap) -> Outside,
) -> Result<Response<Body>> {
    let (started, created_at) = (Instant::now(), gateway.core.clock.now());
    let (parts, body) = request.into_parts();
    if !input::is_json(&parts.headers) {
        return Err(input::unsupported_media_type());
    }
    let body = input::read(body, &gateway.core.config).await?;
    let outside = outside(&parts.headers);
    let head = Head::parse(outside.endpoint, &body).map_err(unreadable)?;
    let asked = ModelRequest::new(&caller, outside, head, &body);
    let place = gateway.journal.place().await.map_err(closed)?;
    let call = Call {
        user: caller.user.id,
        key: caller.key.as_ref().map(|key| key.id),
        request_id,
        endpoint: asked.endpoint,
        model: asked.model.clone(),
        stream: asked.stream,
        prompt: asked.head.prompt.clone(),
        body: body.clone(),
        started,
        created_at,
    };
    let mut settlement = Settlement::new(gateway, place, call);
    let deadline = started + gateway.core.config.upstream.deadline;
    match attempts::answer(gateway, &caller, &asked, &body, &mut settlement, deadline).await {
        Ok(Answer::Refused(refused)) => relay::refusal(*refused, settlement, asked.endpoint.dialect()).await,
        Ok(Answer::Success(answer)) => {
            let patience =
                Patience { idle: gateway.upstream.limits().idle_timeout, deadline: deadline.into() };
            let shape = Shape {
                dialect: asked.endpoint.dialect(),
                drop_usage_chunk: asked.head.lacks_usage(),
                array: asked.endpoint == Endpoint::StreamGenerateContent && asked.query.is_none(),
            };
            relay::deliver(answer, settlement, shape, patience, &gateway.core.tasks).await
        }
        Err(Refusal { error, outcome }) => {
            let end = End { outcome, status: error.status().as_u16(), error_code: Some(error.code()) };
            relay::recorded(settlement.finish(end, Observed::default())).await?;
            Err(error)
        }
    }
}
