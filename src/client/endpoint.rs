//! Servers as people name them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use tokio_tungstenite::tungstenite::http::Uri;

use crate::protocol::{DEFAULT_PORT, Query, WEBSOCKET_PATH, names_token};

use super::ssh::Jump;

/// One server, at one or more addresses of which one is used at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    addresses: Vec<Address>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or IP, IPv6 without brackets.
    host: String,
    port: u16,
    path: String,
    /// What the URL itself asks for.
    query: String,
    via: Via,
}

/// The way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Via {
    Plain,
    Tls,
    Ssh(Jump),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let addresses = text
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<_>, String>>()?;
        Ok(Self { addresses })
    }
}

/// The addresses as URLs.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Endpoint {
    /// The server on this machine, at the default port.
    #[must_use]
    pub fn local() -> Self {
        let (host, path) = ("127.0.0.1".into(), WEBSOCKET_PATH.into());
        Self {
            addresses: vec![Address {
                host,
                port: DEFAULT_PORT,
                path,
                query: String::new(),
                via: Via::Plain,
            }],
        }
    }

    /// The address for the attempt with this number: they take turns.
    #[must_use]
    pub fn address(&self, attempt: usize) -> &Address {
        &self.addresses[attempt % self.addresses.len()]
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        self.addresses.iter().any(|address| address.via == Via::Tls)
    }

    /// Whether ssh may ask something of the person at the terminal when it is connected to first.
    pub(super) fn may_ask(&self) -> bool {
        self.addresses
            .iter()
            .any(|address| matches!(address.via, Via::Ssh(_)))
    }

    /// The address where a token could be read on the way, if there is one.
    #[must_use]
    pub fn open_address(&self) -> Option<&Address> {
        self.addresses.iter().find(|address| address.is_open())
    }

    /// Whether the URL itself has a token in it.
    #[must_use]
    pub fn names_token(&self) -> bool {
        self.addresses
            .iter()
            .any(|address| names_token(&address.query))
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.escape_default();
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let instead = match scheme {
            "" => return Self::parse(text, rest, Via::Plain, DEFAULT_PORT),
            "ws" => return Self::parse(text, rest, Via::Plain, 80),
            "wss" => return Self::parse(text, rest, Via::Tls, 443),
            "ssh" => return Self::parse_ssh(text, rest),
            "http" => "ws",
            "https" => "wss",
            _ => return Err(format!("'{shown}' is no server: {WANTED}")),
        };
        let rest = rest.escape_default();
        Err(format!(
            "'{shown}' is no WebSocket address: write {instead}://{rest}"
        ))
    }
}

/// What to write.
const WANTED: &str = "write host, host:port, ws://host:port/ws, wss://host/ws or ssh://[user@]host";

/// The URL `rest` without its scheme, and the parts that it must have.
fn parts(text: &str, rest: &str) -> Result<(Uri, String, Option<u16>), String> {
    let shown = text.escape_default();
    let refused = || format!("'{shown}' is no server: {WANTED}");
    let uri: Uri = format!("ws://{rest}").parse().map_err(|_| refused())?;
    let authority = uri.authority().ok_or_else(refused)?.as_str();
    let bare = authority.rsplit('@').next().unwrap_or_default();
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(refused)?;
    let port = uri.port_u16();
    match port {
        None if bare.len() > host.len() => {
            return Err(format!("'{shown}' has no valid port: {WANTED}"));
        }
        Some(0) => return Err(port_zero(text)),
        _ => {}
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok((uri, host, port))
}

fn port_zero(text: &str) -> String {
    format!(
        "'{}': nobody can be reached at port 0; use the port that the server printed",
        text.escape_default()
    )
}

impl Address {
    fn parse(text: &str, rest: &str, via: Via, default_port: u16) -> Result<Self, String> {
        let (uri, host, port) = parts(text, rest)?;
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(format!(
                "'{}': a name or password does not belong in an address; ssh://user@host goes through ssh",
                text.escape_default()
            ));
        }
        // Who names a host only means the stream; who writes a URL means that.
        let is_url = text.contains("://");
        let path = match uri.path() {
            "" | "/" if !is_url => WEBSOCKET_PATH,
            "" => "/",
            path => path,
        };
        Ok(Self {
            host,
            port: port.unwrap_or(default_port),
            path: path.to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            via,
        })
    }

    /// `ssh://[user@]host[:SSHPORT][/PORT]`. What ssh or a shell that it starts could take for more than a name is
    /// refused.
    fn parse_ssh(text: &str, rest: &str) -> Result<Self, String> {
        let shown = text.escape_default();
        let refused =
            || format!("'{shown}' is no ssh address: write ssh://[user@]host[:SSHPORT][/PORT]");
        let (uri, host, ssh_port) = parts(text, rest)?;
        let authority = uri.authority().ok_or_else(refused)?.as_str();
        let user = authority.rsplit_once('@').map(|(user, _)| user.to_owned());
        let is_name = |name: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:+".contains(&byte);
            !name.is_empty() && !name.starts_with('-') && name.bytes().all(allowed)
        };
        let is_user = |user: &String| is_name(user) && !user.contains(':');
        if !is_name(&host) || !user.as_ref().is_none_or(is_user) || uri.query().is_some() {
            return Err(refused());
        }
        let port = match uri.path().trim_start_matches('/') {
            "" => DEFAULT_PORT,
            port => port.parse().map_err(|_| refused())?,
        };
        if port == 0 {
            return Err(port_zero(text));
        }
        let jump = Jump {
            user,
            host,
            port: ssh_port,
        };
        Ok(Self {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port,
            path: WEBSOCKET_PATH.into(),
            query: String::new(),
            via: Via::Ssh(jump),
        })
    }

    /// The host that is meant, whichever way leads to it.
    #[must_use]
    pub fn host(&self) -> &str {
        match &self.via {
            Via::Ssh(jump) => &jump.host,
            Via::Plain | Via::Tls => &self.host,
        }
    }

    /// Name or IP and port, for connecting; through ssh, as seen from the far host.
    pub(super) fn host_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(super) fn via(&self) -> &Via {
        &self.via
    }

    /// Whether what is sent there can be read on the way.
    fn is_open(&self) -> bool {
        let is_loopback = match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        };
        self.via == Via::Plain && !is_loopback
    }

    /// The URL of the handshake, which asks for `query`.
    pub(super) fn url(&self, query: &Query) -> String {
        let url = match &self.via {
            Via::Ssh(_) => format!("ws://{}:{}{}", self.host, self.port, self.path),
            Via::Plain | Via::Tls => self.to_string(),
        };
        let asked = [self.query.clone(), query.to_string()];
        let asked = asked
            .iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("&");
        if asked.is_empty() {
            url
        } else {
            format!("{url}?{asked}")
        }
    }
}

/// The URL without a query.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.via {
            Via::Plain => "ws",
            Via::Tls => "wss",
            Via::Ssh(jump) => return write!(f, "ssh://{jump}/{}", self.port),
        };
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(
            f,
            "{scheme}://{open}{}{close}:{}{}",
            self.host, self.port, self.path
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_in_several_ways() {
        for (text, url) in [
            ("web-1", "ws://web-1:8080/ws"),
            ("web-1:9000", "ws://web-1:9000/ws"),
            ("127.0.0.1", "ws://127.0.0.1:8080/ws"),
            ("[::1]:9000", "ws://[::1]:9000/ws"),
            ("[::1]", "ws://[::1]:8080/ws"),
            ("ws://web-1:9000", "ws://web-1:9000/"),
            ("ws://web-1", "ws://web-1:80/"),
            ("ws://web-1/metrics/live", "ws://web-1:80/metrics/live"),
            ("wss://web-1", "wss://web-1:443/"),
            ("wss://[::1]:8443/ws", "wss://[::1]:8443/ws"),
            ("ssh://web-1", "ssh://web-1/8080"),
            ("ssh://ada@web-1:2222/9000", "ssh://ada@web-1:2222/9000"),
            ("ssh://[2001:db8::7]/", "ssh://[2001:db8::7]/8080"),
            ("web-1,web-2:9000", "ws://web-1:8080/ws,ws://web-2:9000/ws"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), url, "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        for (text, expected) in [
            ("", "'' is no server"),
            ("web 1", "'web 1' is no server"),
            ("web-1:http", "'web-1:http'"),
            ("web-1:99999", "'web-1:99999'"),
            ("http://web-1:8080", "write ws://web-1:8080"),
            ("https://web-1", "write wss://web-1"),
            ("ssh://-oProxyCommand=x", "is no"),
            ("ssh://-v/8080", "is no ssh address"),
            ("ssh://-l@web-1", "is no ssh address"),
            ("ssh://ada:secret@web-1", "is no ssh address"),
            ("ssh://a$(x)@web-1", "is no ssh address"),
            ("ssh://web-1/ws", "is no ssh address"),
            ("ssh://web-1/0", "nobody can be reached at port 0"),
            ("ssh://web-1/8080?last=3", "is no ssh address"),
            ("ssh://@web-1", "is no ssh address"),
            ("ssh://", "is no server"),
            ("ftp://web-1", "'ftp://web-1' is no server"),
            ("user:secret@web-1", "a name or password does not belong"),
            ("web-1:0", "nobody can be reached at port 0"),
            ("web-1,,web-2", "'' is no server"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn through_ssh_the_far_host_is_asked_for_itself() {
        let address: Address = "ssh://ada@web-1/9000".parse().unwrap();
        assert_eq!(address.url(&Query::default()), "ws://127.0.0.1:9000/ws");
        assert_eq!(address.host(), "web-1");
    }

    #[test]
    fn a_token_is_safe_on_loopback_and_inside_tls_and_ssh() {
        for (text, open) in [
            ("web-1", true),
            ("ws://192.0.2.7:8080/ws", true),
            ("localhost.evil.com", true),
            ("localhost", false),
            ("127.0.0.2:9000", false),
            ("[::1]:9000", false),
            ("wss://web-1", false),
            ("ssh://web-1", false),
            ("localhost,web-1", true),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.open_address().is_some(), open, "{text}");
        }
    }

    #[test]
    fn the_query_of_the_url_is_kept() {
        let address: Address = "ws://a:1/x?key=1".parse().unwrap();
        let query = Query {
            last: Some(30),
            ..Query::default()
        };
        assert_eq!(address.url(&query), "ws://a:1/x?key=1&last=30");
        assert_eq!(address.url(&Query::default()), "ws://a:1/x?key=1");
    }
}
