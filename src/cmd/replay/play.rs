//! Plays the recording to viewers, from waiting for the first to the end of the last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::cmd::Failure;
use crate::hub::{Hub, Publisher};
use crate::server::{Counts, Viewers};
use crate::source::Source;
use crate::source::recording::{Feed, Played};
use crate::wording::{counted, exact_span};

use super::flags::ReplayArgs;
use super::progress::ReplayReport;

/// Waits for viewers, plays, ends, and waits until viewers have the end. `None` if it was stopped.
/// `gone`: how many viewers the last fault of `--chaos` disconnected.
pub(super) async fn play(
    args: &ReplayArgs,
    (feed, publisher): (Feed<ReplayReport<'_>>, Publisher),
    hub: &Hub,
    (viewers, gone): (&Viewers, &AtomicU64),
    stop: CancellationToken,
) -> Result<Option<Played>, Failure> {
    if !until(viewers, args.wait_timeout, |counts| {
        counts.connected >= args.wait()
    })
    .await
    {
        let (timeout, here) = (exact_span(args.wait_timeout), viewers.now().connected);
        let awaited = counted(args.wait(), "viewer");
        let reason = format!("{here} of {awaited} connected within {timeout}");
        return Err(Failure::no_connection(reason));
    }
    let Some(played) = feed.run(publisher, stop.clone()).await? else {
        return Ok(None);
    };
    hub.end();
    if !args.command.is_empty() {
        // COMMAND may have more viewers to come: they get what is kept, and the end.
        stop.cancelled().await;
        return Ok(Some(played));
    }
    // Connected viewers have it soon; for the others, it waits for as many as at the start, or before the last fault.
    let had_it = |counts: &Counts| {
        counts.connected == 0 && counts.finished >= args.wait().max(gone.load(Ordering::Relaxed))
    };
    until(viewers, args.wait_timeout, had_it).await;
    Ok(Some(played))
}

/// Waits until `reached`, at most for `timeout`. Returns whether it was.
pub(super) async fn until(
    viewers: &Viewers,
    timeout: Duration,
    reached: impl Fn(&Counts) -> bool,
) -> bool {
    let mut counts = viewers.watch();
    tokio::time::timeout(timeout, counts.wait_for(|counts| reached(counts)))
        .await
        .is_ok()
}
