//! Opening a connection, and telling a refusal that is final from one that may heal.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::{StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};

use crate::protocol::{MAX_MESSAGE_BYTES, Query};

use super::endpoint::Address;

/// An open connection.
pub(super) type Socket = WebSocketStream<TcpStream>;

/// A server that has not answered the handshake by then is tried again.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// The longest piece of a server's own words that is shown.
const SHOWN_CHARS: usize = 200;

/// Why a connection was not made.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// It may work later; not before `after`, where the server says so.
    Retry {
        reason: String,
        after: Option<Duration>,
    },
    /// It will not.
    Final { reason: String },
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(32 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(64 * 1024)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// Connects to `address` and asks for `query`.
pub(super) async fn connect(address: Address, query: Query) -> Result<Socket, ConnectError> {
    let retry = |reason: String| ConnectError::Retry {
        reason,
        after: None,
    };
    let attempt = async {
        let socket = TcpStream::connect(address.host_port())
            .await
            .map_err(|error| retry(describe_io(&error)))?;
        let _ = socket.set_nodelay(true);
        let request =
            address
                .url(&query)
                .into_client_request()
                .map_err(|error| ConnectError::Final {
                    reason: error.to_string(),
                })?;
        let opened =
            tokio_tungstenite::client_async_with_config(request, socket, Some(config())).await;
        opened.map(|(socket, _)| socket).map_err(refused)
    };
    match tokio::time::timeout(CONNECT_DEADLINE, attempt).await {
        Ok(result) => result,
        Err(_) => Err(retry(format!(
            "no answer for {} s",
            CONNECT_DEADLINE.as_secs()
        ))),
    }
}

/// What a failed handshake means.
fn refused(error: Error) -> ConnectError {
    match error {
        Error::Http(response) => refused_by(&response),
        Error::Io(error) => ConnectError::Retry {
            reason: describe_io(&error),
            after: None,
        },
        // An answer that is no HTTP, or no WebSocket: another kind of server, which will not become ours by waiting.
        Error::Protocol(tungstenite::error::ProtocolError::HandshakeIncomplete) => {
            ConnectError::Retry {
                reason: "connection closed during the handshake".into(),
                after: None,
            }
        }
        other => ConnectError::Final {
            reason: format!("not a WebSocket server ({other})"),
        },
    }
}

fn refused_by(response: &Response) -> ConnectError {
    let status = response.status();
    let said = response
        .body()
        .as_deref()
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    let said: String = said
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let said: String = said.chars().take(SHOWN_CHARS).collect();
    let reason = if said.is_empty() {
        status.to_string()
    } else {
        format!("{said} ({})", status.as_u16())
    };
    let heals = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
    if heals {
        let seconds = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        ConnectError::Retry {
            reason,
            after: seconds.map(Duration::from_secs),
        }
    } else {
        ConnectError::Final { reason }
    }
}

/// The system's reason in plain words, without its number.
pub(super) fn describe_io(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "connection reset".into(),
        ErrorKind::TimedOut => "connection timed out".into(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no route to the host".into(),
        ErrorKind::UnexpectedEof => "connection closed".into(),
        _ => {
            let text = error.to_string();
            match text.strip_prefix("failed to lookup address information: ") {
                Some(why) => format!("name not found: {why}"),
                None => text
                    .split(" (os error")
                    .next()
                    .unwrap_or_default()
                    .to_lowercase(),
            }
        }
    }
}
