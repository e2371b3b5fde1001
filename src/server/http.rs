//! Everything that is not a WebSocket, by hyper.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, ORIGIN, UPGRADE, VARY,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::protocol::{EVENTS_PATH, HostName, MAX_HEAD_BYTES, WEBSOCKET_PATH};

use super::gate::{Asked, Refusal};
use super::head::{self, Head, Kind};
use super::paced::Paced;
use super::page;
use super::replayed::Replayed;
use super::{Guest, HEAD_DEADLINE, Shared, events, exposition, saved};

/// Why hyper answers no further request of a connection.
#[derive(Debug, thiserror::Error)]
#[error("a stream was asked for")]
struct StreamAsked;

/// Answers the requests of one connection, until the peer ends it or the server stops. Browsers and proxies ask for a
/// stream behind other requests on the same connection: it then comes back with that request still to be read. The first
/// request is answered here in any case.
pub(super) async fn serve(
    stream: Replayed,
    guest: Guest,
    shared: &Arc<Shared>,
) -> Option<(Kind, Replayed)> {
    let (is_first, stream_asked) = (AtomicBool::new(true), Mutex::new(None::<Head>));
    let (is_first, stream_asked) = (&is_first, &stream_asked);
    let answering = service_fn(|request: Request<Incoming>| async move {
        if !is_first.swap(false, Ordering::Relaxed)
            && let Some(head) = head::of_stream(&request)
        {
            *stream_asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
            return Err(StreamAsked);
        }
        Ok(respond(&request, guest, shared).await)
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new()) // without one, hyper's deadline for the head never fires
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Paced::new(stream)), answering);
    let result = tokio::select! {
        result = &mut connection => result,
        () = shared.stop.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = result else { return None };
    let asked = stream_asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(Head { mut bytes, kind }) = asked else {
        tracing::debug!(%error, "an HTTP connection ended early");
        return None;
    };
    let parts = connection.into_parts();
    let stream = parts.io.into_inner().into_inner();
    bytes.extend_from_slice(&parts.read_buf);
    bytes.extend_from_slice(stream.head());
    Some((kind, Replayed::new(bytes, stream.into_socket())))
}

/// The answer to one request, also where that is a refusal.
async fn respond(
    request: &Request<Incoming>,
    guest: Guest,
    shared: &Shared,
) -> Response<Full<Bytes>> {
    let answered = if request.method() == Method::OPTIONS {
        preflight(request, guest, shared)
    } else {
        admit_and_answer(request, guest, shared).await
    };
    let mut response = answered.unwrap_or_else(|refusal| {
        shared.viewers.tally().refused(refusal.status.as_u16());
        refuse(refusal)
    });
    // An origin that the gate refuses learns nothing that it could read.
    if let Some(origin) = request.headers().get(ORIGIN)
        && response.status() != StatusCode::FORBIDDEN
    {
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("Origin"));
    }
    response
}

fn asked(request: &Request<Incoming>, guest: Guest) -> Asked<'_> {
    Asked {
        uri: request.uri(),
        headers: request.headers(),
        on_loopback: guest.on_loopback,
    }
}

async fn admit_and_answer(
    request: &Request<Incoming>,
    guest: Guest,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let asked = asked(request, guest);
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
    asked: &Asked<'_>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Refusal> {
    if let Some(response) = page::answer(request) {
        return Ok(response);
    }
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/healthz") => Ok(health(shared)),
        (&Method::GET | &Method::HEAD, "/recording.csv") => {
            let (host, rows) = saved::recording(asked, shared).await?;
            Ok(attachment(&host, rows))
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let text = exposition::text(&shared.hub, &shared.viewers);
            Ok(typed(plain(StatusCode::OK, text), exposition::CONTENT_TYPE))
        }
        // A stream that could be answered was taken before; this is its refusal, or its head.
        (&Method::GET | &Method::HEAD, EVENTS_PATH) => {
            events::admit(asked, shared)?;
            Ok(typed(plain(StatusCode::OK, ""), "text/event-stream"))
        }
        (&Method::GET | &Method::HEAD, WEBSOCKET_PATH) => {
            let line =
                "this is a WebSocket: connect with `metrics watch` or any WebSocket client\n";
            let mut response = plain(StatusCode::UPGRADE_REQUIRED, line);
            response
                .headers_mut()
                .insert(UPGRADE, HeaderValue::from_static("websocket"));
            Ok(response)
        }
        (_, "/healthz" | "/recording.csv" | "/metrics" | EVENTS_PATH | WEBSOCKET_PATH) => {
            let only = "only GET and HEAD are answered here";
            let headers = vec![(ALLOW, HeaderValue::from_static("GET, HEAD"))];
            Err(Refusal {
                headers,
                ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, only)
            })
        }
        _ => {
            let there =
                "not found: there are /, /ws, /events, /recording.csv, /metrics and /healthz";
            Err(Refusal::new(StatusCode::NOT_FOUND, there))
        }
    }
}

/// Rows to save as a file of the host's name.
fn attachment(host: &HostName, rows: Bytes) -> Response<Full<Bytes>> {
    let mut response = typed(plain(StatusCode::OK, rows), "text/csv; charset=utf-8");
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

/// What a browser asks before a page of another origin may send a token: whether it may.
fn preflight(
    request: &Request<Incoming>,
    guest: Guest,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let asked = asked(request, guest);
    shared.config.trust.gate.admit_preflight(&asked)?;
    let mut response = plain(StatusCode::NO_CONTENT, "");
    let headers = response.headers_mut();
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

/// Whether samples arrive.
fn health(shared: &Shared) -> Response<Full<Bytes>> {
    let silence = shared.hub.silence();
    let healthy = shared
        .config
        .unhealthy_after
        .is_none_or(|limit| silence < limit);
    let (status, word) = if healthy {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stale")
    };
    let viewers = shared.viewers.now().connected;
    let body =
        serde_json::json!({ "status": word, "silence": silence.as_millis(), "viewers": viewers });
    let mut response = plain(status, format!("{body}\n"));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
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
