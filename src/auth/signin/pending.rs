//! Sign-ins under way: what the provider's answer must fit. Each is used once, and lives ten minutes.
//!
//! Keys are AntiHub's, so that a sign-in that began before a switch ends after it. A state belongs to the browser that it
//! was made for: a cookie holds a random text whose hash is kept here. Dashboards take the code to us from their server and
//! bring no cookie, so a missing one is accepted where all of these hold: the way is Linux.do or GitHub, the state is for
//! signing in and not for linking, and the request is not a browser's own navigation. A wrong one never is.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Way;
use crate::auth::Auth;
use crate::edge::error::{ApiError, Result};
use crate::ids::UserId;

/// How long a person may take at the provider.
pub const LIFE: Duration = Duration::from_secs(600);

/// What is kept of a sign-in under way. AntiHub keeps `{}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pending {
    /// SHA-256 of the browser's cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// Who wants to add an identity; nobody when somebody signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// Who wants to add an identity. Ending their sessions ends this.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    pub user: UserId,
    pub generation: i64,
}

/// What an OpenID Connect provider must answer to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proof {
    pub nonce: String,
    /// The PKCE verifier as a Fernet token.
    pub verifier: String,
}

/// Who brings a state back.
#[derive(Clone, Debug)]
pub struct Bringer {
    /// The browser's cookie.
    pub cookie: Option<String>,
    /// A browser that was sent here, not a program.
    pub navigates: bool,
}

/// 32 random bytes as 43 characters of URL-safe base64.
pub fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// Whether the text may be one of ours.
pub fn is_random_text(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// What is kept of a cookie.
pub fn fingerprint(cookie: &str) -> String {
    hex::encode(Sha256::digest(cookie))
}

fn key(way: &Way<'_>, state: &str) -> String {
    match way {
        Way::LinuxDo(_) => format!("oauth_state:{state}"),
        Way::GitHub(_) => format!("oauth_state:github_oauth_state:{state}"),
        Way::Oidc(_) => format!("oauth_state:oidc:{}:{state}", way.name()),
    }
}

/// Remembers a sign-in under way.
pub(super) async fn keep(auth: &Auth, way: &Way<'_>, state: &str, pending: &Pending) -> Result<()> {
    let text = serde_json::to_string(pending).map_err(ApiError::internal)?;
    Ok(auth.core.state.put(&key(way, state), &text, LIFE).await?)
}

/// Uses a state up, whoever brings it, and returns what it was for if it was theirs.
pub async fn take(auth: &Auth, way: &Way<'_>, state: &str, bringer: &Bringer) -> Result<Pending> {
    if !is_random_text(state) {
        return Err(way.invalid_state());
    }
    let held = auth.core.state.take(&key(way, state)).await?.ok_or_else(|| way.invalid_state())?;
    let pending: Pending = serde_json::from_str(&held).map_err(|_| way.invalid_state())?;
    if belongs(way, &pending, bringer) { Ok(pending) } else { Err(way.invalid_state()) }
}

fn belongs(way: &Way<'_>, pending: &Pending, bringer: &Bringer) -> bool {
    match (&pending.browser, &bringer.cookie) {
        (Some(expected), Some(cookie)) => {
            bool::from(expected.as_bytes().ct_eq(fingerprint(cookie).as_bytes()))
        }
        (Some(_), None) => !matches!(way, Way::Oidc(_)) && pending.link.is_none() && !bringer.navigates,
        // Made by AntiHub before the switch, which bound it to nothing.
        (None, _) => !matches!(way, Way::Oidc(_)) && pending.link.is_none(),
    }
}

/// A finished sign-in that a browser has not yet fetched its tokens for.
#[derive(Debug, Serialize, Deserialize)]
struct Handover {
    user: UserId,
    generation: i64,
    browser: String,
}

/// A front end loads at once.
const HANDOVER_LIFE: Duration = Duration::from_secs(120);

/// Keeps a finished sign-in for the browser that made it, and returns the code for it: tokens in an address would stay in
/// its history.
pub async fn offer(auth: &Auth, user: UserId, generation: i64, cookie: &str) -> Result<String> {
    let code = random_text();
    let handover = Handover { user, generation, browser: fingerprint(cookie) };
    let text = serde_json::to_string(&handover).map_err(ApiError::internal)?;
    auth.core.state.put(&format!("sign_in_handover:{}", fingerprint(&code)), &text, HANDOVER_LIFE).await?;
    Ok(code)
}

/// The person of a finished sign-in and their token generation then; only once, and only for the same browser.
pub async fn redeem(auth: &Auth, code: &str, cookie: Option<&str>) -> Result<Option<(UserId, i64)>> {
    let held = auth.core.state.take(&format!("sign_in_handover:{}", fingerprint(code))).await?;
    let Some(handover) = held.and_then(|text| serde_json::from_str::<Handover>(&text).ok()) else {
        return Ok(None);
    };
    let browser = fingerprint(cookie.unwrap_or_default());
    let same = bool::from(handover.browser.as_bytes().ct_eq(browser.as_bytes()));
    Ok(same.then_some((handover.user, handover.generation)))
}
