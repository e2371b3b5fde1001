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
mod tests;
