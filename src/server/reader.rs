//! The reading side of a viewer: tungstenite hears what it says, and says goodbye.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::protocol::{MAX_INBOUND_BYTES, close};

use super::fanout::GOODBYE_DEADLINE;
use super::line::{Line, ReadSide};

/// How many frames a viewer may send in a second. Viewers have nothing to say but a pong now and then; a hundred is for
/// those who measure.
const MAX_FRAMES_PER_SECOND: u32 = 100;

type Stream = WebSocketStream<ReadSide>;

/// Viewers say nothing but control frames, so small buffers do. tungstenite fills its read buffer with zeros before
/// every read, so that its whole size (128 KiB by default) would be resident for each viewer.
pub(super) fn tungstenite_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(256)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_INBOUND_BYTES * 4)
        .max_message_size(Some(MAX_INBOUND_BYTES))
        .max_frame_size(Some(MAX_INBOUND_BYTES))
}

/// Hears a viewer until it is gone, or told to leave and gone.
pub(super) async fn attend(line: Arc<Line>) {
    let side = ReadSide(Arc::clone(&line));
    let mut stream =
        WebSocketStream::from_raw_socket(side, Role::Server, Some(tungstenite_config())).await;
    let mut frames = Frames::new();
    let finished = loop {
        let event = tokio::select! {
            biased;
            event = stream.next() => event,
            code = line.told_to_leave() => {
                let goodbye = code != 0 && goodbye(stream, code, reason(code)).await;
                break goodbye && code == close::OVER;
            }
        };
        match event {
            Some(Ok(_)) if frames.are_too_many() => {
                goodbye(stream, close::POLICY, "too many frames").await;
                break false;
            }
            // Control frames are answered by tungstenite; whatever else a viewer says is of no interest.
            Some(Ok(Message::Pong(_))) => line.answer(),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                if let Some(code) = complaint(&error) {
                    goodbye(stream, code, "that is not how a viewer speaks").await;
                }
                break false;
            }
            None => break false,
        }
    };
    line.gone(finished);
}

/// Waits until a viewer of an event stream is gone. It has nothing to say: what it says is passed over.
pub(super) async fn attend_events(line: Arc<Line>) {
    let mut side = ReadSide(Arc::clone(&line));
    let mut bytes = [0; 256];
    loop {
        tokio::select! {
            read = side.read(&mut bytes) => match read {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            },
            _ = line.told_to_leave() => break,
        }
    }
    line.gone(false);
}

fn reason(code: u16) -> &'static str {
    match code {
        close::OVER => "the recording is over",
        close::GOING_AWAY => "the server stops",
        _ => "too slow",
    }
}

/// What a viewer that broke the protocol is told; nothing where it is gone already.
fn complaint(error: &tungstenite::Error) -> Option<u16> {
    use tungstenite::Error::{Capacity, Protocol, Utf8};
    let code = match error {
        Capacity(_) => CloseCode::Size,
        Utf8(_) => CloseCode::Invalid,
        Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => return None,
        Protocol(_) => CloseCode::Protocol,
        _ => return None,
    };
    Some(code.into())
}

/// Closes in good order: says why, and reads on until the viewer has answered. Whether it has.
///
/// Boxed, so that viewers who are not leaving need no room for it.
fn goodbye(
    mut stream: Stream,
    code: u16,
    reason: &'static str,
) -> Pin<Box<dyn Future<Output = bool> + Send>> {
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    let leave = async move {
        stream.close(Some(frame)).await?;
        while let Some(event) = stream.next().await {
            event?;
        }
        Ok::<_, tungstenite::Error>(())
    };
    let in_time = tokio::time::timeout(GOODBYE_DEADLINE, leave);
    Box::pin(async { in_time.await.is_ok_and(|left| left.is_ok()) })
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
