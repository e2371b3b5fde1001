//! The mean, the 95th percentile and the maximum of observations, in bounded memory.

use std::collections::BTreeMap;

/// The share of the observations that are at most as large as the percentile.
const SHARE: f64 = 0.95;

/// The bounds of a bucket are this far apart, as a factor, so that its middle is off by at most 1 %.
const FACTOR: f64 = 1.02;

/// The most buckets. The smallest ones are merged, because the percentile is among the largest.
const MOST_BUCKETS: usize = 1024;

/// Sums of weights that should be equal differ by less than this, relative to their size.
const ROUNDING: f64 = 1e-9;

/// Observations since it was last emptied, each with a weight: how many it stands for.
///
/// The mean and the maximum are exact. So is the percentile, by the nearest rank, until there is no room for another
/// observation. From then on, observations are counted in buckets, and the percentile is off by at most 1 %.
#[derive(Debug, Default)]
pub(super) struct Spread {
    /// The sum of the weights.
    weight: f64,
    /// The sum of the observations, each times its weight.
    sum: f64,
    largest: Option<f64>,
    kept: Vec<(f64, f64)>,
    buckets: BTreeMap<i32, f64>,
}

/// What there is to say about observations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) mean: f64,
    pub(super) p95: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Adds an observation, unless its sums would no longer be finite. Uses up some of `room`, the number of observations
    /// that all timers and sets may still keep.
    pub(super) fn add(&mut self, value: f64, weight: f64, room: &mut usize) -> Option<()> {
        let (total, sum) = (self.weight + weight, self.sum + value * weight);
        if !total.is_finite() || !sum.is_finite() {
            return None;
        }
        (self.weight, self.sum) = (total, sum);
        self.largest = Some(self.largest.map_or(value, |largest| largest.max(value)));
        if self.buckets.is_empty() && *room != 0 {
            *room -= 1;
            self.kept.push((value, weight));
            return Some(());
        }
        for (value, weight) in std::mem::take(&mut self.kept) {
            self.count(value, weight);
        }
        self.count(value, weight);
        Some(())
    }

    fn count(&mut self, value: f64, weight: f64) {
        *self.buckets.entry(bucket(value)).or_default() += weight;
        if MOST_BUCKETS < self.buckets.len()
            && let Some((_, smallest)) = self.buckets.pop_first()
            && let Some(mut next) = self.buckets.first_entry()
        {
            *next.get_mut() += smallest;
        }
    }

    /// `None` if there are no observations.
    pub(super) fn figures(mut self) -> Option<Figures> {
        let max = self.largest?;
        let mean = self.sum / self.weight;
        self.kept.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
        let kept = self.kept.iter().copied();
        let buckets = self
            .buckets
            .iter()
            .map(|(at, weight)| (middle(*at), *weight));
        let p95 = self.percentile(kept.chain(buckets)).unwrap_or(max).min(max);
        Some(Figures { mean, p95, max })
    }

    /// The smallest value that at least [`SHARE`] of the weight reaches up to.
    fn percentile(&self, ascending: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
        let enough = self.weight * SHARE * (1.0 - ROUNDING);
        let mut reached = 0.0;
        let mut values = ascending.skip_while(|(_, weight)| {
            reached += weight;
            reached < enough
        });
        values.next().map(|(value, _)| value)
    }
}

/// The bucket of 1. Between the smallest positive double and 1 lie 37,600 buckets, so those of positive values are
/// positive.
const ONE: i32 = 40_000;

/// The bucket of `value`; larger values have larger ones.
fn bucket(value: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "from -37,600 to 35,900")]
    let size = (value.abs().ln() / FACTOR.ln()).floor() as i32 + ONE;
    match value {
        0.0 => 0,
        value if value < 0.0 => -size,
        _ => size,
    }
}

/// The value in the middle of a bucket, in relative terms.
fn middle(bucket: i32) -> f64 {
    let size = || {
        let lower = (f64::from(bucket.abs() - ONE) * FACTOR.ln()).exp();
        (lower * FACTOR.sqrt()).min(f64::MAX)
    };
    match bucket {
        0 => 0.0,
        1.. => size(),
        _ => -size(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(observations: impl IntoIterator<Item = (f64, f64)>, mut room: usize) -> Spread {
        let mut spread = Spread::default();
        for (value, weight) in observations {
            spread.add(value, weight, &mut room).unwrap();
        }
        spread
    }

    fn figures(mean: f64, p95: f64, max: f64) -> Option<Figures> {
        Some(Figures { mean, p95, max })
    }

    #[test]
    fn few_observations_are_exact() {
        let of = |values: &[f64]| spread(values.iter().map(|value| (*value, 1.0)), 1000).figures();
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7.5]), figures(7.5, 7.5, 7.5));
        assert_eq!(of(&[3.0, 1.0, 2.0]), figures(2.0, 3.0, 3.0));
        assert_eq!(of(&[-3.0, -1.0]), figures(-2.0, -1.0, -1.0));
        for (count, p95) in [
            (20, 19.0),
            (21, 20.0),
            (100, 95.0),
            (180, 171.0),
            (1000, 950.0),
        ] {
            let values: Vec<_> = (1..=count).rev().map(f64::from).collect();
            let mean = f64::from(count + 1) / 2.0;
            assert_eq!(of(&values), figures(mean, p95, f64::from(count)), "{count}");
        }
    }

    #[test]
    fn an_observation_counts_as_often_as_its_weight_says() {
        let mixed = spread([(10.0, 1.0), (1.0, 9.0)], 1000);
        assert_eq!(mixed.figures(), figures(1.9, 10.0, 10.0));
        let mostly = spread([(10.0, 1.0), (1.0, 99.0)], 1000);
        assert_eq!(mostly.figures(), figures(1.09, 1.0, 10.0));
        // 0.3 of 100 is no whole number of observations.
        let sampled = (1..=100).map(|value| (f64::from(value), 1.0 / 0.3));
        let p95 = spread(sampled, 1000).figures().unwrap().p95;
        assert!((p95 - 95.0).abs() < 1e-12, "{p95}");
    }

    #[test]
    fn without_room_the_percentile_is_within_one_percent() {
        for (from, to) in [(1.0, 1e4), (-1e4, -1.0), (-50.0, 50.0), (1e-300, 1e300)] {
            let values = (0..=10_000).map(|n| from + (to - from) * f64::from(n) / 1e4);
            let spread = spread(values.map(|value| (value, 1.0)), 500);
            assert!(spread.kept.is_empty() && spread.buckets.len() <= MOST_BUCKETS);
            let Some(found) = spread.figures() else {
                panic!("nothing")
            };
            let exact = from + (to - from) * 0.95;
            let off = ((found.p95 - exact) / exact).abs();
            assert!(off < 0.011, "{found:?}: {exact}");
            assert!((found.max - to).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn buckets_are_in_the_order_of_their_values() {
        let values = [
            -f64::MAX,
            -1.0,
            -1e-300,
            0.0,
            f64::from_bits(1),
            1e-300,
            0.99,
            1.0,
            1.1,
            f64::MAX,
        ];
        let buckets = values.map(bucket);
        assert!(buckets.is_sorted(), "{buckets:?}");
        // The smallest double has no neighbours within 1 %.
        for value in values
            .into_iter()
            .filter(|value| value.abs() != f64::from_bits(1))
        {
            let off = (middle(bucket(value)) - value).abs();
            assert!(off <= value.abs() * 0.011, "{value}: {off}");
        }
    }

    #[test]
    fn sums_stay_finite() {
        let mut spread = spread([(f64::MAX, 1.0)], 1000);
        assert_eq!(spread.add(f64::MAX, 1.0, &mut 1000), None);
        assert_eq!(spread.add(1.0, f64::MAX, &mut 1000), None);
        assert_eq!(spread.figures(), figures(f64::MAX, f64::MAX, f64::MAX));
    }
}
