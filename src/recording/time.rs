//! Times as cells and people write them.

use crate::protocol::LAST_TIMESTAMP;

/// Why a text is not accepted as a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeProblem {
    /// It is not a date and a time.
    NotATime,
    /// It has no time zone.
    NoOffset,
    /// It is before 1970 or after 9999.
    OutOfRange,
}

/// Reads a time into milliseconds since the epoch, rounded: RFC 3339, with a space or `t` for the `T`, any number of
/// decimals of a second (or none, or after a comma), and an offset, `Z`, `UTC`, `+01:00`, `+0100` or `+01`, optionally
/// after a space.
///
/// # Errors
/// What is wrong with it. A time without an offset is not assumed to be UTC, because it might not be.
pub fn parse_timestamp(text: &str) -> Result<u64, TimeProblem> {
    let mut rest = Rest(text.as_bytes());
    let local_ms = rest.date_and_time().ok_or(TimeProblem::NotATime)?;
    if rest.0.is_empty() {
        return Err(TimeProblem::NoOffset);
    }
    let offset_ms = rest.offset().ok_or(TimeProblem::NotATime)?;
    u64::try_from(local_ms - offset_ms)
        .ok()
        .filter(|&ms| ms <= LAST_TIMESTAMP)
        .ok_or(TimeProblem::OutOfRange)
}

const MS_PER_MINUTE: i64 = 60_000;

/// The part of a text that hasn't been read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// `2026-11-24T14:07:31.204`, as milliseconds since the epoch if it is in UTC.
    fn date_and_time(&mut self) -> Option<i64> {
        let year = self.number(4)?;
        self.one_of(b"-")?;
        let month = self.number(2).filter(|month| (1..=12).contains(month))?;
        self.one_of(b"-")?;
        let day = self.number(2)?;
        if day < 1 || day > days_in(year, month) {
            return None;
        }
        self.one_of(b"Tt ")?;
        let hour = self.number(2).filter(|&hour| hour < 24)?;
        self.one_of(b":")?;
        let minute = self.number(2).filter(|&minute| minute < 60)?;
        self.one_of(b":")?;
        // A leap second is the last one of its minute: the epoch does not count it.
        let second = self.number(2).filter(|&second| second <= 60)?.min(59);
        let ms = self.fraction()?;
        let minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute;
        Some(minutes * MS_PER_MINUTE + second * 1000 + ms)
    }

    /// The decimals of a second, if there are any, in milliseconds.
    fn fraction(&mut self) -> Option<i64> {
        if self.one_of(b".,").is_none() {
            return Some(0);
        }
        let digits = self
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (fraction, rest) = self.0.split_at(digits);
        self.0 = rest;
        let digit = |at: usize| i64::from(fraction.get(at).map_or(0, |byte| byte - b'0'));
        let rounded_up = i64::from(digit(3) >= 5);
        (digits > 0).then(|| digit(0) * 100 + digit(1) * 10 + digit(2) + rounded_up)
    }

    /// The rest of the text: how far before UTC the time is, in milliseconds.
    fn offset(&mut self) -> Option<i64> {
        let _ = self.one_of(b" ");
        if matches!(self.0, b"Z" | b"z" | b"UTC") {
            return Some(0);
        }
        let sign = if self.one_of(b"+-")? == b'+' { 1 } else { -1 };
        let hours = self.number(2).filter(|&hours| hours < 24)?;
        let colon = self.one_of(b":").is_some();
        let minutes = match (self.0.len(), colon) {
            (0, false) => 0,
            (2, _) => self.number(2).filter(|&minutes| minutes < 60)?,
            _ => return None,
        };
        Some(sign * (hours * 60 + minutes) * MS_PER_MINUTE)
    }

    /// A number of exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |so_far, byte| {
            let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
            Some(so_far * 10 + digit)
        })
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        bytes.contains(&first).then(|| {
            self.0 = rest;
            first
        })
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let to_year =
        before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let to_month: i64 = (1..month).map(|month| days_in(year, month)).sum();
    // There are 719,162 days between 0001-01-01 and the epoch.
    to_year + to_month + day - 1 - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_as_other_programs_write_them() {
        let noon = 1_795_529_251_204;
        for text in [
            "2026-11-24T14:07:31.204Z",
            "2026-11-24t14:07:31.204z",
            "2026-11-24 14:07:31.204+00:00",
            "2026-11-24 14:07:31.204000+00:00",
            "2026-11-24 14:07:31.204000000+00:00",
            "2026-11-24T14:07:31.204000+0000",
            "2026-11-24 14:07:31.204+00",
            "2026-11-24 14:07:31.204 UTC",
            "2026-11-24 14:07:31.204 +0000",
            "2026-11-24T14:07:31,204Z",
            "2026-11-24T15:07:31.204+01:00",
            "2026-11-24T19:37:31.204+05:30",
            "2026-11-24T04:07:31.204-1000",
            "2026-11-25T04:07:31.204+14",
            "2026-11-24T14:07:31.204-00:00",
            "2026-11-24T14:07:31.203999999Z",
            "2026-11-24T14:07:31.2044Z",
        ] {
            assert_eq!(parse_timestamp(text), Ok(noon), "{text}");
        }
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("2026-11-24T14:07:31Z", 1_795_529_251_000),
            ("2026-11-24 14:07:31.2+00:00", 1_795_529_251_200),
            ("2024-02-29T23:59:59.9996Z", 1_709_251_200_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("9999-12-31T23:59:59.999Z", LAST_TIMESTAMP),
        ] {
            assert_eq!(parse_timestamp(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn the_problem_with_a_time_is_named() {
        for text in [
            "2026-11-24T14:07:31",
            "2026-11-24 14:07:31.204",
            "2026-11-24 14:07:31.204123456",
        ] {
            assert_eq!(parse_timestamp(text), Err(TimeProblem::NoOffset), "{text}");
        }
        for text in [
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59.9996Z",
            "0000-01-01T00:00:00Z",
        ] {
            assert_eq!(
                parse_timestamp(text),
                Err(TimeProblem::OutOfRange),
                "{text}"
            );
        }
        for text in [
            "",
            "1000",
            "1795529251204",
            "2026-11-24",
            "2026-11-24T14:07Z",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T14:60:00Z",
            "2026-11-24T14:07:61Z",
            "2026-11-24T14:07:31.Z",
            "2026-11-24T14:07:31+1:00",
            "2026-11-24T14:07:31+01:",
            "2026-11-24T14:07:31+24:00",
            "2026-11-24T14:07:31 CET",
            "2026-11-24  14:07:31Z",
            " 2026-11-24T14:07:31Z",
            "2026-11-24T14:07:31Z ",
            "24.11.2026 14:07",
            "11/24/2026 14:07:31",
            "２026-11-24T14:07:31Z",
        ] {
            assert_eq!(parse_timestamp(text), Err(TimeProblem::NotATime), "{text}");
        }
    }

    proptest! {
        #[test]
        fn another_crate_reads_the_same(ms in 0..=LAST_TIMESTAMP) {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms);
            prop_assert_eq!(parse_timestamp(&humantime::format_rfc3339_millis(time).to_string()), Ok(ms));
            let shifted = humantime::format_rfc3339_nanos(time).to_string().replace('T', " ").replace('Z', "+00:00");
            prop_assert_eq!(parse_timestamp(&shifted), Ok(ms));
        }

        #[test]
        fn no_text_makes_reading_panic(text in "[-0-9Tt :.,+ZzUTC]{0,40}|.{0,40}") {
            let _ = parse_timestamp(&text);
        }
    }
}
