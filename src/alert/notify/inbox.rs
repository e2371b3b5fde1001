//! What one notifier still has to do, and the results so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::locks;

use super::counts::{Fate, NotificationCounts};
use super::kind::Kind;
use super::notice::Notice;
use super::queue::Queue;

/// How often a notifier that cannot keep up is reported.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The queue of one notifier.
#[derive(Debug)]
pub(super) struct Inbox {
    kind: Kind,
    /// Its kind and host, or its program; no URL.
    label: String,
    pub(super) queue: Queue,
    counts: Arc<NotificationCounts>,
    /// The notifications of all notifiers that are waiting or being sent.
    open: Arc<watch::Sender<usize>>,
    drops: Mutex<Drops>,
    /// The firing alerts as reported, whatever happened to their notices. Only used for Alertmanager.
    firing: Mutex<BTreeMap<Identity, Arc<Notice>>>,
}

/// The identity of an alert: its host, name and metric.
type Identity = (String, String, String);

/// Dropped notifications that haven't been reported.
#[derive(Debug, Default)]
struct Drops {
    count: u64,
    told: Option<Instant>,
}

impl Inbox {
    pub(super) fn new(
        kind: Kind,
        label: String,
        counts: Arc<NotificationCounts>,
        open: Arc<watch::Sender<usize>>,
    ) -> Self {
        Self {
            kind,
            label,
            queue: Queue::default(),
            counts,
            open,
            drops: Mutex::default(),
            firing: Mutex::default(),
        }
    }

    /// Queues a notice, without waiting.
    pub(super) fn push(&self, notice: Arc<Notice>) {
        if self.kind == Kind::Alertmanager {
            self.note(&notice);
        }
        if self.queue.push(notice) {
            self.counts.count(self.kind, Fate::Dropped);
            self.complain();
        } else {
            self.open.send_modify(|open| *open += 1);
        }
    }

    fn note(&self, notice: &Arc<Notice>) {
        let (host, alert) = (&notice.change.host, &notice.change.alert);
        let identity = (host.to_string(), alert.name.clone(), alert.metric.clone());
        if notice.is_firing() {
            self.firing().insert(identity, Arc::clone(notice));
        } else {
            self.firing().remove(&identity);
        }
    }

    /// The alerts that fire now.
    pub(super) fn firing_now(&self) -> Vec<Arc<Notice>> {
        self.firing().values().cloned().collect()
    }

    fn firing(&self) -> MutexGuard<'_, BTreeMap<Identity, Arc<Notice>>> {
        locks::lock(&self.firing)
    }

    fn complain(&self) {
        let mut drops = locks::lock(&self.drops);
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
                self.counts.count(self.kind, Fate::Sent);
                tracing::info!("{}: sent '{}'", self.label, notice.title());
            }
            Err(reason) => {
                self.counts.count(self.kind, Fate::Failed);
                tracing::error!("{}: gave up '{}': {reason}", self.label, notice.title());
            }
        }
        self.open.send_modify(|open| *open = open.saturating_sub(1));
    }

    /// An attempt failed for a `reason`, and will be repeated.
    pub(super) fn will_retry(&self, reason: &str) {
        tracing::warn!("{}: {reason}; trying again", self.label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::notice::tests::{firing, resolved};

    #[test]
    fn what_fires_is_known_when_its_notice_was_dropped() {
        let counts = Arc::new(NotificationCounts::of([Kind::Alertmanager]));
        let inbox = Inbox::new(Kind::Alertmanager, String::new(), counts, Arc::default());
        let mut lasting = firing();
        lasting.alert.name = "lasting".into();
        inbox.push(Arc::new(Notice::of(&lasting)));
        for number in 0..300 {
            for mut change in [firing(), resolved()] {
                change.alert.metric = format!("cpu:{number}");
                inbox.push(Arc::new(Notice::of(&change)));
            }
        }
        let firing = inbox.firing_now();
        let names: Vec<_> = firing.iter().map(|it| &*it.change.alert.name).collect();
        assert_eq!(names, ["lasting"]);
    }
}
