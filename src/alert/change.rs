//! What changed when an alert began to fire or was resolved: the facts that a notification is written from.

use std::time::Duration;

use crate::millis::in_millis;
use crate::protocol::{Alert, AlertState, HostName, Numbered, Process};
use crate::wording::exact_span;

/// The name of the alert about a host that sends nothing.
pub const SILENT: &str = "silent";

/// The name of the alert about all hosts of a relay, none of which sends anything.
pub const ALL_SILENT: &str = "all-silent";

/// An alert that began to fire or was resolved, with what a person wants to know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The host whose samples the rule checks.
    pub host: HostName,
    /// The alert as sent on the wire.
    pub alert: Alert,
    /// When the sample that changed it was taken, in milliseconds since the epoch.
    pub timestamp: u64,
    /// The busiest process at that moment, for rules about CPU, the largest one, for rules about memory, or one that
    /// waits for a disk.
    pub culprit: Option<Process>,
    /// For a resolved alert, how long it lasted, from the alert's `since` on.
    pub lasted: Option<Duration>,
    /// For a resolved alert, the value that was furthest beyond the threshold meanwhile; a rule about absence has none.
    pub peak: Option<f64>,
    /// Whether the rule is about low values, so that the peak is the lowest one.
    pub is_downward: bool,
    /// Whether it was resolved because its rule was removed or changed, whatever the value.
    pub is_withdrawn: bool,
    /// Whether the sample comes from a recording. Notifications of such a change say so.
    pub replayed: bool,
}

impl Change {
    /// An alert that another server's rules have found.
    #[must_use]
    pub fn relayed(message: &Numbered, alert: &Alert, replayed: bool) -> Self {
        Self::of(
            &message.host,
            alert.clone(),
            message.sample.timestamp,
            replayed,
        )
    }

    /// A host that has sent nothing for a `length`, which is at least the `limit`, at the time `now` in milliseconds since
    /// the epoch; or, if it `is_back`, sends again after that.
    #[must_use]
    pub fn silence(
        host: &HostName,
        (length, limit): (Duration, Duration),
        now: u64,
        is_back: bool,
    ) -> Self {
        let alert = Alert {
            name: SILENT.to_owned(),
            rule: format!("no sample for {}", exact_span(limit)),
            state: if is_back {
                AlertState::Resolved
            } else {
                AlertState::Firing
            },
            metric: String::new(),
            value: None,
            threshold: None,
            since: now.saturating_sub(in_millis(length)),
        };
        let change = Self::of(host, alert, now, false);
        Self {
            lasted: is_back.then_some(length),
            ..change
        }
    }

    /// As [`Change::silence`], of all hosts of the relay `name`, none of which has given a sign of life.
    #[must_use]
    pub fn silence_of_all(
        name: &HostName,
        (length, limit): (Duration, Duration),
        now: u64,
        is_back: bool,
    ) -> Self {
        let mut change = Self::silence(name, (length, limit), now, is_back);
        ALL_SILENT.clone_into(&mut change.alert.name);
        change.alert.rule = format!("no sign of life of any host for {}", exact_span(limit));
        change
    }

    /// Whether it is about all hosts of a relay, none of which sends anything.
    #[must_use]
    pub fn is_about_all(&self) -> bool {
        self.alert.name == ALL_SILENT && self.alert.metric.is_empty()
    }

    /// Whether it is about a host that sends nothing, rather than about a value.
    #[must_use]
    pub fn is_about_silence(&self) -> bool {
        self.alert.name == SILENT && self.alert.metric.is_empty()
    }

    /// A change of which nothing more is known.
    pub(super) fn of(host: &HostName, alert: Alert, timestamp: u64, replayed: bool) -> Self {
        Self {
            host: host.clone(),
            alert,
            timestamp,
            culprit: None,
            lasted: None,
            peak: None,
            is_downward: false,
            is_withdrawn: false,
            replayed,
        }
    }
}
