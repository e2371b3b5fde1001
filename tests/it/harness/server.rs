//! Servers implemented by a test.

use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept_hdr};

/// Listens on a free port of loopback until the process ends, and hands each connection with its number, from 0, to
/// `attend` on a thread of its own.
pub(crate) fn each_connection(attend: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let attend = Arc::new(attend);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let attend = Arc::clone(&attend);
            std::thread::spawn(move || attend(number, stream));
        }
    });
    port
}

/// The same for WebSockets: `attend_viewer` also gets the client's query.
pub(crate) fn each_viewer(
    attend_viewer: impl Fn(usize, &str, &mut WebSocket<TcpStream>) + Send + Sync + 'static,
) -> u16 {
    each_connection(move |number, stream| {
        attend(stream, |query, socket| attend_viewer(number, query, socket));
    })
}

/// Answers a handshake, and passes the client's query to `attend`.
pub(crate) fn attend(stream: TcpStream, attend: impl FnOnce(&str, &mut WebSocket<TcpStream>)) {
    let mut query = String::new();
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let note = |request: &Request, mut response: Response| {
        query = request.uri().query().unwrap_or_default().to_owned();
        // A browser accepts no WebSocket without the subprotocol that it asked for.
        if request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL) {
            let protocol = HeaderValue::from_static("metrics.v1");
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        Ok(response)
    };
    if let Ok(mut socket) = accept_hdr(stream, note) {
        attend(&query, &mut socket);
    }
}

/// A server with the page of the real one at `page`, and a stream from the test: `attend_viewer` gets each WebSocket
/// and the client's query.
pub(crate) fn page_with_stream(
    page: u16,
    attend_viewer: impl Fn(&str, &mut WebSocket<TcpStream>) + Send + Sync + 'static,
) -> u16 {
    const UPGRADED: &[u8] = b"GET /ws";
    each_connection(move |_, stream| {
        let mut start = [0; UPGRADED.len()];
        while stream
            .peek(&mut start)
            .is_ok_and(|read| 0 < read && read < start.len())
        {}
        if start == UPGRADED {
            attend(stream, &attend_viewer);
        } else {
            pipe(
                stream,
                TcpStream::connect((Ipv4Addr::LOCALHOST, page)).unwrap(),
            );
        }
    })
}

/// Takes bytes from one to the other, both ways, until one of them ends; how many came from `far`.
pub(crate) fn pipe(near: TcpStream, far: TcpStream) -> u64 {
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let bytes = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
        bytes.unwrap_or_default()
    };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(&near, &far));
        copy(&far, &near)
    })
}

/// Sends texts.
pub(crate) fn say(socket: &mut WebSocket<TcpStream>, texts: &[&str]) {
    for text in texts {
        if socket.send(Message::text(*text)).is_err() {
            return;
        }
    }
}

/// Closes with a code and waits until the client has answered.
pub(crate) fn close(socket: &mut WebSocket<TcpStream>, code: u16, reason: &'static str) {
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    let _ = socket.close(Some(frame));
    while socket.read().is_ok() {}
}
