//! The second factor: time-based codes (RFC 6238: SHA-1, six digits, thirty seconds, one step of leeway), each good once,
//! and recovery codes for who lost the device.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use totp_rs::{Builder, Secret, Totp};

use super::Auth;
use super::extract::Client;
use super::one_time;
use crate::audit::{Action, Actor, Entry, Target};
use crate::edge::error::{ApiError, Result};
use crate::messages::say;
use crate::state::Invalidation;
use crate::state::throttle::Subject;
use crate::store::users::User;

const SECRET_BYTES: usize = 20;
const RECOVERY_CODES: usize = 10;
/// A code is remembered for longer than any step in which it could be accepted.
const USED_FOR: Duration = Duration::from_secs(180);
/// Name of the installation in authenticator apps.
const ISSUER: &str = "Millpond";

/// What somebody shows as second factor.
#[derive(Clone, Debug)]
pub enum Proof {
    Code(SecretString),
    Recovery(SecretString),
}

impl Proof {
    /// What somebody shows; a code counts before a recovery code.
    pub fn of(code: Option<SecretString>, recovery_code: Option<SecretString>) -> Option<Self> {
        code.map(Self::Code).or(recovery_code.map(Self::Recovery))
    }
}

/// What a person needs to set an authenticator app up.
#[derive(Debug)]
pub struct Setup {
    pub uri: SecretString,
    pub qr_svg: SecretString,
}

fn totp(secret: &[u8], name: &str) -> Result<Totp> {
    // A colon would end the name within the address.
    Builder::new()
        .with_secret(Secret::from(secret))
        .with_account_name(name.replace(':', "_"))
        .with_issuer(Some(ISSUER))
        .build()
        .map_err(|_| ApiError::internal("a second factor's secret can't be used"))
}

fn open(auth: &Auth, user: &User, stored: &str) -> Result<Totp> {
    let text = auth.core.vault.decrypt(stored).map_err(ApiError::internal)?;
    let secret = STANDARD_NO_PAD.decode(text.expose_secret()).map_err(ApiError::internal)?;
    totp(&secret, &user.username)
}

/// Begins to set a second factor up. Nothing is asked for it until it is confirmed.
pub async fn begin(auth: &Auth, user: &User) -> Result<Setup> {
    let secret = rand::random::<[u8; SECRET_BYTES]>();
    let stored = auth.core.vault.encrypt(&STANDARD_NO_PAD.encode(secret));
    if !auth.core.store.begin_second_factor(user.id, &stored, auth.core.clock.now()).await? {
        let status = axum::http::StatusCode::CONFLICT;
        return Err(ApiError::new(status, "totp_exists", say("totp_exists")));
    }
    let uri =
        totp(&secret, &user.username)?.to_url().map_err(|_| ApiError::internal("no otpauth address"))?;
    let code = qrcode::QrCode::new(uri.as_bytes()).map_err(ApiError::internal)?;
    let qr_svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(200, 200).build();
    Ok(Setup { uri: uri.into(), qr_svg: qr_svg.into() })
}

/// Confirms the second factor with a first code; answers the recovery codes, which are never shown again.
pub async fn confirm(
    auth: &Auth,
    user: &User,
    code: &SecretString,
    entry: &Entry,
) -> Result<Vec<SecretString>> {
    let stored = auth.core.store.find_second_factor(user.id, false).await?;
    let stored = stored.ok_or_else(|| ApiError::bad_request("totp_not_begun", say("totp_not_begun")))?;
    slow_down(auth, user).await?;
    let accepted = accept_code(auth, user, &stored, code).await?;
    settle(auth, user, accepted).await?;
    let codes: Vec<SecretString> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let hashes: Vec<String> = codes.iter().map(|code| one_time::hash(&bare(code.expose_secret()))).collect();
    let mut tx = auth.core.store.begin().await?;
    if !tx.confirm_second_factor(user.id, &stored, &hashes).await? {
        return Err(ApiError::bad_request("totp_not_begun", say("totp_not_begun")));
    }
    auth.core.audit.commit(tx, entry).await?;
    auth.core.state.publish(Invalidation::User(user.id)).await;
    Ok(codes)
}

/// Removes a person's second factor. Who removes their own shows it first, see [`verify`].
pub async fn remove(auth: &Auth, user: &User, entry: &Entry) -> Result<()> {
    let mut tx = auth.core.store.begin().await?;
    tx.remove_second_factor(user.id).await?;
    auth.core.audit.commit(tx, entry).await?;
    auth.core.state.publish(Invalidation::User(user.id)).await;
    Ok(())
}

/// Refuses whoever can't show the second factor. Guessing is slowed down as it is with passwords.
pub async fn verify(auth: &Auth, user: &User, proof: &Proof, client: &Client) -> Result<()> {
    slow_down(auth, user).await?;
    let entry = |action| Entry::new(action, Actor::Nobody, client).on(Target::person(user.id));
    let accepted = match proof {
        Proof::Recovery(code) => {
            let used = entry(Action::RecoveryCodeUsed);
            use_recovery_code(auth, user, code, &used).await?
        }
        Proof::Code(code) => match auth.core.store.find_second_factor(user.id, true).await? {
            Some(stored) => accept_code(auth, user, &stored, code).await?,
            None => false,
        },
    };
    if !accepted {
        auth.core.audit.record(&entry(Action::SecondFactorFailed)).await?;
    }
    settle(auth, user, accepted).await
}

async fn use_recovery_code(auth: &Auth, user: &User, code: &SecretString, entry: &Entry) -> Result<bool> {
    let hash = one_time::hash(&bare(code.expose_secret()));
    let mut tx = auth.core.store.begin().await?;
    let is_good = tx.use_recovery_code(user.id, &hash).await?;
    if is_good {
        auth.core.audit.commit(tx, entry).await?;
    }
    Ok(is_good)
}

fn attempts(user: &User) -> String {
    format!("totp:{}", user.id)
}

async fn slow_down(auth: &Auth, user: &User) -> Result<()> {
    let wait =
        auth.core.state.login_attempt(Subject::Account(&attempts(user)), auth.core.clock.now()).await?;
    if wait.is_zero() {
        return Ok(());
    }
    Err(ApiError::too_many("too_many_logins", say("too_many_logins"), wait))
}

async fn settle(auth: &Auth, user: &User, accepted: bool) -> Result<()> {
    if !accepted {
        return Err(ApiError::new(axum::http::StatusCode::UNAUTHORIZED, "totp_wrong", say("totp_wrong")));
    }
    Ok(auth.core.state.login_succeeded(Subject::Account(&attempts(user))).await?)
}

/// Whether the code is one of now, and the first use of it on any instance.
async fn accept_code(auth: &Auth, user: &User, stored: &str, code: &SecretString) -> Result<bool> {
    let now = u64::try_from(auth.core.clock.now().seconds()).unwrap_or(0);
    let text: String = code.expose_secret().chars().filter(|letter| !letter.is_whitespace()).collect();
    let Some(step) = open(auth, user, stored)?.check(&text, now) else { return Ok(false) };
    let used = format!("totp_used:{}:{step}", user.id);
    Ok(auth.core.state.compare_and_put(&used, None, "1", USED_FOR).await?)
}

/// Eighty bits in four groups, in an alphabet without letters that look alike.
fn recovery_code() -> SecretString {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut code = String::with_capacity(19);
    for (place, byte) in rand::random::<[u8; 16]>().into_iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    code.into()
}

/// A recovery code as it is hashed, however it was typed.
fn bare(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}
