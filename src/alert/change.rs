//! What changed when an alert began to fire or was resolved: the facts that a notification is written from.

use std::time::Duration;

use crate::protocol::{Alert, HostName, Process};

/// An alert that began to fire or was resolved, with what a person wants to know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The host whose samples the rule checks.
    pub host: HostName,
    /// The alert as sent on the wire.
    pub alert: Alert,
    /// When the sample that changed it was taken, in milliseconds since the epoch.
    pub timestamp: u64,
    /// The busiest process at that moment, for rules about CPU, or the largest one, for rules about memory.
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
