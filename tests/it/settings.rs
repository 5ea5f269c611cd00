//! The operator's settings: where each comes from, and which of them do nothing.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::harness::{Harness, Shape, run};

const BINARY: &str = env!("CARGO_BIN_EXE_millpond");

fn command(harness: &Harness, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(arguments)
        .env_clear()
        .envs(harness.environment())
        .env("PORT", "0")
        .current_dir(&harness.dir);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_force_and_what_has_no_effect_is_said() {
    async fn test(harness: Arc<Harness>) {
        let file = "LOG_LEVEL=WARNING\nMETRICS_ADDR=127.0.0.1:9\nPLUGIN_API_ADMIN_KEY=not-to-be-seen\n";
        std::fs::write(harness.dir.join(".env"), file).unwrap();
        let output = command(&harness, &["config", "check"]).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let line = |name: &str| told.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line("PORT ").ends_with(" 0  (environment)"), "{told}");
        assert!(line("LOG_LEVEL ").ends_with(" WARNING  (.env file)"), "{told}");
        assert!(line("QUEUE_SIZE ").ends_with(" 1000  (default)"), "{told}");
        assert!(line("DATABASE_URL ").ends_with("(derived)"), "{told}");
        assert!(line("METRICS_ADDR ").ends_with("(.env file, without effect in this version)"), "{told}");
        assert!(!told.contains("not-to-be-seen"), "{told}");

        let mut serve = command(&harness, &["serve"]);
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let warned = log.lines().find(|line| line.contains("no effect")).unwrap_or_default();
        assert!(warned.contains("METRICS_ADDR, PLUGIN_API_ADMIN_KEY"), "{log}");
    }
    run(Shape::Embedded, test).await;
}
