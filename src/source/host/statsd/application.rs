//! What applications have reported since the last sample. Pure: no socket, no clock, no lock.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::line::{Action, LineRefusal, Report};
use super::members::Members;
use super::spread::Spread;

/// After so long without a packet, applications have fallen silent: their metrics are absent.
const SILENCE: Duration = Duration::from_secs(60);

/// The most names that are accepted.
pub(super) const MOST_NAMES: usize = 200;

/// How many members of sets and observations of timers are kept between two samples, beyond what each set may keep in
/// any case: a few MiB.
const ROOM: usize = 100_000;

/// The metrics of all applications on this host.
#[derive(Debug)]
pub(super) struct Application {
    metrics: Vec<Reported>,
    /// For each name the index of its metric, or `None` if it is one of a timer's additional names.
    names: HashMap<Arc<str>, Option<usize>>,
    hasher: RandomState,
    room: usize,
    /// When the last report came.
    heard: Option<Instant>,
    /// Whether that was after the last sample.
    is_news: bool,
}

/// A metric with a name that an application reports.
#[derive(Debug)]
struct Reported {
    names: ReportedNames,
    unit: &'static str,
    state: State,
}

/// The name of a metric, and for a timer those of its percentile and its maximum.
#[derive(Debug, Clone)]
enum ReportedNames {
    One(Arc<str>),
    Three([Arc<str>; 3]),
}

#[derive(Debug)]
enum State {
    Gauge(Option<f64>),
    Counter(f64),
    Spread(Spread),
    Set(Members),
}

/// A value for a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedValue {
    /// The name in the sample.
    pub name: Arc<str>,
    /// As [`crate::protocol::MetricInfo::unit`].
    pub unit: &'static str,
    /// `None` if it is absent from this sample.
    pub value: Option<f64>,
}

/// What was reported between two samples. Its figures have yet to be computed.
#[derive(Debug, Default)]
pub(super) struct Interval {
    metrics: Vec<(ReportedNames, &'static str, Taken)>,
}

#[derive(Debug)]
enum Taken {
    Value(Option<f64>),
    Spread(Spread),
}

impl Default for Application {
    fn default() -> Self {
        Self {
            metrics: Vec::new(),
            names: HashMap::new(),
            hasher: RandomState::new(),
            room: ROOM,
            heard: None,
            is_news: false,
        }
    }
}

impl Application {
    /// Takes in a report that came `now`.
    pub(super) fn hear(&mut self, report: &Report<'_>, now: Instant) -> Result<(), LineRefusal> {
        if self.has_been_silent(now) {
            self.forget_gauges();
        }
        let place = match self.names.get(report.name) {
            Some(Some(place)) => *place,
            Some(None) => return Err(LineRefusal::Type),
            None => self.admit(report)?,
        };
        let Self { hasher, room, .. } = self;
        let hash = |member: &[u8]| hasher.hash_one(member);
        self.metrics[place].state.hear(report.action, hash, room)?;
        self.heard = Some(now);
        self.is_news = true;
        Ok(())
    }

    /// Adds the metric that is reported for the first time. Returns its place.
    fn admit(&mut self, report: &Report<'_>) -> Result<usize, LineRefusal> {
        if self.metrics.len() == MOST_NAMES {
            return Err(LineRefusal::TooManyNames);
        }
        let metric = Reported::new(report);
        let [own, additional @ ..] = metric.names.as_slice() else {
            return Err(LineRefusal::Name); // there is always one
        };
        if additional.iter().any(|name| self.names.contains_key(name)) {
            return Err(LineRefusal::Type);
        }
        let place = self.metrics.len();
        self.names.insert(own.clone(), Some(place));
        self.names
            .extend(additional.iter().map(|name| (name.clone(), None)));
        self.metrics.push(metric);
        Ok(place)
    }

    /// How many names there are.
    pub(super) fn names(&self) -> usize {
        self.metrics.len()
    }

    /// Takes out what was reported since the last sample, `seconds` ago; `None` if that is too short for a rate.
    pub(super) fn take(&mut self, now: Instant, seconds: Option<f64>) -> Interval {
        let is_reporting = self.is_news || !self.has_been_silent(now);
        if !is_reporting {
            self.forget_gauges();
        }
        self.is_news = false;
        self.room = ROOM;
        let take = |metric: &mut Reported| {
            let taken = match metric.state.take(seconds) {
                Taken::Value(value) => Taken::Value(value.filter(|_| is_reporting)),
                spread @ Taken::Spread(_) => spread,
            };
            (metric.names.clone(), metric.unit, taken)
        };
        let metrics = self.metrics.iter_mut().map(take).collect();
        Interval { metrics }
    }

    fn has_been_silent(&self, now: Instant) -> bool {
        let is_long_ago = |at| SILENCE <= now.saturating_duration_since(at);
        self.heard.is_none_or(is_long_ago)
    }

    fn forget_gauges(&mut self) {
        for metric in &mut self.metrics {
            if let State::Gauge(value) = &mut metric.state {
                *value = None;
            }
        }
    }
}

impl Reported {
    fn new(report: &Report<'_>) -> Self {
        let name = report.name;
        let one = || ReportedNames::One(name.into());
        let (names, unit, state) = match report.action {
            Action::Set(_) | Action::Shift(_) => (one(), "", State::Gauge(None)),
            Action::Count(_) => (one(), "1/s", State::Counter(0.0)),
            Action::Include(_) => (one(), "", State::Set(Members::default())),
            Action::Observe { unit, .. } => {
                let suffixed = ["", ".p95", ".max"].map(|suffix| format!("{name}{suffix}").into());
                let names = ReportedNames::Three(suffixed);
                (names, unit, State::Spread(Spread::default()))
            }
        };
        Self { names, unit, state }
    }
}

impl ReportedNames {
    fn as_slice(&self) -> &[Arc<str>] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Three(names) => names,
        }
    }
}

impl State {
    fn hear(
        &mut self,
        action: Action<'_>,
        hash: impl Fn(&[u8]) -> u64,
        room: &mut usize,
    ) -> Result<(), LineRefusal> {
        let finite = |number: f64| {
            let number = Some(number).filter(|number| number.is_finite());
            number.ok_or(LineRefusal::NotFinite)
        };
        match (self, action) {
            (Self::Gauge(value), Action::Set(new)) => *value = Some(new),
            (Self::Gauge(value), Action::Shift(by)) => {
                *value = Some(finite(value.unwrap_or(0.0) + by)?);
            }
            (Self::Counter(sum), Action::Count(more)) => *sum = finite(*sum + more)?,
            (Self::Spread(spread), Action::Observe { value, weight, .. }) => {
                let added = spread.add(value, weight, room);
                added.ok_or(LineRefusal::NotFinite)?;
            }
            (Self::Set(members), Action::Include(member)) => members.add(hash(member), room),
            _ => return Err(LineRefusal::Type),
        }
        Ok(())
    }

    fn take(&mut self, seconds: Option<f64>) -> Taken {
        match self {
            Self::Gauge(value) => Taken::Value(*value),
            Self::Counter(sum) => {
                let rate = seconds.map(|seconds| *sum / seconds);
                // What has no rate yet counts for the next sample.
                *sum = if rate.is_some() { 0.0 } else { *sum };
                Taken::Value(rate.filter(|rate| rate.is_finite()))
            }
            Self::Spread(spread) => Taken::Spread(std::mem::take(spread)),
            Self::Set(members) => Taken::Value(Some(std::mem::take(members).count())),
        }
    }
}

impl Interval {
    /// The value of every name that was ever reported, in the order of their first reports.
    pub(super) fn values(self) -> Vec<ReportedValue> {
        let mut values = Vec::with_capacity(self.metrics.len());
        for (names, unit, taken) in self.metrics {
            let taken = match taken {
                Taken::Value(value) => [value, None, None],
                Taken::Spread(spread) => spread.figures().map_or([None; 3], |figures| {
                    [figures.mean, figures.p95, figures.max].map(Some)
                }),
            };
            let named = names.as_slice().iter().cloned().zip(taken);
            values.extend(named.map(|(name, value)| ReportedValue { name, unit, value }));
        }
        values
    }
}

#[cfg(test)]
mod tests;
