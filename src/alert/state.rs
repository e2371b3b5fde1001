//! One alert: of one rule and one metric. Pure: samples with their own timestamps advance it.

use super::rule::{Condition, Rule};

/// When a sample was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleTime {
    /// Milliseconds since the epoch.
    pub(super) timestamp: u64,
    /// Milliseconds since the first sample, counting only steps forward: all durations are measured with this, so that
    /// setting the clock back prolongs nothing.
    pub(super) clock: u64,
    /// Counts the samples.
    pub(super) count: u64,
    /// Whether samples are missing between this one and the previous one.
    pub(super) is_after_hole: bool,
}

/// The phase of an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Phase {
    /// The rule is true, but not for long enough.
    Pending,
    /// It fires.
    Firing,
}

/// An alert whose rule is true, or recently was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Active {
    pub(super) phase: Phase,
    /// The time of the first sample for which it was true, in milliseconds since the epoch.
    pub(super) since: u64,
    /// The same by [`SampleTime::clock`].
    begun: u64,
    /// The last sample with information about it: its clock and its count.
    seen: (u64, u64),
    /// The clock of the last sample for which it was true, or not yet cleared.
    held: u64,
    /// The value that was furthest beyond the level.
    pub(super) peak: Option<f64>,
    /// How long it had been true when it was continued from an earlier run, in milliseconds.
    earlier: u64,
}

/// The effect of a sample on an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It fires from now on.
    Fired,
    /// It no longer fires.
    Resolved,
}

/// Advances the alert of `rule` by one sample. `value` is the metric's; a rule about absence is evaluated for every
/// sample, any other for those with a value.
pub(super) fn advance(
    active: &mut Option<Box<Active>>,
    rule: &Rule,
    value: Option<f64>,
    now: SampleTime,
) -> Option<Turn> {
    let is_true = is_true(rule, value);
    match active {
        Some(it) if it.phase == Phase::Firing => {
            it.note(rule, value, now);
            if is_true || is_uncleared(rule, value) {
                it.held = now.clock;
                return None;
            }
            (now.clock - it.held >= rule.keep).then_some(Turn::Resolved)
        }
        _ if !is_true => {
            *active = None;
            None
        }
        Some(it) if !it.is_broken(rule, now) => {
            it.note(rule, value, now);
            it.fire_if_due(rule, now)
        }
        _ => {
            let it = active.insert(Box::new(Active::begin(value, now)));
            it.fire_if_due(rule, now)
        }
    }
}

fn is_true(rule: &Rule, value: Option<f64>) -> bool {
    match rule.condition {
        Condition::Beyond { level, .. } => value.is_some_and(|value| level.holds(value)),
        Condition::Absent => value.is_none(),
    }
}

/// Whether a firing rule that is no longer true hasn't been cleared yet.
fn is_uncleared(rule: &Rule, value: Option<f64>) -> bool {
    match rule.condition {
        Condition::Beyond {
            clear: Some(clear), ..
        } => value.is_some_and(|value| !clear.holds(value)),
        _ => false,
    }
}

impl Active {
    fn begin(value: Option<f64>, now: SampleTime) -> Self {
        Self {
            phase: Phase::Pending,
            since: now.timestamp,
            begun: now.clock,
            seen: (now.clock, now.count),
            held: now.clock,
            peak: value,
            earlier: 0,
        }
    }

    /// An alert that fires already, before the first sample; it had been true for `earlier` milliseconds.
    pub(super) fn continued(since: u64, value: Option<f64>, earlier: u64) -> Self {
        Self {
            phase: Phase::Firing,
            since,
            begun: 0,
            seen: (0, 0),
            held: 0,
            peak: value,
            earlier,
        }
    }

    fn note(&mut self, rule: &Rule, value: Option<f64>, now: SampleTime) {
        self.seen = (now.clock, now.count);
        if let (Condition::Beyond { level, .. }, Some(value)) = (rule.condition, value) {
            self.peak = Some(self.peak.map_or(value, |peak| level.further(peak, value)));
        }
    }

    fn fire_if_due(&mut self, rule: &Rule, now: SampleTime) -> Option<Turn> {
        if now.clock - self.begun < rule.hold {
            return None;
        }
        self.phase = Phase::Firing;
        self.held = now.clock;
        Some(Turn::Fired)
    }

    /// Whether there has been no information about it for longer than the rule must be true.
    pub(super) fn is_broken(&self, rule: &Rule, now: SampleTime) -> bool {
        let (clock, count) = self.seen;
        let is_hole = now.is_after_hole || now.count - count > 1;
        self.phase == Phase::Pending && is_hole && now.clock - clock > rule.hold
    }

    /// How long it has been true, in milliseconds.
    pub(super) fn lasted(&self, now: SampleTime) -> u64 {
        now.clock - self.begun + self.earlier
    }
}
