//! Numbers as people read them.

use crate::protocol::rfc3339;

/// The widest number of a [`SharedUnit`], in columns.
pub(super) const NUMBER_WIDTH: usize = 6;

/// The widest text of a [`SharedUnit`], in columns.
pub(super) const UNIT_WIDTH: usize = 4;

const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// Plain numbers are written in full up to here; a process count of 12345 is easier to read than 12.3 k.
const LARGEST_IN_FULL: f64 = 100_000.0;

/// What fits into [`NUMBER_WIDTH`] with one decimal, and without.
const LARGEST_WITH_TENTHS: f64 = 9999.95;
const LARGEST_NUMBER: f64 = 999_999.5;

/// Anything smaller is negligible, and its exponent wouldn't fit into a column.
const LEAST_SHOWN: f64 = 1e-9;

/// A value and its unit, such as `1.2 MB/s`.
pub fn value(value: f64, unit: &str) -> String {
    let shared = SharedUnit::of(Some(value), [], unit);
    join(&shared.number(value), &shared.unit)
}

/// The unit and the precision of values that stand side by side: those that suit the largest of them, unless nothing would
/// be left of the value now.
pub(super) struct SharedUnit {
    /// With its prefix; in at most [`UNIT_WIDTH`] columns.
    pub unit: String,
    /// One of it, in the unit of the values.
    one: f64,
    decimals: usize,
    /// Whether the largest value is shown as 0 with these decimals.
    is_tiny: bool,
    kind: UnitKind,
}

/// What is special about some units.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnitKind {
    /// Seconds, which are shown as a time.
    Time,
    /// Neither a share nor a rate: what is small may be shown as 0.
    Degrees,
    Other,
}

impl SharedUnit {
    /// The unit for the value `now` and `others`, which are given in `unit`.
    pub(super) fn of(now: Option<f64>, others: impl IntoIterator<Item = f64>, unit: &str) -> Self {
        let (mut largest, mut is_whole) = (0.0_f64, true);
        for value in others.into_iter().chain(now) {
            largest = largest.max(value.abs());
            is_whole &= value.fract() == 0.0;
        }
        let kind = match unit {
            "s" => UnitKind::Time,
            "°C" => UnitKind::Degrees,
            _ => UnitKind::Other,
        };
        let now = now.unwrap_or_default().abs();
        let (one, decimals, unit) = match unit {
            "s" => (1.0, 0, String::new()),
            "%" | "°C" => (1.0, 1, unit.to_owned()),
            "B" => scaled([now, largest], is_whole, 1024.0, (&BINARY, "")),
            "B/s" => scaled([now, largest], is_whole, 1000.0, (&DECIMAL, "B/s")),
            _ => unscaled([now, largest], is_whole, unit),
        };
        Self {
            unit,
            one,
            decimals,
            is_tiny: is_zero(&decimal(largest / one, decimals)),
            kind,
        }
    }

    /// One of the values without the unit, in at most [`NUMBER_WIDTH`] columns. One that isn't 0 is not shown as 0.
    pub(super) fn number(&self, value: f64) -> String {
        if self.kind == UnitKind::Time {
            return uptime(value);
        }
        let value = value / self.one;
        let shown = decimal(value, self.decimals);
        let shown = match (is_zero(&shown) && value != 0.0, self.decimals) {
            _ if self.kind == UnitKind::Degrees => shown,
            (false, _) => shown,
            (true, _) if self.is_tiny => first_digit(value, NUMBER_WIDTH),
            (true, _) if value < 0.0 => "~0".into(),
            (true, 0) => "<1".into(),
            (true, 1) => "<0.1".into(),
            (true, _) => "<0.01".into(),
        };
        bounded(shown, value)
    }
}

/// One of the unit for values up to `largest` without a prefix or with a decimal one, its decimals, and its text.
fn unscaled([now, largest]: [f64; 2], is_whole: bool, unit: &str) -> (f64, usize, String) {
    let unit = match unit {
        "1/s" => "/s",
        "users" => "", // the label says it
        unit => unit,
    };
    if largest >= LARGEST_IN_FULL {
        return scaled([now, largest], is_whole, 1000.0, (&DECIMAL, unit));
    }
    let decimals = match largest {
        _ if is_whole => 0,
        size if size < 999.995 && unit.is_empty() => 2,
        size if size < 999.95 => 1,
        _ => 0,
    };
    (1.0, decimals, unit.to_owned())
}

/// One of the unit with the prefix that suits `largest`, its decimals for about three digits, and its text. The prefix is
/// smaller if `now` would not be legible, and `largest` fits its column nevertheless.
fn scaled(
    [now, largest]: [f64; 2],
    is_whole: bool,
    base: f64,
    (prefixes, suffix): (&[&str], &str),
) -> (f64, usize, String) {
    let mut one = 1.0;
    let mut prefix = 0;
    // 999.6 would be written as 1000.
    while largest / one >= base - 0.5 && prefix + 1 < prefixes.len() {
        one *= base;
        prefix += 1;
    }
    let is_short = (prefix == 0 && is_whole) || largest / one >= 99.95;
    let mut decimals = usize::from(!is_short);
    while prefix > 0 && now > 0.0 && is_zero(&decimal(now / one, decimals)) {
        let smaller = one / base;
        if largest / smaller >= LARGEST_NUMBER {
            break;
        }
        (one, prefix) = (smaller, prefix - 1);
        decimals = usize::from(largest / one < LARGEST_WITH_TENTHS);
    }
    (one, decimals, format!("{}{suffix}", prefixes[prefix]))
}

/// A percentage in at most five columns, without its unit.
pub(super) fn percent(value: f64) -> String {
    let shown = decimal(value, 1);
    let shown = match is_zero(&shown) && value != 0.0 {
        true => first_digit(value, 5),
        false => shown,
    };
    bounded(shown, value)
}

/// A percentage in at most three columns, without its unit. A value that isn't 0 is not shown as 0: `<1`.
pub(super) fn whole_percent(value: f64) -> String {
    let shown = decimal(value.clamp(0.0, 999.0), 0);
    if shown == "0" && value > 0.0 {
        "<1".into()
    } else {
        shown
    }
}

/// Whether a number is shown as 0.
fn is_zero(shown: &str) -> bool {
    !shown.contains(|c: char| matches!(c, '1'..='9'))
}

/// The first digit of a small value, in at most `width` columns.
fn first_digit(value: f64, width: usize) -> String {
    if value.abs() < LEAST_SHOWN {
        return "~0".into();
    }
    let short = format!("{value:.0e}");
    let places = short.split_once("e-").and_then(|(_, p)| p.parse().ok());
    let plain = places.map(|places: usize| format!("{value:.places$}"));
    plain.filter(|plain| plain.len() <= width).unwrap_or(short)
}

/// `value` with `places` decimals. Exactly halfway, it is rounded away from zero, as people do and as the page does
/// (`toFixed`); `format!` would round to the even digit, so the two would show different numbers.
pub(super) fn decimal(value: f64, places: usize) -> String {
    let unit = [1.0, 10.0, 100.0].get(places).copied();
    let halfway = unit.filter(|unit| {
        let scaled = value * unit;
        scaled.fract().abs() == 0.5 && value.mul_add(*unit, -scaled) == 0.0
    });
    let nearest = halfway.map_or(value, |unit| (value * unit).round() / unit);
    format!("{nearest:.places$}")
}

/// A whole number whose thousands are set apart: `41,200`.
pub(super) fn grouped(value: f64) -> String {
    let digits = decimal(value.abs(), 0);
    if digits.len() > 15 {
        return format!("{value:.0e}");
    }
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" {
        text.insert(0, '-');
    }
    text
}

/// Bytes with three significant digits and the letter of their unit: `1.75 G`, `495 M`, `64 K`.
pub(super) fn short_size(bytes: f64) -> String {
    let mut value = bytes;
    let mut letters = ["B", "K", "M", "G", "T", "P", "E"].into_iter();
    let mut letter = letters.next().unwrap_or_default();
    while value.abs() >= 999.5 {
        let Some(next) = letters.next() else { break };
        value /= 1024.0;
        letter = next;
    }
    let places = match value.abs() {
        size if letter == "B" || size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let number = decimal(value, places);
    if number.len() > 6 {
        format!("{value:.0e}")
    } else {
        format!("{number} {letter}")
    }
}

fn join(number: &str, unit: &str) -> String {
    if unit.is_empty() {
        number.to_owned()
    } else {
        format!("{number} {unit}")
    }
}

/// A peer may send any finite number.
fn bounded(number: String, value: f64) -> String {
    if number.len() <= NUMBER_WIDTH {
        number
    } else {
        format!("{value:.0e}")
    }
}

/// `41 d 03:12`, or `03:12:45` on the first day.
pub(super) fn uptime(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates"
    )]
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    if days > 0 {
        format!("{days} d {hours:02}:{minutes:02}")
    } else {
        format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
    }
}

/// Hours, minutes and seconds of the day in UTC, from milliseconds since the epoch.
pub(super) fn clock(timestamp: u64) -> String {
    let second = timestamp / 1000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// A day in milliseconds.
pub(super) const DAY_MS: u64 = 86_400_000;

/// Whether two times, in milliseconds since the epoch, are on the same day in UTC.
pub(super) fn is_same_day(one: u64, other: u64) -> bool {
    one / DAY_MS == other / DAY_MS
}

/// RFC 3339 in UTC with milliseconds; times after the year 9999 are shown as its end.
pub fn timestamp(timestamp: u64) -> String {
    rfc3339(timestamp).to_string()
}

/// Day and month in UTC: `24 Nov`.
pub(super) fn day(at: u64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let date = date(at);
    let part = |range: std::ops::Range<usize>| date.get(range).and_then(|it| it.parse().ok());
    let month: usize = part(5..7).unwrap_or(1);
    let day: usize = part(8..10).unwrap_or(1);
    format!("{day} {}", MONTHS[(month.max(1) - 1).min(11)])
}

/// Year, month and day in UTC.
pub fn date(at: u64) -> String {
    timestamp(at)
        .split('T')
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_carry_their_unit() {
        for (number, unit, expected) in [
            (23.4, "%", "23.4 %"),
            (100.0, "%", "100.0 %"),
            (54.04, "°C", "54.0 °C"),
            (17_179_869_184.0, "B", "16.0 GiB"),
            (1023.0, "B", "1023 B"),
            (1023.9, "B", "1.0 KiB"),
            (1_203_441.0, "B/s", "1.2 MB/s"),
            (310_022.0, "B/s", "310 kB/s"),
            (999_949.0, "B/s", "1.0 MB/s"),
            (99_960.0, "B/s", "100 kB/s"),
            (0.0, "B/s", "0 B/s"),
            (0.5, "B/s", "0.5 B/s"),
            (1.92, "", "1.92"),
            (312.0, "", "312"),
            (1234.0, "", "1234"),
            (1_234_567.0, "", "1.2 M"),
            (2.0, "users", "2"),
            (120.5, "1/s", "120.5 /s"),
            (120.0, "1/s", "120 /s"),
            (250_000.0, "1/s", "250 k/s"),
            (3_553_920.0, "s", "41 d 03:12"),
            (11_565.0, "s", "03:12:45"),
            (-5.25, "", "-5.25"),
            (5.25, "%", "5.3 %"),
            (5.35, "%", "5.3 %"),
            (-5.25, "°C", "-5.3 °C"),
            (0.125, "", "0.13"),
            (100.5, "B/s", "101 B/s"),
            (1e300, "%", "1e300"),
        ] {
            let expected = if number == 1e300 { "1e300 %" } else { expected };
            assert_eq!(value(number, unit), expected);
        }
    }

    #[test]
    fn a_small_value_is_not_shown_as_zero() {
        for (number, unit, shown) in [
            (0.004, "1/s", "0.004 /s"),
            (0.04, "%", "0.04 %"),
            (0.0042, "%", "0.004 %"),
            (0.04, "B/s", "0.04 B/s"),
            (0.000_28, "1/s", "0.0003 /s"),
            (0.000_028, "", "3e-5"),
            (-0.004, "", "-0.004"),
            (0.004_9, "", "0.005"),
            (1e-12, "1/s", "~0 /s"),
            (0.0, "1/s", "0 /s"),
            (0.0, "%", "0.0 %"),
            // Degrees are neither a share nor a rate.
            (0.04, "°C", "0.0 °C"),
        ] {
            assert_eq!(value(number, unit), shown);
        }
        for (number, shown) in [(0.04, "0.04"), (0.0042, "0.004"), (0.000_28, "3e-4")] {
            assert_eq!(percent(number), shown);
        }
        for exponent in -30..=3 {
            for digits in [1.0, 4.999, 5.001, 9.9996] {
                let number = digits * 10_f64.powi(exponent);
                let beside =
                    |unit, other| SharedUnit::of(Some(number), [other], unit).number(number);
                for unit in ["%", "B", "B/s", "1/s", "", "users"] {
                    for shown in [beside(unit, 0.0), beside(unit, 7e12), percent(number)] {
                        assert_ne!(shown.parse::<f64>(), Ok(0.0), "{number} {unit}: {shown}");
                        assert!(shown.chars().count() <= NUMBER_WIDTH, "{shown}");
                    }
                }
            }
        }
        for (number, shown) in [
            (0.0, "0"),
            (0.2, "<1"),
            (0.6, "1"),
            (31.2, "31"),
            (100.0, "100"),
        ] {
            assert_eq!(whole_percent(number), shown);
        }
    }

    #[test]
    fn values_side_by_side_share_unit_and_precision() {
        for (values, unit, shown, shared) in [
            (
                [455.0, 0.0, 2_900_000.0],
                "B/s",
                ["0.5", "0.0", "2900.0"],
                "kB/s",
            ),
            (
                [2_900_000.0, 455.0, 1_000_000.0],
                "B/s",
                ["2.9", "<0.1", "1.0"],
                "MB/s",
            ),
            (
                [12.0, 0.0, 2_900_000_000.0],
                "B/s",
                ["<0.1", "0.0", "2900.0"],
                "MB/s",
            ),
            (
                [812.0, 0.0, 2_900_000.0],
                "1/s",
                ["0.8", "0.0", "2900.0"],
                "k/s",
            ),
            (
                [20.2, 20.0, 21.0].map(|it| it * 1024.0 * 1024.0 * 1024.0),
                "B",
                ["20.2", "20.0", "21.0"],
                "GiB",
            ),
            ([3.0, 0.0, 4.5], "1/s", ["3.0", "0.0", "4.5"], "/s"),
            ([3.0, 0.0, 4.0], "1/s", ["3", "0", "4"], "/s"),
            ([0.5, 0.25, 1200.0], "", ["1", "<1", "1200"], ""),
            ([9.0, 0.004, 11.5], "", ["9.00", "<0.01", "11.50"], ""),
            ([-0.01, 4.0, 90.0], "%", ["~0", "4.0", "90.0"], "%"),
        ] {
            let row = SharedUnit::of(Some(values[0]), values, unit);
            assert_eq!(values.map(|value| row.number(value)), shown);
            assert_eq!(row.unit, shared);
        }
    }

    #[test]
    fn columns_fit_whatever_a_peer_sends() {
        for exponent in -320..=308 {
            for digits in [1.0, 9.994_999, 9.9996, 1.2345] {
                for sign in [1.0, -1.0] {
                    let number: f64 = sign * digits * 10_f64.powi(exponent);
                    for unit in ["%", "°C", "B", "B/s", "1/s", "", "users"] {
                        for other in [0.0, 0.5, 1e12] {
                            let shared = SharedUnit::of(Some(number), [other], unit);
                            let shown = shared.number(number);
                            assert!(
                                shown.chars().count() <= NUMBER_WIDTH,
                                "{number} {unit}: {shown}"
                            );
                            let unit = &shared.unit;
                            assert!(unit.chars().count() <= UNIT_WIDTH, "{number}: {unit}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn sizes_have_three_digits_and_counts_have_commas() {
        for (bytes, shown) in [
            (1.75 * 1024.0 * 1024.0 * 1024.0, "1.75 G"),
            (495.0 * 1024.0 * 1024.0, "495 M"),
            (64.2 * 1024.0, "64.2 K"),
            (0.0, "0 B"),
            (1023.0, "1.00 K"),
        ] {
            assert_eq!(short_size(bytes), shown);
        }
        for (number, shown) in [
            (0.0, "0"),
            (999.4, "999"),
            (41_200.0, "41,200"),
            (-1_234_567.0, "-1,234,567"),
        ] {
            assert_eq!(grouped(number), shown);
        }
        for value in [f64::MAX, -f64::MAX] {
            assert!(grouped(value).len() < 10 && short_size(value).len() < 12);
        }
    }

    #[test]
    fn the_clock_is_utc() {
        assert_eq!(day(1_795_529_251_204), "24 Nov");
        assert_eq!(clock(1_795_529_251_204), "14:07:31");
        assert_eq!(timestamp(1_795_529_251_204), "2026-11-24T14:07:31.204Z");
        assert_eq!(timestamp(u64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(date(0), "1970-01-01");
    }
}
