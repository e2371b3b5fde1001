//! Alerts: rules about samples, and notifications about their alerts.

pub mod change;
mod evaluator;
mod known;
pub mod notify;
mod parse;
mod rule;
mod rules;
mod scanner;
mod state;
mod timing;
mod unit;

pub use evaluator::{Evaluator, Verdict};
pub use known::{DEFAULT, KnownMetrics};
pub use parse::{RuleError, doubt_about_metric, parse_rule};
pub use rule::{Condition, MetricPattern, Rule, Side, Threshold};
pub use rules::{DEFAULT_RULES, RuleTexts, RulesError, read_rules};

use change::Change;

/// A recipient of alerts from rules in this process; recorded alerts are not passed on.
pub trait Recipient: Send + Sync {
    /// Notes a change. Called by the thread that samples or replays, so it must not wait: whatever is slow to pass on
    /// is queued or dropped.
    fn changed(&self, change: Change);
}

/// No recipient.
impl Recipient for () {
    fn changed(&self, _: Change) {}
}
