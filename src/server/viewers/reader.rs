//! The reading side of a viewer: tungstenite parses its frames and closes the connection.
//!
//! Viewers say little. Between two messages, a viewer has no parser and no task: one task waits for all of them.

use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::protocol::{MAX_INBOUND_BYTES, close};

use super::line::{Parting, ReadSide};
use super::outbox::Transport;
use super::patience::{GOODBYE_DEADLINE, goodbye_deadline};

/// The reason given to a viewer that floods us.
const TOO_MUCH: &str = "sent too much";

type ViewerSocket<'a> = WebSocket<&'a mut ReadSide>;

/// Viewers send only control frames, so small buffers are enough. tungstenite fills its read buffer with zeros before
/// every read, so that its whole size (128 KiB by default) would be resident for each viewer.
pub(in crate::server) fn tungstenite_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(128)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_INBOUND_BYTES * 4)
        .max_message_size(Some(MAX_INBOUND_BYTES))
        .max_frame_size(Some(MAX_INBOUND_BYTES))
}

/// Reads from all viewers that join, as long as any can.
pub(in crate::server) async fn read_all(
    mut joining: mpsc::UnboundedReceiver<(ReadSide, Transport)>,
) {
    let mut readings = FuturesUnordered::new();
    loop {
        tokio::select! {
            joined = joining.recv() => match joined {
                Some((side, transport)) => readings.push(attend(side, transport)),
                None => return,
            },
            Some(()) = readings.next(), if !readings.is_empty() => {}
        }
    }
}

/// Reads from a viewer until it is gone, or has been asked to leave and is gone. Its messages are ignored.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn would hold its arguments twice, for each viewer"
)]
fn attend(mut side: ReadSide, transport: Transport) -> impl Future<Output = ()> {
    async move {
        let line = Arc::clone(&side.line);
        // Hardly any viewer has said something already. Of what TLS has taken from the socket, the socket tells nothing.
        if line.is_plain() && line.stirred().await.is_err() {
            return line.gone(Parting::Lost);
        }
        let parting = loop {
            // A task of its own, so that nothing that a viewer sends can affect the others.
            side = match tokio::spawn(hear(side, transport)).await {
                Ok(Ok(side)) => side,
                Ok(Err(parting)) => break parting,
                Err(_) => break Parting::Lost,
            };
            if line.stirred().await.is_err() {
                break Parting::Lost;
            }
        };
        line.gone(parting);
    }
}

/// Reads what a viewer says. Returns its side for when it says more, or how it has parted.
async fn hear(mut side: ReadSide, transport: Transport) -> Result<ReadSide, Parting> {
    let parting = match transport {
        Transport::WebSocket => listen(&mut side).await,
        Transport::EventStream => discard(&mut side),
    };
    parting.map_or(Ok(side), Err)
}

/// Reads what a viewer says, until it has said it, or is gone. Returns how it has parted, if it has.
async fn listen(side: &mut ReadSide) -> Option<Parting> {
    let line = Arc::clone(&side.line);
    let mut stream = WebSocket::from_raw_socket(side, Role::Server, Some(tungstenite_config()));
    loop {
        // A viewer that sends all the time must not keep the others waiting.
        consume_budget().await;
        match stream.read() {
            Err(error) if would_block(&error) => {
                if let Some(code) = line.leave_code() {
                    line.begin_close();
                    return Some(goodbye(&mut stream, code).await);
                }
                if stream.get_ref().is_between_messages() {
                    return None;
                }
                if line.stirred().await.is_err() {
                    return Some(Parting::Lost);
                }
            }
            Err(error) => {
                return Some(match (complaint(&error), error) {
                    (Some((code, reason)), _) => throw_out(&mut stream, code, reason).await,
                    (None, tungstenite::Error::ConnectionClosed) => Parting::InOrder,
                    (None, _) => Parting::Lost,
                });
            }
            Ok(_) if stream.get_mut().is_flooded() => {
                return Some(throw_out(&mut stream, close::POLICY, TOO_MUCH).await);
            }
            // tungstenite answers control frames; anything else that a viewer sends is ignored.
            Ok(Message::Pong(payload)) => line.answer(&payload),
            Ok(Message::Close(_)) => line.begin_close(),
            Ok(_) => {}
        }
    }
}

fn would_block(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Discards what a viewer of an event stream sends, until nothing more is there, it is gone, or it was too much, which
/// bounds how long this may take. Returns how it has parted, if it has.
fn discard(side: &mut ReadSide) -> Option<Parting> {
    let mut waste = [0; 256];
    loop {
        match side.read(&mut waste) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return side.line.leave_code().map(|_| Parting::Lost);
            }
            Ok(0) | Err(_) => return Some(Parting::Lost),
        }
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        close::OVER => "the recording is over",
        close::GOING_AWAY => "the server is stopping",
        _ => "too slow",
    }
}

/// The close code and reason for a viewer that broke the protocol; none if it is gone already.
fn complaint(error: &tungstenite::Error) -> Option<(u16, &'static str)> {
    use tungstenite::Error::{Capacity, Io, Protocol, Utf8};
    Some(match error {
        Capacity(_) => (CloseCode::Size.into(), "the message is too long"),
        Utf8(_) => (CloseCode::Invalid.into(), "the text is not UTF-8"),
        Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => return None,
        Protocol(_) => (
            CloseCode::Protocol.into(),
            "this is not the WebSocket protocol",
        ),
        Io(error) if error.kind() == io::ErrorKind::QuotaExceeded => (close::POLICY, TOO_MUCH),
        _ => return None,
    })
}

/// Tells a viewer that broke the protocol what was wrong, and closes our side, because a reply would not be understood.
/// Its further data is read and discarded: with unread data, the kernel would reset the connection, and the close frame
/// could be lost.
///
/// Boxed, because it has a large buffer, and few viewers need it.
fn throw_out<'a>(
    stream: &'a mut ViewerSocket<'_>,
    code: u16,
    reason: &'static str,
) -> Pin<Box<dyn Future<Output = Parting> + Send + 'a>> {
    Box::pin(async move {
        let line = Arc::clone(&stream.get_ref().line);
        line.begin_last_close();
        // A pending reply goes before the close frame: nothing may follow that.
        if stream.flush().is_err() || stream.close(Some(close_frame(code, reason))).is_err() {
            return Parting::Lost;
        }
        match tokio::time::timeout(GOODBYE_DEADLINE, line.discard()).await {
            Ok(true) => Parting::InOrder,
            Ok(false) | Err(_) => Parting::Lost,
        }
    })
}

/// Closes in order, unless `code` is 0: sends the reason, and reads on until the viewer has answered.
async fn goodbye(stream: &mut ViewerSocket<'_>, code: u16) -> Parting {
    if code == 0 {
        return Parting::Lost;
    }
    let answer = answered_close(stream, code);
    let has_answered = match goodbye_deadline(code) {
        Some(deadline) => tokio::time::timeout(deadline, answer).await == Ok(true),
        None => answer.await,
    };
    match has_answered {
        true if code == close::OVER => Parting::Finished,
        true => Parting::InOrder,
        false => Parting::Lost,
    }
}

/// Sends a close frame. Returns whether the viewer answers it.
async fn answered_close(stream: &mut ViewerSocket<'_>, code: u16) -> bool {
    if stream.close(Some(close_frame(code, reason(code)))).is_err() {
        return false;
    }
    loop {
        consume_budget().await;
        match stream.read() {
            Err(error) if would_block(&error) => {
                if stream.get_ref().line.readable().await.is_err() {
                    return false;
                }
            }
            Err(error) => return matches!(error, tungstenite::Error::ConnectionClosed),
            Ok(_) => {}
        }
    }
}

fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }
}
