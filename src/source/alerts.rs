//! The stage between a sample and its number: the rules are evaluated for the sample, and their alerts follow it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::alert::change::Change;
use crate::alert::{Evaluator, Recipient, Rule, Verdict};
use crate::millis::epoch_millis;
use crate::protocol::{Alert, HostName, Sample, StreamId};

use super::sequence::{Seq, Unnumbered};

/// How long after its metric an alert is sent, if there is time: dashboards that keep only the newest message, such as
/// page state, would otherwise not draw the metric. They draw within a sixtieth of a second, or more slowly if busy.
const PAUSE: Duration = Duration::from_millis(50);

/// How long an alert may wait after its metric when the next sample is due in `time`: no more than a quarter of it, so that
/// nothing is late.
#[must_use]
pub fn pause_within(time: Duration) -> Duration {
    PAUSE.min(time / 4)
}

/// The rules of a source, and the recipient of their changes.
#[derive(Clone)]
pub struct Alerting {
    rules: watch::Receiver<Arc<[Rule]>>,
    recipient: Arc<dyn Recipient>,
}

impl Alerting {
    /// Evaluates the current `rules` for each sample, and reports to `recipient`.
    #[must_use]
    pub fn new(rules: watch::Receiver<Arc<[Rule]>>, recipient: Arc<dyn Recipient>) -> Self {
        Self { rules, recipient }
    }
}

impl fmt::Debug for Alerting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules.borrow().len();
        f.debug_struct("Alerting")
            .field("rules", &rules)
            .finish_non_exhaustive()
    }
}

/// The alerts of one host.
#[derive(Debug)]
pub struct HostAlerts {
    alerting: Alerting,
    host: HostName,
    replayed: bool,
    evaluator: Evaluator,
}

impl HostAlerts {
    /// The alerts of `host`, whose samples are about `interval` milliseconds apart; `replayed` if they are of a recording.
    #[must_use]
    pub fn new(mut alerting: Alerting, host: HostName, interval: u64, replayed: bool) -> Self {
        let rules = Arc::clone(&alerting.rules.borrow_and_update());
        Self {
            alerting,
            host,
            replayed,
            evaluator: Evaluator::new(rules, interval),
        }
    }

    /// The alerts that `sample` fires and resolves; `is_after_gap` if messages before it are missing.
    pub fn judge(&mut self, sample: &Sample, is_after_gap: bool) -> Vec<Change> {
        // An error says that the rules will not change any more.
        if self.alerting.rules.has_changed().unwrap_or(false) {
            let rules = Arc::clone(&self.alerting.rules.borrow_and_update());
            self.evaluator.replace(rules);
        }
        let verdicts = self.evaluator.judge(sample, is_after_gap);
        let change = |verdict: Verdict| Change {
            host: self.host.clone(),
            alert: verdict.alert,
            timestamp: sample.timestamp,
            culprit: verdict.culprit,
            lasted: verdict.lasted,
            peak: verdict.peak,
            is_downward: verdict.is_downward,
            is_withdrawn: verdict.is_withdrawn,
            replayed: self.replayed,
        };
        verdicts.into_iter().map(change).collect()
    }

    /// Continues alerts that an earlier run left firing. Returns those that still have a rule.
    pub fn continue_firing(&mut self, alerts: Vec<Alert>) -> Vec<Alert> {
        self.evaluator.continue_firing(alerts, epoch_millis())
    }

    /// Passes on a change whose message has been published.
    pub fn tell(&self, change: Change) {
        self.alerting.recipient.changed(change);
    }
}

/// The message of a change, which `sample` caused.
#[must_use]
pub fn message_of(change: &Change, stream: StreamId, sample: &Sample) -> Unnumbered {
    Unnumbered {
        stream,
        seq: Seq::Next { missing: 0 },
        alert: Some(Box::new(change.alert.clone())),
        sample: sample.clone(),
    }
}
