//! Opens a connection, and distinguishes final refusals from those worth retrying.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};

use crate::protocol::{MAX_MESSAGE_BYTES, Query};
use crate::wording::{cause, exact_span, lookup_cause};

use super::byte_channel::ByteChannel;
use super::endpoint::{Address, Via};
use super::ssh;
use super::tls::HandshakeError;
use super::{Credentials, advice};

/// An open connection.
pub(super) type ClientSocket = WebSocketStream<ByteChannel>;

/// How long a server has to answer the handshake before the next attempt.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How long a person may take to type a password: sshd itself waits no longer than this.
const ASKING_DEADLINE: Duration = Duration::from_secs(120);

/// The longest `Retry-After` that is honoured: a recorder must not sleep through what it is there for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// How much of a server's own message is shown, in characters.
const SHOWN_CHARS: usize = 200;

/// Why a connection was not made.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// It may work later, but not before `after` if the server said so. `advice`: what a first-time user can do about it.
    Retry {
        reason: String,
        advice: Option<String>,
        after: Option<Duration>,
    },
    /// Retrying alone does not help, because the server refuses or is the wrong one. During a recording it may still
    /// recover: a certificate is renewed, a proxy is restarted.
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

/// Connects to `address` and requests `query`. `may_ask`: ssh may ask the user something.
pub(super) async fn connect(
    address: Address,
    query: Query,
    credentials: Credentials,
    may_ask: bool,
) -> Result<ClientSocket, ConnectError> {
    let deadline = match address.via() {
        Via::Ssh(_) if may_ask => ASKING_DEADLINE,
        _ => CONNECT_DEADLINE,
    };
    let attempt = async {
        let request = request(&address, &query, &credentials)?;
        let stream = open(&address, &credentials, may_ask).await?;
        let opened =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config())).await;
        let opened = opened.map(|(socket, _)| socket);
        opened.map_err(|error| refused(error, &address))
    };
    match tokio::time::timeout(deadline, attempt).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Retry {
            reason: format!("no response for {}", exact_span(deadline)),
            advice: advice::on(ErrorKind::TimedOut, &address),
            after: None,
        }),
    }
}

fn retry(error: &io::Error, address: &Address) -> ConnectError {
    ConnectError::Retry {
        reason: describe_io(error),
        advice: advice::on(error.kind(), address),
        after: None,
    }
}

/// The handshake's request, with the token.
fn request(
    address: &Address,
    query: &Query,
    credentials: &Credentials,
) -> Result<Request, ConnectError> {
    let request = address.url(query).into_client_request();
    let mut request = request.map_err(|error| ConnectError::Final {
        reason: error.to_string(),
    })?;
    if let Some(token) = &credentials.token
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
    {
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    Ok(request)
}

/// Opens the byte channel to `address`.
async fn open(
    address: &Address,
    credentials: &Credentials,
    may_ask: bool,
) -> Result<ByteChannel, ConnectError> {
    let retry_io = |error| retry(&error, address);
    if let Via::Ssh(target) = address.via() {
        let (_, port) = address.host_port();
        let tunnel = target.open(port, may_ask).map_err(retry_io)?;
        return Ok(ByteChannel::Ssh(Box::new(tunnel)));
    }
    let socket = TcpStream::connect(address.host_port())
        .await
        .map_err(retry_io)?;
    let _ = socket.set_nodelay(true);
    match (address.via(), &credentials.tls) {
        (Via::Tls, Some(tls)) => match tls.connect(address.host(), socket).await {
            Ok(stream) => Ok(ByteChannel::Tls(Box::new(stream))),
            Err(HandshakeError::Io(error)) => Err(retry_io(error)),
            Err(HandshakeError::Refused(reason)) => Err(ConnectError::Final { reason }),
        },
        (Via::Tls, None) => Err(ConnectError::Final {
            reason: "TLS was not prepared".into(),
        }),
        _ => Ok(ByteChannel::Plain(socket)),
    }
}

/// What a failed handshake means.
fn refused(error: Error, address: &Address) -> ConnectError {
    match error {
        Error::Http(response) => refused_by(&response),
        Error::Io(error) => retry(&error, address),
        // A response that isn't HTTP or not a WebSocket comes from another kind of server: waiting doesn't help.
        Error::Protocol(tungstenite::error::ProtocolError::HandshakeIncomplete) => {
            ConnectError::Retry {
                reason: "connection closed during the handshake".into(),
                advice: advice::on(ErrorKind::UnexpectedEof, address),
                after: None,
            }
        }
        other => {
            let hint = match address.via() {
                Via::Plain => "; if it speaks TLS, write wss:// before the host",
                Via::Tls | Via::Ssh(_) => "",
            };
            ConnectError::Final {
                reason: format!("not a WebSocket server ({other}){hint}"),
            }
        }
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
    let reason = match (&*said, status) {
        // Another kind of server, perhaps a proxy, does not name our flag.
        (said, StatusCode::UNAUTHORIZED) if !said.contains("--token-file") => {
            let said = if said.is_empty() {
                "Unauthorized"
            } else {
                said
            };
            format!(
                "the server requires a token, name its file with --token-file FILE: {said} (401)"
            )
        }
        ("", _) => status.to_string(),
        (said, _) => format!("{said} ({})", status.as_u16()),
    };
    let is_temporary = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        );
    if is_temporary {
        let seconds = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        ConnectError::Retry {
            reason,
            advice: None,
            after: seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER)),
        }
    } else {
        ConnectError::Final { reason }
    }
}

/// The system's reason in plain words, without its number.
pub(super) fn describe_io(error: &io::Error) -> String {
    if let Some(failed) = ssh::SshFailure::of(error) {
        return failed.to_string();
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "connection reset".into(),
        ErrorKind::TimedOut => "connection timed out".into(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no route to the host".into(),
        ErrorKind::UnexpectedEof => "connection closed".into(),
        _ => match lookup_cause(error) {
            Some(why) => format!("name not found: {why}"),
            None => cause(error),
        },
    }
}
