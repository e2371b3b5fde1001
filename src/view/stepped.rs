//! The past that is longer ago than the samples here: what the samples of each bucket of time have in common.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::protocol::{Alert, AlertState, Sample, Summary};

use super::old_events::{OldEvent, OldEvents};
use super::style::MarkKind;
use super::zoom::TimeAxis;

/// The most buckets that are kept, so that a peer that never stops sending them does not fill the memory.
const MOST_BUCKETS: usize = 4000;

/// The most marks that are kept, for the same reason; the newest ones.
const MOST_MARKS: usize = 4000;

/// The most metrics that are kept of each bucket: those of the charts, and of this many cores.
const MOST_METRICS: usize = 300;

/// The metrics of the charts; those of cores too.
const CHARTED: [&str; 16] = [
    "cpu",
    "cpuUser",
    "cpuSystem",
    "iowait",
    "steal",
    "memory",
    "pressureCpu",
    "networkReceived",
    "networkSent",
    "diskRead",
    "diskWritten",
    "cpuQuota",
    "cpuThrottled",
    "gpu",
    "swapIn",
    "swapOut",
];

/// Which time the buckets cover, in milliseconds since the epoch, and how long each is, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepSpan {
    /// Where they begin, unless the server holds less.
    pub from: u64,
    /// The newest sample when they were requested.
    pub until: u64,
    /// The length of each.
    pub step: u64,
}

/// Buckets of time, the oldest first.
#[derive(Debug, Clone, Default)]
pub struct SteppedPast {
    span: StepSpan,
    names: Vec<Arc<str>>,
    buckets: Vec<Bucket>,
    marks: VecDeque<(u64, MarkKind)>,
    events: OldEvents,
    /// What happened since the last bucket, at a time that the next one tells.
    pending: Option<MarkKind>,
}

/// What the samples of a bucket have in common.
#[derive(Debug, Clone)]
struct Bucket {
    from: u64,
    to: u64,
    /// In the order of the names.
    values: Vec<Option<MetricSpread>>,
}

/// A metric in a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MetricSpread {
    pub mean: f64,
    pub least: f64,
    pub most: f64,
    /// How many samples it had.
    pub count: u64,
}

impl SteppedPast {
    /// Nothing of this time is known yet.
    #[must_use]
    pub fn new(span: StepSpan) -> Self {
        Self {
            span,
            ..Self::default()
        }
    }

    pub(super) fn span(&self) -> StepSpan {
        self.span
    }

    /// Takes the next bucket.
    pub fn push(&mut self, summary: &Summary) {
        if summary.to <= summary.from {
            return;
        }
        // If the clock was set back, or the server was asked again, what comes later counts.
        while self
            .buckets
            .pop_if(|bucket| summary.from <= bucket.from)
            .is_some()
        {}
        if self.buckets.len() >= MOST_BUCKETS {
            return;
        }
        if let Some(kind) = self.pending.take() {
            self.mark(summary.from, kind);
            let before = self.buckets.last();
            self.events.push(OldEvent {
                kind,
                began: before.map_or(summary.from, |bucket| bucket.to),
                ended: summary.from,
                alert: None,
            });
        }
        let mut values = vec![None; self.names.len()];
        for (name, mean) in &summary.mean.0 {
            let (Some(least), Some(most)) = (summary.min.get(name), summary.max.get(name)) else {
                continue;
            };
            let Some(column) = self.column_for(name) else {
                continue;
            };
            values.resize(self.names.len(), None);
            values[column] = Some(MetricSpread {
                mean: *mean,
                least,
                most,
                count: summary.count.max(1),
            });
        }
        self.buckets.push(Bucket {
            from: summary.from,
            to: summary.to,
            values,
        });
    }

    /// An alert fired or was resolved, which a message with this sample told.
    pub fn alert(&mut self, alert: &Alert, sample: &Sample) {
        let kind = match alert.state {
            AlertState::Firing => MarkKind::Firing,
            AlertState::Resolved => MarkKind::Resolved,
        };
        self.mark(sample.timestamp, kind);
        self.events.take_alert(alert, sample);
    }

    fn mark(&mut self, time: u64, kind: MarkKind) {
        if self.marks.len() >= MOST_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((time, kind));
    }

    /// Messages are missing before the next bucket.
    pub fn gap(&mut self) {
        self.pending.get_or_insert(MarkKind::Gap);
    }

    /// The source was restarted before the next bucket.
    pub fn restart(&mut self) {
        if !self.buckets.is_empty() {
            self.pending = Some(MarkKind::Restart);
        }
    }

    /// The column of the metric `name`, if it is kept.
    fn column_for(&mut self, name: &Arc<str>) -> Option<usize> {
        if let Some(known) = self.column(name) {
            return Some(known);
        }
        let is_core = name.strip_prefix("cpu:").is_some();
        if !(is_core || CHARTED.contains(&&**name)) || self.names.len() >= MOST_METRICS {
            return None;
        }
        self.names.push(Arc::clone(name));
        Some(self.names.len() - 1)
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|it| &**it == name)
    }

    /// The buckets that begin before `time`.
    fn before(&self, time: u64) -> impl Iterator<Item = &Bucket> {
        let buckets = self.buckets.iter();
        buckets.take_while(move |bucket| bucket.from < time)
    }

    /// Whether buckets that begin before `time` have dots on `axis`.
    pub(super) fn is_on(&self, axis: &TimeAxis, time: u64) -> bool {
        let mut older = self.before(time);
        older.any(|bucket| !bucket.dots(axis).is_empty())
    }

    /// What happened before `time`.
    pub(super) fn marks_before(&self, time: u64) -> impl Iterator<Item = (u64, MarkKind)> {
        let marks = self.marks.iter().copied();
        marks.filter(move |(at, _)| *at < time)
    }

    /// What began before `time`, with its end.
    pub(super) fn events_before(&self, time: u64) -> impl Iterator<Item = &OldEvent> {
        self.events.before(time)
    }

    /// The metric `name` on the dots of `axis`: what each bucket that begins before `time` tells of each of its dots.
    pub(super) fn on_dots(
        &self,
        name: &str,
        axis: &TimeAxis,
        time: u64,
    ) -> Vec<(usize, MetricSpread)> {
        let Some(column) = self.column(name) else {
            return Vec::new();
        };
        self.before(time)
            .filter_map(|bucket| Some((bucket, (*bucket.values.get(column)?)?)))
            .flat_map(|(bucket, spread)| bucket.dots(axis).map(move |dot| (dot, spread)))
            .collect()
    }

    /// The least and the greatest value of each metric.
    pub(super) fn extents(&self) -> impl Iterator<Item = (&str, (f64, f64))> {
        self.names.iter().enumerate().filter_map(|(column, name)| {
            let spreads = self
                .buckets
                .iter()
                .filter_map(move |bucket| *bucket.values.get(column)?);
            let extents = spreads.map(|spread| (spread.least, spread.most));
            let whole = extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
            Some((&**name, whole))
        })
    }
}

impl Bucket {
    /// The dots that it covers.
    fn dots(&self, axis: &TimeAxis) -> std::ops::Range<usize> {
        if self.to <= axis.begin() || axis.end() <= self.from {
            return 0..0;
        }
        let first = axis.place(self.from.max(axis.begin())).unwrap_or(0);
        let last = axis.place(self.to.min(axis.end()) - 1).unwrap_or(first);
        first..last + 1
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::Values;

    use super::*;

    fn summary(from: u64, to: u64, [mean, min, max]: [f64; 3]) -> Summary {
        let values = |value| Values(vec![("cpu".into(), value), ("own".into(), value)]);
        Summary {
            from,
            to,
            count: 10,
            mean: values(mean),
            min: values(min),
            max: values(max),
        }
    }

    fn past(buckets: &[(u64, u64, [f64; 3])]) -> SteppedPast {
        let mut past = SteppedPast::new(StepSpan::default());
        for (from, to, values) in buckets {
            past.push(&summary(*from, *to, *values));
        }
        past
    }

    #[test]
    fn a_bucket_is_on_all_its_dots_before_the_samples() {
        let past = past(&[
            (0, 4000, [1.0, 0.0, 2.0]),
            (4000, 8000, [5.0, 1.0, 9.0]),
            (8000, 12_000, [6.0, 6.0, 6.0]),
        ]);
        let axis = TimeAxis::ending(11_999, 2000, 3);
        let dots = |until| -> Vec<(usize, f64)> {
            let on_dots = past.on_dots("cpu", &axis, until).into_iter();
            on_dots.map(|(dot, spread)| (dot, spread.most)).collect()
        };
        assert_eq!(dots(8000), [(0, 2.0), (1, 2.0), (2, 9.0), (3, 9.0)]);
        assert_eq!(dots(u64::MAX).len(), 6);
        assert!(past.on_dots("own", &axis, u64::MAX).is_empty());
        assert!(past.is_on(&axis, 8000) && !past.is_on(&axis, 0));
        assert_eq!(past.extents().next(), Some(("cpu", (0.0, 9.0))));
        // The last two cells.
        let axis = TimeAxis::ending(11_999, 2000, 2);
        assert_eq!(past.on_dots("cpu", &axis, u64::MAX)[0].0, 0);
        assert_eq!(past.on_dots("cpu", &axis, u64::MAX).len(), 4);
    }

    #[test]
    fn what_comes_again_counts() {
        let past = past(&[
            (0, 4000, [1.0, 1.0, 1.0]),
            (4000, 8000, [2.0, 2.0, 2.0]),
            (4000, 8000, [3.0, 3.0, 3.0]),
            (9000, 9000, [4.0, 4.0, 4.0]),
        ]);
        let axis = TimeAxis::ending(7999, 2000, 2);
        let shown: Vec<f64> = past
            .on_dots("cpu", &axis, u64::MAX)
            .iter()
            .map(|(_, spread)| spread.mean)
            .collect();
        assert_eq!(shown, [1.0, 1.0, 3.0, 3.0]);
    }

    #[test]
    fn what_happened_between_buckets_has_a_mark() {
        let mut past = past(&[(0, 4000, [1.0; 3])]);
        past.alert(&alert(AlertState::Firing), &sample(4500));
        past.gap();
        past.push(&summary(8000, 12_000, [1.0; 3]));
        past.restart();
        past.push(&summary(12_000, 16_000, [1.0; 3]));
        let marks: Vec<_> = past.marks_before(12_000).collect();
        assert_eq!(marks, [(4500, MarkKind::Firing), (8000, MarkKind::Gap)]);
        assert_eq!(past.marks_before(u64::MAX).count(), 3);
    }

    #[test]
    fn what_happened_has_a_beginning_and_an_end() {
        let mut past = past(&[(0, 4000, [1.0; 3])]);
        past.alert(&alert(AlertState::Firing), &sample(4500));
        past.gap();
        past.push(&summary(8000, 12_000, [1.0; 3]));
        past.alert(&alert(AlertState::Resolved), &sample(9500));
        past.alert(&alert(AlertState::Firing), &sample(11_000));
        let events = past.events_before(11_500);
        let events: Vec<_> = events.map(|it| (it.kind, it.began, it.ended)).collect();
        let expected = [
            (MarkKind::Resolved, 4500, 9500),
            (MarkKind::Gap, 4000, 8000),
            (MarkKind::Resolved, 11_000, 11_000),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn an_alert_that_fired_again_in_a_gap_is_another_event() {
        let mut past = past(&[(0, 4000, [1.0; 3])]);
        let alert_since = |state, since| Alert {
            since,
            ..alert(state)
        };
        past.alert(&alert_since(AlertState::Firing, 3000), &sample(4500));
        past.gap();
        past.push(&summary(8000, 12_000, [1.0; 3]));
        past.alert(&alert_since(AlertState::Resolved, 7000), &sample(9500));
        let events = past.events_before(u64::MAX);
        let events: Vec<_> = events.map(|it| (it.kind, it.began, it.ended)).collect();
        let expected = [
            (MarkKind::Resolved, 3000, 4500),
            (MarkKind::Gap, 4000, 8000),
            (MarkKind::Resolved, 7000, 9500),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn of_too_many_events_the_newest_are_kept() {
        let mut past = past(&[(0, 4000, [1.0; 3])]);
        for time in 1..=10_000 {
            past.alert(&alert(AlertState::Firing), &sample(time));
        }
        let began: Vec<_> = past.events_before(u64::MAX).map(|it| it.began).collect();
        assert_eq!((began.len(), began[0], began[3999]), (4000, 6001, 10_000));
        let marks: Vec<_> = past.marks_before(u64::MAX).map(|(at, _)| at).collect();
        assert_eq!((marks.len(), marks[0], marks[3999]), (4000, 6001, 10_000));
    }

    /// Without a time since when its rule has been true.
    fn alert(state: AlertState) -> Alert {
        Alert {
            name: "busy".into(),
            rule: "cpu > 90".into(),
            state,
            metric: "cpu".into(),
            value: Some(95.0),
            threshold: Some(90.0),
            since: 0,
        }
    }

    fn sample(timestamp: u64) -> Sample {
        Sample {
            timestamp,
            ..Sample::default()
        }
    }
}
