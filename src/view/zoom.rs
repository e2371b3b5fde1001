//! How much time a chart shows, and to which of its dots a time belongs.

use std::time::Duration;

use crate::wording::exact_span;

/// The lengths of time that a chart may show, in milliseconds. After the last one comes everything that is held.
const LENGTHS: [u64; 7] = [
    30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000,
];

/// The length at first.
const USUAL: usize = 2;

/// What a dot or a label may stand for: so many seconds, minutes or hours.
const ROUND: [u64; 11] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];

/// The length of time that charts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zoom(usize);

impl Default for Zoom {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl Zoom {
    /// The shortest length that shows `length`.
    #[must_use]
    pub fn covering(length: Duration) -> Self {
        let length = crate::millis::in_millis(length);
        let fits = LENGTHS.iter().position(|it| length <= *it);
        Self(fits.unwrap_or(LENGTHS.len()))
    }

    /// One step shorter.
    pub(super) fn closer(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// One step longer, unless all of `held` milliseconds are shown already.
    pub(super) fn farther(self, held: u64) -> Self {
        match LENGTHS.get(self.0) {
            Some(length) if *length < held => Self(self.0 + 1),
            _ => self,
        }
    }

    /// The length in milliseconds, where `held` milliseconds are held.
    pub(super) fn length(self, held: u64) -> u64 {
        let all = || held.max(LENGTHS[LENGTHS.len() - 1]);
        LENGTHS.get(self.0).copied().unwrap_or_else(all)
    }
}

/// The dots of a chart: each stands for a span of time, aligned to the epoch, and two make a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeAxis {
    /// Milliseconds.
    pub dot: u64,
    pub cells: usize,
    /// The first cell, counted from the epoch.
    first: u64,
}

impl TimeAxis {
    /// The axis whose last cell contains the time `end`.
    pub(super) fn ending(end: u64, dot: u64, cells: usize) -> Self {
        let dot = dot.max(1);
        let last = end / dot.saturating_mul(2);
        let first = (last + 1).saturating_sub(cells as u64);
        Self { dot, cells, first }
    }

    /// Milliseconds in a cell.
    pub(super) fn cell(&self) -> u64 {
        self.dot.saturating_mul(2)
    }

    pub(super) fn dots(&self) -> usize {
        2 * self.cells
    }

    /// The time at which the first dot begins, in milliseconds since the epoch.
    pub(super) fn begin(&self) -> u64 {
        self.first.saturating_mul(self.cell())
    }

    /// The time at which the last dot ends.
    pub(super) fn end(&self) -> u64 {
        self.begin().saturating_add(self.length())
    }

    /// Milliseconds from the begin to the end.
    pub(super) fn length(&self) -> u64 {
        self.cell().saturating_mul(self.cells as u64)
    }

    /// The dot of `time`.
    pub(super) fn place(&self, time: u64) -> Option<usize> {
        let place = usize::try_from(time.checked_sub(self.begin())? / self.dot).ok()?;
        (place < self.dots()).then_some(place)
    }

    /// The cell of `time`.
    pub(super) fn cell_of(&self, time: u64) -> Option<usize> {
        Some(self.place(time)? / 2)
    }
}

/// The span of a dot in milliseconds, so that `cells` cells show about `length` of samples that are `step` apart: a
/// multiple of the step, or a part of it.
pub(super) fn dot_length(length: u64, step: u64, cells: usize) -> u64 {
    let step = step.max(1);
    let round = [1000, 60_000, 3_600_000]
        .into_iter()
        .flat_map(|unit| ROUND.map(|count| count * unit))
        .filter(|dot| dot % step == 0);
    let multiples = ROUND.into_iter().map(|count| step.saturating_mul(count));
    let of_odd_steps = multiples.filter(|_| !3_600_000_u64.is_multiple_of(step));
    let parts = [10, 8, 5, 4, 3, 2]
        .into_iter()
        .filter(|count| step.is_multiple_of(*count) && *count < step)
        .map(|count| step / count);
    let dots = 2.0 * cells.max(1) as f64;
    let distance = |dot: u64| (dot as f64 * dots / length.max(1) as f64).ln().abs();
    parts
        .chain([step])
        .chain(round)
        .chain(of_odd_steps)
        .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
        .unwrap_or(step)
}

/// `5 m  (2 s a dot, 4 s a cell)`, and shorter forms.
pub(super) fn texts(length: u64, dot: u64, step: u64) -> [String; 3] {
    let span =
        |milliseconds| exact_span(Duration::from_millis(milliseconds)).replace("60 s", "1 m");
    let zoom = span(length);
    let each = if dot < step {
        format!("{} dots a sample", step / dot)
    } else {
        format!("{} a dot", span(dot))
    };
    let cell = if dot < step {
        String::new()
    } else {
        format!(", {} a cell", span(2 * dot))
    };
    [
        format!("{zoom}  ({each}{cell})"),
        format!("{zoom}  ({each})"),
        zoom,
    ]
}

/// The round times of an axis that are at least `apart` cells from each other, with their cells.
pub(super) fn round_times(axis: &TimeAxis, apart: usize) -> Vec<(usize, u64)> {
    let least = axis.cell().saturating_mul(apart as u64);
    let steps = [1000, 60_000]
        .into_iter()
        .flat_map(|unit| [1, 2, 5, 10, 15, 30].map(|count| count * unit))
        .chain([1, 2, 3, 6, 12, 24].map(|hours| hours * 3_600_000));
    let Some(step) = steps.into_iter().find(|step| least <= *step) else {
        return Vec::new();
    };
    let first = axis.begin().div_ceil(step).saturating_mul(step);
    (0..axis.cells as u64)
        .map(|n| first.saturating_add(n.saturating_mul(step)))
        .take_while(|time| *time < axis.end())
        .filter_map(|time| Some((axis.cell_of(time)?, time)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_a_multiple_of_the_step_and_closest_to_the_zoom() {
        for (length, step, cells, expected) in [
            (300_000, 1000, 97, 2000),
            (300_000, 1000, 48, 3000),
            (300_000, 1000, 57, 3000),
            (300_000, 2000, 57, 2000),
            (300_000, 1000, 27, 6000),
            (21_600_000, 1000, 57, 180_000),
            (86_400_000, 2000, 57, 720_000),
            (30_000, 1000, 97, 125),
            (30_000, 200, 97, 200),
            (300_000, 7000, 48, 3500),
            (300_000, 300, 97, 3000),
        ] {
            assert_eq!(
                dot_length(length, step, cells),
                expected,
                "{length} {step} {cells}"
            );
        }
    }

    #[test]
    fn cells_are_aligned_to_the_epoch() {
        let axis = TimeAxis::ending(10_500, 1000, 3);
        assert_eq!((axis.begin(), axis.end()), (6000, 12_000));
        assert_eq!(axis, TimeAxis::ending(11_999, 1000, 3));
        assert_eq!(axis.place(6000), Some(0));
        assert_eq!(axis.place(11_999), Some(5));
        assert_eq!((axis.place(5999), axis.place(12_000)), (None, None));
        assert_eq!(axis.cell_of(8100), Some(1));
        // A time before there is room for all cells.
        assert_eq!(TimeAxis::ending(10, 1000, 9).place(10), Some(0));
    }

    #[test]
    fn zooming_ends_where_everything_is_shown() {
        let fifteen = Zoom::default().farther(890_000);
        assert_eq!(fifteen.length(890_000), 900_000);
        assert_eq!(fifteen.farther(890_000), fifteen);
        let mut zoom = Zoom::default();
        for _ in 0..9 {
            zoom = zoom.farther(200_000_000);
        }
        assert_eq!(zoom.length(200_000_000), 200_000_000);
        for _ in 0..9 {
            zoom = zoom.closer();
        }
        assert_eq!(zoom.length(1), 30_000);
        assert_eq!(Zoom::covering(Duration::from_secs(301)).length(0), 900_000);
    }

    #[test]
    fn the_zoom_is_told_in_words() {
        assert_eq!(
            texts(300_000, 2000, 1000)[0],
            "5 m  (2 s a dot, 4 s a cell)"
        );
        assert_eq!(texts(21_600_000, 180_000, 1000)[1], "6 h  (3 m a dot)");
        assert_eq!(texts(30_000, 200, 1000)[1], "30 s  (5 dots a sample)");
        assert_eq!(texts(60_000, 1000, 1000)[2], "1 m");
    }

    #[test]
    fn labels_stand_at_round_times() {
        let axis = TimeAxis::ending(1_795_529_251_000, 2000, 97);
        let times = round_times(&axis, 10);
        let minutes: Vec<u64> = times.iter().map(|(_, time)| time / 1000 % 3600).collect();
        assert_eq!(minutes, [120, 180, 240, 300, 360, 420]);
    }
}
