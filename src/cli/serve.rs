//! `millpond serve`: the server until it is told to stop.

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
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
    let log = logging::start(&config);
    raise_file_limit();
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
    log.tell_losses(&app.core.tasks);
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

/// Every connection is a file, and the soft limit is low by tradition.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// Serves until the process is asked to end, then takes everything apart in order. Asked a second time, it waits for no
/// running answer.
pub(super) async fn until_stopped(app: &App, listener: TcpListener) {
    let stop = CancellationToken::new();
    let (asked, core) = (stop.clone(), app.core.clone());
    app.core.tasks.spawn("signals", |ended| async move {
        let twice = async {
            let Ok(mut signals) = Signals::new() else { return };
            signals.next().await;
            asked.cancel();
            signals.next().await;
            core.shutdown.hurry();
        };
        tokio::select! {
            () = twice => {}
            () = ended.cancelled() => {}
        }
    });
    server::serve(app.clone(), listener, stop).await;
    app.stop().await;
}

/// The two ways in which the process is asked to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
