//! The table, once.

use std::io::{self, Write};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::Event;
use crate::terminal;

use super::super::news::News;
use super::display::Display;
use super::limits::Limits;
use super::{Clock, Events, reached};

/// A server sends what it has in one go: when nothing more comes for this long, that was all.
const SETTLED_AFTER: Duration = Duration::from_millis(150);

/// A host that is named but silent for this long after the first sample of any is not there.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prints the table when the first samples of all are there.
pub(super) async fn run(
    events: impl Events,
    mut display: Display,
    mut news: News,
    limits: Limits,
    stop: &CancellationToken,
) -> io::Result<News> {
    let clock = Clock::start();
    if gather(events, &mut display, &mut news, &limits, clock, stop).await {
        return Ok(news.left());
    }
    if display.state().has_data() {
        let mut out = io::stdout().lock();
        let width = terminal::columns(&out);
        for line in display.report(width, None, clock.now()) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        // Some were there: those that were not are in the table.
        return Ok(news.left());
    }
    Ok(news)
}

/// Takes events until there is a sample of every host; whether it was `stop` that ended it.
pub(super) async fn gather(
    mut events: impl Events,
    display: &mut Display,
    news: &mut News,
    limits: &Limits,
    clock: Clock,
    stop: &CancellationToken,
) -> bool {
    let mut settled = None;
    let mut patience = None;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return true,
            event = events.next() => event,
            () = reached(settled) => {
                if display.state().is_complete() {
                    return false;
                }
                settled = None;
                continue;
            }
            () = reached(patience) => return false,
            () = reached(limits.until()) => return false,
        };
        let Some(event) = event else { return false };
        news.line(&event);
        display.take(&event, clock.now());
        settled = Some(Instant::now() + SETTLED_AFTER);
        if matches!(event, Event::Message(_)) && display.state().has_data() {
            patience.get_or_insert_with(|| Instant::now() + PATIENCE);
        }
    }
}
