//! The table, once.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::signals::Asked;
use crate::terminal;

use super::super::clock::reached;
use super::super::data;
use super::{End, EventSource, Session};

/// A server sends what it has in one go: if nothing more arrives for this long, that was all.
const SETTLED_AFTER: Duration = Duration::from_millis(150);

/// A named host that is still silent this long after the first sample of any host counts as absent.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prints the table once the first samples of all hosts are there.
pub(super) async fn run(
    events: impl EventSource,
    session: &mut Session,
    asked: &Asked,
) -> io::Result<End> {
    let end = gather(events, session, asked).await;
    if matches!(end, End::Stopped(_)) || !session.display.state().has_data() {
        return Ok(end);
    }
    let width = terminal::columns(&io::stdout());
    let lines = session.display.report(width, None, session.clock.now());
    let table = lines
        .iter()
        .flat_map(|line| [line, "\n"])
        .collect::<String>();
    tokio::select! {
        biased;
        written = data::print(table.into_bytes()) => written?,
        () = data::given_up(&asked.stop, None) => return Ok(End::Stopped(asked.signal())),
    }
    // The table shows which hosts were absent.
    Ok(End::Printed)
}

/// Takes events until there is a sample of every host, or until `asked` to stop.
pub(super) async fn gather(
    mut events: impl EventSource,
    session: &mut Session,
    asked: &Asked,
) -> End {
    let mut settled = None;
    let mut patience = None;
    loop {
        let event = tokio::select! {
            biased;
            () = asked.stop.cancelled() => return End::Stopped(asked.signal()),
            () = reached(session.limits.until()) => return End::Over,
            () = reached(patience) => return End::Over,
            event = events.next() => event,
            () = reached(settled) => {
                if session.display.state().is_complete() {
                    return End::Over;
                }
                settled = None;
                continue;
            }
        };
        let Some(event) = event else {
            return End::Over;
        };
        session.take(&event);
        if session.assertions.is_decided() {
            return End::Over;
        }
        settled = Some(Instant::now() + SETTLED_AFTER);
        if session.display.state().has_data() {
            patience.get_or_insert_with(|| Instant::now() + PATIENCE);
        }
    }
}
