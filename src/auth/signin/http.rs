//! Calls to sign-in providers: a deadline for the whole call, a bounded answer, and no redirect is followed.
//!
//! What a provider answered never becomes part of an error: it is read by its caller or forgotten.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use reqwest::{RequestBuilder, redirect};

/// Discovery documents and key sets of large providers are some tens of kilobytes long.
const LONGEST_ANSWER: usize = 512 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpProblem {
    /// Not reachable, cut off, or too slow.
    #[error("the provider could not be reached: {0}")]
    Transport(#[from] reqwest::Error),
    #[error("the provider's answer is longer than {LONGEST_ANSWER} bytes")]
    TooLong,
}

/// What a provider answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The client for cold paths to providers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Http(reqwest::Client);

impl Http {
    pub(crate) fn new(deadline: Duration) -> Result<Self, reqwest::Error> {
        // Fails only when there is a default already, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder()
            .timeout(deadline)
            .connect_timeout(CONNECT_WITHIN.min(deadline))
            // A redirect could take a client secret or a token somewhere else.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("millpond/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    pub(crate) fn get(&self, url: &str) -> RequestBuilder {
        self.0.get(url)
    }

    pub(crate) fn post(&self, url: &str) -> RequestBuilder {
        self.0.post(url)
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, HttpProblem> {
        let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(HttpProblem::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), headers: response.headers().clone(), body: body.into() })
    }

    /// The same in the types of the OAuth crates.
    pub(crate) async fn call(
        self,
        request: openidconnect::HttpRequest,
    ) -> Result<openidconnect::HttpResponse, HttpProblem> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        let request = self.0.request(parts.method, url).headers(parts.headers).body(body);
        let answer = self.send(request).await?;
        let mut response = openidconnect::HttpResponse::new(answer.body.to_vec());
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
