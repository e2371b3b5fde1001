//! The WebSocket handshake: who comes in, and where in the logs they begin.

use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http;

use crate::hub::Subscription;
use crate::protocol::WEBSOCKET_PATH;

use super::counts::Seat;
use super::gate::{Admission, Asked, Refusal};
use super::outbox::Transport;
use super::reader::tungstenite_config;
use super::replayed::Replayed;
use super::viewer::Newcomer;
use super::{Guest, Shared, admission};

/// Shakes hands with one viewer and hands it to the fan-out.
pub(super) async fn welcome(mut stream: Replayed, guest: Guest, shared: &Shared) {
    let Guest { peer, on_loopback } = guest;
    let mut admitted = None;
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let callback = |request: &Request, mut response: Response| {
        let asked = Asked {
            uri: request.uri(),
            headers: request.headers(),
            on_loopback,
        };
        let (admission, place) = admit(&asked, shared).map_err(|refusal| {
            shared.viewers.tally().refused(refusal.status.as_u16());
            refuse(refusal)
        })?;
        if let Some(subprotocol) = admission.subprotocol {
            let name = http::header::SEC_WEBSOCKET_PROTOCOL;
            response.headers_mut().insert(name, subprotocol);
        }
        admitted = Some(place);
        Ok(response)
    };
    let config = Some(tungstenite_config());
    // The answer is kept, so that it goes out with the first messages: one write less for each of a herd.
    let mut answer = Vec::new();
    let kept = tokio::io::join(&mut stream, &mut answer);
    let shaken = tokio_tungstenite::accept_hdr_async_with_config(kept, callback, config).await;
    if let Err(error) = shaken {
        tracing::info!(%peer, %error, "viewer refused");
        // A peer that is gone need not know.
        let _ = stream.write_all(&answer).await;
        let _ = stream.flush().await;
    } else if let Some((subscription, seat)) = admitted {
        let newcomer = Newcomer {
            socket: stream.into_socket(),
            peer,
            subscription,
            seat,
            transport: Transport::WebSocket,
            greeting: answer.into(),
        };
        // A fan-out that is gone takes nobody: the server stops.
        let _ = shared.newcomers.send(newcomer);
    }
}

fn admit(asked: &Asked<'_>, shared: &Shared) -> Result<(Admission, (Subscription, Seat)), Refusal> {
    let admission = shared.config.trust.gate.admit(asked)?;
    let path = asked.uri.path();
    if path != WEBSOCKET_PATH && path != "/" {
        let reason = format!(
            "no stream at '{}': connect to {WEBSOCKET_PATH}",
            path.escape_default()
        );
        return Err(Refusal::new(http::StatusCode::NOT_FOUND, reason));
    }
    let query = admission::query(asked.uri.query())?;
    Ok((admission, admission::seat(query, shared)?))
}

/// A refusal as the HTTP response with its one-line reason.
fn refuse(refusal: Refusal) -> ErrorResponse {
    let reason = format!("{}\n", refusal.reason);
    let response = http::Response::builder()
        .status(refusal.status)
        .header(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .header(http::header::CONTENT_LENGTH, reason.len())
        .header(http::header::CONNECTION, "close");
    let mut response = response
        .body(Some(reason))
        .unwrap_or_else(|_| ErrorResponse::new(None));
    response.headers_mut().extend(refusal.headers);
    response
}
