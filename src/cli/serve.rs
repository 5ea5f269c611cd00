//! `millpond serve`: the server until it is told to stop.

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use secrecy::ExposeSecret as _;

use super::data_dir::DataDirLock;
use super::output::Output;
use super::{Result, logging};
use crate::app::App;
use crate::auth::registration;
use crate::clock::Clock;
use crate::config::{Config, local_url};
use crate::server;

/// Runs until SIGTERM or Ctrl-C.
pub(super) async fn run() -> Result {
    let config = Config::load()?;
    logging::start(&config);
    let without_effect: Vec<&str> = config.without_effect().collect();
    if !without_effect.is_empty() {
        tracing::warn!(
            variables = without_effect.join(", "),
            "these settings have no effect in this version"
        );
    }
    let address = config.http.address;
    let _lock = DataDirLock::take(&config)?;
    let app = App::start(config, Clock::System).await?;
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("can't listen on {address}: {error}"))?;
    let address = listener.local_addr()?;
    Output::say(&format!(
        "Millpond listens on {} ({}, {}).",
        local_url(address),
        app.core.store.backend(),
        app.core.state.backend()
    ));
    if let Some(secret) = registration::setup_secret(&app.auth).await.map_err(|error| error.code())? {
        Output::say(
            "There is nobody yet. Make the first administrator within a day, with this token that is good once:",
        );
        Output::say(&format!(
            "  curl {}/api/auth/setup -H 'Content-Type: application/json' \\",
            local_url(address)
        ));
        let body = r#"{"username": "admin", "password": "A PASSWORD", "token": "TOKEN"}"#;
        Output::say(&format!("    -d '{}'", body.replace("TOKEN", secret.expose_secret())));
    } else if !app.core.store.has_admin().await? {
        Output::say("There is no administrator yet. Make one in another terminal, in this directory:");
        Output::say("  millpond user create admin --admin --password-stdin");
    }
    until_stopped(&app, listener).await;
    Ok(())
}

/// Serves until the process is asked to end, then takes everything apart in order.
pub(super) async fn until_stopped(app: &App, listener: TcpListener) {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    app.core.tasks.spawn("signals", |ended| async move {
        tokio::select! {
            () = asked_to_stop() => asked.cancel(),
            () = ended.cancelled() => {}
        }
    });
    server::serve(app.clone(), listener, stop).await;
    app.stop().await;
}

/// Returns when the process is asked to end.
async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        tokio::signal::ctrl_c().await.ok();
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
