//! Alerts: what rules say about samples, and the people who are notified of it.

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

pub use evaluator::{Evaluator, MOST_ACTIVE, Verdict};
pub use known::KnownMetrics;
pub use parse::{RuleError, parse_rule};
pub use rule::{Condition, Level, MetricPattern, Rule, Side};
pub use rules::{DEFAULT, DEFAULT_RULES, RuleTexts, RulesError, read_rules};

use change::Change;

/// Whoever wants to hear of alerts from the rules of this process; recorded ones are not told.
pub trait Recipient: Send + Sync {
    /// Takes note of a change. Called by the thread that samples or replays, so it never waits: what is slow to pass on is
    /// queued or dropped.
    fn changed(&self, change: Change);
}

/// Nobody.
impl Recipient for () {
    fn changed(&self, _: Change) {}
}
