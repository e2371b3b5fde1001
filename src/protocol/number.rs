//! Numbers as they are written everywhere: finite, with no more digits than it takes to read the same value back.

use serde::{Serialize, Serializer};

/// Integers up to here are written without a fraction or an exponent; beyond, the exponent is shorter.
const LARGEST_PLAIN_INTEGER: f64 = 1e16;

/// A finite number in its one written form: `7` rather than `7.0`, `0` rather than `-0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Number {
    fn as_integer(self) -> Option<i64> {
        let plain = self.0.trunc() == self.0 && self.0.abs() < LARGEST_PLAIN_INTEGER;
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^16")]
        plain.then_some(self.0 as i64)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_integer() {
            Some(integer) => serializer.serialize_i64(integer),
            None => serializer.serialize_f64(self.0),
        }
    }
}

/// For `serialize_with`: a number that may be missing, in its one written form.
#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(super) fn optional_number<S: Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.map(Number).serialize(serializer)
}

/// Appends `value` in its one written form, the same in a recording as on the wire. `value` is finite.
pub fn push_number(text: &mut Vec<u8>, value: f64) {
    debug_assert!(value.is_finite());
    if serde_json::to_writer(&mut *text, &Number(value)).is_err() {
        unreachable!("a number is valid JSON and a Vec takes every byte");
    }
}

/// `value` rounded to a multiple of `step` (0.01, 1, …); sources round so that noise does not cost bytes.
///
/// `step` is a power of ten, at most 1.
#[must_use]
pub fn round_to(value: f64, step: f64) -> f64 {
    // Dividing by a whole number gives the double nearest to the decimal; multiplying by 0.01 would not.
    let per_unit = (1.0 / step).round();
    (value * per_unit).round() / per_unit
}

/// Like [`round_to`], but what is not 0 does not become 0: a value too small for `step` keeps two significant digits.
#[must_use]
pub fn round_nonzero(value: f64, step: f64) -> f64 {
    match round_to(value, step) {
        0.0 => two_digits(value),
        rounded => rounded,
    }
}

/// How often something happens, per second, rounded to 0.01 or to two significant digits, whichever is finer: one event
/// in three minutes is 0.0056, so that samples still add up to it.
#[must_use]
pub fn round_rate(value: f64) -> f64 {
    if value.abs() < 0.1 {
        two_digits(value)
    } else {
        round_to(value, 0.01)
    }
}

/// The double nearest to the two-digit decimal that is nearest to `value`.
fn two_digits(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: f64, expected: &str) {
        let mut text = Vec::new();
        push_number(&mut text, value);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        check(7.0, "7");
        check(-0.0, "0");
        check(0.1 + 0.2, "0.30000000000000004");
        check(17_179_869_184.0, "17179869184");
        check(1e15, "1000000000000000");
        check(1e16, "1e+16");
        check(-12.5, "-12.5");
    }

    #[test]
    fn rounding_gives_the_nearest_decimal() {
        assert_eq!(round_to(31.204_999, 0.01), 31.2);
        assert_eq!(round_to(0.125, 0.01), 0.13);
        assert_eq!(round_to(1234.5, 1.0), 1235.0);
    }

    #[test]
    fn a_small_value_is_not_rounded_to_zero() {
        for (value, rounded, rate) in [
            (0.004, 0.004, 0.004),
            (0.002_776, 0.0028, 0.0028),
            (0.006_7, 0.01, 0.0067),
            (0.054, 0.05, 0.054),
            (0.099_96, 0.1, 0.1),
            (12.345_6, 12.35, 12.35),
            (0.0, 0.0, 0.0),
            (-0.001, -0.001, -0.001),
            (f64::MIN_POSITIVE, 2.2e-308, 2.2e-308),
        ] {
            assert_eq!(round_nonzero(value, 0.01), rounded, "{value}");
            assert_eq!(round_rate(value), rate, "{value}");
        }
        assert_eq!(round_nonzero(0.3, 1.0), 0.3);
    }

    proptest! {
        #[test]
        fn every_number_reads_back_the_same(value in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL) {
            let mut text = Vec::new();
            push_number(&mut text, value);
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
            prop_assert_eq!(serde_json::from_str::<f64>(&text).unwrap(), value);
        }
    }
}
