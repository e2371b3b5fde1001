//! The request head, read before it is known who answers it.

use std::io;

use bytes::BytesMut;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use tokio::io::AsyncReadExt;

use crate::protocol::{EVENTS_PATH, MAX_HEAD_BYTES};

use super::socket::Socket;

/// The most header lines of a request.
const MAX_HEADERS: usize = 100;

/// What a connection began with.
#[derive(Debug)]
pub(super) struct Head {
    /// Everything read so far: the head, and whatever came with it.
    pub(super) bytes: BytesMut,
    pub(super) kind: Kind,
}

/// Who answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A well-formed WebSocket handshake.
    WebSocket,
    /// A request for an event stream.
    EventStream,
    /// Anything else, broken handshakes included: the HTTP side.
    Other,
}

/// Reads up to the end of the request head, or to where it is clear that there will be none.
pub(super) async fn read(socket: &mut Socket) -> io::Result<Head> {
    let mut bytes = BytesMut::with_capacity(1024);
    loop {
        let before = bytes.len();
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What begins like no request is seen at once, TLS for instance. Otherwise a head is parsed when it is whole:
        // parsing at every byte of one that dribbles in would be work that grows with its square.
        let worth_parsing = before == 0 || has_end(&bytes[before.saturating_sub(3)..]);
        if worth_parsing && let Some(kind) = classify(&bytes) {
            return Ok(Head { bytes, kind });
        }
        if bytes.len() >= MAX_HEAD_BYTES {
            return Ok(Head {
                bytes,
                kind: Kind::Other,
            });
        }
    }
}

/// Whether an empty line is in `bytes`; a bare line feed ends a line as well.
fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|two| two == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Who answers the request that `bytes` begin with; `None` while the head is incomplete.
fn classify(bytes: &[u8]) -> Option<Kind> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) if is_handshake(&request) => Some(Kind::WebSocket),
        Ok(httparse::Status::Complete(_)) if is_event_stream(&request) => Some(Kind::EventStream),
        Ok(httparse::Status::Complete(_)) => Some(Kind::Other),
        Ok(httparse::Status::Partial) => None,
        Err(_) => Some(Kind::Other),
    }
}

/// A request that can be answered for as long as it takes: HTTP/1.0 has no such answers, and a body would have to be read.
fn is_event_stream(request: &httparse::Request<'_, '_>) -> bool {
    let path = request.path.and_then(|target| target.split('?').next());
    let has_body = |header: &httparse::Header<'_>| {
        ["content-length", "transfer-encoding", "expect"]
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name))
    };
    request.method == Some("GET")
        && request.version == Some(1)
        && path == Some(EVENTS_PATH)
        && !request.headers.iter().any(has_body)
}

/// The head of a request that hyper has read, as it came, if it asks for a stream.
pub(super) fn of_stream<B>(request: &Request<B>) -> Option<Head> {
    let mut bytes = BytesMut::new();
    let line = format!(
        "{} {} {:?}\r\n",
        request.method(),
        request.uri(),
        request.version()
    );
    bytes.extend_from_slice(line.as_bytes());
    for (name, value) in request.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    let kind = classify(&bytes).filter(|kind| *kind != Kind::Other)?;
    Some(Head { bytes, kind })
}

/// The request's URI and headers, for those who answer it without an HTTP library. `None` where they are not valid.
pub(super) fn parts(bytes: &[u8]) -> Option<(Uri, HeaderMap)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(bytes).ok()?;
    let mut map = HeaderMap::new();
    for header in request.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        map.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some((request.path?.parse().ok()?, map))
}

/// RFC 6455, section 4.2.1, as far as a viewer can get it wrong without noticing.
fn is_handshake(request: &httparse::Request<'_, '_>) -> bool {
    let has = |name: &str, token: &str| {
        let wanted = |value: &[u8]| {
            std::str::from_utf8(value).is_ok_and(|value| {
                value
                    .split(',')
                    .any(|part| part.trim().eq_ignore_ascii_case(token))
            })
        };
        request
            .headers
            .iter()
            .any(|header| header.name.eq_ignore_ascii_case(name) && wanted(header.value))
    };
    let key = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"));
    request.method == Some("GET")
        && request.version == Some(1)
        && has("upgrade", "websocket")
        && has("connection", "upgrade")
        && has("sec-websocket-version", "13")
        && key.is_some_and(|key| key.value.len() == 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

    #[test]
    fn a_handshake_is_recognised_when_it_is_whole() {
        for end in 1..HANDSHAKE.len() {
            assert_eq!(classify(&HANDSHAKE.as_bytes()[..end]), None, "{end}");
        }
        assert_eq!(classify(HANDSHAKE.as_bytes()), Some(Kind::WebSocket));
    }

    #[test]
    fn anything_else_is_for_the_http_side() {
        for (find, replace) in [
            ("GET", "POST"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("Upgrade: WebSocket\r\n", ""),
            ("Version: 13", "Version: 8"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        ] {
            let request = HANDSHAKE.replace(find, replace);
            assert_eq!(classify(request.as_bytes()), Some(Kind::Other), "{request}");
        }
        assert_eq!(
            classify(b"\x16\x03\x01\x02\x00"),
            Some(Kind::Other),
            "TLS is no HTTP"
        );
    }
}
