//! The scale of a chart, and the unit that everything on it shares.

use super::units::{decimal, grouped};

/// The shortest time for which a lower scale must have sufficed before the scale falls, in milliseconds.
const LINGER: u64 = 30_000;

/// How long a high value keeps the scale of a window of `length` milliseconds up after it has left it.
pub(super) fn linger(length: u64) -> u64 {
    LINGER.max(length / 10)
}

/// A scale from 0 to `top`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChartScale {
    pub top: f64,
    /// One of the shown unit, in the unit of the metric.
    pub one: f64,
    prefix: &'static str,
}

impl ChartScale {
    /// 0 to 100.
    pub(super) const PERCENT: Self = Self {
        top: 100.0,
        one: 1.0,
        prefix: "",
    };

    /// The least of 1, 2 and 5 times a power of ten with room above `highest`, but at least `least`.
    pub(super) fn over(highest: f64, least: f64) -> Self {
        let wanted = (highest * 1.1).max(least);
        let top = if wanted.is_finite() && wanted > 0.0 {
            round_up(wanted)
        } else {
            least.max(1.0)
        };
        let prefixes = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
        let (one, prefix) = prefixes
            .into_iter()
            .find(|(one, _)| *one <= top)
            .unwrap_or((1.0, ""));
        Self { top, one, prefix }
    }

    /// The number at the top of the axis, in at most three columns.
    pub(super) fn top_label(self) -> String {
        let top = self.top / self.one;
        if top < 1.0 {
            decimal(top, 1)
        } else if top < 1000.0 {
            decimal(top, 0)
        } else {
            format!("{top:.0e}").chars().take(3).collect()
        }
    }

    /// `MB/s` for a rate of bytes.
    pub(super) fn unit(self, of: &str) -> String {
        let of = if of == "1/s" { "/s" } else { of };
        format!("{}{of}", self.prefix)
    }

    /// `value` in the unit of the scale, to a tenth. A value that isn't 0 is never shown as 0.
    pub(super) fn number(self, value: f64) -> String {
        tenths(value / self.one)
    }

    /// How many of `all` dots `value` takes; a real value takes at least one.
    pub(super) fn dots(self, value: f64, all: usize) -> usize {
        dots_of(value / self.top, all).max(1)
    }

    /// The heights of `values` in a row of blocks, from 1 to 8.
    pub(super) fn levels(self, values: &[Option<f64>]) -> Vec<Option<usize>> {
        let values = values.iter();
        values.map(|value| Some(self.dots((*value)?, 8))).collect()
    }

    /// The same as [`Self::dots`] for a part of a value, rounded, so that the least parts have none.
    pub(super) fn rounded_dots(self, value: f64, all: usize) -> usize {
        rounded(value / self.top * all as f64).min(all)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and NaN is 0"
)]
fn dots_of(share: f64, all: usize) -> usize {
    // What only rounding puts above a dot isn't above it.
    ((share * all as f64 - 1e-9).ceil() as usize).min(all)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and NaN is 0"
)]
fn rounded(number: f64) -> usize {
    number.round() as usize
}

/// The least of 1, 2 and 5 times a power of ten that isn't below `wanted`.
fn round_up(wanted: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "between -308 and 308")]
    let exponent = wanted.log10().floor() as i32;
    let power = 10_f64.powi(exponent);
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|top| wanted <= *top * (1.0 + 1e-9))
        .unwrap_or(wanted)
}

/// A number with one decimal, and none where there are many digits before it; `<0.1` for what would be shown as 0.
pub(super) fn tenths(value: f64) -> String {
    if value > 0.0 && value < 0.05 {
        return "<0.1".into();
    }
    if value.abs() >= 9999.5 {
        return grouped(value);
    }
    decimal(value, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_one_two_or_five_and_above_the_highest() {
        for (highest, least, top, label, unit) in [
            (2e6, 1000.0, 5e6, "5", "MB/s"),
            (6.2e6, 1000.0, 1e7, "10", "MB/s"),
            (20.4e6, 1000.0, 5e7, "50", "MB/s"),
            (9.0e5, 1000.0, 1e6, "1", "MB/s"),
            (4.0e5, 1000.0, 5e5, "500", "kB/s"),
            (0.0, 1000.0, 1000.0, "1", "kB/s"),
            (11.4, 16.0, 20.0, "20", "B/s"),
            (0.03, 0.0, 0.05, "0.1", "B/s"),
        ] {
            let scale = ChartScale::over(highest, least);
            assert!((scale.top - top).abs() < top * 1e-6, "{highest}: {scale:?}");
            assert_eq!(scale.top_label(), label, "{highest}");
            assert_eq!(scale.unit("B/s"), unit, "{highest}");
        }
    }

    #[test]
    fn a_constant_rate_is_between_a_third_and_the_edge() {
        for hundredths in 100..1000 {
            let rate = f64::from(hundredths) * 1e4;
            let share = rate / ChartScale::over(rate, 1000.0).top;
            assert!((0.36..=0.91).contains(&share), "{rate}: {share}");
        }
    }

    #[test]
    fn a_real_value_has_a_dot_and_none_is_above_the_top() {
        let scale = ChartScale::PERCENT;
        for (value, dots) in [
            (0.0, 1),
            (12.5, 1),
            (12.6, 2),
            (100.0, 8),
            (900.0, 8),
            (-5.0, 1),
        ] {
            assert_eq!(scale.dots(value, 8), dots, "{value}");
        }
        assert_eq!(scale.rounded_dots(6.2, 8), 0);
        assert_eq!(scale.rounded_dots(6.3, 8), 1);
    }

    #[test]
    fn a_rate_is_never_shown_as_nothing() {
        let scale = ChartScale::over(20e6, 0.0);
        for (value, shown) in [
            (0.0, "0.0"),
            (1.0, "<0.1"),
            (60_000.0, "0.1"),
            (14.2e6, "14.2"),
        ] {
            assert_eq!(scale.number(value), shown);
        }
    }

    #[test]
    fn a_peer_may_send_any_number() {
        for value in [f64::MAX, -f64::MAX, 5e-324, f64::INFINITY, f64::NAN] {
            let scale = ChartScale::over(value, 1000.0);
            assert!(scale.top > 0.0 && scale.top_label().len() <= 3, "{value}");
            assert!(scale.dots(value, 8) <= 8);
        }
    }
}
