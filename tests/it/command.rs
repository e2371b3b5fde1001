//! `replay … -- COMMAND` and `record … -- COMMAND`: what COMMAND sees, and the exit status of every outcome.

mod ends;
mod signals;
mod surroundings;

use std::path::{Path, PathBuf};

use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::plain;
use crate::harness::{PATIENCE, wait_for};

/// The binary, for scripts that run it.
const METRICS: &str = env!("CARGO_BIN_EXE_metrics");

/// A folder with a recording of 20 samples, and other files that a test and its COMMAND share.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r.csv"), plain("web-1", 20, 1000)).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    fn make(&self, name: &str) {
        std::fs::write(self.path(name), "").unwrap();
    }

    /// `replay` of the recording at full speed, without COMMAND.
    fn replay(&self) -> Metrics {
        let replay = Metrics::new().arg("replay").arg(self.path("r.csv"));
        self.with_names(replay.args(["--speed", "max"]))
    }

    /// `record` of `server` into `s.csv`, without COMMAND.
    fn record(&self, server: &Running) -> Metrics {
        let record = Metrics::record(server.url())
            .arg("-o")
            .arg(self.path("s.csv"));
        self.with_names(record)
    }

    /// With what scripts refer to: `$METRICS` and `$DIR`.
    fn with_names(&self, metrics: Metrics) -> Metrics {
        metrics.env("METRICS", METRICS).env("DIR", self.dir.path())
    }
}

impl Metrics {
    /// With `script` as COMMAND.
    fn sh(self, script: &str) -> Self {
        self.args(["--", "sh", "-c", script])
    }
}

/// Waits until the process `pid` is gone, or at least dead.
#[track_caller]
fn wait_until_dead(pid: &str) {
    let stat = format!("/proc/{pid}/stat");
    let is_dead = || match std::fs::read_to_string(&stat) {
        Ok(stat) => stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z")),
        Err(_) => true,
    };
    wait_for(
        PATIENCE,
        || is_dead().then_some(()),
        || format!("{pid} still runs"),
    );
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(String::from).collect()
}
