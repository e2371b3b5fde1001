//! The kept samples of one host, and the window: the newest of them, laid out in time.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::protocol::{Container, Process, StreamId};

use super::firing::{Alerts, FiringAlert, without_announced};
use super::moment::StreamPosition;

/// How many of the newest samples tell how far apart samples usually are.
const STEPS: usize = 60;

/// One sample. A host may have thousands, so it names no metrics: `values` are in the order of the host's metrics. NaN
/// is an absent value, and so is one past the end.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub position: StreamPosition,
    pub timestamp: u64,
    pub values: Arc<[f64]>,
    /// The last list of processes, which not every sample carries. Their names are sanitized.
    pub top: Arc<[Process]>,
    /// The last list of containers, likewise.
    pub containers: Arc<[Container]>,
    /// The alerts firing then.
    pub alerts: Alerts,
    /// A gap was announced before it.
    pub after_gap: bool,
}

/// The newest samples, oldest first.
#[derive(Debug, Clone)]
pub(super) struct History {
    window: usize,
    /// How many samples are kept; at least the window.
    keep: usize,
    points: VecDeque<Point>,
    gap_pending: bool,
}

impl History {
    pub(super) fn new(window: usize) -> Self {
        let window = window.max(1);
        Self {
            window,
            keep: window,
            points: VecDeque::new(),
            gap_pending: false,
        }
    }

    /// Keeps `count` samples from now on.
    pub(super) fn keep(&mut self, count: usize) {
        self.keep = count.max(self.window);
        while self.points.len() > self.keep {
            self.points.pop_front();
        }
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Adds the newest sample.
    pub(super) fn push(&mut self, mut point: Point) {
        point.after_gap = std::mem::take(&mut self.gap_pending);
        if self.points.len() >= self.keep {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    pub(super) fn points(&self) -> &VecDeque<Point> {
        &self.points
    }

    pub(super) fn newest_point(&self) -> Option<&Point> {
        self.points.back()
    }

    /// The last list of processes of `stream`; empty if messages are missing since.
    pub(super) fn last_top(&self, stream: StreamId) -> Arc<[Process]> {
        let newest = self.points.back().filter(|_| !self.gap_pending);
        let newest = newest.filter(|point| point.position.0 == stream);
        newest.map_or_else(Arc::default, |point| Arc::clone(&point.top))
    }

    /// The last list of containers of `stream`; empty if messages are missing since.
    pub(super) fn last_containers(&self, stream: StreamId) -> Arc<[Container]> {
        let newest = self.points.back().filter(|_| !self.gap_pending);
        let newest = newest.filter(|point| point.position.0 == stream);
        newest.map_or_else(Arc::default, |point| Arc::clone(&point.containers))
    }

    pub(super) fn newest_point_mut(&mut self) -> Option<&mut Point> {
        self.points.back_mut()
    }

    /// Puts older samples before those that are here, as many as there is room for and none twice.
    pub(super) fn put_before(&mut self, mut older: Self) {
        if let Some(oldest) = self.points.front() {
            older
                .points
                .retain(|point| point.position < oldest.position);
        }
        let room = self.keep.saturating_sub(self.points.len());
        let too_many = older.points.len().saturating_sub(room);
        older.points.drain(..too_many);
        older.points.append(&mut self.points);
        self.points = older.points;
    }

    /// The first `count` samples.
    pub(super) fn first(&self, count: usize) -> Self {
        let count = count.min(self.points.len());
        Self {
            window: self.window,
            keep: self.keep,
            points: self.points.range(..count).cloned().collect(),
            gap_pending: false,
        }
    }

    /// Until now, `alert` did not fire: the rule was true, but not for long enough.
    pub(super) fn withdraw(&mut self, alert: &FiringAlert) {
        // Many samples share their alerts, and go on sharing them.
        let mut last: Option<(Alerts, Alerts)> = None;
        for point in self.points.iter_mut().rev() {
            let rest = match last
                .take()
                .filter(|(with, _)| Arc::ptr_eq(with, &point.alerts))
            {
                Some((_, rest)) => rest,
                None => match without_announced(&point.alerts, alert) {
                    Some(rest) => rest,
                    None => return,
                },
            };
            let with = std::mem::replace(&mut point.alerts, Arc::clone(&rest));
            last = Some((with, rest));
        }
    }

    /// Messages are missing: the next sample stands apart from the last one.
    pub(super) fn mark_gap(&mut self) {
        self.gap_pending = !self.points.is_empty();
    }

    /// Adapts to other metrics: the one at `moved[n]` is at `n` now; `None` is a new one.
    pub(super) fn reorder(&mut self, moved: &[Option<usize>]) {
        for point in &mut self.points {
            let value = |index: &Option<usize>| (*index).and_then(|index| point.value(index));
            point.values = moved
                .iter()
                .map(|index| value(index).unwrap_or(f64::NAN))
                .collect();
        }
    }

    /// When the newest sample was taken, in milliseconds since the epoch.
    pub(super) fn newest(&self) -> Option<u64> {
        self.points.back().map(|point| point.timestamp)
    }

    /// The newest value of metric `index`.
    pub(super) fn value(&self, index: usize) -> Option<f64> {
        self.points.back()?.value(index)
    }

    /// The usual time between two samples in milliseconds, by their own timestamps. A replay's timestamps are those of
    /// the recording, at any speed, so they can't be compared with the announced interval.
    pub(super) fn step(&self) -> Option<u64> {
        let begin = self.points.len().saturating_sub(self.window.min(STEPS));
        let newest = || self.points.range(begin..);
        let mut steps: Vec<u64> = std::iter::zip(newest(), newest().skip(1))
            .filter(|(_, after)| !after.after_gap)
            .map(|(before, after)| after.timestamp.saturating_sub(before.timestamp))
            .filter(|step| *step > 0)
            .collect();
        steps.sort_unstable();
        steps.get(steps.len().checked_sub(1)? / 2).copied()
    }

    /// Which point each of the window's cells shows: the newest at the right, then `trailing` empty cells. Time without
    /// samples has empty cells.
    pub(super) fn layout(&self, trailing: usize) -> WindowLayout {
        let mut newest_first = vec![None; trailing.min(self.window)];
        let step = self.step();
        for (index, point) in self.points.iter().enumerate().rev() {
            if newest_first.len() >= self.window {
                break;
            }
            newest_first.push(Some(index));
            let Some(before) = index.checked_sub(1) else {
                break;
            };
            let passed = point
                .timestamp
                .saturating_sub(self.points[before].timestamp);
            let missing = self.missing(passed, step).max(u64::from(point.after_gap));
            let room = self.window.saturating_sub(newest_first.len());
            let missing = usize::try_from(missing).unwrap_or(room).min(room);
            newest_first.extend(std::iter::repeat_n(None, missing));
        }
        newest_first.resize(self.window, None);
        newest_first.reverse();
        WindowLayout(newest_first)
    }

    /// How many samples are missing in `passed` milliseconds.
    fn missing(&self, passed: u64, step: Option<u64>) -> u64 {
        let Some(step) = step else { return 0 };
        // Half a step of delay is jitter, not a hole.
        (passed.saturating_add(step / 2) / step).saturating_sub(1)
    }

    /// The window of metric `index`.
    pub(super) fn cells(&self, index: usize, layout: &WindowLayout) -> Vec<Option<f64>> {
        layout
            .0
            .iter()
            .map(|cell| self.points.get((*cell)?)?.value(index))
            .collect()
    }
}

impl Point {
    pub(super) fn value(&self, index: usize) -> Option<f64> {
        self.values.get(index).copied().filter(|v| !v.is_nan())
    }
}

/// The least and the greatest value of both.
pub(super) fn union(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0.min(other.0), one.1.max(other.1))
}

/// The result of [`History::layout`]; the same for all metrics of a host.
#[derive(Debug, Clone)]
pub(super) struct WindowLayout(Vec<Option<usize>>);

#[cfg(test)]
mod tests {
    use super::*;

    fn point(timestamp: u64, values: &[f64]) -> Point {
        Point {
            position: (StreamId(1), timestamp / 1000),
            timestamp,
            values: values.into(),
            top: Arc::default(),
            containers: Arc::default(),
            alerts: Alerts::default(),
            after_gap: false,
        }
    }

    /// The window as text: the seconds' last digit, and `.` for an empty cell.
    fn check(window: usize, timestamps: &[u64], trailing: usize, expected: &str) {
        let mut history = History::new(window);
        for &at in timestamps {
            let digit = f64::from(u32::try_from(at / 1000 % 10).unwrap());
            history.push(point(at, &[digit]));
        }
        let cells = history.cells(0, &history.layout(trailing));
        let shown: String = cells
            .iter()
            .map(|cell| cell.map_or(".".into(), |v| format!("{v:.0}")))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_newest_sample_is_on_the_right() {
        check(4, &[], 0, "....");
        check(4, &[1000], 0, "...1");
        check(4, &[1000, 2000, 3000], 0, ".123");
        check(4, &[1000, 2000, 3000, 4000, 5000], 0, "2345");
    }

    #[test]
    fn time_without_samples_is_empty() {
        check(8, &[1000, 2000, 3000, 6000, 7000], 0, ".123..67");
        check(6, &[1000, 2000, 3000, 900_000], 0, ".....0");
        check(6, &[1000, 2100, 2900, 4200, 5100], 0, ".12245");
    }

    #[test]
    fn a_recording_keeps_its_own_time() {
        check(5, &[60_000, 121_000, 182_000, 304_000], 0, "012.4");
    }

    #[test]
    fn time_that_goes_back_or_stands_still_is_not_a_hole() {
        check(5, &[5000, 6000, 2000, 3000, 3000], 0, "56233");
    }

    #[test]
    fn silence_moves_the_window_on() {
        check(5, &[1000, 2000, 3000], 2, "123..");
        check(5, &[1000, 2000, 3000], 99, ".....");
    }

    #[test]
    fn an_announced_gap_is_visible_even_if_the_times_do_not_show_it() {
        let mut history = History::new(5);
        history.mark_gap();
        for at in [1000, 2000, 3000, 4000] {
            if at == 3000 {
                history.mark_gap();
            }
            history.push(point(at, &[1.0]));
        }
        let cells = history.cells(0, &history.layout(0));
        assert_eq!(cells, [Some(1.0), Some(1.0), None, Some(1.0), Some(1.0)]);
    }

    #[test]
    fn an_absent_value_is_an_empty_cell() {
        let mut history = History::new(3);
        history.push(point(1000, &[1.0]));
        history.push(point(2000, &[f64::NAN, 5.0]));
        let layout = history.layout(0);
        assert_eq!(history.cells(0, &layout), [None, Some(1.0), None]);
        assert_eq!(history.cells(1, &layout), [None, None, Some(5.0)]);
        assert_eq!(
            (history.value(0), history.value(1), history.value(2)),
            (None, Some(5.0), None)
        );
    }

    fn numbers(history: &History) -> Vec<u64> {
        history
            .points()
            .iter()
            .map(|point| point.position.1)
            .collect()
    }

    fn history(keep: usize, numbers: std::ops::RangeInclusive<u64>) -> History {
        let mut history = History::new(2);
        history.keep(keep);
        for number in numbers {
            history.push(point(number * 1000, &[1.0]));
        }
        history
    }

    #[test]
    fn only_older_samples_are_put_before_and_only_as_many_as_are_kept() {
        for (keep, older, newer, expected) in [
            (9, 1..=5, 4..=6, vec![1, 2, 3, 4, 5, 6]),
            (4, 1..=5, 4..=6, vec![3, 4, 5, 6]),
            (3, 1..=5, 4..=6, vec![4, 5, 6]),
            (9, 4..=9, 4..=6, vec![4, 5, 6]),
        ] {
            let mut kept = history(keep, newer);
            kept.put_before(history(9, older));
            assert_eq!(numbers(&kept), expected);
        }
        let mut empty = History::new(2);
        empty.put_before(history(9, 1..=5));
        assert_eq!(numbers(&empty), [4, 5]);
    }

    #[test]
    fn no_more_samples_are_kept_than_asked_for() {
        let mut kept = history(4, 1..=9);
        assert_eq!(numbers(&kept), [6, 7, 8, 9]);
        kept.keep(3);
        assert_eq!(numbers(&kept), [7, 8, 9]);
        kept.keep(0);
        assert_eq!(numbers(&kept), [8, 9], "never less than the window");
    }
}
