//! The WebSocket handshake: who comes in, and where in the logs they begin.

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http;

use crate::hub::Subscription;
use crate::protocol::{Query, WEBSOCKET_PATH};

use super::counts::Seat;
use super::fanout::Newcomer;
use super::gate::Asked;
use super::reader::tungstenite_config;
use super::replayed::Replayed;
use super::{Guest, Shared};

/// When a viewer that found the server full may ask again, in seconds.
const RETRY_AFTER: http::HeaderValue = http::HeaderValue::from_static("5");

/// Shakes hands with one viewer and hands it to the fan-out.
pub(super) async fn welcome(stream: Replayed, guest: Guest, shared: &Shared) {
    let Guest { peer, .. } = guest;
    let mut admitted = None;
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let callback = |request: &Request, mut response: Response| {
        let asked = Asked {
            uri: request.uri(),
            headers: request.headers(),
            on_loopback: guest.on_loopback,
        };
        let admission = shared.config.trust.gate.admit(&asked).map_err(|refused| {
            let mut response = refusal(refused.status, refused.reason);
            response.headers_mut().extend(refused.headers);
            response
        })?;
        if let Some(subprotocol) = admission.subprotocol {
            let name = http::header::SEC_WEBSOCKET_PROTOCOL;
            response.headers_mut().insert(name, subprotocol);
        }
        admitted = Some(admit(request, shared)?);
        Ok(response)
    };
    let config = Some(tungstenite_config());
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(stream, callback, config);
    match handshake.await {
        Ok(stream) => {
            if let Some((subscription, seat)) = admitted {
                let socket = stream.into_inner().into_socket();
                // A fan-out that is gone takes nobody: the server stops.
                let _ = shared.newcomers.send(Newcomer {
                    socket,
                    peer,
                    subscription,
                    seat,
                });
            }
        }
        Err(error) => tracing::info!(%peer, %error, "viewer refused"),
    }
}

/// Reads the request's path and query; a refusal is the HTTP response with its one-line reason.
#[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
fn admit(request: &Request, shared: &Shared) -> Result<(Subscription, Seat), ErrorResponse> {
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
    let subscription = shared.hub.subscribe(query);
    let subscription =
        subscription.map_err(|error| refusal(http::StatusCode::NOT_FOUND, error.to_string()))?;
    let max = shared.config.max_viewers;
    let seat = shared.viewers.enter(max).ok_or_else(|| {
        let mut response = refusal(
            http::StatusCode::SERVICE_UNAVAILABLE,
            format!("full: {max} viewers are here"),
        );
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, RETRY_AFTER);
        response
    })?;
    Ok((subscription, seat))
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
