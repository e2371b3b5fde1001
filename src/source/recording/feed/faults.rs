//! The faults of a plan, between the messages of a replay.

use std::time::Duration;

use tokio::time::Instant;

use crate::hub::Publisher;
use crate::protocol::StreamId;

use super::super::chaos::{Chaos, Disruption, PlannedFault, ServerFault};
use super::super::pace::Pace;
use super::{Hole, Observer, Play, Player, alerts_of};

/// How long a fault waits for viewers to read what was sent before it: a viewer that takes nothing for so long is
/// disconnected anyway.
const READ_PATIENCE: Duration = Duration::from_secs(10);

impl<O: Observer> Player<O> {
    /// Lets the faults happen that are due before `play`.
    pub(super) async fn disturb(&mut self, publisher: &Publisher, play: &Play, pace: &mut Pace) {
        let Some(mut chaos) = self.chaos.take() else {
            return;
        };
        while let Some(planned) = chaos.before(play.due) {
            let offset = crate::millis::in_millis(planned.offset);
            publisher.wake();
            if let Some(due) = pace.due(offset, Instant::now()) {
                tokio::time::sleep_until(due).await;
            }
            self.happens(publisher, &chaos, &planned, play).await;
            // Nothing is sent in a burst to catch up.
            pace.held_up(offset, Instant::now());
        }
        self.chaos = Some(chaos);
    }

    /// A fault happens. Whatever was sent before it has been read, as far as viewers read at all, so that they see the
    /// same at every speed.
    async fn happens(
        &mut self,
        publisher: &Publisher,
        chaos: &Chaos,
        planned: &PlannedFault,
        next: &Play,
    ) {
        // A viewer that doesn't read misses it: it can't tell.
        let _ = tokio::time::timeout(READ_PATIENCE, self.everything_read()).await;
        self.observer
            .fault(planned, &next.host, next.message.sample.timestamp);
        match planned.disruption {
            Disruption::Cut => chaos.order(ServerFault::Cut).await,
            Disruption::Stall(time) => {
                chaos.order(ServerFault::FallSilent).await;
                tokio::time::sleep(time).await;
                chaos.order(ServerFault::SpeakAgain).await;
            }
            Disruption::Restart(time) => {
                chaos.order(ServerFault::GoDown).await;
                self.forget_everything(publisher);
                tokio::time::sleep(time).await;
                chaos.order(ServerFault::ComeUp).await;
            }
        }
    }

    async fn everything_read(&self) {
        for host in self.hosts.values() {
            host.sequence.publisher().all_read().await;
        }
    }

    /// What a server that restarts has lost: its log, its numbers, and what its rules have seen.
    fn forget_everything(&mut self, publisher: &Publisher) {
        self.restarts += 1;
        let names: Vec<_> = self.hosts.keys().cloned().collect();
        for name in names {
            let alerts = alerts_of(self.alerting.as_ref(), &self.intervals, &name);
            let Some(host) = self.hosts.get_mut(&name) else {
                continue;
            };
            host.sequence.start_over();
            host.alerts = alerts;
            host.left_out = Hole::default();
            if let Some((StreamId(stream), columns)) = host.announced.take() {
                self.announce(publisher, &name, StreamId(stream + 1), &columns);
            }
        }
    }
}
