//! The request head, read before it is known which part answers it.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use bytes::BytesMut;
use hyper::header::{HeaderMap, HeaderName, UPGRADE};
use hyper::{Method, Request, StatusCode, Uri, Version};
use tokio::io::AsyncReadExt;

use crate::protocol::{EVENTS_PATH, MAX_HEAD_BYTES};

use super::refusal::Refusal;
use super::socket::Socket;

/// The most header lines of a request.
const MAX_HEADERS: usize = 100;

/// The beginning of a connection.
#[derive(Debug)]
pub(in crate::server) struct RequestHead {
    /// Everything read so far: the head, and whatever followed it.
    pub(in crate::server) bytes: BytesMut,
    pub(in crate::server) kind: RequestKind,
}

/// Which part answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum RequestKind {
    /// A WebSocket handshake, well-formed or not.
    WebSocket,
    /// A request for an event stream.
    EventStream,
    /// Anything else: the HTTP side.
    Other,
}

/// Reads up to the end of the request head, or until it is clear that there is none.
pub(in crate::server) async fn read(socket: &mut Socket) -> io::Result<RequestHead> {
    let mut bytes = BytesMut::with_capacity(1024);
    loop {
        let before = bytes.len();
        if read_in_turn(socket, &mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Data that doesn't begin like a request, such as TLS, is recognised at once. Otherwise a head is parsed when
        // it is complete: parsing after every byte of a slow one would take quadratic time.
        let worth_parsing = before == 0 || has_end(&bytes[before.saturating_sub(3)..]);
        if worth_parsing && let Some(kind) = classify(&bytes) {
            return Ok(RequestHead { bytes, kind });
        }
        if bytes.len() >= MAX_HEAD_BYTES {
            return Ok(RequestHead {
                bytes,
                kind: RequestKind::Other,
            });
        }
    }
}

/// Reads more of a head; of a long one only in its turn.
async fn read_in_turn(socket: &mut Socket, bytes: &mut BytesMut) -> io::Result<usize> {
    loop {
        let turn = socket.turn().await;
        if turn.is_none() {
            return socket.read_buf(bytes).await;
        }
        let read = futures_util::poll!(std::pin::pin!(socket.read_buf(bytes)));
        if let Poll::Ready(read) = read {
            return read;
        }
        drop(turn);
        // It may also be waiting for memory that other connections release.
        tokio::task::yield_now().await;
        poll_fn(|cx| socket.poll_readable(cx)).await?;
    }
}

/// Whether there is an empty line in `bytes`; a bare line feed ends a line as well.
fn has_end(bytes: &[u8]) -> bool {
    // Most pieces of a long head have no line break at all, which is found out many times faster.
    bytes.contains(&b'\n')
        && (bytes.windows(2).any(|two| two == b"\n\n")
            || bytes.windows(3).any(|three| three == b"\n\r\n"))
}

/// Which part answers the request at the start of `bytes`; `None` while the head is incomplete.
fn classify(bytes: &[u8]) -> Option<RequestKind> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {
            Some(build(&request).map_or(RequestKind::Other, |request| kind_of(&request)))
        }
        Ok(httparse::Status::Partial) => None,
        Err(_) => Some(RequestKind::Other),
    }
}

/// Regardless of its version, the form of its target and its body: a body is ignored, because the connection ends with
/// the stream.
fn kind_of<B>(request: &Request<B>) -> RequestKind {
    if wants_websocket(request.headers()) {
        RequestKind::WebSocket
    } else if request.method() == Method::GET && path(request.uri()) == EVENTS_PATH {
        RequestKind::EventStream
    } else {
        RequestKind::Other
    }
}

/// Whether the request is for a WebSocket, well-formed or not.
pub(in crate::server) fn wants_websocket(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

/// Whether `token` is in the combined list of the headers with this name.
pub(in crate::server) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// The requested path. A proxy that replaces its prefix with `/` turns one slash into two.
pub(in crate::server) fn path(uri: &Uri) -> &str {
    let path = uri.path();
    let slashes = path.len() - path.trim_start_matches('/').len();
    &path[slashes.saturating_sub(1)..]
}

/// The original head of a request that hyper has read, if it is for a stream.
pub(in crate::server) fn of_stream<B>(request: &Request<B>) -> Option<RequestHead> {
    let kind = kind_of(request);
    if kind == RequestKind::Other {
        return None;
    }
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
    Some(RequestHead { bytes, kind })
}

/// A parsed request, for the parts that answer without an HTTP library.
#[derive(Debug)]
pub(in crate::server) struct ParsedRequest {
    pub(in crate::server) request: Request<()>,
    /// Whether bytes followed its head.
    pub(in crate::server) has_more: bool,
}

/// The request at the start of `bytes`; a refusal if it is invalid.
pub(in crate::server) fn parse(bytes: &[u8]) -> Result<ParsedRequest, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Some(length),
        _ => None,
    };
    let parsed = length.and_then(|length| {
        Some(ParsedRequest {
            request: build(&request)?,
            has_more: length < bytes.len(),
        })
    });
    parsed.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "this is not an HTTP request"))
}

fn build(request: &httparse::Request<'_, '_>) -> Option<Request<()>> {
    let version = match request.version? {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut built = Request::builder()
        .method(request.method?)
        .uri(request.path?)
        .version(version);
    for header in request.headers.iter() {
        built = built.header(header.name, header.value);
    }
    built.body(()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

    #[test]
    fn a_handshake_is_recognised_when_it_is_complete() {
        for end in 1..HANDSHAKE.len() {
            assert_eq!(classify(&HANDSHAKE.as_bytes()[..end]), None, "{end}");
        }
        assert_eq!(classify(HANDSHAKE.as_bytes()), Some(RequestKind::WebSocket));
    }

    #[test]
    fn a_stream_is_recognised_in_every_form() {
        for (request, kind) in [
            ("GET /events HTTP/1.1", RequestKind::EventStream),
            ("GET /events?host=a HTTP/1.0", RequestKind::EventStream),
            ("GET http://a/events HTTP/1.1", RequestKind::EventStream),
            ("GET //events HTTP/1.1", RequestKind::EventStream),
            (
                "GET /events HTTP/1.1\r\nContent-Length: 0",
                RequestKind::EventStream,
            ),
            (
                "GET /events HTTP/1.1\r\nExpect: 100-continue",
                RequestKind::EventStream,
            ),
            ("HEAD /events HTTP/1.1", RequestKind::Other),
            ("GET /events/ HTTP/1.1", RequestKind::Other),
            ("GET /event HTTP/1.1", RequestKind::Other),
            (
                "POST /ws HTTP/1.1\r\nUpgrade: websocket",
                RequestKind::WebSocket,
            ),
            (
                "GET /ws HTTP/1.0\r\nUpgrade: foo, WebSocket",
                RequestKind::WebSocket,
            ),
            ("GET /ws HTTP/1.1\r\nUpgrade: h2c", RequestKind::Other),
            ("GET /ws HTTP/1.1", RequestKind::Other),
        ] {
            let head = format!("{request}\r\nHost: a\r\n\r\n");
            assert_eq!(classify(head.as_bytes()), Some(kind), "{request}");
        }
        let tls = b"\x16\x03\x01\x02\x00";
        assert_eq!(classify(tls), Some(RequestKind::Other), "TLS is no HTTP");
    }
}
