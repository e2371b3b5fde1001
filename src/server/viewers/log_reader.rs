//! Reads the log for one viewer, and tracks how well it keeps up.

use tokio::time::Instant;

use crate::hub::{Batch, ReadMark, SharedPlace, Subscription};
use crate::protocol::Frame;

use super::patience::{CATCH_UP_PAUSE, OVERRUN_PARDON};
use super::tally::{self, Tally};

/// The approximate size of a batch for a viewer that is behind, in bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// Reads the log for one viewer.
#[derive(Debug)]
pub(super) struct LogReader {
    subscription: Subscription,
    /// When a viewer that is behind may get more.
    next_batch: Option<Instant>,
    has_read: bool,
    /// How many losses were reported to it.
    gaps: u32,
    overruns: Overruns,
}

/// The result of one read.
pub(super) struct LogRead {
    pub(super) batch: Batch,
    /// When the viewer may get more; `None` means at once.
    pub(super) next_batch: Option<Instant>,
    /// Whether it lost nothing.
    pub(super) is_whole: bool,
    /// The viewer has fallen behind the log for the second time within a minute. It should reconnect, and resume from
    /// what it really has.
    pub(super) has_lost_again: bool,
}

impl LogReader {
    pub(super) fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            next_batch: None,
            has_read: false,
            gaps: 0,
            overruns: Overruns::default(),
        }
    }

    pub(super) fn has_read(&self) -> bool {
        self.has_read
    }

    /// The numbers of its hosts, from number `from` on.
    pub(super) fn hosts(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        self.subscription.hosts(from)
    }

    /// See [`Subscription::known_hosts`].
    pub(super) fn known_hosts(&self) -> usize {
        self.subscription.known_hosts()
    }

    /// See [`Subscription::take_left_hosts`].
    pub(super) fn take_left_hosts(&mut self) -> Vec<usize> {
        self.subscription.take_left_hosts()
    }

    /// Where it stands, if it has everything of its only host.
    pub(super) fn place(&self) -> Option<SharedPlace> {
        self.subscription.place()
    }

    /// Goes to a place that the viewer has reached without reading.
    pub(super) fn stand_at(&mut self, place: &SharedPlace) {
        self.subscription.stand_at(place);
    }

    /// See [`Subscription::read_mark`].
    pub(super) fn read_mark(&self) -> Option<ReadMark> {
        self.subscription.read_mark()
    }

    /// When the viewer may get more, if that is later than now.
    pub(super) fn pause(&self) -> Option<Instant> {
        self.next_batch.filter(|due| Instant::now() < *due)
    }

    /// Reads one batch into `frames`, and counts it. For a live host, a pause follows.
    pub(super) fn read(&mut self, frames: &mut Vec<Frame>, live: bool, tally: &Tally) -> LogRead {
        let batch = self.subscription.read(frames, BATCH_BYTES);
        let new_gaps = self.count(frames.len(), tally);
        let overruns = self.subscription.overruns();
        self.next_batch = (live && batch == Batch::More).then(|| Instant::now() + CATCH_UP_PAUSE);
        LogRead {
            batch,
            next_batch: self.next_batch,
            is_whole: new_gaps == 0 && overruns == self.overruns.count,
            has_lost_again: self.overruns.note(overruns),
        }
    }

    /// Counts what it has got. Returns how many losses were among it.
    fn count(&mut self, messages: usize, tally: &Tally) -> u32 {
        let gaps = self.subscription.gaps();
        let new_gaps = gaps - self.gaps;
        self.gaps = gaps;
        tally::add(&tally.messages, messages as u64);
        tally::add(&tally.gaps, u64::from(new_gaps));
        let is_first = !std::mem::replace(&mut self.has_read, true);
        match (is_first && self.subscription.is_resume(), new_gaps) {
            (false, _) => {}
            (true, 0) => tally::add(&tally.resumed, 1),
            (true, _) => tally::add(&tally.not_resumed, 1),
        }
        new_gaps
    }
}

/// How often the viewer has fallen behind the log, and when it last did.
#[derive(Debug, Default)]
struct Overruns {
    count: u32,
    last: Option<Instant>,
}

impl Overruns {
    /// Notes how many there have been. Returns whether there is a new one, within a minute of the previous one.
    fn note(&mut self, count: u32) -> bool {
        if count == self.count {
            return false;
        }
        let now = Instant::now();
        let before = self.last.replace(now);
        self.count = count;
        before.is_some_and(|before| now.duration_since(before) < OVERRUN_PARDON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_second_overrun_within_a_minute_is_too_much() {
        let mut overruns = Overruns::default();
        assert!(!overruns.note(0));
        assert!(!overruns.note(1), "the first");
        tokio::time::sleep(OVERRUN_PARDON).await;
        assert!(!overruns.note(1), "no new one");
        assert!(!overruns.note(2), "a minute later");
        tokio::time::sleep(OVERRUN_PARDON / 2).await;
        assert!(!overruns.note(2), "no new one");
        assert!(overruns.note(3), "within a minute");
    }
}
