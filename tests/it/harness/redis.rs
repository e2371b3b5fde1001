//! A real Redis, on a free port of loopback, and `redis-cli` to look into it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::pump::Pump;
use super::{PATIENCE, comes_up, wait_for, wait_until};

/// How many ports to try: another program may take a port between finding it and starting Redis.
const TRIES: u32 = 5;

/// The password of a server that requires one.
pub(crate) const PASSWORD: &str = "correct horse";

/// A Redis of a test's own. It ends when this is dropped.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    dir: TempDir,
    args: Vec<String>,
}

impl RedisServer {
    /// One that forgets everything when it ends.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// One that writes everything to its disk.
    #[track_caller]
    pub(crate) fn persistent() -> Self {
        Self::with(&[
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
        ])
    }

    #[track_caller]
    pub(crate) fn with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut said = String::new();
        for _ in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            match run(port, dir.path(), &args) {
                Ok(child) => {
                    return Self {
                        child,
                        port,
                        dir,
                        args,
                    };
                }
                Err(text) => said = text,
            }
        }
        panic!("redis-server does not start: {said}");
    }

    /// `kill -9`.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, after [`RedisServer::kill9`].
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.child = wait_for(
            PATIENCE,
            || run(self.port, self.dir.path(), &self.args).ok(),
            || "redis-server does not start again".into(),
        );
    }

    /// Waits until it has everything that its primary has.
    #[track_caller]
    pub(crate) fn wait_for_sync(&self) {
        let state = || self.cli(&["INFO", "replication"]);
        wait_until(|| state().contains("master_link_status:up"), state);
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints for a command.
    #[track_caller]
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        cli(self.port, args)
    }

    /// The entries of a stream: their ids.
    #[track_caller]
    pub(crate) fn ids(&self, key: &str) -> Vec<String> {
        let text = self.cli(&["XRANGE", key, "-", "+"]);
        let is_id = |line: &&str| {
            let parts = line.split_once('-');
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            parts.is_some_and(|(stream, seq)| is_number(stream) && is_number(seq))
        };
        text.lines().filter(is_id).map(str::to_owned).collect()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `redis-cli` prints for a command to the server on `port`.
#[track_caller]
pub(crate) fn cli(port: u16, args: &[&str]) -> String {
    let output = Command::new("redis-cli")
        // Servers without a password ignore it.
        .env("REDISCLI_AUTH", PASSWORD)
        .arg("--no-auth-warning")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("redis-tools is needed for this test: {error}"));
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

fn run(port: u16, dir: &Path, args: &[String]) -> Result<Child, String> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(dir)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("redis-server is needed for this test: {error}"));
    let stdout = Pump::of(child.stdout.take().unwrap());
    if comes_up(&mut child, port, &stdout) {
        // While it loads what it has written down, it refuses commands.
        wait_until(|| cli(port, &["PING"]) == "PONG", || stdout.text());
        Ok(child)
    } else {
        Err(stdout.text())
    }
}
