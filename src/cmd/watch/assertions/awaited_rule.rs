//! `--until`: a rule that should come true.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Evaluator, KnownMetrics, Rule, parse_rule};
use crate::client::Received;
use crate::protocol::{AlertState, Hello, HostName, Numbered, StreamId, Update, shown};

use super::super::super::Failure;
use super::{circumstances, numbered};

/// The interval of a replay, in milliseconds: its samples show how far apart they are. What `hello` says depends on the
/// speed, and a rule must come true at the same sample at every speed.
const SHOWN_BY_SAMPLES: u64 = u64::MAX;

/// A rule, and the hosts on which it may come true.
#[derive(Debug)]
pub(super) struct AwaitedRule {
    written: String,
    rules: Arc<[Rule]>,
    hosts: HashMap<HostName, JudgedHost>,
    /// Why the rule can probably not come true.
    doubt: Option<String>,
}

/// A host whose samples are judged.
#[derive(Debug)]
struct JudgedHost {
    interval: u64,
    evaluator: Evaluator,
    is_after_gap: bool,
    /// The stream and number of the last message.
    last: Option<(StreamId, u64)>,
}

impl AwaitedRule {
    /// Reads a rule about any metrics: those of the hosts are not known yet.
    pub(super) fn read(written: &str) -> Result<Self, Failure> {
        let rule = parse_rule(written, &KnownMetrics::any()).map_err(|error| {
            let (text, column, problem) = (shown(written), error.column, error.problem);
            Failure::usage(format!("--until '{text}', column {column}: {problem}"))
        })?;
        Ok(Self {
            written: written.to_owned(),
            rules: Arc::new([rule]),
            hosts: HashMap::new(),
            doubt: None,
        })
    }

    /// Judges a message. If the rule came true, returns where, in one line.
    pub(super) fn take(&mut self, received: &Received) -> Option<String> {
        let rules = &self.rules;
        let host = self.hosts.entry(received.host.clone());
        let host = host.or_insert_with(|| JudgedHost::new(rules, SHOWN_BY_SAMPLES));
        match &received.update {
            Update::Hello(hello) => host.expect(rules, hello),
            Update::Gap(_) => host.is_after_gap = true,
            Update::Numbered(message) => host.follow(rules, message),
            Update::Heartbeat { .. } | Update::Summary(_) | Update::End => {}
        }
        let message = numbered(received).filter(|message| message.alert.is_none())?;
        let is_after_gap = std::mem::take(&mut host.is_after_gap);
        let verdicts = host.evaluator.judge(&message.sample, is_after_gap);
        let mut alerts = verdicts.iter().map(|verdict| &verdict.alert);
        let fired = alerts.find(|alert| alert.state == AlertState::Firing)?;
        let circumstances = circumstances(received, message, fired);
        Some(format!(
            "'{}' came true {circumstances}",
            shown(&fired.name)
        ))
    }

    /// When a host announces its metrics and the rule's is unknown: that, once.
    pub(super) fn doubt_about(&mut self, received: &Received) -> Option<String> {
        let Update::Hello(hello) = &received.update else {
            return None;
        };
        if self.doubt.is_some() {
            return None;
        }
        let names = hello.metrics.iter().map(|metric| &*metric.name);
        let known = KnownMetrics::catalogue().and(names);
        let error = parse_rule(&self.written, &known).err()?;
        self.doubt = Some(error.problem);
        let doubt = self.doubt.as_ref()?;
        Some(format!("warning: --until: {doubt}"))
    }

    /// That the rule did not come true.
    pub(super) fn unmet(&self) -> String {
        let (rule, doubt) = (shown(&self.written), self.doubt.as_deref());
        let why = doubt.map(|doubt| format!(": {doubt}"));
        format!(
            "--until '{rule}' did not come true{}",
            why.unwrap_or_default()
        )
    }
}

impl JudgedHost {
    fn new(rules: &Arc<[Rule]>, interval: u64) -> Self {
        Self {
            interval,
            evaluator: Evaluator::new(Arc::clone(rules), interval),
            is_after_gap: false,
            last: None,
        }
    }

    /// The samples that follow are as `hello` says.
    fn expect(&mut self, rules: &Arc<[Rule]>, hello: &Hello) {
        if self.last.is_none() {
            let is_live = hello.replay.is_none();
            let interval = if is_live {
                hello.interval
            } else {
                SHOWN_BY_SAMPLES
            };
            *self = Self::new(rules, interval);
        }
    }

    /// A message follows the last one. A new stream is a hole in the samples, as where rules are asked about a recording
    /// with a restart in it. Numbers that begin again are a replay that was restarted.
    fn follow(&mut self, rules: &Arc<[Rule]>, message: &Numbered) {
        let (stream, seq) = (message.stream, message.seq);
        match self.last {
            Some((last, highest)) if last == stream && seq <= highest => {
                *self = Self::new(rules, self.interval);
            }
            Some((last, _)) => self.is_after_gap |= last != stream,
            None => {}
        }
        self.last = Some((stream, seq));
    }
}
