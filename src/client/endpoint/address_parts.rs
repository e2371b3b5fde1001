//! Parses what people type for a server.

use std::net::Ipv6Addr;

use tokio_tungstenite::tungstenite::http::Uri;

use crate::protocol::{names_token, shown};

/// What to write instead.
pub(super) const WANTED: &str =
    "write host, host:port, ws://host:port/ws, wss://host/ws or ssh://[user@]host";

/// The scheme of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// None was given: the stream of that host.
    Bare,
    Ws,
    Wss,
    /// The page, which shows the stream beside it.
    Http,
    Https,
    Ssh,
}

/// The parts of a server's address as typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AddressParts<'a> {
    pub(super) scheme: Scheme,
    pub(super) user: Option<&'a str>,
    /// Name or IP, IPv6 without brackets and zone.
    pub(super) host: &'a str,
    /// The interface of a link-local IPv6 address.
    pub(super) zone: Option<&'a str>,
    pub(super) port: Option<u16>,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

impl<'a> AddressParts<'a> {
    /// Parses `text`. A fragment belongs to the page and is dropped.
    ///
    /// # Errors
    /// One line that says what is wrong and what to write.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let text = text.trim_ascii();
        let (scheme, rest) = scheme(text)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = split_port(text, place)?;
        let (host, zone) = match host.split_once('%') {
            Some((host, zone)) => (host, Some(decoded_zone(zone))),
            None => (host, None),
        };
        check_host(text, host, zone)?;
        if format!("ws://h{path}?{query}").parse::<Uri>().is_err() {
            return Err(refused(text));
        }
        let port = port.map(|port| parse_port(text, port)).transpose()?;
        let parts = Self {
            scheme,
            user,
            host,
            zone,
            port,
            path,
            query,
        };
        Ok(parts)
    }
}

/// The error for text that is not a server's address.
pub(super) fn refused(text: &str) -> String {
    format!("'{}' is not a server address: {WANTED}", harmless(text))
}

/// `text` without possible secrets.
pub(super) fn harmless(text: &str) -> String {
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let text = if names_token(query) {
        text.split('?').next().unwrap_or_default()
    } else {
        text
    };
    let begin = text.find("://").map_or(0, |at| at + 3);
    let end = text[begin..].find('/').map_or(text.len(), |at| begin + at);
    let authority = &text[begin..end];
    match authority.rfind('@').zip(authority.find(':')) {
        Some((at, colon)) if colon < at => format!(
            "{}…{}",
            shown(&text[..=begin + colon]),
            shown(&text[begin + at..])
        ),
        _ => shown(text).to_string(),
    }
}

fn scheme(text: &str) -> Result<(Scheme, &str), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok((Scheme::Bare, text));
    };
    let scheme = match &*scheme.to_ascii_lowercase() {
        "ws" => Scheme::Ws,
        "wss" => Scheme::Wss,
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "ssh" => Scheme::Ssh,
        _ => return Err(refused(text)),
    };
    Ok((scheme, rest))
}

/// The host and the port's digits. An IPv6 address needs no brackets if it cannot contain a port.
fn split_port<'a>(text: &str, place: &'a str) -> Result<(&'a str, Option<&'a str>), String> {
    if let Some(behind) = place.strip_prefix('[') {
        let (host, behind) = behind.split_once(']').ok_or_else(|| refused(text))?;
        return match behind.strip_prefix(':') {
            _ if !is_ipv6(host) => Err(refused(text)),
            Some(port) => Ok((host, Some(port))),
            None if behind.is_empty() => Ok((host, None)),
            None => Err(refused(text)),
        };
    }
    let Some((host, port)) = place.rsplit_once(':') else {
        return Ok((place, None));
    };
    if !host.contains(':') {
        return Ok((host, Some(port)));
    }
    // `::1:8080` is an address too, but hardly the intended one.
    let is_port = port.parse::<u16>().is_ok_and(|port| port >= 1000);
    match is_ipv6(host) && is_port {
        true => Err(format!(
            "'{}' has no brackets: write {}[{}]:{}",
            harmless(text),
            text.split_once("://")
                .map_or(String::new(), |(scheme, _)| format!("{}://", shown(scheme))),
            shown(host),
            shown(port)
        )),
        false if is_ipv6(place) => Ok((place, None)),
        false => Err(refused(text)),
    }
}

fn parse_port(text: &str, digits: &str) -> Result<u16, String> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match is_number.then(|| digits.parse().ok()).flatten() {
        Some(0) => Err(port_zero(text)),
        Some(port) => Ok(port),
        None => Err(format!(
            "'{}' has no valid port: write a number from 1 to 65535 after the colon",
            harmless(text)
        )),
    }
}

pub(super) fn port_zero(text: &str) -> String {
    format!(
        "'{}': port 0 cannot be connected to; use the port that the server printed",
        harmless(text)
    )
}

fn check_host(text: &str, host: &str, zone: Option<&str>) -> Result<(), String> {
    if !host.is_ascii() {
        return Err(format!(
            "'{}' has a name that is not ASCII: write its DNS form, which begins with xn--",
            harmless(text)
        ));
    }
    let is_plain = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !text.is_empty() && text.bytes().all(allowed)
    };
    let is_address = host.parse::<Ipv6Addr>().is_ok();
    let is_host = if is_address {
        zone.is_none_or(is_plain)
    } else {
        zone.is_none() && is_plain(host)
    };
    is_host.then_some(()).ok_or_else(|| refused(text))
}

/// A zone after `%`, or after `%25` as in URLs. The number of an interface is left unchanged.
fn decoded_zone(zone: &str) -> &str {
    match zone.strip_prefix("25") {
        Some(name) if name.bytes().any(|byte| !byte.is_ascii_digit()) => name,
        _ => zone,
    }
}

fn is_ipv6(text: &str) -> bool {
    let address = text.split('%').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().is_ok()
}
