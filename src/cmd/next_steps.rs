//! What to do next with a listening server: its addresses, and commands ready to be copied.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use crate::loopback::is_loopback;
use crate::protocol::{DEFAULT_PORT, WEBSOCKET_PATH, shown_char};
use crate::server::Trust;
use crate::server::tls::Tls;

use super::child::Surroundings;

/// A server, as seen by this machine's clients.
pub(super) struct NextSteps<'a> {
    addr: SocketAddr,
    trust: &'a Trust,
}

impl<'a> NextSteps<'a> {
    /// For a server that listens on `addr`.
    pub(super) fn new(addr: SocketAddr, trust: &'a Trust) -> Self {
        Self { addr, trust }
    }

    /// The address of the stream, for other programs.
    pub(super) fn url(&self) -> String {
        match &self.trust.tls {
            Some(tls) => format!("wss://{}{WEBSOCKET_PATH}", self.named(tls)),
            None => format!("ws://{}{WEBSOCKET_PATH}", self.addr),
        }
    }

    /// The same for a program on this machine.
    pub(super) fn surroundings(&self) -> Surroundings {
        let server = match &self.trust.tls {
            Some(_) => self.url(),
            None => format!("ws://{}{WEBSOCKET_PATH}", reachable(self.addr)),
        };
        let cert = (self.trust.tls.as_ref()).map(|tls| tls.cert_file().to_path_buf());
        Surroundings {
            server,
            page: Some(self.page()),
            token_file: self.trust.token_file.clone(),
            ca_cert: cert,
        }
    }

    /// The address of the page for a browser on this machine.
    pub(super) fn page(&self) -> String {
        match &self.trust.tls {
            Some(tls) => format!("https://{}/", self.named(tls)),
            None => format!("http://{}/", reachable(self.addr)),
        }
    }

    /// The three commands for a shell on this machine, whatever its directory.
    pub(super) fn commands(&self) -> [String; 3] {
        let program = program();
        let mut server = String::new();
        if let Some(address) = self.server() {
            server += &format!(" {}", quoted(&address));
        }
        if let Some(token) = &self.trust.token_file {
            server += &format!(" --token-file {}", quoted_path(token));
        }
        if let Some(tls) = &self.trust.tls {
            server += &format!(" --ca-cert {}", quoted_path(tls.cert_file()));
        }
        let file = free_name(|name| Path::new(name).exists());
        [
            format!("{program} watch{server}"),
            format!("{program} record{server} -o {file}"),
            // This server has the default port, or may have it when the recording is replayed.
            format!("{program} replay {file} -l 0"),
        ]
    }

    /// The address to give a client; `None` if the client's default is this server.
    fn server(&self) -> Option<String> {
        if self.trust.tls.is_some() {
            return Some(self.url());
        }
        let addr = reachable(self.addr);
        let is_default = addr == SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
        let is_overridden = std::env::var_os("METRICS_SERVER").is_some();
        (!is_default || is_overridden).then(|| addr.to_string())
    }

    /// A host name that the certificate covers, and the port.
    fn named(&self, tls: &Tls) -> String {
        let addr = reachable(self.addr);
        let is_local = self.addr.ip().is_unspecified() || is_loopback(self.addr.ip());
        let host = if tls.is_for(&addr.ip().to_string()) {
            None
        } else if is_local && tls.is_for("localhost") {
            Some("localhost".to_owned())
        } else {
            self.other_name(tls)
        };
        host.map_or(addr.to_string(), |host| format!("{host}:{}", addr.port()))
    }

    /// Another name in the certificate that leads here, or may.
    fn other_name(&self, tls: &Tls) -> Option<String> {
        let names = tls.names();
        let ip = |name: &String| name.parse::<IpAddr>().ok();
        let is_here = |ip: &IpAddr| UdpSocket::bind((*ip, 0)).is_ok();
        let everywhere = self.addr.ip().is_unspecified();
        let address = names
            .iter()
            .filter_map(ip)
            .find(|ip| everywhere && is_here(ip));
        let address = address.map(|ip| match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        let name = names
            .iter()
            .find(|name| ip(name).is_none() && !name.contains('*'));
        address.or_else(|| name.cloned())
    }
}

/// The address at which clients on this machine reach a listener on `addr`.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    addr
}

/// How a shell finds this program: by its name if that works, otherwise by its path.
fn program() -> String {
    let own = std::env::current_exe().and_then(std::fs::canonicalize);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).find_map(|dir| dir.join("metrics").canonicalize().ok());
    match (own, found) {
        (Ok(own), found) if found.as_ref() != Some(&own) => quoted_path(&own),
        _ => "metrics".into(),
    }
}

/// A file name for a recording that is still free.
fn free_name(is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..1000).map(|number| format!("incident-{number}.csv"));
    std::iter::once("incident.csv".to_owned())
        .chain(numbered)
        .find(|name| !is_taken(name))
        .unwrap_or_else(|| "incident.csv".into())
}

fn quoted_path(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    quoted(&OsStr::to_string_lossy(absolute.as_os_str()))
}

/// `text` as one shell word, quoted only if it contains something that a shell acts on.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let shown: String = text.chars().map(shown_char).collect();
    format!("'{}'", shown.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(addr: &str, trust: &Trust) -> [String; 3] {
        NextSteps::new(addr.parse().unwrap(), trust).commands()
    }

    #[test]
    fn the_suggested_commands_reach_the_server() {
        let trust = Trust::default();
        for (addr, expected) in [
            ("127.0.0.1:8080", " watch"),
            ("0.0.0.0:8080", " watch"),
            ("127.0.0.1:9000", " watch 127.0.0.1:9000"),
            ("0.0.0.0:9000", " watch 127.0.0.1:9000"),
            ("[::1]:8080", " watch '[::1]:8080'"),
            ("[::]:9000", " watch '[::1]:9000'"),
            ("192.168.1.5:8080", " watch 192.168.1.5:8080"),
            ("[fe80::1%2]:8080", " watch '[fe80::1%2]:8080'"),
        ] {
            let [watch, record, replay] = steps(addr, &trust);
            assert!(watch.ends_with(expected), "{addr}: {watch}");
            assert!(
                record.contains(&expected.replace("watch", "record")),
                "{record}"
            );
            assert!(
                record.ends_with(".csv") && replay.ends_with(".csv -l 0"),
                "{replay}"
            );
        }
    }

    #[test]
    fn the_next_commands_name_the_token_file() {
        let trust = Trust {
            token_file: Some("my token's".into()),
            ..Trust::default()
        };
        let [watch, record, replay] = steps("127.0.0.1:8080", &trust);
        assert!(watch.contains(" --token-file '/"), "{watch}");
        assert!(watch.ends_with(r"my token'\''s'"), "{watch}");
        assert!(record.contains(" --token-file '/") && !replay.contains("token"));
    }

    #[test]
    fn a_recording_gets_an_unused_name() {
        assert_eq!(free_name(|_| false), "incident.csv");
        assert_eq!(free_name(|name| name == "incident.csv"), "incident-2.csv");
        assert_eq!(free_name(|_| true), "incident.csv");
    }

    #[test]
    fn a_word_is_quoted_if_a_shell_would_act_on_it() {
        for (text, expected) in [
            ("/etc/metrics/token", "/etc/metrics/token"),
            ("größe", "größe"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(x)", "'$(x)'"),
            ("it's", r"'it'\''s'"),
            ("[::1]:8080", "'[::1]:8080'"),
            ("~/x", "'~/x'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
