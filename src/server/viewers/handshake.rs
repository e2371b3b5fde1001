//! How a connection becomes a viewer. Both transports take the same steps: the head is parsed, the gate admits the
//! request, the transport provides the greeting and the query, the viewer gets a seat, and it joins the fan-out.

use bytes::Bytes;

use crate::hub::Subscription;

use super::counts::Seat;
use super::encoding::Encoding;
use super::outbox::Transport;
use super::viewer::Newcomer;
use super::{admission, events, ws};
use crate::server::door::gate::AccessRequest;
use crate::server::door::head;
use crate::server::door::refusal::Refusal;
use crate::server::door::replayed::Replayed;
use crate::server::shared::{Arrival, Shared};

/// Turns the connection into a viewer and hands it to the fan-out. If the request is refused, returns the connection,
/// and the HTTP side responds.
pub(in crate::server) fn welcome(
    stream: Replayed,
    transport: Transport,
    arrival: Arrival,
    shared: &Shared,
) -> Option<(Replayed, Refusal)> {
    match admit(stream.head(), transport, arrival, shared) {
        Ok(admitted) => {
            let Admitted {
                greeting,
                encoding,
                subscription,
                seat,
            } = admitted;
            let newcomer = Newcomer {
                socket: stream.into_socket(),
                peer: arrival.peer,
                subscription,
                seat,
                transport,
                encoding,
                // Sent with the first messages: one write less for each viewer of a herd.
                greeting,
            };
            // If the fan-out is gone, the server is stopping.
            let _ = shared.newcomers.send(newcomer);
            None
        }
        Err(refusal) => Some((stream, refusal)),
    }
}

/// What an admitted viewer gets.
struct Admitted {
    greeting: Bytes,
    encoding: Encoding,
    subscription: Subscription,
    seat: Seat,
}

fn admit(
    head: &[u8],
    transport: Transport,
    arrival: Arrival,
    shared: &Shared,
) -> Result<Admitted, Refusal> {
    let parsed = head::parse(head)?;
    let asked = AccessRequest {
        uri: parsed.request.uri(),
        headers: parsed.request.headers(),
        on_loopback: arrival.on_loopback,
        is_page: false,
    };
    let admission = shared.config.trust.gate.admit(&asked)?;
    let (greeting, mut query, encoding) = match transport {
        Transport::WebSocket => ws::greet(&parsed, &asked, &admission, shared.config.compression)?,
        Transport::EventStream => {
            let (greeting, query) = events::greet(&parsed.request, &asked, shared)?;
            (greeting, query, Encoding::Plain)
        }
    };
    query.deflated = encoding != Encoding::Plain;
    let (subscription, seat) = admission::seat(query, shared)?;
    Ok(Admitted {
        greeting,
        encoding,
        subscription,
        seat,
    })
}
