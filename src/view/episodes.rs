//! When alerts fired, as far back as samples of their host are kept.

use std::sync::Arc;

use super::firing::{FiringAlert, find_same};
use super::history::Point;
use super::state::HostState;

/// One firing of an alert, with its end if it is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Episode<'a> {
    pub host: &'a HostState,
    pub alert: &'a FiringAlert,
    /// The first sample at which it fired, by its place in the history.
    first: usize,
    /// The sample after the last.
    next: usize,
    pub outcome: Outcome,
}

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Firing,
    Resolved,
    /// The stream ended while it was firing.
    CutOff,
}

/// The episodes of `host`, the one that ended first at first and those that last at the end.
pub(super) fn episodes(host: &HostState) -> Vec<Episode<'_>> {
    let (mut over, mut open) = (Vec::new(), Vec::new());
    let mut before: Option<&Point> = None;
    for (index, point) in host.history.points().iter().enumerate() {
        if before.is_none_or(|before| !Arc::ptr_eq(&before.alerts, &point.alerts)) {
            close(&mut open, &mut over, (before, point), index);
            open_new(&mut open, host, (before, point), index);
        }
        before = Some(point);
    }
    let end = host.history.points().len();
    let now = host.firing.now();
    for episode in open {
        let is_firing = find_same(now, episode.alert).is_some();
        let outcome = if is_firing {
            Outcome::Firing
        } else {
            Outcome::Resolved
        };
        over.push(Episode {
            next: end,
            outcome,
            ..episode
        });
    }
    // A hello may be ahead of the samples.
    for alert in now.iter() {
        if before.is_none_or(|before| find_same(&before.alerts, alert).is_none()) {
            over.push(Episode {
                host,
                alert,
                first: end,
                next: end,
                outcome: Outcome::Firing,
            });
        }
    }
    over
}

fn close<'a>(
    open: &mut Vec<Episode<'a>>,
    over: &mut Vec<Episode<'a>>,
    (before, point): (Option<&Point>, &Point),
    index: usize,
) {
    let is_new_stream = before.is_some_and(|before| before.position.0 != point.position.0);
    let outcome = if is_new_stream {
        Outcome::CutOff
    } else {
        Outcome::Resolved
    };
    open.retain(|episode| {
        let goes_on = !is_new_stream && find_same(&point.alerts, episode.alert).is_some();
        if !goes_on {
            over.push(Episode {
                next: index,
                outcome,
                ..*episode
            });
        }
        goes_on
    });
}

fn open_new<'a>(
    open: &mut Vec<Episode<'a>>,
    host: &'a HostState,
    (before, point): (Option<&Point>, &'a Point),
    index: usize,
) {
    let before = before.filter(|before| before.position.0 == point.position.0);
    for alert in point.alerts.iter() {
        if before.is_none_or(|before| find_same(&before.alerts, alert).is_none()) {
            open.push(Episode {
                host,
                alert,
                first: index,
                next: index,
                outcome: Outcome::Firing,
            });
        }
    }
}

impl Episode<'_> {
    /// Since when its rule was true, in milliseconds since the epoch.
    pub(super) fn began(&self) -> u64 {
        let points = self.host.history.points();
        match (self.alert.alert.since, points.get(self.first)) {
            (0, Some(first)) => first.timestamp,
            (since, _) => since,
        }
    }

    /// When it was resolved, or how far it is known to have lasted.
    pub(super) fn ended(&self) -> u64 {
        let points = self.host.history.points();
        let last = match self.outcome {
            Outcome::Resolved => self.next,
            Outcome::Firing | Outcome::CutOff => self.next.saturating_sub(1),
        };
        let last = points.get(last).or(points.back());
        last.map_or(0, |point| point.timestamp).max(self.began())
    }

    /// The value that was furthest beyond the threshold while its rule was true; the lowest if `is_downward`.
    pub(super) fn peak(&self, is_downward: bool) -> Option<f64> {
        let points = self.host.history.points();
        let metric = self.host.find(&self.alert.alert.metric);
        let began = self.began();
        let pending = (0..self.first)
            .rev()
            .take_while(|&index| began <= points[index].timestamp);
        let value = |index| points.get(index)?.value(metric?);
        let values = (self.first..self.next).chain(pending).filter_map(value);
        let further = if is_downward { f64::min } else { f64::max };
        values.chain(self.alert.alert.value).reduce(further)
    }
}
