//! The request head, read before it is known who answers it.

use std::io;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use crate::protocol::MAX_HEAD_BYTES;

use super::socket::Socket;

/// The most header lines of a request.
const MAX_HEADERS: usize = 100;

/// What a connection began with.
#[derive(Debug)]
pub(super) struct Head {
    /// Everything read so far: the head, and whatever came with it.
    pub(super) bytes: BytesMut,
    /// Whether it is a well-formed WebSocket handshake. Anything else, a broken handshake included, gets its answer
    /// from the HTTP side.
    pub(super) is_websocket: bool,
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
        if worth_parsing && let Some(is_websocket) = classify(&bytes) {
            return Ok(Head {
                bytes,
                is_websocket,
            });
        }
        if bytes.len() >= MAX_HEAD_BYTES {
            return Ok(Head {
                bytes,
                is_websocket: false,
            });
        }
    }
}

/// Whether an empty line is in `bytes`; a bare line feed ends a line as well.
fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|two| two == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Whether `bytes` begin with a WebSocket handshake; `None` while the head is incomplete.
fn classify(bytes: &[u8]) -> Option<bool> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => Some(is_handshake(&request)),
        Ok(httparse::Status::Partial) => None,
        Err(_) => Some(false),
    }
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
        assert_eq!(classify(HANDSHAKE.as_bytes()), Some(true));
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
            assert_eq!(classify(request.as_bytes()), Some(false), "{request}");
        }
        assert_eq!(
            classify(b"\x16\x03\x01\x02\x00"),
            Some(false),
            "TLS is no HTTP"
        );
    }
}
