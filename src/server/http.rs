//! Everything that isn't a WebSocket, with hyper.

mod answer_body;
mod exposition;
mod health;
mod paced;
mod page;
mod recording;

use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, CONNECTION, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, ORIGIN, VARY,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::locks::lock;
use crate::protocol::{EVENTS_PATH, HostName, MAX_HEAD_BYTES, WEBSOCKET_PATH};

use super::door::gate::{AccessRequest, HEALTH_PATH};
use super::door::head::{self, RequestHead, RequestKind};
use super::door::lobby::Ticket;
use super::door::refusal::Refusal;
use super::door::refusal_log::RefusalCause;
use super::door::replayed::Replayed;
use super::shared::{Arrival, HEAD_DEADLINE, Shared};
use super::viewers::{admission, events, ws};
use answer_body::AnswerBody;
use paced::Paced;

const RECORDING_PATH: &str = "/recording.csv";
const METRICS_PATH: &str = "/metrics";

/// The paths besides those of the page.
const PATHS: [&str; 5] = [
    WEBSOCKET_PATH,
    EVENTS_PATH,
    RECORDING_PATH,
    METRICS_PATH,
    HEALTH_PATH,
];

/// The memory that hyper uses while it waits for a request, in bytes: its smallest buffer.
const CONNECTION_BYTES: usize = 8 * 1024;

/// Makes hyper stop serving a connection.
#[derive(Debug, thiserror::Error)]
#[error("a stream was asked for")]
struct StreamAsked;

/// Answers the requests of one connection, until the peer closes it or the server stops. Browsers and proxies may
/// request a stream after other requests on the same connection: it is then returned, with that request still to be
/// read. If the first request was for a stream, it has been `refused`.
pub(super) async fn serve(
    stream: Replayed,
    refused: Option<Refusal>,
    arrival: Arrival,
    ticket: &Ticket,
    shared: &Arc<Shared>,
) -> Option<(RequestKind, Replayed)> {
    ticket.takes(CONNECTION_BYTES);
    let (refused, stream_asked) = (Mutex::new(refused), Mutex::new(None::<RequestHead>));
    let (refused, stream_asked) = (&refused, &stream_asked);
    let answering = service_fn(|request: Request<Incoming>| async move {
        ticket.answering();
        let refused = lock(refused).take();
        if refused.is_none()
            && let Some(head) = head::of_stream(&request)
        {
            *lock(stream_asked) = Some(head);
            return Err(StreamAsked);
        }
        Ok(respond(&request, refused, arrival, shared).await)
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new()) // without one, hyper's deadline for the head never fires
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(
            TokioIo::new(Paced::new(stream, || ticket.answered())),
            answering,
        );
    let result = tokio::select! {
        result = &mut connection => result,
        () = shared.stop.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = result else { return None };
    let asked = lock(stream_asked).take();
    let Some(RequestHead { mut bytes, kind }) = asked else {
        if error.is_parse() {
            shared.refused(arrival.peer, RefusalCause::Status(400), &error);
        } else {
            tracing::debug!(%error, "an HTTP connection ended early");
        }
        return None;
    };
    let parts = connection.into_parts();
    let stream = parts.io.into_inner().into_inner();
    bytes.extend_from_slice(&parts.read_buf);
    bytes.extend_from_slice(stream.head());
    Some((kind, Replayed::new(bytes, stream.into_socket())))
}

/// The response to one request, including refusals.
async fn respond(
    request: &Request<Incoming>,
    refused: Option<Refusal>,
    arrival: Arrival,
    shared: &Shared,
) -> Response<AnswerBody> {
    let answered = match refused {
        Some(refusal) => Err(refusal),
        None if request.method() == Method::OPTIONS => {
            preflight(request, arrival, shared).map(|it| it.map(AnswerBody::Whole))
        }
        None => admit_and_answer(request, arrival, shared).await,
    };
    let mut response = answered.unwrap_or_else(|refusal| {
        shared.refused_request(arrival.peer, &refusal);
        refuse(refusal).map(AnswerBody::Whole)
    });
    let is_forbidden = response.status() == StatusCode::FORBIDDEN;
    let headers = response.headers_mut();
    // An origin that the gate refuses must not be able to read anything.
    if let Some(origin) = request.headers().get(ORIGIN)
        && !is_forbidden
        && shared.config.trust.gate.may_read(&asked(request, arrival))
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        // In addition to what else it varies with.
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    // What follows a WebSocket handshake is not a request.
    if head::wants_websocket(request.headers()) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn asked(request: &Request<Incoming>, arrival: Arrival) -> AccessRequest<'_> {
    AccessRequest {
        uri: request.uri(),
        headers: request.headers(),
        on_loopback: arrival.on_loopback,
        is_page: page::has(head::path(request.uri())),
    }
}

async fn admit_and_answer(
    request: &Request<Incoming>,
    arrival: Arrival,
    shared: &Shared,
) -> Result<Response<AnswerBody>, Refusal> {
    let asked = asked(request, arrival);
    shared.config.trust.gate.admit(&asked)?;
    answer(request, &asked, shared).await
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    let mut response = plain(refusal.status, format!("{}\n", refusal.reason));
    response.headers_mut().extend(refusal.headers);
    response
}

async fn answer(
    request: &Request<Incoming>,
    asked: &AccessRequest<'_>,
    shared: &Shared,
) -> Result<Response<AnswerBody>, Refusal> {
    let path = asked.path();
    if !asked.is_page && !PATHS.contains(&path) {
        return Err(not_found());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let only = "only GET and HEAD are allowed here";
        let allowed = (ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, only).with(allowed));
    }
    if path == RECORDING_PATH {
        let (host, rows) = recording::make(asked, shared).await?;
        return Ok(attachment(&host, rows));
    }
    let whole = match path {
        HEALTH_PATH => Ok(health::answer(shared)),
        METRICS_PATH => {
            let text = exposition::text(&shared.hub, &shared.viewers, &shared.config);
            Ok(typed(plain(StatusCode::OK, text), exposition::CONTENT_TYPE))
        }
        // This is a HEAD request: the streams themselves have been handled before.
        EVENTS_PATH => {
            admission::seat(events::query(asked, shared)?, shared)?;
            Ok(typed(plain(StatusCode::OK, ""), "text/event-stream"))
        }
        WEBSOCKET_PATH => Err(ws::needs_upgrade(
            "this is a WebSocket: connect with `metrics watch` or any WebSocket client; a proxy in between must pass \
             Upgrade on",
        )),
        _ => page::answer(request).ok_or_else(not_found),
    };
    whole.map(|it| it.map(AnswerBody::Whole))
}

fn not_found() -> Refusal {
    let there = "not found: there are /, /ws, /events, /recording.csv, /metrics and /healthz";
    Refusal::new(StatusCode::NOT_FOUND, there)
}

/// Rows to be saved as a file named after the host.
fn attachment(host: &HostName, rows: AnswerBody) -> Response<AnswerBody> {
    let response = typed(plain(StatusCode::OK, ""), "text/csv; charset=utf-8");
    let mut response = response.map(|_| rows);
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{host}.csv\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    response
}

fn typed(mut response: Response<Full<Bytes>>, content_type: &'static str) -> Response<Full<Bytes>> {
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A browser's preflight: whether a page of another origin may send a token. HAProxy asks the same way whether anybody
/// is there.
fn preflight(
    request: &Request<Incoming>,
    arrival: Arrival,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let asked = asked(request, arrival);
    shared.config.trust.gate.admit_preflight(&asked)?;
    let mut response = plain(StatusCode::NO_CONTENT, "");
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, last-event-id"),
    );
    Ok(response)
}

fn plain(status: StatusCode, line: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(line.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
