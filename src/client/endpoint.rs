//! Servers as people name them.

use std::fmt;
use std::str::FromStr;

use tokio_tungstenite::tungstenite::http::Uri;

use crate::protocol::{DEFAULT_PORT, Query, WEBSOCKET_PATH};

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
            }],
        }
    }

    /// The address for the attempt with this number: they take turns.
    #[must_use]
    pub fn address(&self, attempt: usize) -> &Address {
        &self.addresses[attempt % self.addresses.len()]
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.escape_default();
        let wanted = "write host, host:port or ws://host:port/ws";
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        match scheme {
            "" | "ws" => {}
            "http" => {
                return Err(format!(
                    "'{shown}' is no WebSocket address: write ws://{rest}",
                    rest = rest.escape_default()
                ));
            }
            "wss" | "https" | "ssh" => {
                return Err(format!(
                    "'{shown}': {scheme}:// is not supported yet; {wanted}"
                ));
            }
            _ => return Err(format!("'{shown}' is no server: {wanted}")),
        }
        let refused = || format!("'{shown}' is no server: {wanted}");
        let uri: Uri = format!("ws://{rest}").parse().map_err(|_| refused())?;
        let authority = uri.authority().ok_or_else(refused)?;
        if authority.as_str().contains('@') {
            return Err(format!(
                "'{shown}': a name or password does not belong in an address"
            ));
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(refused)?;
        let has_port_text = authority.as_str().len() > host.len();
        let bare = scheme.is_empty();
        let port = match uri.port_u16() {
            Some(port) => port,
            None if has_port_text => return Err(format!("'{shown}' has no valid port: {wanted}")),
            None => {
                if bare {
                    DEFAULT_PORT
                } else {
                    80
                }
            }
        };
        if port == 0 {
            return Err(format!(
                "'{shown}': nobody can be reached at port 0; use the port that the server printed"
            ));
        }
        let path = if bare && matches!(uri.path(), "" | "/") {
            WEBSOCKET_PATH
        } else {
            uri.path()
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            path: if path.is_empty() {
                "/".into()
            } else {
                path.to_owned()
            },
            query: uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl Address {
    /// Name or IP and port, for connecting.
    #[must_use]
    pub fn host_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The URL that asks for `query`.
    #[must_use]
    pub fn url(&self, query: &Query) -> String {
        let asked = [self.query.clone(), query.to_string()];
        let asked = asked
            .iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("&");
        if asked.is_empty() {
            self.to_string()
        } else {
            format!("{self}?{asked}")
        }
    }
}

/// The URL without a query.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(
            f,
            "ws://{open}{}{close}:{}{}",
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
