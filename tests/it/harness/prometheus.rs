//! A Prometheus of a test's own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::http::get;

/// It ends when it is dropped.
pub(crate) struct Prometheus {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes a server on a port of loopback, every second.
    #[track_caller]
    pub(crate) fn scraping(port: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        let text = format!(
            "scrape_configs:\n- job_name: hosts\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['127.0.0.1:{port}']\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus is needed: apt-get install prometheus");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let address = line.split("\"Listening on\" address=127.0.0.1:").nth(1)?;
            let port = address.split(|c: char| !c.is_ascii_digit()).next()?;
            port.parse::<u16>().ok()
        });
        // It keeps writing, so somebody has to read.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            port: port.expect("prometheus says where it listens"),
            _directory: directory,
        }
    }

    /// Its answer to a query, as JSON.
    #[track_caller]
    pub(crate) fn query(&self, query: &str) -> String {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        get(self.port, &format!("/api/v1/query?query={encoded}")).1
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
