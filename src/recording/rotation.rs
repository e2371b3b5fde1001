//! Which file of a rotated recording a message belongs to, and what the files are called.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::time::parse_timestamp;
use crate::millis::in_millis;
use crate::protocol::{LAST_TIMESTAMP, parse_duration, rfc3339};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How much time each file of a rotated recording covers: a divisor of a day, in whole minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    length_ms: u64,
}

impl Rotation {
    /// A file for each hour.
    pub const HOURLY: Self = Self { length_ms: HOUR_MS };

    /// The period with this time, in milliseconds since the epoch.
    #[must_use]
    pub fn period_of(self, timestamp: u64) -> Period {
        let timestamp = timestamp.min(LAST_TIMESTAMP);
        Period {
            start: timestamp - timestamp % self.length_ms,
        }
    }

    /// The first period that begins after `period` does.
    #[must_use]
    pub fn period_after(self, period: Period) -> Period {
        self.period_of(period.start.saturating_add(self.length_ms))
    }

    /// The name of the file for `period`, without its suffix. The names of later periods are greater.
    #[must_use]
    pub fn stem(self, period: Period) -> String {
        let text = rfc3339(period.start).to_string();
        let (date, hour, minute) = (&text[..10], &text[11..13], &text[14..16]);
        if self.length_ms == DAY_MS {
            date.into()
        } else if self.length_ms.is_multiple_of(HOUR_MS) {
            format!("{date}T{hour}")
        } else {
            format!("{date}T{hour}{minute}")
        }
    }
}

impl FromStr for Rotation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let length_ms = in_millis(parse_duration(text)?);
        let is_usable = length_ms > 0
            && DAY_MS.is_multiple_of(length_ms)
            && length_ms.is_multiple_of(MINUTE_MS);
        if !is_usable {
            return Err("files must begin at the same times every day: write 1d, 12h, 6h, 1h, 15m or another divisor of \
                        a day, in whole minutes"
                .into());
        }
        Ok(Self { length_ms })
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(Duration::from_millis(self.length_ms)).fmt(f)
    }
}

/// The time that a file of a rotated recording is named after: when it begins, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// Milliseconds since the epoch.
    pub start: u64,
}

impl Period {
    /// The period of a file, by its name without the suffix: `2026-11-24`, `2026-11-24T14` or `2026-11-24T1415`.
    #[must_use]
    pub fn of_stem(stem: &str) -> Option<Self> {
        let is_plain = stem
            .bytes()
            .all(|it| it.is_ascii_digit() || b"-T".contains(&it));
        let (date, hour, minute) = match stem.len() {
            _ if !is_plain => return None,
            10 => (stem, "00", "00"),
            13 => (&stem[..10], stem[10..].strip_prefix('T')?, "00"),
            15 => {
                let time = stem[10..].strip_prefix('T')?;
                (&stem[..10], &time[..2], &time[2..])
            }
            _ => return None,
        };
        let start = parse_timestamp(&format!("{date}T{hour}:{minute}:00Z")).ok()?;
        Some(Self { start })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: u64 = 1_795_529_251_204; // 2026-11-24T14:07:31.204Z

    #[test]
    fn a_file_is_named_after_the_start_of_its_period_in_utc() {
        for (rotation, expected) in [
            ("1d", "2026-11-24"),
            ("24h", "2026-11-24"),
            ("12h", "2026-11-24T12"),
            ("1h", "2026-11-24T14"),
            ("60m", "2026-11-24T14"),
            ("15m", "2026-11-24T1400"),
            ("90m", "2026-11-24T1330"),
            ("1m", "2026-11-24T1407"),
        ] {
            let rotation: Rotation = rotation.parse().unwrap();
            let period = rotation.period_of(AT);
            assert_eq!(rotation.stem(period), expected);
            assert_eq!(Period::of_stem(expected), Some(period));
        }
    }

    #[test]
    fn what_does_not_divide_a_day_is_refused() {
        for text in ["7h", "25h", "2d", "0s", "30s", "90s", "500ms", "1000m"] {
            let reason = text.parse::<Rotation>().unwrap_err();
            assert!(
                reason.contains("write 1d, 12h, 6h, 1h, 15m"),
                "{text}: {reason}"
            );
        }
        assert!("1".parse::<Rotation>().unwrap_err().contains("unit"));
    }

    #[test]
    fn other_names_are_not_periods() {
        for stem in [
            "",
            "web-1",
            "2026-11-24T",
            "2026-11-24T1",
            "2026-11-24T24",
            "2026-11-24T1460",
            "2026-11-24 14",
            "2026-13-24",
            "2026-11-24T14:07",
            "2026-11-24T14.csv",
            "20261124T14",
            "1969-12-31",
            "2026-11-2éé",
        ] {
            assert_eq!(Period::of_stem(stem), None, "{stem}");
        }
    }

    proptest! {
        #[test]
        fn names_sort_by_time(at in 0..=LAST_TIMESTAMP, other in 0..=LAST_TIMESTAMP, length in prop::sample::select(&[1, 5, 15, 90, 60, 360, 480, 720, 1440][..])) {
            let rotation = Rotation { length_ms: length * MINUTE_MS };
            let (one, two) = (rotation.period_of(at), rotation.period_of(other));
            prop_assert_eq!(rotation.stem(one).cmp(&rotation.stem(two)), one.cmp(&two));
            prop_assert_eq!(Period::of_stem(&rotation.stem(one)), Some(one));
            prop_assert!(one.start <= at && at < one.start + length * MINUTE_MS);
            let after = rotation.period_after(one);
            prop_assert!(after > one || after.start + length * MINUTE_MS > LAST_TIMESTAMP);
        }

        #[test]
        fn no_name_makes_reading_it_panic(stem in ".{0,20}") {
            let _ = Period::of_stem(&stem);
        }
    }
}
