//! What one notifier still has to do, and the results so far.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::locks;
use crate::wording::counted;

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
    drops: Drops,
    /// The firing alerts as reported, whatever happened to their notices. Only used for Alertmanager.
    firing: Mutex<BTreeMap<Identity, Arc<Notice>>>,
}

/// The identity of an alert: its host, name and metric.
type Identity = (String, String, String);

/// Dropped notifications.
#[derive(Debug, Default)]
struct Drops {
    total: AtomicU64,
    /// How many of them have been reported.
    reported: AtomicU64,
    grew: Notify,
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
            drops: Drops::default(),
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
            self.drops.total.fetch_add(1, Ordering::Relaxed);
            self.drops.grew.notify_one();
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

    /// Reports dropped notifications: the first at once, and later ones once a minute.
    pub(super) async fn keep_reporting_drops(&self) {
        loop {
            self.drops.grew.notified().await;
            self.report_drops();
            tokio::time::sleep(COMPLAIN_EVERY).await;
        }
    }

    /// Reports the dropped notifications that have not been reported.
    pub(super) fn report_drops(&self) {
        let total = self.drops.total.load(Ordering::Relaxed);
        if self.drops.reported.swap(total, Ordering::Relaxed) < total {
            let label = &self.label;
            let dropped = counted(total, "notification");
            tracing::warn!("{label}: cannot keep up: {dropped} dropped so far, the oldest first");
        }
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

    /// What is logged until it is dropped.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            locks::lock(&self.0).extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn start(&self) -> tracing::subscriber::DefaultGuard {
            let log = self.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_writer(move || log.clone())
                .without_time();
            tracing::subscriber::set_default(subscriber.finish())
        }

        /// The numbers of dropped notifications that have been reported.
        fn dropped(&self) -> Vec<String> {
            let text = String::from_utf8(locks::lock(&self.0).clone()).unwrap();
            let count = |line: &str| {
                Some(
                    line.split_once("keep up: ")?
                        .1
                        .split_once(" dropped")?
                        .0
                        .to_owned(),
                )
            };
            text.lines().filter_map(count).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_dropped_notification_is_reported() {
        let log = Log::default();
        let _guard = log.start();
        let counts = Arc::new(NotificationCounts::of([Kind::Json]));
        let inbox = Arc::new(Inbox::new(
            Kind::Json,
            "notifier".into(),
            counts,
            Arc::default(),
        ));
        let notice = Arc::new(Notice::of(&firing()));
        let push = |count: usize| (0..count).for_each(|_| inbox.push(Arc::clone(&notice)));
        let reporter = Arc::clone(&inbox);
        tokio::spawn(async move { reporter.keep_reporting_drops().await });
        push(257);
        tokio::time::sleep(Duration::from_secs(1)).await;
        push(43);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(log.dropped(), ["1 notification"], "once a minute");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(log.dropped(), ["1 notification", "44 notifications"]);
        push(6);
        tokio::time::sleep(Duration::from_secs(1)).await;
        push(1);
        inbox.report_drops();
        inbox.report_drops();
        assert_eq!(log.dropped()[2..], ["50 notifications", "51 notifications"]);
    }

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
