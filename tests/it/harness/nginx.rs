//! A real nginx before a server.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::certificates::{Authority, Valid};
use super::comes_up;
use super::pump::Pump;

/// How many ports to try: another program may take a port between finding it and starting nginx.
const TRIES: u32 = 5;

/// What a location needs, besides `proxy_pass`, to let WebSockets through.
pub(crate) const UPGRADES: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                                   proxy_set_header Connection upgrade;";

/// An nginx for the test, on a free port of loopback. It ends when this is dropped.
pub(crate) struct Nginx {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Nginx {
    /// Speaks HTTP, with the `locations` of its only server.
    #[track_caller]
    pub(crate) fn start(locations: &str) -> Self {
        Self::with("", locations, tempfile::tempdir().unwrap())
    }

    /// Speaks HTTPS, with an untrusted certificate for `name`.
    #[track_caller]
    pub(crate) fn start_tls(name: &str, locations: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.write(dir.path());
        let pair = authority.sign(dir.path(), &[name], Valid::Now);
        let files = format!(
            "ssl_certificate {}; ssl_certificate_key {};",
            pair.cert.display(),
            pair.key.display()
        );
        Self::with(&files, locations, dir)
    }

    #[track_caller]
    fn with(tls: &str, locations: &str, dir: TempDir) -> Self {
        let mut said = String::new();
        for _ in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            std::fs::write(dir.path().join("nginx.conf"), config(port, tls, locations)).unwrap();
            let mut child = Command::new("/usr/sbin/nginx")
                .args(["-c", "nginx.conf", "-e", "stderr", "-p"])
                .arg(dir.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| panic!("nginx-light is needed for this test: {error}"));
            let stderr = Pump::of(child.stderr.take().unwrap());
            if comes_up(&mut child, port, &stderr) {
                return Self { child, port, dir };
            }
            said = stderr.text();
        }
        panic!("nginx does not start: {said}");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that signed its own.
    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A single process without a master, and no files outside its folder.
fn config(port: u16, tls: &str, locations: &str) -> String {
    let ssl = if tls.is_empty() { "" } else { " ssl" };
    format!(
        "daemon off; master_process off; pid nginx.pid;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n\
         access_log off; client_body_temp_path body; proxy_temp_path proxied;\n\
         fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
         server {{ listen 127.0.0.1:{port}{ssl}; {tls}\n{locations}\n}}\n\
         }}\n"
    )
}
