//! The rules of a server: from flags to the source, and from a reloaded file.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;

use crate::alert::{KnownMetrics, Recipient, Rule};
use crate::cli::{AlertArgs, WrittenRules};
use crate::protocol::entry;
use crate::source::alerts::Alerting;

use super::Failure;

/// The rules in force.
#[derive(Debug)]
pub(super) struct RulesInForce {
    args: AlertArgs,
    known: KnownMetrics,
    rules: watch::Sender<Arc<[Rule]>>,
}

/// Reads the rules that `args` name; `None` if there are none. They are checked against the metrics that are `known` so
/// far.
pub(super) fn written(
    args: &AlertArgs,
    known: &KnownMetrics,
) -> Result<Option<WrittenRules>, Failure> {
    let written = args.read()?;
    if let Some(written) = &written {
        parse(written, known)?;
    }
    Ok(written)
}

fn parse(written: &WrittenRules, known: &KnownMetrics) -> Result<Arc<[Rule]>, Failure> {
    let rules = written.parse(known);
    let rules = rules.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(rules.into())
}

impl RulesInForce {
    /// Puts the rules that `args` name, as `written`, in force for a source that has the `known` metrics.
    pub(super) fn new(
        args: &AlertArgs,
        written: &WrittenRules,
        known: KnownMetrics,
    ) -> Result<Self, Failure> {
        let (rules, _) = watch::channel(parse(written, &known)?);
        Ok(Self {
            args: args.clone(),
            known,
            rules,
        })
    }

    /// What the source needs of them; `recipient` is notified of alerts.
    pub(super) fn alerting(&self, recipient: Arc<dyn Recipient>) -> Alerting {
        Alerting::new(self.rules.subscribe(), recipient)
    }

    /// The metrics of rules that are in no catalogue, so that only an application can report them.
    pub(super) fn reported_metrics(&self) -> Vec<String> {
        let rules = self.rules.borrow();
        let metrics = rules.iter().map(|rule| rule.metric.as_str());
        let mut metrics: Vec<_> = metrics
            .filter(|metric| entry(metric).is_none())
            .map(str::to_owned)
            .collect();
        metrics.sort_unstable();
        metrics.dedup();
        metrics
    }

    /// Reads the file again, if there is one. If it is no good, the rules in force remain so.
    pub(super) fn reload(&self) -> Option<anyhow::Result<String>> {
        if !self.args.can_reload() {
            return None;
        }
        let read = || {
            let written = self.args.read()?;
            let Some((written, path)) = written.as_ref().and_then(|it| Some((it, it.file()?)))
            else {
                anyhow::bail!("no file of rules was named");
            };
            let rules = written.parse(&self.known)?;
            self.rules.send_replace(rules.into());
            Ok(format!("read the rules in '{}' again", path.display()))
        };
        Some(read().context("the old rules stay in use"))
    }
}
