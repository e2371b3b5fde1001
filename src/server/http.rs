//! Everything that is not a WebSocket, by hyper.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, UPGRADE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::protocol::{MAX_HEAD_BYTES, WEBSOCKET_PATH};

use super::gate::{Asked, Refusal};
use super::replayed::Replayed;
use super::{Guest, HEAD_DEADLINE, Shared};

/// Answers the requests of one connection, until the peer ends it or the server stops.
pub(super) async fn serve(stream: Replayed, guest: Guest, shared: &Arc<Shared>) {
    let answering = service_fn(|request: Request<Incoming>| async move {
        let asked = Asked {
            uri: request.uri(),
            headers: request.headers(),
            on_loopback: guest.on_loopback,
        };
        Ok::<_, Infallible>(match shared.config.trust.gate.admit(&asked) {
            Ok(_) => answer(&request, shared),
            Err(refusal) => refuse(refusal),
        })
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new()) // without one, hyper's deadline for the head never fires
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answering);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = shared.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    let mut response = plain(refusal.status, format!("{}\n", refusal.reason));
    response.headers_mut().extend(refusal.headers);
    response
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => health(shared),
        (&Method::GET | &Method::HEAD, "/" | WEBSOCKET_PATH) => {
            let line =
                "this is a WebSocket: connect with `metrics watch` or any WebSocket client\n";
            let mut response = plain(StatusCode::UPGRADE_REQUIRED, line);
            response.headers_mut().insert(
                UPGRADE,
                hyper::header::HeaderValue::from_static("websocket"),
            );
            response
        }
        (_, "/healthz" | "/" | WEBSOCKET_PATH) => {
            let mut response = plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD are answered here\n",
            );
            response
                .headers_mut()
                .insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
            response
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "not found: there are /ws and /healthz\n",
        ),
    }
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
    response.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

fn plain(status: StatusCode, line: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(line.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        CACHE_CONTROL,
        hyper::header::HeaderValue::from_static("no-store"),
    );
    response
}
