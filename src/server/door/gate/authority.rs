//! Hosts and origins, parsed. Nothing is ever compared by prefix or suffix.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::loopback::{is_localhost, is_loopback};
use crate::protocol::shown;

/// The host in a URL: an address, or a name in lower case without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UrlHost {
    Ip(IpAddr),
    Dns(String),
}

impl UrlHost {
    /// Reads a name, or an address, with brackets if it needs them in a URL.
    fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']')?;
            // A zone names an interface of the viewer and means nothing here; curl and browsers omit it.
            let (ip, zone) = inside.split_once('%').unwrap_or((inside, "0"));
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~%-".contains(&byte);
            if zone.is_empty() || !zone.bytes().all(allowed) {
                return None;
            }
            let ip: Ipv6Addr = ip.parse().ok()?;
            return Some(Self::Ip(IpAddr::from(ip).to_canonical()));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return ip.is_ipv4().then_some(Self::Ip(ip));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_name = !name.is_empty() && name.bytes().all(allowed);
        is_name.then(|| Self::Dns(name.to_ascii_lowercase()))
    }

    /// Whether it can only mean the machine that asks.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => is_loopback(*ip),
            Self::Dns(name) => is_localhost(name),
        }
    }
}

impl fmt::Display for UrlHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => ip.fmt(f),
            Self::Dns(name) => f.write_str(name),
        }
    }
}

/// The contents of a `Host` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) name: UrlHost,
    pub(super) port: Option<u16>,
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Authority {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // The colons of an IPv6 address are inside its brackets.
        let behind = text.rfind(']').map_or(0, |end| end + 1);
        let (name, port) = match text[behind..].find(':') {
            Some(at) => {
                let digits = &text[behind + at + 1..];
                let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let port = is_number.then(|| digits.parse().ok()).flatten()?;
                (&text[..behind + at], Some(port))
            }
            None => (text, None),
        };
        let name = UrlHost::parse(name)?;
        Some(Self { name, port })
    }
}

/// A name that viewers may use for the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost(pub(super) UrlHost);

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = shown(text);
        match Authority::parse(text) {
            Some(Authority { name, port: None }) => Ok(Self(name)),
            Some(Authority { name, .. }) => Err(format!("'{shown}' has a port: write {name}")),
            None => Err(format!(
                "'{shown}' is not a host name: write a name as in a URL, such as metrics.example.com"
            )),
        }
    }
}

/// The origin of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    pub(super) name: UrlHost,
    port: Option<u16>,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            format!(
                "'{}' is not an origin: write SCHEME://HOST[:PORT], such as https://dash.example.com",
                shown(text)
            )
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Origin {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
        let begins = scheme.bytes().next()?.is_ascii_alphabetic();
        let Authority { name, port } = Authority::parse(rest)?;
        (begins && scheme.bytes().all(allowed)).then(|| Self {
            scheme: scheme.to_ascii_lowercase(),
            name,
            port,
        })
    }

    fn default_port(&self) -> Option<u16> {
        match &*self.scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        }
    }

    /// Whether the page comes from a web server, rather than an extension or an application.
    fn is_web(&self) -> bool {
        self.default_port().is_some()
    }

    /// Whether the page comes from `host` itself. Behind a proxy that terminates TLS we cannot know our own scheme, so
    /// the origin's scheme determines a missing port.
    pub(super) fn is_of(&self, host: &Authority) -> bool {
        let default = self.default_port();
        self.is_web() && self.name == host.name && self.port.or(default) == host.port.or(default)
    }

    /// Whether the page comes from the browser's own machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.is_web() && self.name.is_loopback()
    }

    /// Whether both mean the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        let port = |origin: &Self| origin.port.or(origin.default_port());
        self.scheme == other.scheme && self.name == other.name && port(self) == port(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_name_and_optionally_a_port() {
        for (text, name, port) in [
            ("web-1", "web-1", None),
            ("Web-1.Example.COM.:80", "web-1.example.com", Some(80)),
            ("127.0.0.1:8080", "127.0.0.1", Some(8080)),
            ("[::1]", "[::1]", None),
            ("[0:0:0:0:0:0:0:1]:8080", "[::1]", Some(8080)),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1", Some(1)),
            ("[fe80::1%eth0]:8080", "[fe80::1]", Some(8080)),
            ("[fe80::1%25eth0.100]", "[fe80::1]", None),
            ("under_score", "under_score", None),
        ] {
            let found = Authority::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (&*found.name.to_string(), found.port),
                (name, port),
                "{text}"
            );
        }
    }

    #[test]
    fn an_invalid_authority_is_refused() {
        for text in [
            "",
            ":80",
            "a:",
            "a:b",
            "a:+80",
            "a:99999",
            "a:80:80",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[a]",
            "[a%eth0]",
            "[fe80::1%]",
            "[fe80::1%a b]",
            "[fe80::1%a]b]",
            "[127.0.0.1%1]",
            "[127.0.0.1]",
            "a/b",
            "a b",
            "user@a",
            "a\\b",
            "a%00",
            "a,b",
            "ä",
            ".",
            "a?b",
            "a#b",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        for (text, shown) in [
            ("HTTPS://Dash.example.com", "https://dash.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), shown);
        }
        for text in [
            "null",
            "",
            "dash.example.com",
            "http://",
            "http://a/",
            "http://a/b",
            "http://a@b",
            "1://a",
            "://a",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_allowed_host_is_a_name_only() {
        assert!("metrics.example.com".parse::<AllowedHost>().is_ok());
        let error = "metrics.example.com:443"
            .parse::<AllowedHost>()
            .unwrap_err();
        assert!(error.contains("write metrics.example.com"), "{error}");
        assert!(
            "https://metrics.example.com"
                .parse::<AllowedHost>()
                .is_err()
        );
        assert!("*.example.com".parse::<AllowedHost>().is_err());
    }
}
