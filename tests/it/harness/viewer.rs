//! A strict viewer: every message is checked.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderName;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket, client};

use super::PATIENCE;
use super::metrics::port_of;
use super::wire::Wire;

/// How often a waiting read checks its deadline.
const TICK: Duration = Duration::from_millis(50);

/// A connected viewer.
pub(crate) struct Viewer {
    socket: WebSocket<TcpStream>,
    url: String,
}

/// What a viewer saw.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(crate) enum Seen {
    /// A message, and its text.
    Message(Wire, String),
    /// The server closed with this code; `None` if it vanished.
    Closed(Option<u16>),
}

impl Viewer {
    /// Connects to the URL that a server printed, asking for `query`.
    #[track_caller]
    pub(crate) fn connect(url: &str, query: &str) -> Self {
        match Self::try_connect(url, query, "") {
            Ok(viewer) => viewer,
            Err((status, reason)) => panic!("{url}?{query} answered {status}: {reason}"),
        }
    }

    /// Connects with a further header line.
    #[track_caller]
    pub(crate) fn connect_with(url: &str, line: &str) -> Self {
        match Self::try_connect(url, "", line) {
            Ok(viewer) => viewer,
            Err((status, reason)) => panic!("{url} answered {status}: {reason}"),
        }
    }

    /// The status and the reason of a server that refuses this viewer.
    #[track_caller]
    pub(crate) fn refused(url: &str, query: &str) -> (u16, String) {
        Self::try_connect(url, query, "")
            .err()
            .unwrap_or_else(|| panic!("{url}?{query} was accepted"))
    }

    #[track_caller]
    fn try_connect(url: &str, query: &str, line: &str) -> Result<Self, (u16, String)> {
        let url = match query {
            "" => url.to_owned(),
            _ => format!("{url}?{query}"),
        };
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port_of(&url))).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = url.as_str().into_client_request().unwrap();
        if let Some((name, value)) = line.split_once(": ") {
            let name: HeaderName = name.parse().unwrap();
            let value = value.trim_end().parse().unwrap();
            request.headers_mut().insert(name, value);
        }
        match client(request, stream) {
            Ok((socket, _)) => {
                socket.get_ref().set_read_timeout(Some(TICK)).unwrap();
                Ok(Self { socket, url })
            }
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((
                    response.status().as_u16(),
                    String::from_utf8_lossy(body).into_owned(),
                ))
            }
            Err(error) => panic!("{url}: {error}"),
        }
    }

    /// The next event.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Seen {
        match self.next_within(PATIENCE) {
            Some(seen) => seen,
            None => panic!("{} sent nothing for {PATIENCE:?}", self.url),
        }
    }

    /// The next event, if there is one in time.
    #[track_caller]
    pub(crate) fn next_within(&mut self, patience: Duration) -> Option<Seen> {
        let deadline = Instant::now() + patience;
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let message = Wire::read(&text).unwrap_or_else(|error| panic!("{error}"));
                    return Some(Seen::Message(message, text.to_string()));
                }
                Ok(Message::Close(frame)) => {
                    let code = frame.map(|frame| frame.code.into());
                    while self.socket.read().is_ok() {}
                    return Some(Seen::Closed(code));
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("{} sent {other:?}", self.url),
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if deadline <= Instant::now() {
                        return None;
                    }
                }
                Err(_) => return Some(Seen::Closed(None)),
            }
        }
    }

    /// The next message; a close is a failure.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Wire {
        match self.next() {
            Seen::Message(message, _) => message,
            Seen::Closed(code) => panic!("{} closed with {code:?}", self.url),
        }
    }

    /// Messages up to and with the `n`th numbered one.
    #[track_caller]
    pub(crate) fn numbered(&mut self, n: usize) -> Vec<Wire> {
        let mut messages = Vec::new();
        let mut left = n;
        while 0 < left {
            let message = self.message();
            left -= usize::from(message.seq().is_some());
            messages.push(message);
        }
        messages
    }

    /// Everything until the server closes, and its close code.
    #[track_caller]
    pub(crate) fn until_closed(&mut self) -> (Vec<Wire>, Option<u16>) {
        let mut messages = Vec::new();
        loop {
            match self.next() {
                Seen::Message(message, _) => messages.push(message),
                Seen::Closed(code) => return (messages, code),
            }
        }
    }
}
