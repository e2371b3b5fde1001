//! `/recording.csv`: the log of one host, as `metrics record` would have written it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use crate::hub::{Batch, Head, Subscription};
use crate::protocol::{Body, HostName, HostPattern, Message, Position, StreamId};
use crate::recording::Transcript;

use super::answer_body::{AnswerBody, Part, Parts};
use crate::server::door::gate::AccessRequest;
use crate::server::door::refusal::Refusal;
use crate::server::shared::Shared;
use crate::server::viewers::{admission, events};

/// How many recordings may be created or sent at once. One that comes from a spool takes a thread until it has been read;
/// a client that dawdles is [too slow](super::paced).
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// Rows, and a permit for sending them.
struct OnTheirWay {
    rows: Vec<u8>,
    _permit: SemaphorePermit<'static>,
}

impl AsRef<[u8]> for OnTheirWay {
    fn as_ref(&self) -> &[u8] {
        &self.rows
    }
}

/// The approximate size of a batch of messages to be turned into rows, in bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// Beyond this, a recording with a spool behind it is sent in parts, while it is read. Without a spool, the ring could
/// move on before a slow client has all of it, so it is written at once: it has at most 16 MiB.
const WHOLE_BYTES: usize = 512 * 1024;

/// The requested recording, and its host.
pub(super) async fn make(
    asked: &AccessRequest<'_>,
    shared: &Shared,
) -> Result<(HostName, AnswerBody), Refusal> {
    let mut query = admission::query(asked.uri.query())?;
    query.deflated = false;
    if query.step.is_some() {
        let reason = "step= is for /ws and /events: a recording has every sample";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
    }
    let host = events::only_host(&query, shared)?;
    query.hosts = vec![HostPattern::Literal(host.clone())];
    if query.since.is_none() {
        query.last.get_or_insert(u64::MAX);
    }
    let Ok(permit) = AT_ONCE.try_acquire() else {
        let reason = "other recordings are on their way: try again";
        let headers = vec![(RETRY_AFTER, HeaderValue::from_static("1"))];
        return Err(Refusal {
            headers,
            ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)
        });
    };
    let head = shared.hub.head();
    let subscription = shared.hub.subscribe(query).map_err(admission::refusal)?;
    let (parts, mut coming) = mpsc::channel(1);
    let of = host.clone();
    tokio::task::spawn_blocking(move || write(head, subscription, &of, &parts));
    let has_spool = shared.hub.past_status().is_some();
    let mut rows = Vec::new();
    while !has_spool || rows.len() < WHOLE_BYTES {
        match coming.recv().await {
            Some(Some(part)) => rows.extend_from_slice(&part),
            Some(None) => {
                let rows = Bytes::from_owner(OnTheirWay {
                    rows,
                    _permit: permit,
                });
                return Ok((host, AnswerBody::Whole(Full::new(rows))));
            }
            None => {
                let reason = "the recording could not be created";
                return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, reason));
            }
        }
    }
    let parts = Parts::new(rows.into(), coming, permit);
    Ok((host, AnswerBody::Parts(parts)))
}

/// Reads the log as a viewer does, up to its current end. Waits for what has to come from the past, and for the client.
fn write(
    mut head: Head,
    mut subscription: Subscription,
    host: &HostName,
    parts: &mpsc::Sender<Part>,
) {
    let (mut rows, mut frames) = (Vec::new(), Vec::new());
    let mut transcript: Option<(StreamId, Transcript)> = None;
    loop {
        let batch = subscription.read(&mut frames, BATCH_BYTES);
        for frame in frames.drain(..) {
            let json = std::str::from_utf8(frame.json()).unwrap_or_default();
            // The log holds frames alone: beside each the message itself would take about as much memory again. This
            // server can decode what it has encoded.
            if let Ok(message) = Message::decode(json) {
                take(&mut transcript, host, message.body, &mut rows);
            }
        }
        let is_over = matches!(batch, Batch::Head | Batch::End);
        let is_part = !rows.is_empty() && (is_over || rows.len() >= BATCH_BYTES);
        // A client that has left needs no more.
        if is_part
            && parts
                .blocking_send(Some(std::mem::take(&mut rows).into()))
                .is_err()
        {
            return;
        }
        if is_over {
            let _ = parts.blocking_send(None);
            return;
        }
        if batch == Batch::Waiting {
            Handle::current().block_on(head.changed());
        }
    }
}

fn take(
    transcript: &mut Option<(StreamId, Transcript)>,
    host: &HostName,
    body: Body,
    rows: &mut Vec<u8>,
) {
    match (body, transcript) {
        (Body::Hello(hello), transcript @ None) => {
            *transcript = Some((hello.stream, Transcript::new(&hello)));
        }
        (Body::Hello(hello), Some((stream, _))) => *stream = hello.stream,
        (Body::Gap(gap), Some((_, transcript))) => transcript.gap(gap),
        (Body::Numbered(message), Some((stream, transcript))) => {
            if let Some(seq) = message.seq {
                let (host, stream) = (host.clone(), *stream);
                transcript.push(message.at(Position { host, stream, seq }), rows);
            }
        }
        _ => {}
    }
}
