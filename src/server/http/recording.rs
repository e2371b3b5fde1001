//! `/recording.csv`: the log of one host, as `metrics record` would have written it.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::hub::{Batch, Hub};
use crate::protocol::{Body, HostName, HostPattern, Message, Position, Query, StreamId};
use crate::recording::Transcript;

use crate::server::door::gate::AccessRequest;
use crate::server::door::refusal::Refusal;
use crate::server::shared::Shared;
use crate::server::viewers::{admission, events};

/// How many recordings may be created or sent at once. Each takes a thread for a moment, and up to about 16 MiB until
/// it has been read; a client that dawdles is [too slow](super::paced).
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

/// The requested recording, and its host.
pub(in crate::server) async fn make(
    asked: &AccessRequest<'_>,
    shared: &Shared,
) -> Result<(HostName, Bytes), Refusal> {
    let mut query = admission::query(asked.uri.query())?;
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
    let (hub, of) = (shared.hub.clone(), host.clone());
    let written = tokio::task::spawn_blocking(move || write(&hub, query, &of)).await;
    match written {
        Ok(Ok(rows)) => {
            let rows = OnTheirWay {
                rows,
                _permit: permit,
            };
            Ok((host, Bytes::from_owner(rows)))
        }
        Ok(Err(reason)) => Err(Refusal::new(StatusCode::NOT_FOUND, reason)),
        Err(_) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the recording could not be created",
        )),
    }
}

/// Reads the log as a viewer does, up to its current end. Waits for what has to come from the past.
fn write(hub: &Hub, query: Query, host: &HostName) -> Result<Vec<u8>, String> {
    let mut head = hub.head();
    let mut subscription = hub.subscribe(query).map_err(|error| error.to_string())?;
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
        match batch {
            Batch::More => {}
            Batch::Waiting => Handle::current().block_on(head.changed()),
            Batch::Head | Batch::End => return Ok(rows),
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
