//! The body of a response: whole, or in parts as they are made.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{SemaphorePermit, mpsc};

/// The body of a response.
#[derive(Debug)]
pub(super) enum AnswerBody {
    /// Everything, so that its length is known.
    Whole(Full<Bytes>),
    /// Parts of unknown length.
    Parts(Parts),
}

/// A part; `None` after the last one.
pub(super) type Part = Option<Bytes>;

/// The parts of a body.
#[derive(Debug)]
pub(super) struct Parts {
    first: Option<Bytes>,
    rest: mpsc::Receiver<Part>,
    is_over: bool,
    _permit: SemaphorePermit<'static>,
}

impl Parts {
    /// `first`, and then the `rest`. The permit is for all of them.
    pub(super) fn new(
        first: Bytes,
        rest: mpsc::Receiver<Part>,
        permit: SemaphorePermit<'static>,
    ) -> Self {
        Self {
            first: Some(first),
            rest,
            is_over: false,
            _permit: permit,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        self.rest.poll_recv(cx).map(|part| {
            self.is_over = !matches!(part, Some(Some(_)));
            match part {
                Some(Some(part)) => Some(Ok(Frame::data(part))),
                Some(None) => None,
                // Without the mark of the end it is incomplete, and the connection is cut.
                None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Self::Parts(parts) => parts.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Parts(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Parts(_) => SizeHint::default(),
        }
    }
}
