//! Many samples in one: the mean, the least and the greatest of each metric.

use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Sample;
use super::number::Number;
use super::sample::{Key, MaybeNumber};

/// What the samples of a bucket of time have in common. A viewer that asked for `step` gets these in place of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Where the bucket begins, in milliseconds since the epoch: a multiple of the step.
    pub from: u64,
    /// Where it ends and the next one begins.
    pub to: u64,
    /// How many samples it stands for; fewer than fit into it if some are missing, or yet to come.
    pub count: u64,
    /// The mean of each metric that any of the samples has.
    pub mean: Values,
    /// The least value of each, in the same order.
    pub min: Values,
    /// The greatest value of each, in the same order.
    pub max: Values,
}

/// Values by name, in their order: an object of numbers on the wire. All are finite.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values(pub Vec<(Arc<str>, f64)>);

impl Values {
    /// The value of `name`, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        let found = self.0.iter().find(|(key, _)| &**key == name);
        found.map(|&(_, value)| value)
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(&**name, &Number(*value))?;
        }
        map.end()
    }
}

/// Reads numbers; anything else that a later version may send is skipped.
impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValuesVisitor;
        impl<'de> Visitor<'de> for ValuesVisitor {
            type Value = Values;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(Key(key)) = map.next_key::<Key>()? {
                    if let Some(value) = map.next_value::<MaybeNumber>()?.0 {
                        values.push((key, value));
                    }
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_map(ValuesVisitor)
    }
}

/// What several samples have in common, while more are added.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Aggregate {
    samples: u64,
    metrics: Vec<(Arc<str>, ValueRange)>,
}

/// The values of one metric in several samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    /// How many samples have it, at least 1.
    pub count: u64,
    /// Its mean.
    pub mean: f64,
    /// Its least value.
    pub min: f64,
    /// Its greatest value.
    pub max: f64,
}

impl ValueRange {
    fn of(value: f64) -> Self {
        Self {
            count: 1,
            mean: value,
            min: value,
            max: value,
        }
    }

    fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 samples")]
        let share = other.count as f64 / count as f64;
        *self = Self {
            count,
            // Each part is finite, where their sum or difference might not be.
            mean: self.mean * (1.0 - share) + other.mean * share,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        };
    }

    /// The mean with no more digits than it is worth, within the least and the greatest value.
    #[must_use]
    pub fn shown_mean(&self) -> f64 {
        let rounded = format!("{:.*e}", DIGITS_OF_A_MEAN - 1, self.mean).parse();
        rounded.unwrap_or(self.mean).clamp(self.min, self.max)
    }
}

/// How many significant digits a mean has: the others would only take space.
const DIGITS_OF_A_MEAN: usize = 6;

impl Aggregate {
    /// Several samples at once.
    #[must_use]
    pub fn of(samples: u64, metrics: Vec<(Arc<str>, ValueRange)>) -> Self {
        Self { samples, metrics }
    }

    /// How many samples were added.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Each metric that any of them has.
    #[must_use]
    pub fn metrics(&self) -> &[(Arc<str>, ValueRange)] {
        &self.metrics
    }

    /// Adds a sample.
    pub fn add(&mut self, sample: &Sample) {
        self.samples += 1;
        let mut expected = 0;
        for (name, value) in &sample.values {
            expected = self.put(name, &ValueRange::of(*value), expected);
        }
    }

    /// Adds all samples of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        let mut expected = 0;
        for (name, range) in &other.metrics {
            expected = self.put(name, range, expected);
        }
    }

    /// Adds values of a metric, most likely at `expected`, because samples have the same order. Returns where the next
    /// one is expected.
    fn put(&mut self, name: &Arc<str>, range: &ValueRange, expected: usize) -> usize {
        let is_there = self.metrics.get(expected).is_some_and(|(it, _)| it == name);
        let found = if is_there {
            Some(expected)
        } else {
            self.metrics.iter().position(|(it, _)| it == name)
        };
        match found {
            Some(at) => {
                self.metrics[at].1.merge(range);
                at + 1
            }
            None => {
                let at = expected.min(self.metrics.len());
                self.metrics.insert(at, (Arc::clone(name), *range));
                at + 1
            }
        }
    }

    /// The summary of the bucket from `from` to `to`, in milliseconds since the epoch.
    #[must_use]
    pub fn summary(&self, from: u64, to: u64) -> Summary {
        let values = |value: fn(&ValueRange) -> f64| {
            let values = self.metrics.iter();
            Values(
                values
                    .map(|(name, it)| (Arc::clone(name), value(it)))
                    .collect(),
            )
        };
        Summary {
            from,
            to,
            count: self.samples,
            mean: values(ValueRange::shown_mean),
            min: values(|it| it.min),
            max: values(|it| it.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(values: &[(&str, f64)]) -> Sample {
        let values = values.iter().map(|&(name, value)| (name.into(), value));
        Sample {
            values: values.collect(),
            ..Sample::default()
        }
    }

    #[test]
    fn a_metric_counts_where_it_is_present_and_keeps_its_place() {
        let mut all = Aggregate::default();
        all.add(&sample(&[("cpu", 1.0), ("load1", 5.0)]));
        all.add(&sample(&[("cpu", 2.0), ("memory", 9.0), ("load1", 6.0)]));
        all.add(&sample(&[("load1", 7.0)]));
        all.add(&sample(&[("cpu", 6.0), ("memory", 10.0)]));
        let summary = all.summary(60_000, 120_000);
        let listed = |values: &Values| -> Vec<(String, f64)> {
            values
                .0
                .iter()
                .map(|(name, value)| (name.to_string(), *value))
                .collect()
        };
        let expected = |cpu: f64, memory: f64, load: f64| {
            [("cpu", cpu), ("memory", memory), ("load1", load)]
                .map(|(name, it)| (name.to_owned(), it))
        };
        assert_eq!(
            (summary.from, summary.to, summary.count),
            (60_000, 120_000, 4)
        );
        assert_eq!(listed(&summary.mean), expected(3.0, 9.5, 6.0));
        assert_eq!(listed(&summary.min), expected(1.0, 9.0, 5.0));
        assert_eq!(listed(&summary.max), expected(6.0, 10.0, 7.0));
    }

    proptest! {
        #[test]
        fn a_mean_lies_between_the_least_and_the_greatest(
            parts in prop::collection::vec(prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 1..5), 1..5),
        ) {
            let (mut whole, mut merged) = (Aggregate::default(), Aggregate::default());
            for part in &parts {
                let mut some = Aggregate::default();
                for &value in part {
                    whole.add(&sample(&[("x", value)]));
                    some.add(&sample(&[("x", value)]));
                }
                merged.merge(&some);
            }
            let (whole, merged) = (whole.summary(0, 1), merged.summary(0, 1));
            for summary in [&whole, &merged] {
                let (mean, min, max) = (summary.mean.get("x"), summary.min.get("x"), summary.max.get("x"));
                prop_assert!(min <= mean && mean <= max, "{:?}", summary);
            }
            prop_assert_eq!((whole.count, &whole.min, &whole.max), (merged.count, &merged.min, &merged.max));
        }

        #[test]
        fn a_mean_has_six_digits(values in prop::collection::vec(0..1_000_000_u32, 1..100)) {
            let mut all = Aggregate::default();
            values.iter().for_each(|&value| all.add(&sample(&[("x", f64::from(value))])));
            let exact = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64;
            let mean = all.summary(0, 1).mean.get("x").unwrap();
            prop_assert!((mean - exact).abs() <= exact * 5.1e-6, "{} for {}", mean, exact);
        }
    }
}
