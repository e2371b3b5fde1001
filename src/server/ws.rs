//! One viewer: handshake, frames from the hub, goodbye.
//!
//! tungstenite does the handshake, reads, answers control frames and closes. Messages do not pass through it: they lie
//! ready in the hub, the same bytes for every viewer, and are written straight to the socket, many in one write where
//! the viewer is behind. A frame is written whole before tungstenite gets to write again, and tungstenite's own output
//! is flushed before a frame, so a pong never lands inside a frame.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Buf;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, http};

use crate::hub::{Batch, Subscription};
use crate::protocol::{Frame, MAX_INBOUND_BYTES, Query, WEBSOCKET_PATH, close};

use super::Shared;
use super::counts::Seat;
use super::replayed::Replayed;

/// About how many bytes of messages go into one write to a viewer that is behind.
const BATCH_BYTES: usize = 64 * 1024;

/// The most buffers that one write takes (`IOV_MAX` is 1024; more than this gains nothing).
const BATCH_SLICES: usize = 64;

/// A viewer that takes no byte for so long is closed: it sees nothing, and in a replay everybody waits for it.
const STALL_DEADLINE: Duration = Duration::from_secs(10);

/// How long a viewer has to answer a close.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(5);

type Viewer = WebSocketStream<Replayed>;

/// Viewers say nothing but control frames, so small buffers do. tungstenite fills its read buffer with zeros before
/// every read, so that its whole size (128 KiB by default) would be resident for each viewer.
fn tungstenite_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_INBOUND_BYTES * 4)
        .max_message_size(Some(MAX_INBOUND_BYTES))
        .max_frame_size(Some(MAX_INBOUND_BYTES))
}

/// Serves one viewer from handshake to goodbye.
pub(super) async fn serve(stream: Replayed, peer: SocketAddr, shared: &Shared) {
    let mut subscription = None;
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let callback = |request: &Request, response: Response| {
        subscription = Some(admit(request, shared)?);
        Ok(response)
    };
    let config = Some(tungstenite_config());
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(stream, callback, config);
    let viewer = match tokio::time::timeout(super::HEAD_DEADLINE, handshake).await {
        Ok(Ok(viewer)) => viewer,
        Ok(Err(error)) => return tracing::info!(%peer, %error, "viewer refused"),
        Err(_) => return tracing::info!(%peer, "viewer left the handshake open"),
    };
    let Some(subscription) = subscription else {
        return;
    };
    let mut seat = shared.viewers.enter();
    tracing::info!(%peer, "viewer connected");
    let reason = attend(viewer, subscription, &mut seat, shared).await;
    tracing::info!(%peer, reason, "viewer gone");
}

/// Reads the request's path and query; a refusal is the HTTP response with its one-line reason.
#[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
fn admit(request: &Request, shared: &Shared) -> Result<Subscription, ErrorResponse> {
    let path = request.uri().path();
    if path != WEBSOCKET_PATH && path != "/" {
        let reason = format!(
            "no stream at '{}': connect to {WEBSOCKET_PATH}",
            path.escape_default()
        );
        return Err(refusal(http::StatusCode::NOT_FOUND, reason));
    }
    let query = Query::parse(request.uri().query().unwrap_or_default())
        .map_err(|error| refusal(http::StatusCode::BAD_REQUEST, error.to_string()))?;
    shared
        .hub
        .subscribe(query)
        .map_err(|error| refusal(http::StatusCode::NOT_FOUND, error.to_string()))
}

fn refusal(status: http::StatusCode, mut reason: String) -> ErrorResponse {
    reason.push('\n');
    let response = http::Response::builder()
        .status(status)
        .header(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .header(http::header::CONTENT_LENGTH, reason.len())
        .header(http::header::CONNECTION, "close");
    response
        .body(Some(reason))
        .unwrap_or_else(|_| ErrorResponse::new(None))
}

/// Sends what the hub has and answers what the viewer says, until one of them ends. Returns why.
async fn attend(
    mut viewer: Viewer,
    mut subscription: Subscription,
    seat: &mut Seat,
    shared: &Shared,
) -> &'static str {
    let mut outbox = Outbox::default();
    loop {
        let batch = subscription.read(&mut outbox.frames, BATCH_BYTES);
        match outbox.send(&mut viewer, STALL_DEADLINE).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                drop(subscription); // a replay waits for this viewer no longer
                dismiss(viewer, outbox).await;
                return "took no byte for 10 s";
            }
            Err(_) => return "connection lost",
        }
        if batch == Batch::End {
            if goodbye(viewer, close::OVER, "the recording is over").await {
                seat.finish();
            }
            return "had the end";
        }
        let event = if batch == Batch::More {
            // A viewer that is behind still gets its pings answered, between two batches.
            tokio::task::yield_now().await;
            viewer.next().now_or_never()
        } else {
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => None,
                event = viewer.next() => Some(event),
                () = subscription.changed() => continue,
            }
        };
        match event {
            _ if shared.stop.is_cancelled() => {
                goodbye(viewer, close::GOING_AWAY, "the server stops").await;
                return "the server stops";
            }
            // Control frames are answered by tungstenite; whatever else a viewer says is of no interest.
            None | Some(Some(Ok(_))) => {}
            Some(None) => return "left",
            Some(Some(Err(error))) => return complain(viewer, &error).await,
        }
    }
}

/// Frames on their way to one viewer.
#[derive(Default)]
struct Outbox {
    frames: Vec<Frame>,
    /// How many of the first frame's bytes the socket has taken.
    written: usize,
}

impl Outbox {
    /// Writes all frames, as many in one write as it takes; fails with `TimedOut` when the socket takes no byte for
    /// `stall`.
    async fn send(&mut self, viewer: &mut Viewer, stall: Duration) -> io::Result<()> {
        if self.frames.is_empty() {
            return Ok(());
        }
        let flushed = tokio::time::timeout(stall, viewer.flush()).await?;
        flushed.map_err(io::Error::other)?;
        let mut first = 0;
        let socket = viewer.get_mut();
        let result = loop {
            let Some(frames) = self.frames.get(first..).filter(|frames| !frames.is_empty()) else {
                break Ok(());
            };
            match tokio::time::timeout(stall, write_some(socket, frames, self.written)).await {
                Ok(Ok(taken)) => self.written += taken,
                Ok(Err(error)) => break Err(error),
                Err(elapsed) => break Err(elapsed.into()),
            }
            while let Some(frame) = self.frames.get(first)
                && self.written >= frame.wire().len()
            {
                self.written -= frame.wire().len();
                first += 1;
            }
        };
        self.frames.drain(..first);
        result
    }

    /// Forgets the frames that have not been begun.
    fn keep_begun(&mut self) {
        self.frames.truncate(usize::from(self.written > 0));
    }
}

/// Lets a viewer go that takes nothing: the frame that was begun is ended, if it can be, so that the close is one.
async fn dismiss(mut viewer: Viewer, mut outbox: Outbox) {
    outbox.keep_begun();
    if outbox.send(&mut viewer, GOODBYE_DEADLINE).await.is_ok() {
        goodbye(viewer, close::TRY_AGAIN, "too slow").await;
    }
}

/// One write of as many of `frames` as a write takes, the first without its first `skip` bytes.
async fn write_some(
    socket: &mut (impl AsyncWrite + Unpin),
    frames: &[Frame],
    skip: usize,
) -> io::Result<usize> {
    let mut first = &frames[0].wire()[..];
    first.advance(skip);
    let written = if frames.len() == 1 {
        socket.write(first).await?
    } else {
        let rest = frames[1..]
            .iter()
            .take(BATCH_SLICES - 1)
            .map(|frame| io::IoSlice::new(frame.wire()));
        let slices: Vec<_> = std::iter::once(io::IoSlice::new(first))
            .chain(rest)
            .collect();
        socket.write_vectored(&slices).await?
    };
    if written == 0 {
        Err(io::ErrorKind::WriteZero.into())
    } else {
        Ok(written)
    }
}

/// Tells a viewer that broke the protocol what it did, and closes.
async fn complain(viewer: Viewer, error: &tungstenite::Error) -> &'static str {
    use tungstenite::Error::{Capacity, Protocol, Utf8};
    let code = match error {
        Capacity(_) => CloseCode::Size,
        Utf8(_) => CloseCode::Invalid,
        Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            return "connection lost";
        }
        Protocol(_) => CloseCode::Protocol,
        _ => return "connection lost",
    };
    goodbye(viewer, code.into(), "that is not how a viewer speaks").await;
    "broke the protocol"
}

/// Closes in good order: says why, and reads on until the viewer has answered. Whether it has.
async fn goodbye(mut viewer: Viewer, code: u16, reason: &'static str) -> bool {
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    let leave = async {
        viewer.close(Some(frame)).await?;
        while let Some(event) = viewer.next().await {
            event?;
        }
        Ok::<_, tungstenite::Error>(())
    };
    tokio::time::timeout(GOODBYE_DEADLINE, leave)
        .await
        .is_ok_and(|left| left.is_ok())
}
