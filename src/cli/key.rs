//! `millpond key`: API keys, made and revoked by the operator.

use clap::Subcommand;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::Result;
use super::open::{Opened, entry};
use super::output::Output;
use crate::audit::{Action, Target};
use crate::auth::keys::{self, KeyHash};
use crate::ids::KeyId;
use crate::state::Invalidation;
use crate::store::api_keys::{ApiKeyRow, NewApiKey};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a key and show it
    Create {
        /// Whose key it will be
        #[arg(long, value_name = "NAME")]
        user: String,
        /// What to call it
        #[arg(long, value_name = "X")]
        name: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// List a person's keys, without their secrets
    List {
        /// Whose keys
        #[arg(long, value_name = "NAME")]
        user: String,
        #[command(flatten)]
        output: Output,
    },
    /// Delete a key; running servers refuse it within a second
    Revoke {
        /// Whose key it is
        #[arg(long, value_name = "NAME")]
        user: String,
        /// The key's id, from `key list`
        id: i32,
        #[command(flatten)]
        output: Output,
    },
}

/// Runs a command on the configured database.
pub(super) async fn run(command: Command) -> Result {
    let opened = Opened::new().await?;
    match command {
        Command::Create { user, name, output } => create(&opened, &user, name.as_deref(), output).await?,
        Command::List { user, output } => list(&opened, &user, output).await?,
        Command::Revoke { user, id, output } => revoke(&opened, &user, KeyId(id), output).await?,
    }
    opened.close().await
}

fn describe(row: &ApiKeyRow) -> Value {
    json!({
        "id": row.id,
        "user_id": row.user_id,
        "name": row.name,
        "key_preview": row.key_preview,
        "config_type": row.config_type,
        "is_active": row.is_active,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "expires_at": row.expires_at,
    })
}

async fn create(opened: &Opened, user: &str, name: Option<&str>, output: Output) -> Result {
    let user = opened.user(user).await?;
    if name.is_some_and(|name| name.chars().count() > 100 || name.contains('\0')) {
        return Err("a key's name has at most 100 characters".into());
    }
    let secret = keys::generate();
    let key = NewApiKey {
        user_id: user.id,
        hash: &KeyHash::of(secret.expose_secret()).to_hex(),
        encrypted: &opened.vault.encrypt(secret.expose_secret()),
        preview: &keys::preview(&secret),
        name,
        description: None,
        config_type: "antigravity",
        allowed_models: None,
        requests_per_minute: None,
        expires_at: None,
    };
    let mut tx = opened.store.begin().await?;
    if tx.count_api_keys(user.id).await? >= keys::MOST {
        return Err(
            format!("{} has {} keys, which is as many as one may have", user.username, keys::MOST).into()
        );
    }
    let row = tx.create_api_key(&key, opened.clock.now()).await?;
    opened.commit(tx, &entry(Action::KeyCreated).on(Target::key(row.id))).await?;
    let mut answer = describe(&row);
    if let Some(members) = answer.as_object_mut() {
        members.insert("key".to_owned(), secret.expose_secret().into());
    }
    output.answer(&answer, secret.expose_secret());
    Ok(())
}

async fn list(opened: &Opened, user: &str, output: Output) -> Result {
    let user = opened.user(user).await?;
    let rows = opened.store.list_api_keys(user.id).await?;
    if output.is_json() {
        Output::say(&Value::Array(rows.iter().map(describe).collect()).to_string());
        return Ok(());
    }
    for row in &rows {
        let state = if row.is_active { "active" } else { "off" };
        let preview = row.key_preview.as_deref().unwrap_or("sk-");
        Output::say(&format!(
            "{:>6}  {preview}...  {state:<7} {}",
            row.id.0,
            row.name.as_deref().unwrap_or("-")
        ));
    }
    Ok(())
}

async fn revoke(opened: &Opened, user: &str, id: KeyId, output: Output) -> Result {
    let user = opened.user(user).await?;
    let mut tx = opened.store.begin().await?;
    let hash = tx.delete_api_key(user.id, id).await?;
    let hash = hash.ok_or_else(|| format!("{} has no key with the id {id}", user.username))?;
    opened.commit(tx, &entry(Action::KeyDeleted).on(Target::key(id))).await?;
    opened.announce(Invalidation::ApiKey(hash)).await?;
    output.answer(&json!({"id": id, "revoked": true}), &format!("Key {id} is revoked."));
    Ok(())
}
