//! What is known about one host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::millis::in_millis;
use crate::protocol::{
    Container, Gap, Hello, HostName, MetricInfo, Process, Replay, Sample, System, cores_among,
    describe,
};

use super::columns::ColumnChoice;
use super::firing::Firing;
use super::history::{History, Point, WindowLayout, union};
use super::metric::Metric;
use super::moment::{Now, StreamPosition};
use super::sanitize::clean;
use super::stepped::SteppedPast;
use super::style::MarkKind;
use super::units;

/// The most metrics kept per host, so that a peer that names new ones in every sample does not fill the memory.
const MAX_METRICS: usize = 4000;

/// Whether samples of a host arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    /// No sample arrived for too long, or the connection was lost since the last one.
    Stale,
    /// The stream has ended.
    Over,
}

/// One host.
#[derive(Debug, Clone)]
pub(super) struct HostState {
    pub name: HostName,
    pub server: usize,
    pub interval: Duration,
    /// The metrics that its table shows.
    pub columns: ColumnChoice,
    pub system: Option<System>,
    /// How it is played, if it is a recording.
    pub replay: Option<Replay>,
    /// When the oldest message that its server had at the last hello was sent, in milliseconds since the epoch.
    pub held: Option<u64>,
    pub metrics: Vec<Metric>,
    index: HashMap<Arc<str>, usize>,
    /// What each metric has ever been, at least and at most; absent if it never had a value.
    extents: Vec<Option<(f64, f64)>>,
    /// The longest list of processes so far, and of containers.
    pub most_listed: usize,
    pub most_contained: usize,
    pub history: History,
    /// In the past: all samples, those that followed too. The charts show them around the moment.
    pub around: Option<History>,
    /// In the past: the marks of all samples, those that followed too.
    pub marks: Option<Arc<[(u64, MarkKind)]>>,
    /// What is known of the time before the samples.
    pub stepped: Option<Arc<SteppedPast>>,
    /// How many samples back were requested from its server.
    pub asked: usize,
    pub firing: Firing,
    /// When the newest sample arrived, as [`Now::elapsed`].
    pub arrived: Option<Duration>,
    pub freshness: Freshness,
    /// The last reported loss, and when it was reported.
    pub gap: Option<(Gap, Duration)>,
}

impl HostState {
    pub(super) fn new(name: HostName, server: usize, window: usize) -> Self {
        Self {
            name,
            server,
            interval: Duration::from_millis(Hello::default().interval),
            columns: ColumnChoice::default(),
            system: None,
            replay: None,
            held: None,
            metrics: Vec::new(),
            index: HashMap::new(),
            extents: Vec::new(),
            most_listed: 0,
            most_contained: 0,
            around: None,
            marks: None,
            history: History::new(window),
            stepped: None,
            asked: 0,
            firing: Firing::default(),
            arrived: None,
            freshness: Freshness::Fresh,
            gap: None,
        }
    }

    /// Samples stopped arriving; after the end of the stream, that is as it should be.
    pub(super) fn delay(&mut self) {
        if self.freshness == Freshness::Fresh {
            self.freshness = Freshness::Stale;
        }
    }

    pub(super) fn is_stale(&self) -> bool {
        self.freshness == Freshness::Stale
    }

    /// Whether `hello` belongs to a restarted replay that has not reached the newest sample here.
    pub(super) fn is_before_what_came(&self, hello: &Hello) -> bool {
        let newest = self.history.newest_point().map(|point| point.position);
        hello.replay.is_some()
            && newest.is_some_and(|(stream, seq)| stream == hello.stream && hello.newest < seq)
    }

    /// Everything but the samples.
    pub(super) fn without_history(&self) -> Self {
        Self {
            name: self.name.clone(),
            columns: self.columns.clone(),
            system: self.system.clone(),
            metrics: self.metrics.clone(),
            index: self.index.clone(),
            extents: self.extents.clone(),
            around: None,
            marks: None,
            history: History::new(self.history.window()),
            stepped: self.stepped.clone(),
            firing: self.firing.clone(),
            ..*self
        }
    }

    /// Adds a metric, unless it is known or there are too many.
    fn add(&mut self, info: &MetricInfo) -> bool {
        let new = self.metrics.len() < MAX_METRICS && !self.index.contains_key(info.name.as_str());
        if new {
            let metric = Metric::new(info);
            self.index.insert(metric.key.clone(), self.metrics.len());
            self.metrics.push(metric);
        }
        new
    }

    /// Adopts the announced metrics in their order, and moves the window's values along.
    pub(super) fn announce(&mut self, announced: &[MetricInfo]) {
        let before = std::mem::take(&mut self.index);
        self.metrics.clear();
        let mut moved = Vec::with_capacity(announced.len());
        for info in announced {
            if self.add(info) {
                moved.push(before.get(info.name.as_str()).copied());
            }
        }
        self.history.reorder(&moved);
        let extent = |index: &Option<usize>| (*index).and_then(|index| *self.extents.get(index)?);
        self.extents = moved.iter().map(extent).collect();
    }

    pub(super) fn take(&mut self, position: StreamPosition, sample: &Sample, now: Now) {
        let mut values = vec![f64::NAN; self.metrics.len()];
        for (name, value) in &sample.values {
            if !self.index.contains_key(name) && self.add(&self.describe(name)) {
                values.push(f64::NAN);
            }
            if let Some(&index) = self.index.get(name) {
                values[index] = *value;
            }
        }
        self.firing.take_position(position);
        let cleaned = |process: &Process| Process {
            name: clean(&process.name),
            ..process.clone()
        };
        let top = match &sample.top {
            Some(top) => top.iter().map(cleaned).collect(),
            None => self.history.last_top(position.0),
        };
        let containers = match &sample.containers {
            Some(containers) => containers.iter().map(cleaned_container).collect(),
            None => self.history.last_containers(position.0),
        };
        self.most_listed = self.most_listed.max(top.len());
        self.most_contained = self.most_contained.max(containers.len());
        self.note_extents(&values);
        self.history.push(Point {
            position,
            timestamp: sample.timestamp,
            values: values.into(),
            top,
            containers,
            alerts: self.firing.at_last(sample.timestamp),
            after_gap: false,
        });
        self.arrived = Some(now.elapsed);
        if self.is_stale() {
            self.freshness = Freshness::Fresh;
        }
    }

    fn note_extents(&mut self, values: &[f64]) {
        self.extents.resize(self.metrics.len(), None);
        for (extent, value) in std::iter::zip(&mut self.extents, values) {
            if !value.is_nan() {
                let value = (*value, *value);
                *extent = Some(extent.map_or(value, |extent| union(extent, value)));
            }
        }
    }

    /// Takes the samples of `past` that are older than those here.
    pub(super) fn put_before(&mut self, past: History) {
        for point in past.points() {
            self.most_listed = self.most_listed.max(point.top.len());
            self.most_contained = self.most_contained.max(point.containers.len());
            self.note_extents(&point.values);
        }
        self.history.put_before(past);
    }

    /// Takes what is known of the time before the samples.
    pub(super) fn put_steps(&mut self, past: SteppedPast) {
        self.extents.resize(self.metrics.len(), None);
        for (name, extent) in past.extents() {
            if let Some(known) = self
                .index
                .get(name)
                .and_then(|it| self.extents.get_mut(*it))
            {
                *known = Some(known.map_or(extent, |known| union(known, extent)));
            }
        }
        self.stepped = Some(Arc::new(past));
    }

    /// The least and the greatest value that the metric `name` has had, as far as is known.
    pub(super) fn extent(&self, name: &str) -> Option<(f64, f64)> {
        *self.extents.get(self.find(name)?)?
    }

    /// The samples that charts show.
    pub(super) fn charted(&self) -> &History {
        self.around.as_ref().unwrap_or(&self.history)
    }

    /// The usual time between two samples in milliseconds: the announced interval, unless the samples say otherwise,
    /// as in a replay.
    pub(super) fn usual_step(&self) -> u64 {
        let interval = in_millis(self.interval).max(1);
        let Some(step) = self.charted().step() else {
            return interval;
        };
        if step.abs_diff(interval).saturating_mul(10) <= interval {
            return interval;
        }
        // 2,003 ms are 2 s.
        let coarse = match step {
            0..500 => 50,
            500..10_000 => 500,
            10_000..120_000 => 5000,
            _ => 60_000,
        };
        let rounded = step.saturating_add(coarse / 2) / coarse * coarse;
        if rounded > 0 && rounded.abs_diff(step).saturating_mul(20) <= step {
            rounded
        } else {
            step
        }
    }

    /// The time by the host's own clock: that of the newest sample, and the silence since then.
    pub(super) fn time_now(&self, now: Now) -> u64 {
        let newest = self.charted().newest().unwrap_or(now.wall);
        let silent = match self.age(now) {
            Some(age) if self.is_stale() => {
                (in_millis(age) / in_millis(self.interval).max(1)).saturating_mul(self.usual_step())
            }
            _ => 0,
        };
        newest.saturating_add(silent)
    }

    /// Whether a time of this host needs its day: in a replay always, otherwise unless it is today's.
    pub(super) fn is_dated(&self, at: u64, now: Now) -> bool {
        self.replay.is_some() || !units::is_same_day(at, now.wall)
    }

    /// `14:05:21`, or `24 Nov 14:05:21` where the day is needed.
    pub(super) fn clock(&self, at: u64, now: Now) -> String {
        let clock = units::clock(at);
        if self.is_dated(at, now) {
            format!("{} {clock}", units::day(at))
        } else {
            clock
        }
    }

    /// The time of the newest sample that charts show, in milliseconds since the epoch.
    pub(super) fn newest_time(&self) -> u64 {
        self.charted().newest().unwrap_or(0)
    }

    /// The time of the oldest sample that is here or that the server holds.
    pub(super) fn oldest_time(&self) -> u64 {
        let newest = self.newest_time();
        let here = self.charted().points().front();
        let here = here.map_or(newest, |point| point.timestamp);
        here.min(self.held.unwrap_or(here)).min(newest)
    }

    /// The containers and services, as last listed.
    pub(super) fn containers(&self) -> &[Container] {
        self.history
            .newest_point()
            .map_or(&[], |point| &point.containers)
    }

    /// Describes a metric that was not announced.
    fn describe(&self, name: &str) -> MetricInfo {
        let cores = self.system.as_ref().map_or(0, |system| system.cores);
        describe(name, usize::try_from(cores).unwrap_or_default())
    }

    /// The position of the metric `name`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The newest value of the metric `name`.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.history.value(self.find(name)?)
    }

    /// The number of cores: as announced, or else of how many it has metrics; 0 if unknown.
    pub(super) fn cores(&self) -> u32 {
        let told = self.system.as_ref().map_or(0, |system| system.cores);
        if told != 0 {
            return told;
        }
        let names = self.metrics.iter().map(|metric| &*metric.key);
        u32::try_from(cores_among(names)).unwrap_or_default()
    }

    /// The newest `load1` for each core, if both are known.
    pub(super) fn load_per_core(&self) -> Option<f64> {
        let cores = Some(self.cores()).filter(|cores| *cores > 0)?;
        Some(self.value("load1")? / f64::from(cores))
    }

    /// Whether an alert fires.
    pub(super) fn is_alerting(&self) -> bool {
        !self.firing.now().is_empty()
    }

    /// The top processes, as last listed.
    pub(super) fn top(&self) -> &[Process] {
        self.history.newest_point().map_or(&[], |point| &point.top)
    }

    /// How long ago the newest sample arrived.
    pub(super) fn age(&self, now: Now) -> Option<Duration> {
        Some(now.elapsed.saturating_sub(self.arrived?))
    }

    /// The time that the window covers.
    pub(super) fn reach(&self) -> Duration {
        let samples = u32::try_from(self.history.window()).unwrap_or(u32::MAX);
        self.interval.saturating_mul(samples)
    }

    /// The window's cells at `now`: they move on even while nothing arrives.
    pub(super) fn layout(&self, now: Now) -> WindowLayout {
        let silent = match self.age(now) {
            Some(age) if self.is_stale() => age,
            _ => Duration::ZERO,
        };
        let missed = silent.as_millis() / self.interval.as_millis().max(1);
        self.history
            .layout(usize::try_from(missed).unwrap_or(usize::MAX))
    }
}

fn cleaned_container(container: &Container) -> Container {
    Container {
        name: clean(&container.name),
        ..container.clone()
    }
}
