//! Where log lines go: stderr, readable in development, JSON in production. A thread of its own writes them: nobody waits
//! for a terminal or pipe that takes nothing, and lines that find no room are counted instead.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::{AppEnv, Config};
use crate::tasks::Tasks;

/// So many lines wait for the writer at most.
const WAITING: usize = 8_192;
/// How often it is looked whether lines were lost.
const EVERY: Duration = Duration::from_secs(10);

/// The log of the process. What waits is written when it is dropped.
pub(super) struct Log {
    lost: ErrorCounter,
    _writer: WorkerGuard,
}

/// Sets the process's subscriber. A second call changes nothing.
pub(super) fn start(config: &Config) -> Log {
    let level = LevelFilter::from_level(config.log_level);
    // Other crates' details are theirs; their warnings concern us.
    let filter = EnvFilter::new(format!("warn,millpond={level}"));
    let writer = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log");
    let (lines, writer) = writer.finish(std::io::stderr());
    let log = Log { lost: lines.error_counter(), _writer: writer };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    let started = match config.app_env {
        AppEnv::Production => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        _ => builder.with_target(false).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was already set up");
    }
    log
}

impl Log {
    /// Says when lines were lost, as long as the tasks run.
    pub(super) fn tell_losses(&self, tasks: &Tasks) {
        let lost = self.lost.clone();
        tasks.spawn("lost log lines", |stop| tell(lost, stop));
    }
}

async fn tell(lost: ErrorCounter, stop: CancellationToken) {
    let mut told = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let lines = lost.dropped_lines();
        if lines > told {
            tracing::warn!(lines = lines - told, "log lines were lost: stderr does not take them");
            told = lines;
        }
    }
}
