//! Applies messages to the state that is shown.

use crate::client::Received;
use crate::protocol::{Numbered, Update};
use crate::view::{Now, ViewState};

/// Applies a message to `state`.
pub(super) fn apply(state: &mut ViewState, received: &Received, now: Now) {
    let (server, host) = (received.server, &received.host);
    match &received.update {
        Update::Hello(hello) => state.hello(server, host, hello),
        Update::Numbered(Numbered {
            stream,
            seq,
            alert,
            sample,
            ..
        }) => match alert {
            None => state.sample(server, host, (*stream, *seq), sample, now),
            Some(alert) => state.alert(server, host, (*stream, *seq), alert, sample, now),
        },
        Update::Gap(gap) => state.gap(server, host, *gap, now),
        Update::End => state.host_ended(host),
        Update::Heartbeat { .. } | Update::Summary(_) => {}
    }
}
