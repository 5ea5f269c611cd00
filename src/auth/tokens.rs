//! Access and refresh tokens: JWTs with AntiHub's claims, so that tokens issued by either are read by the other.
//!
//! Millpond adds `sid` (the session) and `gen` (the person's token generation). AntiHub's tokens have neither: they
//! stand for generation 0 and for a session of their own.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::config::TokenConfig;
use crate::ids::UserId;
use crate::store::users::User;

/// Clocks of instances may differ by this much: a token counts as alive so long after its end.
const SKEW_SECONDS: i64 = 60;
/// A token may be so far ahead of our clock: one that was put back, by an hour as a rule, ends nobody's
/// session. What was issued later than that was not issued by us.
const AHEAD_SECONDS: i64 = 2 * 3_600;

/// The two kinds. One is never accepted as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    Access,
    Refresh,
}

/// What a token says, in AntiHub's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    sub: String,
    pub username: String,
    pub exp: i64,
    iat: i64,
    pub jti: String,
    #[serde(rename = "type")]
    kind: TokenKind,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(default, rename = "gen", skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
}

impl Claims {
    /// The person.
    pub fn user_id(&self) -> Option<UserId> {
        self.sub.parse().ok().map(UserId)
    }

    /// The token generation that the token belongs to.
    pub fn generation(&self) -> i64 {
        self.generation.unwrap_or(0)
    }

    /// How long the token still lives.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        Timestamp::from_seconds(self.exp).since(now)
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("expired")]
    Expired,
    #[error("not a token of ours")]
    Invalid,
}

/// A fresh pair and what the state must know of it.
#[derive(Clone, Debug)]
pub struct TokenPair {
    pub access: String,
    pub refresh: String,
    pub refresh_jti: String,
}

/// Signs and verifies.
#[derive(Clone)]
pub struct Tokens {
    algorithm: Algorithm,
    access: (EncodingKey, DecodingKey),
    refresh: (EncodingKey, DecodingKey),
    access_life: Duration,
    refresh_life: Duration,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Keys from the configured secrets.
    pub fn new(config: &TokenConfig) -> Self {
        let keys = |secret: &secrecy::SecretString| {
            let bytes = secret.expose_secret().as_bytes();
            (EncodingKey::from_secret(bytes), DecodingKey::from_secret(bytes))
        };
        Self {
            algorithm: config.algorithm,
            access: keys(&config.access_secret),
            refresh: keys(&config.refresh_secret),
            access_life: config.access_life,
            refresh_life: config.refresh_life,
        }
    }

    /// The life of a new access token.
    pub fn access_life(&self) -> Duration {
        self.access_life
    }

    /// The life of a new refresh token.
    pub fn refresh_life(&self) -> Duration {
        self.refresh_life
    }

    /// A new pair for a session of the person.
    pub fn issue(
        &self,
        user: &User,
        sid: &str,
        now: Timestamp,
    ) -> Result<TokenPair, jsonwebtoken::errors::Error> {
        let refresh_jti = Uuid::new_v4().to_string();
        let claims = |kind, jti: &str, life: Duration| Claims {
            sub: user.id.to_string(),
            username: user.username.clone(),
            exp: now.plus(life).seconds(),
            iat: now.seconds(),
            jti: jti.to_owned(),
            kind,
            sid: Some(sid.to_owned()),
            generation: Some(user.token_generation),
        };
        let header = Header::new(self.algorithm);
        let access = claims(TokenKind::Access, &Uuid::new_v4().to_string(), self.access_life);
        let refresh = claims(TokenKind::Refresh, &refresh_jti, self.refresh_life);
        Ok(TokenPair {
            access: jsonwebtoken::encode(&header, &access, &self.access.0)?,
            refresh: jsonwebtoken::encode(&header, &refresh, &self.refresh.0)?,
            refresh_jti,
        })
    }

    /// The claims of a token of this kind that is signed by us and not expired, give or take what clocks differ.
    pub fn verify(&self, token: &str, kind: TokenKind, now: Timestamp) -> Result<Claims, TokenError> {
        let key = match kind {
            TokenKind::Access => &self.access.1,
            TokenKind::Refresh => &self.refresh.1,
        };
        let mut validation = Validation::new(self.algorithm);
        // Times are compared with our own clock below.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        let claims =
            jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|_| TokenError::Invalid)?.claims;
        if claims.kind != kind || claims.user_id().is_none() || claims.iat > now.seconds() + AHEAD_SECONDS {
            return Err(TokenError::Invalid);
        }
        if claims.exp <= now.seconds() - SKEW_SECONDS {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}
