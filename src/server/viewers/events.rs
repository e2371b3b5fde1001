//! Server-Sent Events: the same messages of one host, for networks that block WebSocket.
//!
//! The format is that of the HTML standard, section 9.2. Each numbered message has its position as `id`, which a
//! browser sends back as `Last-Event-ID` when it reconnects, so it resumes as a WebSocket viewer does with `after`.

use bytes::Bytes;
use hyper::header::{HeaderMap, ORIGIN};
use hyper::{Request, StatusCode};

use crate::hub::some_names;
use crate::protocol::{HostName, HostPattern, Position, Query};

use super::admission;
use crate::server::door::gate::AccessRequest;
use crate::server::door::refusal::Refusal;
use crate::server::shared::Shared;

/// A browser that lost the stream reconnects after once to twice this time, in milliseconds, so that they don't all
/// reconnect at once.
const RETRY_MS: u32 = 1000;

/// The response to an admitted request, and the viewer's query.
pub(super) fn greet(
    request: &Request<()>,
    asked: &AccessRequest<'_>,
    shared: &Shared,
) -> Result<(Bytes, Query), Refusal> {
    let query = query(asked, shared)?;
    Ok((greeting(request), query))
}

/// The query of an admitted request: one host, from after the last event that the browser had.
pub(in crate::server) fn query(
    asked: &AccessRequest<'_>,
    shared: &Shared,
) -> Result<Query, Refusal> {
    let mut query = admission::query(asked.uri.query())?;
    if let Some(last) = last_event_id(asked.headers)? {
        query.after = vec![last];
        // A browser repeats the whole URL when it reconnects.
        query.step = None;
    }
    query.hosts = vec![HostPattern::Literal(only_host(&query, shared)?)];
    Ok(query)
}

/// Browsers send back the id of the last event that they had.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, Refusal> {
    let Some(id) = headers.get("last-event-id").filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let position = String::from_utf8_lossy(id.as_bytes()).parse::<Position>();
    let refused = |error| Refusal::new(StatusCode::BAD_REQUEST, format!("Last-Event-ID: {error}"));
    position.map(Some).map_err(refused)
}

/// An event stream has one `id`, so it carries one host.
pub(in crate::server) fn only_host(query: &Query, shared: &Shared) -> Result<HostName, Refusal> {
    let hosts = shared.hub.hosts();
    let mut wanted = hosts.iter().filter(|host| query.wants(host));
    match (wanted.next(), wanted.next()) {
        (Some(host), None) => Ok(host.clone()),
        (None, _) => {
            let reason = format!("no such host on this server; it has {}", some_names(&hosts));
            Err(Refusal::new(StatusCode::NOT_FOUND, reason))
        }
        (Some(_), Some(_)) => {
            let reason = format!(
                "an event stream carries one host: add host=NAME, one of {}",
                some_names(&hosts)
            );
            Err(Refusal::new(StatusCode::BAD_REQUEST, reason))
        }
    }
}

/// The response's head and the first line of the stream. The stream ends with the connection, which works in every
/// version of HTTP.
fn greeting(request: &Request<()>) -> Bytes {
    let retry = RETRY_MS + rand::random_range(0..RETRY_MS);
    // An origin that the gate has admitted may read the response.
    let origin = request.headers().get(ORIGIN);
    let origin = origin.and_then(|origin| origin.to_str().ok());
    let allowed =
        origin.map(|origin| format!("Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n"));
    format!(
        "{:?} 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n{}\r\nretry: {retry}\n\n",
        request.version(),
        allowed.unwrap_or_default()
    )
    .into()
}
