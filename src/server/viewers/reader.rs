//! The reading side of a viewer: tungstenite parses its frames and closes the connection.

use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::protocol::{MAX_INBOUND_BYTES, close};

use super::line::{Parting, ReadSide, ViewerLine};
use super::patience::{GOODBYE_DEADLINE, MAX_FRAMES_PER_SECOND, goodbye_deadline};

/// The reason given to a viewer that floods us.
const TOO_MUCH: &str = "sent too much";

/// Without the wrapper that makes it a `Stream`, which costs each viewer two allocations and a larger task.
type ViewerSocket = WebSocket<ReadSide>;

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

/// Reads from a viewer until it is gone, or has been asked to leave and is gone. Its messages are ignored; they
/// `may_be_compressed`.
pub(in crate::server) async fn attend(line: Arc<ViewerLine>, may_be_compressed: bool) {
    let side = ReadSide::new(Arc::clone(&line), may_be_compressed);
    let mut stream = WebSocket::from_raw_socket(side, Role::Server, Some(tungstenite_config()));
    let mut frames = Frames::new();
    let parting = loop {
        let event = tokio::select! {
            biased;
            event = poll_fn(|cx| poll_next(&mut stream, cx)) => event,
            code = line.told_to_leave() => {
                line.begin_close();
                break match code != 0 && goodbye(stream, code, reason(code)).await {
                    true if code == close::OVER => Parting::Finished,
                    true => Parting::InOrder,
                    false => Parting::Lost,
                };
            }
        };
        match event {
            Ok(_) if frames.are_too_many() => {
                break throw_out(&line, stream, close::POLICY, TOO_MUCH).await;
            }
            // tungstenite answers control frames; anything else that a viewer sends is ignored.
            Ok(Message::Pong(payload)) => line.answer(&payload),
            Ok(Message::Close(_)) => line.begin_close(),
            Ok(_) => {}
            Err(error) => {
                break match (complaint(&error), error) {
                    (Some((code, reason)), _) => throw_out(&line, stream, code, reason).await,
                    (None, tungstenite::Error::ConnectionClosed) => Parting::InOrder,
                    (None, _) => Parting::Lost,
                };
            }
        }
    };
    line.gone(parting);
}

/// A viewer's next frame; an error at the end.
fn poll_next(
    stream: &mut ViewerSocket,
    cx: &mut Context<'_>,
) -> Poll<tungstenite::Result<Message>> {
    // A viewer that sends all the time must not keep the others waiting.
    let turn = ready!(tokio::task::coop::poll_proceed(cx));
    loop {
        match stream.read() {
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            said => {
                turn.made_progress();
                return Poll::Ready(said);
            }
        }
        ready!(stream.get_ref().poll_ready(cx))?;
    }
}

/// Waits until a viewer of an event stream is gone. Anything it sends is ignored.
pub(in crate::server) async fn attend_events(line: Arc<ViewerLine>) {
    let mut side = ReadSide::new(Arc::clone(&line), false);
    tokio::select! {
        () = poll_fn(|cx| poll_end(&mut side, cx)) => {}
        _ = line.told_to_leave() => {}
    }
    line.gone(Parting::Lost);
}

/// Discards incoming data until the end, or until it is too much, which bounds how long this may take.
fn poll_end(side: &mut ReadSide, cx: &mut Context<'_>) -> Poll<()> {
    let mut waste = [0; 256];
    loop {
        match side.read(&mut waste) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if ready!(side.poll_ready(cx)).is_err() {
                    return Poll::Ready(());
                }
            }
            Ok(0) | Err(_) => return Poll::Ready(()),
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
/// Boxed, as [`goodbye`].
fn throw_out(
    line: &Arc<ViewerLine>,
    mut stream: ViewerSocket,
    code: u16,
    reason: &'static str,
) -> Pin<Box<dyn Future<Output = Parting> + Send>> {
    let line = Arc::clone(line);
    line.begin_last_close();
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    Box::pin(async move {
        // A pending reply goes before the close frame: nothing may follow that.
        if stream.flush().is_err() || stream.close(Some(frame)).is_err() {
            return Parting::Lost;
        }
        match tokio::time::timeout(GOODBYE_DEADLINE, line.discard()).await {
            Ok(true) => Parting::InOrder,
            Ok(false) | Err(_) => Parting::Lost,
        }
    })
}

/// Closes in order: sends the reason, and reads on until the viewer has answered. Returns whether it has.
///
/// Boxed, so that viewers that aren't leaving need no memory for it.
fn goodbye(
    mut stream: ViewerSocket,
    code: u16,
    reason: &'static str,
) -> Pin<Box<dyn Future<Output = bool> + Send>> {
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    let leave = async move {
        stream.close(Some(frame))?;
        loop {
            match poll_fn(|cx| poll_next(&mut stream, cx)).await {
                Ok(_) => {}
                Err(tungstenite::Error::ConnectionClosed) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    Box::pin(async move {
        match goodbye_deadline(code) {
            Some(deadline) => {
                (tokio::time::timeout(deadline, leave).await).is_ok_and(|it| it.is_ok())
            }
            None => leave.await.is_ok(),
        }
    })
}

/// Counts frames in the current second.
struct Frames {
    second: Instant,
    count: u32,
}

impl Frames {
    fn new() -> Self {
        Self {
            second: Instant::now(),
            count: 0,
        }
    }

    fn are_too_many(&mut self) -> bool {
        if self.second.elapsed().as_secs() > 0 {
            *self = Self::new();
        }
        self.count += 1;
        self.count > MAX_FRAMES_PER_SECOND
    }
}
