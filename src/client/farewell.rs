//! Why an open connection ends.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

use super::connect::describe_io;

/// What a server's close says; 1005 stands for no code.
pub(super) fn code_and_reason(frame: Option<CloseFrame>) -> (u16, String) {
    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
        (frame.code.into(), frame.reason.to_string())
    });
    let reason: String = reason.chars().filter(|c| !c.is_control()).collect();
    if reason.is_empty() {
        (code, format!("closed with code {code}"))
    } else {
        (code, reason)
    }
}

/// What an error means for a connection that the server hasn't closed.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::Io(error) => describe_io(error),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            "connection closed".into()
        }
        other => other.to_string().to_lowercase(),
    }
}
