//! Servers, by the addresses that people write.

mod address_parts;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crate::loopback::{is_localhost, is_loopback};
use crate::protocol::{DEFAULT_PORT, Query, WEBSOCKET_PATH, names_token};

use super::ssh::SshTarget;
use address_parts::{AddressParts, Scheme, harmless, port_zero};

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
    /// The interface of a link-local IPv6 address. It is meaningful on this machine only, so it is never sent to the server.
    zone: Option<String>,
    port: u16,
    path: String,
    /// The query in the URL itself.
    query: String,
    via: Via,
}

/// How to reach a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Via {
    Plain,
    Tls,
    Ssh(SshTarget),
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
                zone: None,
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

    /// Whether any of its addresses needs TLS.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        self.addresses.iter().any(|address| address.via == Via::Tls)
    }

    /// The address of its page, if a browser can reach it without ssh.
    #[must_use]
    pub fn page(&self) -> Option<String> {
        self.addresses.iter().find_map(Address::page)
    }

    /// Whether ssh may ask the user something in the first attempt.
    pub(super) fn may_ask(&self) -> bool {
        self.addresses
            .iter()
            .any(|address| matches!(address.via, Via::Ssh(_)))
    }

    /// An address where a token would cross the network in the clear, if there is one.
    #[must_use]
    pub fn open_address(&self) -> Option<&Address> {
        self.addresses.iter().find(|address| address.is_open())
    }

    /// Whether the URL itself contains a token.
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
        let parts = AddressParts::parse(text)?;
        if parts.scheme == Scheme::Ssh {
            return Self::through_ssh(text, &parts);
        }
        if parts.user.is_some() {
            return Err(format!(
                "'{}': a name or password does not belong in an address; ssh://user@host goes through ssh",
                harmless(text)
            ));
        }
        let (via, default_port) = match parts.scheme {
            Scheme::Bare => (Via::Plain, DEFAULT_PORT),
            Scheme::Ws | Scheme::Http | Scheme::Ssh => (Via::Plain, 80),
            Scheme::Wss | Scheme::Https => (Via::Tls, 443),
        };
        // A bare host means its stream; a WebSocket URL is used as written; the page's stream is next to the page.
        let is_page = matches!(parts.scheme, Scheme::Http | Scheme::Https);
        let path = match (parts.scheme, parts.path) {
            (Scheme::Bare | Scheme::Http | Scheme::Https, "" | "/") => WEBSOCKET_PATH.to_owned(),
            (_, "") => "/".to_owned(),
            (_, folder) if is_page && folder.ends_with('/') => {
                folder.trim_end_matches('/').to_owned() + WEBSOCKET_PATH
            }
            (_, path) => path.to_owned(),
        };
        Ok(Self {
            host: parts.host.to_owned(),
            zone: parts.zone.map(str::to_owned),
            port: parts.port.unwrap_or(default_port),
            path,
            query: parts.query.to_owned(),
            via,
        })
    }
}

impl Address {
    /// `ssh://[user@]host[:SSHPORT][/PORT]`. Anything that ssh or its shell could take for more than a name is refused.
    fn through_ssh(text: &str, parts: &AddressParts<'_>) -> Result<Self, String> {
        let refused = || {
            let text = harmless(text);
            format!("'{text}' is not an ssh address: write ssh://[user@]host[:SSHPORT][/PORT]")
        };
        let is_name = |name: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:+".contains(&byte);
            !name.is_empty() && !name.starts_with('-') && name.bytes().all(allowed)
        };
        let is_user = |user: &str| is_name(user) && !user.contains(':');
        if !is_name(parts.host) || !parts.user.is_none_or(is_user) || !parts.query.is_empty() {
            return Err(refused());
        }
        let port = match parts.path.trim_matches('/') {
            "" => DEFAULT_PORT,
            port => port.parse().map_err(|_| refused())?,
        };
        if port == 0 {
            return Err(port_zero(text));
        }
        let zone = parts.zone.map(|zone| format!("%{zone}"));
        let target = SshTarget {
            user: parts.user.map(str::to_owned),
            host: parts.host.to_owned() + zone.as_deref().unwrap_or_default(),
            port: parts.port,
        };
        Ok(Self {
            host: Ipv4Addr::LOCALHOST.to_string(),
            zone: None,
            port,
            path: WEBSOCKET_PATH.into(),
            query: String::new(),
            via: Via::Ssh(target),
        })
    }

    /// The host that is meant, however it is reached.
    #[must_use]
    pub fn host(&self) -> &str {
        match &self.via {
            Via::Ssh(target) => &target.host,
            Via::Plain | Via::Tls => &self.host,
        }
    }

    /// Name or IP, with its zone, and port, for connecting; through ssh, as seen from the far host.
    pub(super) fn host_port(&self) -> (String, u16) {
        let zone = self.zone.as_ref().map(|zone| format!("%{zone}"));
        (
            self.host.clone() + zone.as_deref().unwrap_or_default(),
            self.port,
        )
    }

    pub(super) fn via(&self) -> &Via {
        &self.via
    }

    /// Whether traffic to it crosses the network in the clear.
    fn is_open(&self) -> bool {
        self.via == Via::Plain && !self.is_loopback()
    }

    /// Whether traffic to it may cross a network.
    pub(super) fn is_far(&self) -> bool {
        matches!(self.via, Via::Ssh(_)) || !self.is_loopback()
    }

    /// Whether it is certainly this machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => is_loopback(ip),
            Err(_) => is_localhost(&self.host),
        }
    }

    /// The same host at another port.
    pub(super) fn at_port(&self, port: u16) -> Self {
        let path = WEBSOCKET_PATH.to_owned();
        Self {
            port,
            path,
            ..self.clone()
        }
    }

    /// The same address with TLS.
    pub(super) fn with_tls(&self) -> Self {
        let via = Via::Tls;
        Self {
            via,
            ..self.clone()
        }
    }

    /// The page beside the stream; `None` through ssh.
    fn page(&self) -> Option<String> {
        let scheme = match &self.via {
            Via::Plain => "http",
            Via::Tls => "https",
            Via::Ssh(_) => return None,
        };
        let host = Bracketed(&self.host, self.zone.as_deref());
        let folder = (self.path.rsplit_once('/')).map_or("", |(folder, _)| folder);
        Some(format!("{scheme}://{host}:{}{folder}/", self.port))
    }

    /// The URL of the handshake, with `query`.
    pub(super) fn url(&self, query: &Query) -> String {
        let scheme = match &self.via {
            Via::Plain | Via::Ssh(_) => "ws",
            Via::Tls => "wss",
        };
        let host = Bracketed(&self.host, None);
        let url = format!("{scheme}://{host}:{}{}", self.port, self.path);
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
            Via::Ssh(target) => return write!(f, "ssh://{target}/{}", self.port),
        };
        let host = Bracketed(&self.host, self.zone.as_deref());
        write!(f, "{scheme}://{host}:{}{}", self.port, self.path)
    }
}

/// A host and its zone as in a URL.
struct Bracketed<'a>(&'a str, Option<&'a str>);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(host, Some(zone)) => write!(f, "[{host}%{zone}]"),
            Self(host, None) if host.contains(':') => write!(f, "[{host}]"),
            Self(host, None) => f.write_str(host),
        }
    }
}

#[cfg(test)]
mod tests;
