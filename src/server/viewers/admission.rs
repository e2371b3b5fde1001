//! A place for one more viewer: its position in the logs, and a seat.

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};

use crate::hub::{SubscribeError, Subscription};
use crate::protocol::Query;

use super::counts::Seat;
use crate::server::door::refusal::Refusal;
use crate::server::shared::Shared;
use crate::wording::{counted, one_or_more};

/// When a viewer that found the server full may retry, in seconds.
const FULL_FOR: HeaderValue = HeaderValue::from_static("5");

/// Reads a viewer's query, the part after the `?`.
pub(in crate::server) fn query(text: Option<&str>) -> Result<Query, Refusal> {
    let query = Query::parse(text.unwrap_or_default());
    query.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

/// When a viewer that wants older messages than fit into the ring may retry, in seconds.
const PAST_BUSY_FOR: HeaderValue = HeaderValue::from_static("2");

/// The refusal of a viewer that gets no subscription.
pub(in crate::server) fn refusal(error: SubscribeError) -> Refusal {
    let reason = error.to_string();
    match error {
        SubscribeError::UnknownHost(_) => Refusal::new(StatusCode::NOT_FOUND, reason),
        SubscribeError::PastBusy => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason).with((RETRY_AFTER, PAST_BUSY_FOR))
        }
    }
}

/// A subscription for `query`, and a seat.
pub(in crate::server) fn seat(
    query: Query,
    shared: &Shared,
) -> Result<(Subscription, Seat), Refusal> {
    let subscription = shared.hub.subscribe(query);
    let subscription = subscription.map_err(refusal)?;
    let max = shared.config.max_viewers;
    let seat = shared.viewers.enter(max).ok_or_else(|| {
        let reason = format!(
            "full: {} {} here",
            counted(max, "viewer"),
            one_or_more(max, "is", "are")
        );
        let headers = vec![(RETRY_AFTER, FULL_FOR)];
        Refusal {
            headers,
            ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)
        }
    })?;
    Ok((subscription, seat))
}
