//! Durations as people write them.

use std::time::Duration;

use super::shown;

/// What to write instead of a text that is nothing like a duration.
const WANTED: &str = "write a number and a unit, such as 500ms, 1.5s, 15m or 1h30m";

/// The units, the names of each, and its nanoseconds. There is no month: `5M` would be mistaken for minutes.
const UNITS: [(&[&str], u128); 9] = [
    (&["ns", "nsec", "nanos"], 1),
    (&["us", "µs", "μs", "usec", "micros"], 1_000),
    (&["ms", "msec", "millis"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], SECOND),
    (&["m", "min", "mins", "minute", "minutes"], 60 * SECOND),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600 * SECOND),
    (&["d", "day", "days"], 86_400 * SECOND),
    (&["w", "week", "weeks"], 7 * 86_400 * SECOND),
    (&["y", "year", "years"], 31_557_600 * SECOND), // 365.25 days, as humantime writes them
];

const SECOND: u128 = 1_000_000_000;

/// A duration as people write it: numbers with units, such as `500ms`, `1.5s`, `15m`, `1h30m` or `1 h 30 min`. One that
/// is too long for the type becomes the longest possible one.
///
/// # Errors
/// One line that says what is wrong and what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("'{}' is not a duration: {WANTED}", shown(text));
    let mut rest = text.trim_ascii();
    if let Some(positive) = rest.strip_prefix('-')
        && positive.starts_with(|c: char| c.is_ascii_digit() || c == '.')
    {
        return Err(format!(
            "'{}' is negative: a duration is 0s or more",
            shown(text)
        ));
    }
    if rest.is_empty() {
        return Err(refused());
    }
    let mut nanos = 0_u128;
    while !rest.is_empty() {
        let (number, behind) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, behind) = split_where(behind.trim_ascii_start(), |c| !c.is_alphabetic());
        let number = Decimal::parse(number).ok_or_else(refused)?;
        if unit.is_empty() && behind.is_empty() {
            return Err(no_unit(text, rest));
        }
        if unit.is_empty() {
            return Err(refused());
        }
        let named = |(names, _): &&(&[&str], u128)| names.contains(&unit);
        let (_, per_unit) = UNITS.iter().find(named).ok_or_else(|| {
            let (text, unit) = (shown(text), shown(unit));
            format!("'{text}' has the unknown unit '{unit}': use ms, s, m, h or d")
        })?;
        nanos = nanos.saturating_add(number.times(*per_unit));
        rest = behind.trim_ascii_start();
    }
    Ok(from_nanos(nanos))
}

fn no_unit(text: &str, number: &str) -> String {
    let (text, number) = (text.trim_ascii(), number.trim_ascii());
    let place = if text == number {
        String::new()
    } else {
        format!(" at the end of '{}'", shown(text))
    };
    let number = shown(number);
    format!("'{number}'{place} has no unit: write {number}s for seconds, or use ms, m, h, d")
}

fn split_where(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

fn from_nanos(nanos: u128) -> Duration {
    let seconds = u64::try_from(nanos / SECOND);
    let rest = u32::try_from(nanos % SECOND).unwrap_or(0);
    seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, rest))
}

/// Digits with at most one point among them.
struct Decimal<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// `text` has only digits and points.
    fn parse(text: &'a str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let has_digits = !whole.is_empty() || !fraction.is_empty();
        let is_number = has_digits && !fraction.contains('.');
        is_number.then_some(Self { whole, fraction })
    }

    /// `self` times `unit`, rounded down, saturating.
    fn times(&self, unit: u128) -> u128 {
        let digit = |c: char| u128::from(c.to_digit(10).unwrap_or(0));
        let mut sum = 0_u128;
        for c in self.whole.chars() {
            sum = sum.saturating_mul(10).saturating_add(digit(c));
        }
        sum = sum.saturating_mul(unit);
        // Further digits are less than a nanosecond of a year.
        let fraction: String = self.fraction.chars().take(18).collect();
        let tenths = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        let fraction: u128 = fraction.parse().unwrap_or(0);
        sum.saturating_add(fraction.saturating_mul(unit) / tenths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("500ms", ms(500)),
            ("2s", ms(2000)),
            ("5 s", ms(5000)),
            (" 5s ", ms(5000)),
            ("1.5s", ms(1500)),
            (".5s", ms(500)),
            ("1.s", ms(1000)),
            ("0.0005s", Duration::from_micros(500)),
            ("1.999999999s", Duration::from_nanos(1_999_999_999)),
            ("5min", ms(300_000)),
            ("1h30m", ms(5_400_000)),
            ("1h 30 minutes", ms(5_400_000)),
            ("1.5d", Duration::from_secs(129_600)),
            ("2w", Duration::from_secs(1_209_600)),
            ("100µs", Duration::from_micros(100)),
            ("0s", Duration::ZERO),
            ("18446744073709551615s", Duration::from_secs(u64::MAX)),
            ("99999999999999999999s", Duration::MAX),
            ("500000000000y500000000000y", Duration::MAX),
        ] {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
        let endless = format!("{}s", "9".repeat(1000));
        assert_eq!(parse_duration(&endless), Ok(Duration::MAX));
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_what_to_write() {
        for (text, expected) in [
            ("10", "'10' has no unit: write 10s"),
            ("1.5", "'1.5' has no unit: write 1.5s"),
            ("1h30", "'30' at the end of '1h30' has no unit: write 30s"),
            ("-5s", "'-5s' is negative: a duration is 0s or more"),
            ("-5", "'-5' is negative"),
            ("-.5s", "'-.5s' is negative"),
            ("10 lightyears", "has the unknown unit 'lightyears': use ms"),
            ("5M", "has the unknown unit 'M'"),
            ("5seç", "'5seç' has the unknown unit 'seç'"),
            ("", "'' is not a duration: write a number and a unit"),
            ("soon", "'soon' is not a duration"),
            ("inf", "'inf' is not a duration"),
            ("nan", "'nan' is not a duration"),
            ("infinity", "is not a duration"),
            ("1e5", "'1e5' has the unknown unit 'e'"),
            ("1e5s", "has the unknown unit 'e'"),
            ("+5s", "'+5s' is not a duration"),
            ("1,5s", "'1,5s' is not a duration"),
            ("1.2.3s", "'1.2.3s' is not a duration"),
            (".s", "'.s' is not a duration"),
            ("s", "'s' is not a duration"),
            ("５s", "'５s' is not a duration"),
            ("٣s", "'٣s' is not a duration"),
            ("5s\u{1b}[31m", r"'5s\u{1b}[31m' is not a duration"),
            ("--json", "'--json' is not a duration"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in r"[-+0-9.a-z µ]{0,40}|.{0,40}") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn our_own_output_is_read_back(nanos in 0..30 * 86_400_000_000_000_u64) {
            let duration = Duration::from_nanos(nanos);
            let text = humantime::format_duration(duration).to_string();
            prop_assert_eq!(parse_duration(&text), Ok(duration));
        }
    }
}
