//! Values of flags, with bounds, and the errors for values outside.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::protocol::{parse_duration, shown};

/// Longer than anybody waits, but short enough to be added to any time.
pub const LONGEST: &str = "3650d";

/// Counts beyond this are typing errors.
pub const MANY: u64 = 1_000_000_000;

/// A duration with a unit, of at most [`LONGEST`].
///
/// # Errors
/// One line that says what is wrong and what to write.
pub fn duration(text: &str) -> Result<Duration, String> {
    duration_in("0s", LONGEST)(text)
}

/// A duration with a unit, from `min` to `max`, which are written as durations too.
pub fn duration_in(
    min: &'static str,
    max: &'static str,
) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    let bound = |text| parse_duration(text).unwrap_or_default();
    let range = bound(min)..=bound(max);
    move |text| match parse_duration(text)? {
        short if short < *range.start() => Err(format!(
            "'{}' is too short: write {min} or more",
            shown(text)
        )),
        long if long > *range.end() => Err(format!(
            "'{}' is too long: write {max} or less",
            shown(text)
        )),
        duration => Ok(duration),
    }
}

/// A number of bytes with a unit, such as `500MB` or `2GiB`; at least one.
///
/// # Errors
/// One line that says what is wrong and what to write.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("KiB", 1024.0),
        ("MiB", 1024.0 * 1024.0),
        ("GiB", 1024.0 * 1024.0 * 1024.0),
        ("TiB", 1024.0 * 1024.0 * 1024.0 * 1024.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
    ];
    let wrong = || {
        let text = shown(text);
        format!(
            "'{text}' is not a number of bytes: write a number with a unit, such as 500MB or 2GiB"
        )
    };
    let text = text.trim_ascii();
    if text == "0" {
        return Err(
            "nothing would be kept: write a number with a unit, such as 500MB or 2GiB".into(),
        );
    }
    let split = text.find(|it: char| it.is_ascii_alphabetic());
    let (number, unit) = text.split_at(split.ok_or_else(wrong)?);
    let unit = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let (_, factor) = unit.ok_or_else(wrong)?;
    let number = number.trim_ascii().parse::<f64>().map_err(|_| wrong())?;
    let bytes = number * factor;
    if !(1.0..=1e18).contains(&bytes) {
        return Err(wrong());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 1 and 1e18"
    )]
    let bytes = bytes as u64;
    Ok(bytes)
}

/// A whole number within `range`.
pub fn count(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| {
        let number = text.trim_ascii();
        let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_plain.then(|| number.parse().ok()).flatten();
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (text, min, max) = (shown(text), range.start(), range.end());
                format!("'{text}' is not a whole number from {min} to {max}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_whole_number_within_its_range() {
        let top = count(0..=1000);
        assert_eq!(
            (top("0"), top("1000"), top(" 7 ")),
            (Ok(0), Ok(1000), Ok(7))
        );
        for text in [
            "",
            " ",
            "-5",
            "+5",
            "1001",
            "1.5",
            "1e2",
            "5x",
            "five",
            "٣",
            "NaN",
            "--json",
            "99999999999",
            "99999999999999999999999",
            "0x10",
            "1_000",
        ] {
            let expected = format!("'{text}' is not a whole number from 0 to 1000");
            assert_eq!(top(text), Err(expected));
        }
    }

    #[test]
    fn a_duration_has_bounds_that_its_refusal_names() {
        let retain = duration_in("1s", LONGEST);
        assert_eq!(retain("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(retain("3650d"), Ok(Duration::from_secs(3650 * 86_400)));
        for (text, expected) in [
            ("0s", "'0s' is too short: write 1s or more"),
            ("999ms", "'999ms' is too short: write 1s or more"),
            ("3651d", "'3651d' is too long: write 3650d or less"),
            ("99999999999999999999s", "is too long: write 3650d or less"),
            ("-5s", "'-5s' is negative"),
            ("5", "'5' has no unit"),
        ] {
            let error = retain(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn bytes_have_a_unit() {
        for (text, expected) in [
            ("2GiB", 2 << 30),
            ("500MB", 500_000_000),
            ("1.5 kib", 1536),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "2",
            "0",
            "GiB",
            "-1GiB",
            "0MB",
            "2 parsecs",
            "nanGB",
            "infGB",
            "9e99TB",
        ] {
            assert!(
                bytes(text).unwrap_err().contains("such as 500MB or 2GiB"),
                "{text}"
            );
        }
    }
}
