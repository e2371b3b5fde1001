//! Applies messages to the state that is shown.

use crate::client::Received;
use crate::protocol::Body;
use crate::view::{Now, ViewState};

/// Applies a message to `state`.
pub(super) fn apply(state: &mut ViewState, received: &Received, now: Now) {
    let (server, host) = (received.server, &received.host);
    let position = |seq: &Option<u64>| (received.stream, seq.unwrap_or_default());
    match &received.message.body {
        Body::Hello(hello) => state.hello(server, host, hello),
        Body::Metric { seq, sample } => state.sample(server, host, position(seq), sample, now),
        Body::Alert { seq, alert, sample } => {
            state.alert(server, host, position(seq), alert, sample, now);
        }
        Body::Gap(gap) => state.gap(server, host, *gap, now),
        Body::End => state.host_ended(host),
        Body::Heartbeat { .. } | Body::Unknown => {}
    }
}
