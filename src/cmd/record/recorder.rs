//! From a client's events to the rows of a sink.

use std::process::Stdio;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientEvent, Received};
use crate::cmd::child::{Companion, Surroundings};
use crate::cmd::clock::reached;
use crate::cmd::{Failure, data};
use crate::sink::{Sink, SinkError};

use super::report::TerminalReport;
use super::sample_limit::SampleLimit;

/// How often rows are synced to the disk and the sink is checked: both must happen within a second.
const SYNC_EVERY: Duration = Duration::from_millis(500);

/// What was sent before COMMAND ended is still recorded: until nothing has arrived for this long.
const QUIET: Duration = Duration::from_millis(200);

/// The longest that takes.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// A recording under way.
pub(super) struct Recorder<'a> {
    pub(super) client: Client,
    pub(super) sink: &'a mut dyn Sink,
    pub(super) report: &'a mut TerminalReport,
    pub(super) samples: SampleLimit,
    /// When it ends.
    pub(super) limit: Option<Instant>,
    /// Whether COMMAND decides when to stop.
    pub(super) has_command: bool,
}

impl Recorder<'_> {
    /// Starts COMMAND as soon as there is a connection. Returns without it if there will be none.
    pub(super) async fn start(
        &mut self,
        companion: &Companion,
        around: &Surroundings,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = reached(self.limit) => return Ok(()),
                event = self.client.next() => event,
            };
            let Some(event) = event else { return Ok(()) };
            self.report.take(&event);
            if let ClientEvent::Connected { .. } = event {
                return companion.start(around, Stdio::inherit());
            }
        }
    }

    /// Handles events and writes rows until there is nothing more to do.
    pub(super) async fn follow(&mut self, stop: &CancellationToken) -> Result<(), SinkError> {
        let mut ticks = tokio::time::interval(SYNC_EVERY);
        let mut is_sync_due = false;
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.report.news.leave();
                    return self.rest(stop).await;
                }
                () = reached(self.limit) => return Ok(()),
                _ = ticks.tick() => {
                    is_sync_due = true;
                    self.report.progress(self.sink.written());
                    continue;
                }
                // Events do not wait for the disk: the next round waits on.
                synced = self.sink.sync(), if is_sync_due => {
                    is_sync_due = false;
                    synced?;
                    continue;
                }
                event = self.client.next() => event,
            };
            let Some(event) = event else { return Ok(()) };
            if !self.take(event, stop).await? {
                return Ok(());
            }
        }
    }

    /// Handles an event. Returns whether there is more to do.
    async fn take(
        &mut self,
        event: ClientEvent,
        stop: &CancellationToken,
    ) -> Result<bool, SinkError> {
        self.report.take(&event);
        if let ClientEvent::Message(Received { host, update, .. }) = event
            && self.samples.admits(&host, &update)
        {
            tokio::select! {
                biased;
                taken = self.sink.take(host, update) => taken?,
                () = data::given_up(stop, self.limit) => {
                    if stop.is_cancelled() {
                        self.report.news.leave();
                    }
                    return Ok(false);
                }
            }
        }
        Ok(!(self.samples.is_reached() && self.client.is_settled()))
    }

    /// Records what was on its way when COMMAND ended.
    async fn rest(&mut self, stop: &CancellationToken) -> Result<(), SinkError> {
        let end = Instant::now() + LONGEST_REST;
        while self.has_command {
            let quiet = end.min(Instant::now() + QUIET);
            let Ok(Some(event)) = timeout_at(quiet, self.client.next()).await else {
                break;
            };
            if !self.take(event, stop).await? {
                break;
            }
        }
        Ok(())
    }
}
