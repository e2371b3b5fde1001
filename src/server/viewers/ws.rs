//! The WebSocket handshake. tungstenite's own response would save no check: it accepts repeated headers and requests
//! with a body, doesn't know `Upgrade: foo, websocket`, and cannot say what a proxy in between has to change.

use bytes::Bytes;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::protocol::{Query, WEBSOCKET_PATH, shown};

use super::admission;
use super::encoding::Encoding;
use super::offers::{self, Agreement};
use crate::server::door::gate::{AccessRequest, Admission};
use crate::server::door::head::{self, ParsedRequest};
use crate::server::door::refusal::Refusal;

/// The characters of 16 bytes in base64, without the padding.
const KEY_CHARS: usize = 22;

/// The response to the handshake of an admitted request, the viewer's query, and what was negotiated; without
/// `compression`, plain text.
pub(super) fn greet(
    parsed: &ParsedRequest,
    asked: &AccessRequest<'_>,
    admission: &Admission,
    compression: bool,
) -> Result<(Bytes, Query, Encoding), Refusal> {
    let path = asked.path();
    if path != WEBSOCKET_PATH && path != "/" {
        let reason = format!(
            "no stream at '{}': connect to {WEBSOCKET_PATH}",
            shown(path)
        );
        return Err(Refusal::new(StatusCode::NOT_FOUND, reason));
    }
    let key = check(parsed)?;
    let query = admission::query(asked.uri.query())?;
    let (encoding, agreement) = if compression {
        negotiate(&query, &parsed.request)
    } else {
        (Encoding::Plain, None)
    };
    Ok((greeting(key, admission, agreement), query, encoding))
}

/// How the viewer gets messages, and what its handshake is told of that. What it asks for by its query isn't compressed
/// twice.
fn negotiate(query: &Query, request: &Request<()>) -> (Encoding, Option<Agreement>) {
    if query.deflated {
        return (Encoding::Binary, None);
    }
    let offered = request.headers().get_all(SEC_WEBSOCKET_EXTENSIONS);
    let agreement = offers::agree(offered.iter().filter_map(|value| value.to_str().ok()));
    let encoding = agreement.map_or(Encoding::Plain, |Agreement { alone, .. }| {
        Encoding::Extension { alone }
    });
    (encoding, agreement)
}

/// Checks the form of a handshake (RFC 6455, section 4.2.1); returns its key.
fn check(ParsedRequest { request, has_more }: &ParsedRequest) -> Result<&HeaderValue, Refusal> {
    let bad = |reason| Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
    if request.method() != Method::GET {
        let reason = "a WebSocket begins with GET";
        let allowed = (ALLOW, HeaderValue::from_static("GET"));
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason).with(allowed));
    }
    if request.version() == Version::HTTP_10 {
        return Err(needs_upgrade(
            "a WebSocket needs HTTP/1.1, so a proxy in between must use it (nginx: proxy_http_version 1.1)",
        ));
    }
    if !head::has_token(request.headers(), &CONNECTION, "upgrade") {
        return bad("the handshake has no 'Connection: Upgrade': a proxy in between must send it");
    }
    if only(request, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let reason = "only version 13 of WebSocket is spoken here";
        let ours = (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(needs_upgrade(reason).with(ours));
    }
    let Some(key) = only(request, &SEC_WEBSOCKET_KEY) else {
        return bad("a handshake needs exactly one Sec-WebSocket-Key");
    };
    if !is_key(key.as_bytes()) {
        return bad("the Sec-WebSocket-Key is not 16 bytes in base64");
    }
    let headers = request.headers();
    let lengths = headers.get_all(CONTENT_LENGTH);
    if headers.contains_key(TRANSFER_ENCODING) || lengths.iter().any(|length| length != "0") {
        return bad("a handshake must not have a body");
    }
    if *has_more {
        return bad("data follows the handshake: wait for the response first");
    }
    Ok(key)
}

/// A refusal that says what to send instead.
pub(in crate::server) fn needs_upgrade(reason: &str) -> Refusal {
    let upgrade = (UPGRADE, HeaderValue::from_static("websocket"));
    Refusal::new(StatusCode::UPGRADE_REQUIRED, reason).with(upgrade)
}

/// The value of a header that must occur once.
fn only<'a>(request: &'a Request<()>, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = request.headers().get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Whether it is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == KEY_CHARS + 2 && key.ends_with(b"==") && key.iter().take(KEY_CHARS).all(is_digit)
}

fn greeting(key: &HeaderValue, admission: &Admission, agreement: Option<Agreement>) -> Bytes {
    let protocol = admission.subprotocol.as_ref();
    let protocol = protocol.and_then(|protocol| protocol.to_str().ok());
    let protocol = protocol.map(|protocol| format!("Sec-WebSocket-Protocol: {protocol}\r\n"));
    let extension = agreement.map(|it| format!("Sec-WebSocket-Extensions: {it}\r\n"));
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n{}{}\r\n",
        derive_accept_key(key.as_bytes()),
        protocol.unwrap_or_default(),
        extension.unwrap_or_default()
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        for key in [
            "",
            "short",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZXM=",
            "dGhlIHNhbXBsZSBub25jZXMh",
            "dGhlIHNhbXBsZSBub2!jZQ==",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25jZQ== ",
        ] {
            assert!(!is_key(key.as_bytes()), "{key}");
        }
    }
}
