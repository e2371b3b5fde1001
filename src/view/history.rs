//! The window: the newest samples of one host, laid out in time.

use std::collections::VecDeque;

/// One sample. `values` follow the host's metrics; NaN is an absent value, as is one past the end.
#[derive(Debug, Clone)]
struct Point {
    timestamp: u64,
    /// A loss was announced before it.
    after_gap: bool,
    values: Vec<f64>,
}

/// The newest samples, oldest first.
#[derive(Debug, Clone)]
pub(super) struct History {
    window: usize,
    points: VecDeque<Point>,
    gap_pending: bool,
}

impl History {
    pub(super) fn new(window: usize) -> Self {
        Self {
            window: window.max(1),
            points: VecDeque::new(),
            gap_pending: false,
        }
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub(super) fn push(&mut self, timestamp: u64, values: Vec<f64>) {
        if self.points.len() == self.window {
            self.points.pop_front();
        }
        let after_gap = std::mem::take(&mut self.gap_pending);
        self.points.push_back(Point {
            timestamp,
            after_gap,
            values,
        });
    }

    /// Numbered messages will not come: the next sample stands apart from the last one.
    pub(super) fn mark_gap(&mut self) {
        self.gap_pending = !self.points.is_empty();
    }

    /// Other metrics follow: the one that was `moved[n]` is `n` now, `None` is a new one.
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

    /// The usual time between two samples in milliseconds, by their own timestamps. A replay's are those of the
    /// recording, at whatever speed it plays, so they cannot be compared with the announced interval.
    pub(super) fn step(&self) -> Option<u64> {
        let mut steps: Vec<u64> = std::iter::zip(&self.points, self.points.iter().skip(1))
            .filter(|(_, after)| !after.after_gap)
            .map(|(before, after)| after.timestamp.saturating_sub(before.timestamp))
            .filter(|step| *step > 0)
            .collect();
        steps.sort_unstable();
        steps.get(steps.len().checked_sub(1)? / 2).copied()
    }

    /// Which point each of the window's cells shows, the newest at the right behind `trailing` empty ones. Time that
    /// has no samples has empty cells.
    pub(super) fn layout(&self, trailing: usize) -> Layout {
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
        Layout(newest_first)
    }

    /// How many samples are missing in `passed` milliseconds.
    fn missing(&self, passed: u64, step: Option<u64>) -> u64 {
        let Some(step) = step else { return 0 };
        // Half a step of delay is jitter, not a hole.
        (passed.saturating_add(step / 2) / step).saturating_sub(1)
    }

    /// The window of metric `index`.
    pub(super) fn cells(&self, index: usize, layout: &Layout) -> Vec<Option<f64>> {
        layout
            .0
            .iter()
            .map(|cell| self.points.get((*cell)?)?.value(index))
            .collect()
    }
}

impl Point {
    fn value(&self, index: usize) -> Option<f64> {
        self.values.get(index).copied().filter(|v| !v.is_nan())
    }
}

/// What [`History::layout`] found; one for all metrics of a host.
#[derive(Debug, Clone)]
pub(super) struct Layout(Vec<Option<usize>>);

#[cfg(test)]
mod tests {
    use super::*;

    /// The window as text: the seconds' last digit, and `.` for an empty cell.
    fn check(window: usize, timestamps: &[u64], trailing: usize, expected: &str) {
        let mut history = History::new(window);
        for &at in timestamps {
            history.push(at, vec![f64::from(u32::try_from(at / 1000 % 10).unwrap())]);
        }
        let cells = history.cells(0, &history.layout(trailing));
        let shown: String = cells
            .iter()
            .map(|cell| cell.map_or(".".into(), |v| format!("{v:.0}")))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_newest_is_at_the_right() {
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
    fn time_that_goes_back_or_stands_still_is_no_hole() {
        check(5, &[5000, 6000, 2000, 3000, 3000], 0, "56233");
    }

    #[test]
    fn silence_moves_the_window_on() {
        check(5, &[1000, 2000, 3000], 2, "123..");
        check(5, &[1000, 2000, 3000], 99, ".....");
    }

    #[test]
    fn an_announced_loss_is_seen_even_where_time_does_not_tell() {
        let mut history = History::new(5);
        history.mark_gap();
        for at in [1000, 2000, 3000, 4000] {
            if at == 3000 {
                history.mark_gap();
            }
            history.push(at, vec![1.0]);
        }
        let cells = history.cells(0, &history.layout(0));
        assert_eq!(cells, [Some(1.0), Some(1.0), None, Some(1.0), Some(1.0)]);
    }

    #[test]
    fn an_absent_value_is_an_empty_cell() {
        let mut history = History::new(3);
        history.push(1000, vec![1.0]);
        history.push(2000, vec![f64::NAN, 5.0]);
        let layout = history.layout(0);
        assert_eq!(history.cells(0, &layout), [None, Some(1.0), None]);
        assert_eq!(history.cells(1, &layout), [None, None, Some(5.0)]);
        assert_eq!(
            (history.value(0), history.value(1), history.value(2)),
            (None, Some(5.0), None)
        );
    }
}
