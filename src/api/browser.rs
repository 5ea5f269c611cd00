//! What a browser needs around a sign-in elsewhere: the cookie that ties a state to it, and what it sees when it comes
//! back by itself instead of through a dashboard's server.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::auth::signin::pending::{self, Bringer};
use crate::edge::error::ApiError;
use crate::messages::{Language, say};

const COOKIE_NAME: &str = "millpond_sign_in";

/// What is known of the browser, if it is one.
#[derive(Clone, Debug)]
pub(super) struct Browser(pub(super) Bringer);

impl FromRequestParts<App> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self(Bringer { cookie: cookie(&parts.headers), navigates: navigates(&parts.headers) }))
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let lists = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE_NAME && pending::is_random_text(value))
        .map(|(_, value)| value.to_owned())
}

/// A person's browser that was sent to an address, in contrast to a script or a server that fetches it.
fn navigates(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => text(ACCEPT.as_str()).is_some_and(|accepted| accepted.contains("text/html")),
    }
}

impl Browser {
    /// The browser's cookie, or a new one. It is kept for as long as a sign-in may take, so that two windows that sign in at
    /// once don't take it from each other.
    pub(super) fn cookie_or_new(&self) -> String {
        self.0.cookie.clone().unwrap_or_else(pending::random_text)
    }
}

fn set_cookie(value: &str, seconds: u64, is_secure: bool) -> HeaderValue {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE_NAME}={value}; Path=/api; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Gives the browser its cookie.
pub(super) fn with_cookie(mut response: Response, value: &str, is_secure: bool) -> Response {
    response.headers_mut().insert(SET_COOKIE, set_cookie(value, pending::LIFE.as_secs(), is_secure));
    response
}

/// Takes the cookie away.
pub(super) fn without_cookie(mut response: Response, is_secure: bool) -> Response {
    response.headers_mut().insert(SET_COOKIE, set_cookie("", 0, is_secure));
    response
}

/// Sends the browser to an address that we made or that is configured.
pub(super) fn see_other(address: &str) -> Result<Response, ApiError> {
    let location = HeaderValue::from_str(address).map_err(ApiError::internal)?;
    Ok((StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response())
}

/// Sends the browser to the configured front end. What stands in the fragment reaches no server and no `Referer`.
pub(super) fn to_front_end(app: &App, fragment: &str) -> Result<Response, ApiError> {
    see_other(&format!("{}#{fragment}", app.core.config.sign_in.return_url))
}

/// The page for a browser whose sign-in failed: words, a code, a way back, and nothing that runs.
pub(super) fn error_page(app: &App, error: &ApiError) -> Response {
    tracing::info!(
        code = error.code(),
        cause = error.private_cause().unwrap_or_default(),
        "a browser's sign-in failed"
    );
    let language = Language::of_this_answer();
    let (tag, title, back) = (
        if language == Language::English { "en" } else { "zh" },
        say("sign_in_failed_title"),
        say("sign_in_back"),
    );
    let html = format!(
        "<!doctype html>\n<html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title></head>\n\
         <body><main><h1>{title}</h1><p>{message}</p><p><code>{code}</code></p>\
         <p><a href=\"{url}\">{back}</a></p></main></body></html>\n",
        title = escape(&title.written_in(language)),
        message = escape(&error.message.written_in(language)),
        code = escape(error.code()),
        url = escape(&app.core.config.sign_in.return_url),
        back = escape(&back.written_in(language)),
    );
    let policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
    (error.status(), headers, html).into_response()
}

pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_cookies_count() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, text.parse().unwrap());
            cookie(&headers)
        };
        let good = "A".repeat(43);
        assert_eq!(read(&format!("a=b; millpond_sign_in={good}")), Some(good.clone()));
        assert_eq!(read("millpond_sign_in="), None);
        assert_eq!(read(&format!("millpond_sign_in={good}x")), None);
        assert_eq!(read(&format!("x_millpond_sign_in={good}")), None);
    }

    #[test]
    fn nothing_in_a_page_is_markup() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
