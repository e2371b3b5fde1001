//! Prometheus' Alertmanager, to be notified.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::http::get;
use super::pump::Pump;
use super::{PATIENCE, wait_for};

/// How often another port is tried: somebody may take one between the moment it is found and the moment it is used.
const TRIES: u32 = 5;

/// An Alertmanager of the test's own, on a free port of loopback, that notifies nobody. It ends when this is dropped.
pub(crate) struct Alertmanager {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Alertmanager {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.yml");
        std::fs::write(
            &config,
            "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n",
        )
        .unwrap();
        let mut said = String::new();
        for _ in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let mut child = Command::new("prometheus-alertmanager")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.path={}", dir.path().display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--cluster.listen-address=")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| {
                    panic!("prometheus-alertmanager is needed for this test: {error}")
                });
            let stderr = Pump::of(child.stderr.take().unwrap());
            let is_up = wait_for(
                PATIENCE,
                || match child.try_wait().unwrap() {
                    Some(_) => Some(false),
                    None => stderr
                        .text()
                        .contains(&format!("127.0.0.1:{port}"))
                        .then_some(true),
                },
                || stderr.text(),
            );
            if is_up {
                return Self {
                    child,
                    port,
                    _dir: dir,
                };
            }
            said = stderr.text();
        }
        panic!("prometheus-alertmanager does not start: {said}");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The alerts that it has now.
    #[track_caller]
    pub(crate) fn alerts(&self) -> Vec<serde_json::Value> {
        let (status, body) = get(self.port, "/api/v2/alerts");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
