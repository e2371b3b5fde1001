//! What one notifier has still to do, and what became of the rest.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::kind::Kind;
use super::notice::Notice;
use super::queue::Queue;
use super::tally::{Fate, Tally};

/// A notifier that cannot keep up is complained about this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The queue of one notifier.
#[derive(Debug)]
pub(super) struct Inbox {
    kind: Kind,
    /// Its kind and host, or its program; no URL.
    label: String,
    pub(super) queue: Queue,
    tally: Arc<Tally>,
    /// The notifications that are waiting or on their way, of all notifiers together.
    open: Arc<watch::Sender<usize>>,
    drops: Mutex<Drops>,
}

/// Dropped notifications that nobody has been told of.
#[derive(Debug, Default)]
struct Drops {
    count: u64,
    told: Option<Instant>,
}

impl Inbox {
    pub(super) fn new(
        kind: Kind,
        label: String,
        tally: Arc<Tally>,
        open: Arc<watch::Sender<usize>>,
    ) -> Self {
        Self {
            kind,
            label,
            queue: Queue::default(),
            tally,
            open,
            drops: Mutex::default(),
        }
    }

    /// Takes a notice, and does not wait.
    pub(super) fn push(&self, notice: Arc<Notice>) {
        if self.queue.push(notice) {
            self.tally.count(self.kind, Fate::Dropped);
            self.complain();
        } else {
            self.open.send_modify(|open| *open += 1);
        }
    }

    fn complain(&self) {
        let mut drops = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        drops.count += 1;
        if drops
            .told
            .is_some_and(|told| told.elapsed() < COMPLAIN_EVERY)
        {
            return;
        }
        let count = drops.count;
        *drops = Drops {
            count: 0,
            told: Some(Instant::now()),
        };
        drop(drops);
        tracing::warn!(
            "{}: cannot keep up: dropped the oldest of its notifications, {count} so far",
            self.label
        );
    }

    /// A notification has arrived, or was given up for a reason.
    pub(super) fn finished(&self, notice: &Notice, result: Result<(), String>) {
        match result {
            Ok(()) => {
                self.tally.count(self.kind, Fate::Sent);
                tracing::info!("{}: sent '{}'", self.label, notice.title());
            }
            Err(reason) => {
                self.tally.count(self.kind, Fate::Failed);
                tracing::error!("{}: gave up '{}': {reason}", self.label, notice.title());
            }
        }
        self.open.send_modify(|open| *open = open.saturating_sub(1));
    }

    /// It did not work for a `reason`, and will be tried again.
    pub(super) fn will_retry(&self, reason: &str) {
        tracing::warn!("{}: {reason}; trying again", self.label);
    }
}
