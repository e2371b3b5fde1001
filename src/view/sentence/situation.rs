//! What is known of a host, as its sentences need it.

use std::collections::VecDeque;

use crate::view::history::Point;
use crate::view::metric::Metric;
use crate::view::state::{HostState, Now, ViewState};

/// A host at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::view) struct Situation<'a> {
    /// For the connection to its server.
    pub state: &'a ViewState,
    pub host: &'a HostState,
    pub now: Now,
}

impl<'a> Situation<'a> {
    /// The samples, the oldest first.
    pub(super) fn points(&self) -> &'a VecDeque<Point> {
        self.host.history.points()
    }

    /// The time of the newest sample, in milliseconds since the epoch.
    pub(super) fn newest(&self) -> u64 {
        self.host.history.newest().unwrap_or_default()
    }

    pub(super) fn metric(&self, name: &str) -> Option<&'a Metric> {
        self.host.find(name).map(|index| &self.host.metrics[index])
    }

    /// The number of cores; 0 if unknown.
    pub(super) fn cores(&self) -> u32 {
        self.host.cores()
    }

    /// The samples of the last `reach` milliseconds, the newest first, each with the time since the one before it.
    pub(super) fn recent(&self, reach: u64) -> impl Iterator<Item = (&'a Point, u64)> {
        let points = self.points();
        let since = self.newest().saturating_sub(reach);
        let count = points.len();
        let pairs = (1..count)
            .rev()
            .map(|index| (&points[index], &points[index - 1]));
        let step = |(point, before): (&'a Point, &'a Point)| {
            (point, point.timestamp.saturating_sub(before.timestamp))
        };
        pairs
            .map(step)
            .take_while(move |(point, _)| since < point.timestamp)
    }

    /// How often something happened in the last `reach` milliseconds, by its rate; 0 if that is unknown.
    pub(super) fn count(&self, rate: &str, reach: u64) -> f64 {
        let Some(index) = self.host.find(rate) else {
            return 0.0;
        };
        #[expect(clippy::cast_precision_loss, reason = "a step is at most an hour")]
        let counts = self.recent(reach).map(|(point, step)| {
            point.value(index).unwrap_or_default() * step.min(3_600_000) as f64 / 1000.0
        });
        counts.sum::<f64>().round()
    }
}
