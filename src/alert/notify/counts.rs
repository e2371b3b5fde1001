//! The results of notifications, counted for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::kind::Kind;

/// The result of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrived.
    Sent,
    /// It was given up.
    Failed,
    /// It was dropped from a full queue.
    Dropped,
}

/// Counters for each kind of notifier in use. All only grow.
#[derive(Debug, Default)]
pub struct NotificationCounts(Vec<(Kind, Counters)>);

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl NotificationCounts {
    /// Counters for `kinds`, which may contain duplicates.
    pub(super) fn of(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let mut counters = Vec::<(Kind, Counters)>::new();
        for kind in kinds {
            if counters.iter().all(|(known, _)| *known != kind) {
                counters.push((kind, Counters::default()));
            }
        }
        Self(counters)
    }

    pub(super) fn count(&self, kind: Kind, fate: Fate) {
        let counters = self.0.iter().find(|(known, _)| *known == kind);
        if let Some((_, counters)) = counters {
            let counter = match fate {
                Fate::Sent => &counters.sent,
                Fate::Failed => &counters.failed,
                Fate::Dropped => &counters.dropped,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Kind, result and count of each counter: `("slack", "sent", 3)`.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        self.0.iter().flat_map(|(kind, counters)| {
            [
                ("sent", &counters.sent),
                ("failed", &counters.failed),
                ("dropped", &counters.dropped),
            ]
            .map(|(result, counter)| (kind.name(), result, counter.load(Ordering::Relaxed)))
        })
    }
}
