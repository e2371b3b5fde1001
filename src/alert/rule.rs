//! A rule: its metric, its condition, and how long the condition must hold before the alert fires.

use wildmatch::WildMatchPattern;

/// A rule about one metric, or about every instance of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name; its text if it has no name.
    pub name: String,
    /// The rule as written, without its name.
    pub text: String,
    /// The metrics that it is about.
    pub metric: MetricPattern,
    /// When it is true.
    pub condition: Condition,
    /// How long it must be true before it fires, in milliseconds.
    pub hold: u64,
    /// How long it keeps firing after it was last true, in milliseconds.
    pub keep: u64,
}

/// When a rule is true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// The value is beyond a level.
    Beyond {
        /// The level from which it is true.
        level: Threshold,
        /// The level from which a firing rule is no longer true; `None` if `level` decides.
        clear: Option<Threshold>,
    },
    /// The value is absent from samples.
    Absent,
}

/// One side of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Which side.
    pub side: Side,
    /// The number, in the metric's own unit.
    pub number: f64,
}

/// How a value compares with a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Side {
    /// As written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }

    /// Whether greater values are further beyond.
    #[must_use]
    pub fn is_upward(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }
}

impl Threshold {
    /// Whether `value` is on this side.
    #[inline]
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self.side {
            Side::Above => value > self.number,
            Side::AtLeast => value >= self.number,
            Side::Below => value < self.number,
            Side::AtMost => value <= self.number,
        }
    }

    /// The one of two values that is further on this side.
    #[must_use]
    pub fn further(self, a: f64, b: f64) -> f64 {
        if self.side.is_upward() {
            a.max(b)
        } else {
            a.min(b)
        }
    }

    /// Whether some value is on both sides.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        if self.side.is_upward() == other.side.is_upward() {
            return true;
        }
        let (up, down) = if self.side.is_upward() {
            (self, other)
        } else {
            (other, self)
        };
        let both_include = up.side == Side::AtLeast && down.side == Side::AtMost;
        down.number > up.number || (both_include && down.number == up.number)
    }
}

impl Rule {
    /// The number that values are compared with; an `absent()` has none.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        match self.condition {
            Condition::Beyond { level, .. } => Some(level.number),
            Condition::Absent => None,
        }
    }

    /// Whether it is true of low values.
    #[must_use]
    pub fn is_downward(&self) -> bool {
        match self.condition {
            Condition::Beyond { level, .. } => !level.side.is_upward(),
            Condition::Absent => false,
        }
    }
}

/// The metrics that a rule is about: one name, or a pattern with `*` in the instance.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricPattern {
    text: String,
    glob: Option<WildMatchPattern<'*', '\0'>>,
}

impl MetricPattern {
    /// The metrics that `text` names.
    #[must_use]
    pub fn new(text: String) -> Self {
        let glob = text.contains('*').then(|| WildMatchPattern::new(&text));
        Self { text, glob }
    }

    /// As written, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it may match several metrics.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.glob.is_some()
    }

    /// Whether it matches `metric`.
    #[must_use]
    pub fn fits(&self, metric: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.matches(metric),
            None => self.text == metric,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_instance_and_nothing_else_does() {
        let fits = |pattern: &str, metric| MetricPattern::new(pattern.into()).fits(metric);
        assert!(fits("cpu:*", "cpu:0") && fits("cpu:*", "cpu:12"));
        assert!(!fits("cpu:*", "cpu") && !fits("cpu:*", "cpuUser:0"));
        assert!(fits("disk:/mnt/*", "disk:/mnt/a b/c") && !fits("disk:/mnt/*", "disk:/"));
        assert!(fits("disk:/a?", "disk:/a?") && !fits("disk:/a?", "disk:/ab"));
    }

    fn levels() -> impl Strategy<Value = Threshold> {
        let sides =
            prop::sample::select(vec![Side::Above, Side::AtLeast, Side::Below, Side::AtMost]);
        (sides, -3..3_i8).prop_map(|(side, number)| Threshold {
            side,
            number: number.into(),
        })
    }

    proptest! {
        #[test]
        fn levels_overlap_where_a_value_is_on_both_sides(a in levels(), b in levels()) {
            let halves = (-12..12_i8).map(|half| f64::from(half) / 2.0);
            let shared = halves.into_iter().any(|value| a.holds(value) && b.holds(value));
            prop_assert_eq!(a.overlaps(b), shared);
        }
    }
}
