//! How a connection becomes a viewer. Both transports take the same steps: the head is parsed, the gate admits the request,
//! the transport says what greets the viewer and what it asks for, it gets a seat, and the fan-out takes it in.

use bytes::Bytes;

use crate::hub::Subscription;

use super::counts::Seat;
use super::outbox::Transport;
use super::viewer::Newcomer;
use super::{admission, events, ws};
use crate::server::door::gate::AccessRequest;
use crate::server::door::head;
use crate::server::door::refusal::Refusal;
use crate::server::door::replayed::Replayed;
use crate::server::shared::{Arrival, Shared};

/// Makes a viewer of the connection and hands it to the fan-out. The connection comes back where the request is refused:
/// the answer is the HTTP side's.
pub(in crate::server) fn welcome(
    stream: Replayed,
    transport: Transport,
    arrival: Arrival,
    shared: &Shared,
) -> Option<(Replayed, Refusal)> {
    match admit(stream.head(), transport, arrival, shared) {
        Ok((greeting, (subscription, seat))) => {
            let newcomer = Newcomer {
                socket: stream.into_socket(),
                peer: arrival.peer,
                subscription,
                seat,
                transport,
                // It goes out with the first messages: one write less for each of a herd.
                greeting,
            };
            // A fan-out that is gone takes nobody: the server stops.
            let _ = shared.newcomers.send(newcomer);
            None
        }
        Err(refusal) => Some((stream, refusal)),
    }
}

/// What greets the viewer, and its place.
fn admit(
    head: &[u8],
    transport: Transport,
    arrival: Arrival,
    shared: &Shared,
) -> Result<(Bytes, (Subscription, Seat)), Refusal> {
    let parsed = head::parse(head)?;
    let asked = AccessRequest {
        uri: parsed.request.uri(),
        headers: parsed.request.headers(),
        on_loopback: arrival.on_loopback,
        is_page: false,
    };
    let admission = shared.config.trust.gate.admit(&asked)?;
    let (greeting, query) = match transport {
        Transport::WebSocket => ws::greet(&parsed, &asked, &admission)?,
        Transport::EventStream => events::greet(&parsed.request, &asked, shared)?,
    };
    Ok((greeting, admission::seat(query, shared)?))
}
