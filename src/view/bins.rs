//! Samples pooled into the dots of a time axis.

use std::collections::VecDeque;

use super::history::{History, Point, union};
use super::metric::Metric;
use super::stepped::{MetricSpread, SteppedPast};
use super::zoom::TimeAxis;

/// Which samples belong to which dots: the same for all metrics of a host.
#[derive(Debug)]
pub(super) struct DotBins<'a> {
    points: &'a VecDeque<Point>,
    dots: usize,
    /// A dot and one of its samples.
    members: Vec<(usize, usize)>,
    /// A dot between two samples that are no further apart than usual, and the sample before it.
    bridged: Vec<(usize, usize)>,
    stepped: Option<SteppedDots<'a>>,
}

/// What is known of the time before the first sample.
#[derive(Debug)]
struct SteppedDots<'a> {
    past: &'a SteppedPast,
    metrics: &'a [Metric],
    axis: TimeAxis,
    /// When the samples begin.
    until: u64,
}

impl<'a> DotBins<'a> {
    /// The samples of `history`, usually `step` milliseconds apart, on `axis`.
    pub(super) fn new(history: &'a History, axis: &TimeAxis, step: u64) -> Self {
        let points = history.points();
        let mut bins = Self {
            points,
            dots: axis.dots(),
            members: Vec::with_capacity(points.len()),
            bridged: Vec::new(),
            stepped: None,
        };
        let mut before: Option<(usize, &Point)> = None;
        let begin = first_after(points, axis.begin()).saturating_sub(1);
        for (index, point) in points.iter().enumerate().skip(begin) {
            let place = axis.place(point.timestamp);
            if let Some(place) = place {
                bins.members.push((place, index));
            }
            if let (Some(place), Some((last, from))) = (place, before)
                && is_next(from, point, step)
            {
                let begin = axis.place(from.timestamp).map_or(0, |from| from + 1);
                bins.bridged.extend((begin..place).map(|dot| (dot, last)));
            }
            before = Some((index, point));
        }
        bins
    }

    /// Adds what `past` tells of the time before the first sample; `metrics` have the names.
    pub(super) fn with_steps(
        mut self,
        past: Option<&'a SteppedPast>,
        metrics: &'a [Metric],
        axis: TimeAxis,
    ) -> Self {
        let until = self
            .points
            .front()
            .map_or(u64::MAX, |point| point.timestamp);
        self.stepped = past
            .filter(|past| past.is_on(&axis, until))
            .map(|past| SteppedDots {
                past,
                metrics,
                axis,
                until,
            });
        self
    }

    /// What the time before the first sample tells of the metric `index`, by dots.
    fn steps(&self, index: usize) -> Vec<(usize, MetricSpread)> {
        let Some(stepped) = &self.stepped else {
            return Vec::new();
        };
        let name = stepped.metrics.get(index).map(|metric| &*metric.key);
        name.map_or_else(Vec::new, |name| {
            stepped.past.on_dots(name, &stepped.axis, stepped.until)
        })
    }

    /// The means of the metric `index`, one for each dot, if some dots stand for more than is here.
    pub(super) fn means(&self, index: usize) -> Option<Vec<Option<f64>>> {
        self.stepped.as_ref()?;
        let mut sums: Vec<(f64, f64)> = vec![(0.0, 0.0); self.dots];
        let mut add = |dot: usize, value: f64, count: f64| {
            sums[dot].0 += value * count;
            sums[dot].1 += count;
        };
        for &(dot, sample) in self.members.iter().chain(&self.bridged) {
            if let Some(value) = self.points.get(sample).and_then(|it| it.value(index)) {
                add(dot, value, 1.0);
            }
        }
        for (dot, spread) in self.steps(index) {
            #[expect(clippy::cast_precision_loss, reason = "a weight")]
            add(dot, spread.mean, spread.count as f64);
        }
        let mean = |(sum, count)| if count > 0.0 { Some(sum / count) } else { None };
        Some(sums.into_iter().map(mean).collect())
    }

    /// The values of the metric `index`, one for each dot: the highest of its samples, so that a short peak stays visible.
    pub(super) fn pool(&self, index: usize) -> Vec<Option<f64>> {
        let mut dots: Vec<Option<f64>> = vec![None; self.dots];
        let value = |sample: usize| self.points.get(sample)?.value(index);
        for &(dot, sample) in &self.members {
            if let Some(value) = value(sample) {
                dots[dot] = Some(dots[dot].map_or(value, |other| other.max(value)));
            }
        }
        for &(dot, sample) in &self.bridged {
            dots[dot] = value(sample);
        }
        for (dot, spread) in self.steps(index) {
            dots[dot] = Some(dots[dot].map_or(spread.most, |other| other.max(spread.most)));
        }
        dots
    }

    /// For each dot, the values of `parts` in the sample whose value of `total` is the highest, and that value.
    pub(super) fn peaks(&self, total: usize, parts: &[Option<usize>]) -> Vec<Option<Peak>> {
        let mut dots: Vec<Option<(f64, usize)>> = vec![None; self.dots];
        let value = |sample: usize, index: usize| self.points.get(sample)?.value(index);
        for &(dot, sample) in self.members.iter().chain(&self.bridged) {
            if let Some(value) = value(sample, total)
                && dots[dot].is_none_or(|(highest, _)| highest < value)
            {
                dots[dot] = Some((value, sample));
            }
        }
        let peak = |(total, sample): (f64, usize)| Peak {
            total,
            parts: parts
                .iter()
                .map(|part| part.and_then(|index| value(sample, index)).unwrap_or(0.0))
                .collect(),
        };
        let mut peaks: Vec<Option<Peak>> = dots.into_iter().map(|dot| dot.map(peak)).collect();
        self.add_steps(&mut peaks, total, parts);
        peaks
    }

    /// Raises the peaks to those of the time before the first sample. Its parts at the peak aren't known, only their means:
    /// the peak is divided like these.
    fn add_steps(&self, peaks: &mut [Option<Peak>], total: usize, parts: &[Option<usize>]) {
        let mut means = vec![vec![0.0; parts.len()]; peaks.len()];
        for (place, part) in parts.iter().enumerate() {
            for (dot, spread) in part.map_or_else(Vec::new, |part| self.steps(part)) {
                means[dot][place] = spread.mean;
            }
        }
        for (dot, spread) in self.steps(total) {
            if peaks[dot]
                .as_ref()
                .is_some_and(|peak| spread.most <= peak.total)
            {
                continue;
            }
            let share = if spread.mean > 0.0 {
                spread.most / spread.mean
            } else {
                0.0
            };
            peaks[dot] = Some(Peak {
                total: spread.most,
                parts: means[dot].iter().map(|mean| mean * share).collect(),
            });
        }
    }

    /// The least and the greatest value of the metric `index` among the samples of the axis.
    pub(super) fn range(&self, index: usize) -> Option<(f64, f64)> {
        let values = self
            .members
            .iter()
            .filter_map(|&(_, sample)| self.points.get(sample)?.value(index))
            .map(|value| (value, value));
        let steps = self.steps(index).into_iter();
        values
            .chain(steps.map(|(_, spread)| (spread.least, spread.most)))
            .reduce(union)
    }

    /// The same with the value that is shown `now`, which is within its range also when the time of the dots has moved on.
    pub(super) fn range_with(&self, index: usize, now: Option<f64>) -> Option<(f64, f64)> {
        let now = now.map(|now| (now, now));
        self.range(index).into_iter().chain(now).reduce(union)
    }
}

/// The sample that a dot shows: a value, and its parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Peak {
    pub total: f64,
    pub parts: Vec<f64>,
}

/// The first of `points` from `time` on; where the clock was set back, an earlier one.
pub(super) fn first_after(points: &VecDeque<Point>, time: u64) -> usize {
    let is_before = |point: &Point| point.timestamp < time;
    points.iter().rposition(is_before).map_or(0, |last| {
        let in_order = points.partition_point(is_before);
        in_order.min(last + 1)
    })
}

/// Whether no sample is missing between two neighbours.
fn is_next(before: &Point, after: &Point, step: u64) -> bool {
    let apart = after.timestamp.saturating_sub(before.timestamp);
    !after.after_gap
        && before.position.0 == after.position.0
        && apart.saturating_mul(2) < step.saturating_mul(3)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::StreamId;
    use crate::view::firing::Alerts;

    fn history(samples: &[(u64, f64)]) -> History {
        let mut history = History::new(1);
        history.keep(1000);
        for (n, &(timestamp, value)) in samples.iter().enumerate() {
            history.push(Point {
                position: (StreamId(1), n as u64),
                timestamp,
                values: [value, value / 2.0].into(),
                top: Arc::default(),
                containers: Arc::default(),
                alerts: Alerts::default(),
                after_gap: false,
            });
        }
        history
    }

    /// The dots as text: a dot of 2 s has a digit, and a missing one a `.`.
    #[track_caller]
    fn check(samples: &[(u64, f64)], dot: u64, step: u64, expected: &str) {
        let history = history(samples);
        let axis = TimeAxis::ending(9999, dot, 5);
        let bins = DotBins::new(&history, &axis, step);
        let text: String = bins
            .pool(0)
            .iter()
            .map(|dot| dot.map_or(".".into(), |value| format!("{value:.0}")))
            .collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_dot_shows_the_highest_of_its_samples() {
        let samples: Vec<_> = [1.0, 7.0, 2.0, 3.0].into_iter().enumerate().collect();
        let at = |apart: u64| -> Vec<(u64, f64)> {
            samples
                .iter()
                .map(|&(n, value)| (6000 + n as u64 * apart, value))
                .collect()
        };
        check(&at(1000), 1000, 1000, "......1723");
        check(&at(1000), 2000, 1000, "...73.....");
        let history = history(&at(1000));
        let axis = TimeAxis::ending(9999, 2000, 5);
        let bins = DotBins::new(&history, &axis, 1000);
        assert_eq!(bins.range(0), Some((1.0, 7.0)));
        let peak = bins.peaks(0, &[Some(1), None])[3].clone().unwrap();
        assert_eq!((peak.total, peak.parts), (7.0, vec![3.5, 0.0]));
    }

    #[test]
    fn jitter_makes_no_hole_and_a_missing_sample_does() {
        check(
            &[(1000, 1.0), (2001, 2.0), (2999, 3.0), (4002, 4.0)],
            1000,
            1000,
            ".1334.....",
        );
        check(
            &[(1000, 1.0), (2000, 2.0), (4000, 4.0)],
            1000,
            1000,
            ".12.4.....",
        );
    }

    #[test]
    fn a_sample_has_several_dots_where_they_are_shorter() {
        check(
            &[(0, 1.0), (4000, 2.0), (8000, 3.0)],
            1000,
            4000,
            "111122223.",
        );
    }
}
