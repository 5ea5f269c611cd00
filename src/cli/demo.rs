//! `millpond demo`: everything that a newcomer needs to see it work, in a directory that is gone afterwards. Only the
//! provider is simulated; sign-in, SQL, selection, relay and settlement are the real ones.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::net::TcpListener;

use super::output::Output;
use super::serve::until_stopped;
use super::{Result, logging, simulated};
use crate::app::App;
use crate::auth::keys::{self, KeyHash};
use crate::clock::Clock;
use crate::config::{Config, Variables, local_url};
use crate::ids::UserId;
use crate::state::Invalidation;
use crate::store::Tx;
use crate::store::accounts::AccountRow;
use crate::store::api_keys::NewApiKey;
use crate::store::users::{NewUser, Role};

/// The models of the simulated provider.
const MODELS: [&str; 2] = ["pond-small", "pond-large"];
/// Those that it serves in the other two dialects.
const CLAUDE: &str = "claude-pond";
const GEMINI: &str = "gemini-pond";

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8008, value_name = "N")]
    port: u16,
    /// Print one line of JSON when ready, for scripts
    #[arg(long)]
    json: bool,
}

/// A directory that is removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("millpond-demo-{}", uuid::Uuid::new_v4().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "the demo's directory could not be removed");
        }
    }
}

/// Who and what the demo shows.
struct Cast {
    admin_password: SecretString,
    member_password: SecretString,
    key: SecretString,
}

/// Runs until SIGTERM or Ctrl-C.
pub(super) async fn run(options: Options) -> Result {
    let scratch = Scratch::new()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
    let listener = listener.map_err(|error| format!("can't listen on port {}: {error}", options.port))?;
    let address = listener.local_addr()?;
    let provider = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let provider_address = provider.local_addr()?;
    let config = Config::from_variables(&variables(&scratch, address))?;
    let log = logging::start(&config);
    let app = App::start(config, Clock::System).await?;
    log.tell_losses(&app.core.tasks);
    app.core.tasks.spawn("simulated provider", |ended| async move {
        tokio::select! {
            served = axum::serve(provider, simulated::router(&[MODELS[0], MODELS[1], CLAUDE, GEMINI])) => if let Err(error) = served {
                tracing::error!(%error, "the simulated provider failed");
            },
            () = ended.cancelled() => {}
        }
    });
    let cast = prepare(&app, provider_address).await?;
    announce(&options, address, &cast);
    until_stopped(&app, listener).await;
    Ok(())
}

fn variables(scratch: &Scratch, address: SocketAddr) -> Variables {
    let mut variables = Variables::default();
    variables.set("DATA_DIR", scratch.0.display().to_string());
    variables.set("HOST", address.ip().to_string());
    variables.set("PORT", address.port().to_string());
    variables.set("LOG_LEVEL", "WARNING".to_owned());
    variables.set("ALLOW_PRIVATE_UPSTREAMS", "127.0.0.1".to_owned());
    variables.set("SHARED_UPSTREAM_HOSTS", "127.0.0.1".to_owned());
    variables
}

async fn prepare(app: &App, provider: SocketAddr) -> Result<Cast> {
    let mut tx = app.core.store.begin().await?;
    let (admin, admin_password) = person(app, &mut tx, "admin", Role::Admin).await?;
    let (member, member_password) = person(app, &mut tx, "member", Role::Member).await?;
    // The member's own account serves the small model only, so everything else comes from the pool.
    let (openai, origin) = (format!("http://{provider}/v1"), format!("http://{provider}"));
    for (owner, name, kind, base, models) in [
        (admin, "mill wheel", "openai", &openai, MODELS.as_slice()),
        (admin, "sluice", "openai", &openai, MODELS.as_slice()),
        (admin, "reed bank", "anthropic", &origin, &[CLAUDE]),
        (admin, "lily field", "gemini", &origin, &[GEMINI]),
        (member, "my own well", "openai", &openai, &MODELS[..1]),
    ] {
        let row = AccountRow {
            name: name.to_owned(),
            provider: kind.to_owned(),
            base_url: Some(base.clone()),
            models: Some(json!(models).to_string()),
            is_shared: owner == admin,
            ..account(app, owner)
        };
        tx.create_account(&row).await?;
    }
    let key = keys::generate();
    let row = NewApiKey {
        user_id: member,
        hash: &KeyHash::of(key.expose_secret()).to_hex(),
        encrypted: &app.core.vault.encrypt(key.expose_secret()),
        preview: &keys::preview(&key),
        name: Some("demo"),
        description: None,
        config_type: "antigravity",
        allowed_models: None,
        requests_per_minute: None,
        expires_at: None,
    };
    tx.create_api_key(&row, app.core.clock.now()).await?;
    tx.commit().await?;
    app.core.state.publish(Invalidation::Everything).await;
    Ok(Cast { admin_password, member_password, key })
}

async fn person(app: &App, tx: &mut Tx, name: &str, role: Role) -> Result<(UserId, SecretString)> {
    let password = SecretString::from(uuid::Uuid::new_v4().simple().to_string()[..16].to_owned());
    let hash = app.auth.passwords.hash(&password).await.map_err(|_| "a password could not be hashed")?;
    let user = NewUser {
        username: name.to_owned(),
        password_hash: Some(hash),
        oauth_id: None,
        avatar_url: None,
        trust_level: 1,
        is_active: true,
        is_silenced: false,
        is_beta: false,
        role,
    };
    let created = tx.create_user(&user, app.core.clock.now()).await?;
    let id = created.ok_or("the demo's database is not empty")?;
    Ok((id, password))
}

fn account(app: &App, owner: UserId) -> AccountRow {
    AccountRow::new(owner, "", app.core.vault.encrypt("simulated"), app.core.clock.now())
}

fn announce(options: &Options, address: SocketAddr, cast: &Cast) {
    let base_url = local_url(address);
    let (admin, member) = (cast.admin_password.expose_secret(), cast.member_password.expose_secret());
    let key = cast.key.expose_secret();
    if options.json {
        let ready = json!({
            "base_url": base_url,
            "admin": {"username": "admin", "password": admin},
            "member": {"username": "member", "password": member},
            "api_key": key,
            "models": MODELS,
            "anthropic_models": [CLAUDE],
            "gemini_models": [GEMINI],
        });
        Output::say(&ready.to_string());
        return;
    }
    Output::say(&format!(
        "Millpond demo at {base_url}, with a simulated provider. Ctrl-C ends it and leaves nothing behind.\n\n\
         administrator  admin   {admin}\n\
         member         member  {member}\n\
         API key        {key}\n\n\
         Chat through the pool, streamed:\n\n  \
         curl -N {base_url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
         -d '{{\"model\":\"pond-large\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"What is a mill pond?\"}}]}}'\n\n\
         The same in Anthropic's and in Google's dialect:\n\n  \
         curl -N {base_url}/v1/messages -H 'x-api-key: {key}' -H 'Content-Type: application/json' \
         -d '{{\"model\":\"{CLAUDE}\",\"max_tokens\":200,\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"What is a mill pond?\"}}]}}'\n  \
         curl -N '{base_url}/v1beta/models/{GEMINI}:streamGenerateContent?alt=sse' -H 'x-goog-api-key: {key}' -H 'Content-Type: application/json' \
         -d '{{\"contents\":[{{\"role\":\"user\",\"parts\":[{{\"text\":\"What is a mill pond?\"}}]}}]}}'\n\n\
         Sign in as the member:\n\n  \
         curl {base_url}/api/auth/login -H 'Content-Type: application/json' -d '{{\"username\":\"member\",\"password\":\"{member}\"}}'\n\n\
         See the call on record:\n\n  \
         curl {base_url}/api/usage/logs -H \"Authorization: Bearer $(curl -s {base_url}/api/auth/login -H 'Content-Type: application/json' \
         -d '{{\"username\":\"member\",\"password\":\"{member}\"}}' | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\"\n"
    ));
}
