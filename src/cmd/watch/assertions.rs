//! What a watch asserts: that a rule comes true (`--until`), and that no alert fires (`--fail-on-alert`).

mod awaited_rule;
mod forbidden_alerts;

use crate::client::{ClientEvent, Received};
use crate::protocol::{Alert, Numbered, Update, describe, rfc3339, shown};
use crate::view::value;

use super::super::{Exit, Failure};

use awaited_rule::AwaitedRule;
use forbidden_alerts::ForbiddenAlerts;

/// Flags that turn a watch into a test.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Assertions")]
pub(super) struct AssertionArgs {
    /// Exit with 0 as soon as this rule fires
    ///
    /// Such as 'cpu > 90 for 30s', on any host; with 5 if the stream or --duration ends first.
    #[arg(long, value_name = "RULE")]
    pub(super) until: Option<String>,

    /// Exit with 4 as soon as an alert fires
    ///
    /// On any host; with =NAME, only an alert of this name counts.
    // Only with `=`, so that it never takes the server for a name.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true)]
    pub(super) fail_on_alert: Option<Option<String>>,
}

impl AssertionArgs {
    /// Whether anything is asserted.
    pub(super) fn is_any(&self) -> bool {
        self.until.is_some() || self.fail_on_alert.is_some()
    }
}

/// The assertions of a watch, and what has become of them.
#[derive(Debug, Default)]
pub(super) struct Assertions {
    until: Option<AwaitedRule>,
    alerts: Option<ForbiddenAlerts>,
    outcome: Option<Outcome>,
}

/// What decided the assertions, in a line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The rule came true.
    Met(String),
    /// An alert fired.
    Fired(String),
}

impl Assertions {
    /// The assertions that `args` ask for.
    ///
    /// # Errors
    /// When the rule cannot be read, or the name is empty.
    pub(super) fn new(args: &AssertionArgs) -> Result<Self, Failure> {
        let until = args.until.as_deref().map(AwaitedRule::read).transpose()?;
        let alerts = args.fail_on_alert.clone().map(ForbiddenAlerts::named);
        Ok(Self {
            until,
            alerts: alerts.transpose()?,
            outcome: None,
        })
    }

    /// Whether nothing has decided them yet.
    pub(super) fn is_open(&self) -> bool {
        (self.until.is_some() || self.alerts.is_some()) && !self.is_decided()
    }

    /// Whether the exit status is certain.
    pub(super) fn is_decided(&self) -> bool {
        self.outcome.is_some()
    }

    /// Judges an event. Returns a doubt about the rule, once, in one line.
    pub(super) fn take(&mut self, event: &ClientEvent) -> Option<String> {
        let ClientEvent::Message(received) = event else {
            return None;
        };
        if self.is_decided() {
            return None;
        }
        let fired = self.alerts.as_mut().and_then(|it| it.take(received));
        self.outcome = fired.map(Outcome::Fired);
        let until = self.until.as_mut()?;
        let met = until.take(received);
        self.outcome = self.outcome.take().or(met.map(Outcome::Met));
        until.doubt_about(received)
    }

    /// What a user whose test passed should know: where the rule came true, or that another alert fired than the one that
    /// was named.
    pub(super) fn remark(&self) -> Option<String> {
        match &self.outcome {
            Some(Outcome::Met(line)) => Some(line.clone()),
            Some(Outcome::Fired(_)) => None,
            None => self.alerts.as_ref()?.other_than_named(),
        }
    }

    /// The exit status once there is nothing more to judge.
    pub(super) fn exit(self) -> Result<Exit, Failure> {
        match self.outcome {
            Some(Outcome::Met(_)) => return Ok(Exit::Done),
            Some(Outcome::Fired(line)) => return Err(failure(Exit::AlertFired, line)),
            None => {}
        }
        match self.until {
            Some(until) => Err(failure(Exit::NotMet, until.unmet())),
            None => Ok(Exit::Done),
        }
    }
}

fn failure(exit: Exit, line: String) -> Failure {
    let error = anyhow::Error::msg(line);
    Failure { exit, error }
}

/// Where an alert fired and by which value: `on web-1 at 2026-11-24T14:07:31.204Z: cpu is 97.0 %`.
fn circumstances(received: &Received, message: &Numbered, alert: &Alert) -> String {
    let metric = shown(&alert.metric);
    let reading = match alert.value {
        _ if alert.metric.is_empty() => String::new(),
        Some(number) => {
            let unit = describe(&alert.metric, 0).unit;
            format!(": {metric} is {}", value(number, &unit))
        }
        None => format!(": {metric} is absent"),
    };
    let time = rfc3339(message.sample.timestamp);
    format!("on {} at {time}{reading}", received.host)
}

/// A sample or an alert, if the message is one.
fn numbered(received: &Received) -> Option<&Numbered> {
    match &received.update {
        Update::Numbered(message) => Some(message),
        _ => None,
    }
}
