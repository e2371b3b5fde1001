//! Which part of the recordings is played.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::millis::in_millis;
use crate::protocol::{parse_duration, rfc3339};
use crate::recording::{TimeProblem, parse_timestamp};

/// Which part of the recordings is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// From here.
    pub start: Option<Bound>,
    /// Up to here, exclusive.
    pub end: Option<Bound>,
}

/// A point in a recording's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Milliseconds since the epoch.
    At(u64),
    /// Milliseconds after the first row.
    Offset(u64),
    /// Milliseconds after the start; only for an end.
    AfterStart(u64),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.escape_default();
        if let Some(offset) = text.strip_prefix('+') {
            let reason = |reason| format!("'{shown}' is not a length of time: {reason}");
            let offset = parse_duration(offset).map_err(reason)?;
            return Ok(Self::AfterStart(in_millis(offset)));
        }
        match parse_time(text) {
            Ok(at) => return Ok(Self::At(at)),
            Err(TimeProblem::OutOfRange) => {
                return Err(format!("'{shown}' is before 1970 or after 9999"));
            }
            Err(_) => {}
        }
        if text
            .strip_prefix('-')
            .is_some_and(|rest| parse_duration(rest).is_ok())
        {
            let forward = shown.to_string().split_off(1);
            return Err(format!(
                "'{shown}' is before the recording begins: write {forward} for {forward} after its first row"
            ));
        }
        let is_like_a_duration =
            text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(['-', ':', '/', '.']);
        parse_duration(text)
            .map(|offset| Self::Offset(in_millis(offset)))
            .map_err(|reason| {
                if is_like_a_duration {
                    return reason;
                }
                format!(
                    "'{shown}' is not a point in time: write 2026-11-24T14:07Z, or 5m for 5 minutes after the first row"
                )
            })
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::At(at) => rfc3339(at).fmt(f),
            Self::Offset(offset) => {
                write!(
                    f,
                    "{}",
                    humantime::format_duration(Duration::from_millis(offset))
                )
            }
            Self::AfterStart(offset) => write!(f, "+{}", Self::Offset(offset)),
        }
    }
}

impl Bound {
    /// The time, if it doesn't depend on the recordings.
    fn known(self) -> Option<u64> {
        match self {
            Self::At(at) => Some(at),
            Self::Offset(_) | Self::AfterStart(_) => None,
        }
    }

    /// The time in recordings whose first row has the time `first`, in milliseconds since the epoch.
    fn at(self, first: u64) -> u64 {
        match self {
            Self::At(at) => at,
            Self::Offset(offset) | Self::AfterStart(offset) => first.saturating_add(offset),
        }
    }
}

/// A time as people write it: seconds may be missing, and a zone, which is then UTC, like in the recordings.
fn parse_time(text: &str) -> Result<u64, TimeProblem> {
    let in_utc = |text: &str| match parse_timestamp(text) {
        Err(TimeProblem::NoOffset) => parse_timestamp(&format!("{text}Z")),
        known => known,
    };
    in_utc(text).or_else(|problem| {
        // 2026-11-24T14:07, and what follows.
        match text.split_at_checked(16) {
            Some((minute, zone))
                if problem == TimeProblem::NotATime && !zone.starts_with([':', '.', ',']) =>
            {
                in_utc(&format!("{minute}:00{zone}"))
            }
            _ => Err(problem),
        }
    })
}

impl Window {
    /// The part between two points; an end may count from the start.
    #[must_use]
    pub fn new(start: Option<Bound>, end: Option<Bound>) -> Self {
        let end = match (start, end) {
            (Some(Bound::At(start)), Some(Bound::AfterStart(offset))) => {
                Some(Bound::At(start.saturating_add(offset)))
            }
            (Some(Bound::Offset(start)), Some(Bound::AfterStart(offset))) => {
                Some(Bound::Offset(start.saturating_add(offset)))
            }
            (_, Some(Bound::AfterStart(offset))) => Some(Bound::Offset(offset)),
            _ => end,
        };
        Self { start, end }
    }

    /// When it starts, in milliseconds since the epoch, if that is known.
    pub(super) fn starts_at(&self) -> Option<u64> {
        self.start.and_then(Bound::known)
    }

    /// When it ends, likewise.
    pub(super) fn ends_at(&self) -> Option<u64> {
        self.end.and_then(Bound::known)
    }

    /// Whether it counts from the first row.
    pub(super) fn counts_from_first(&self) -> bool {
        let counts = |bound: Option<Bound>| bound.is_some_and(|bound| bound.known().is_none());
        counts(self.start) || counts(self.end)
    }

    /// The same in recordings whose first row has the time `first`.
    pub(super) fn with_first(self, first: u64) -> Self {
        let at = |bound: Bound| Bound::At(bound.at(first));
        Self {
            start: self.start.map(at),
            end: self.end.map(at),
        }
    }

    /// Whether a row with the time `timestamp` is inside, in recordings whose first row has the time `first`.
    #[must_use]
    pub fn contains(&self, timestamp: u64, first: u64) -> bool {
        self.start.is_none_or(|start| timestamp >= start.at(first))
            && self.end.is_none_or(|end| timestamp < end.at(first))
    }

    /// Whether it ends at or before its start, so that it is empty; `first` is the time of the first row, if known.
    #[must_use]
    pub fn is_void(&self, first: Option<u64>) -> bool {
        match (self.start, self.end) {
            (Some(Bound::At(start)), Some(Bound::At(end)))
            | (Some(Bound::Offset(start)), Some(Bound::Offset(end))) => end <= start,
            (Some(start), Some(end)) => first.is_some_and(|first| end.at(first) <= start.at(first)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_time_or_an_offset() {
        assert_eq!(
            "2026-11-24T14:07:31Z".parse(),
            Ok(Bound::At(1_795_529_251_000))
        );
        assert_eq!(
            "2026-11-24 14:07:31.5Z".parse(),
            Ok(Bound::At(1_795_529_251_500))
        );
        assert_eq!("5m".parse(), Ok(Bound::Offset(300_000)));
        assert!("5".parse::<Bound>().unwrap_err().contains("has no unit"));
        for text in [
            "yesterday",
            "2026-11-24",
            "14:07",
            "24.11.2026",
            "24/11/2026",
            "",
            "noon",
            "now",
        ] {
            let reason = text.parse::<Bound>().unwrap_err();
            assert!(
                reason.starts_with(&format!(
                    "'{text}' is not a point in time: write 2026-11-24T14:07Z, or 5m"
                )),
                "{reason}"
            );
        }
        assert!(
            "5parsecs"
                .parse::<Bound>()
                .unwrap_err()
                .contains("unknown unit 'parsecs'")
        );
        assert!(
            "-5m"
                .parse::<Bound>()
                .unwrap_err()
                .contains("write 5m for 5m after its first row")
        );
        assert!(
            "1969-12-31T00:00:00Z"
                .parse::<Bound>()
                .unwrap_err()
                .contains("before 1970")
        );
        assert_eq!(
            "2026-11-24 15:07:31+01:00".parse(),
            Ok(Bound::At(1_795_529_251_000))
        );
        assert_eq!(
            "2026-11-24T14:07:31".parse(),
            Ok(Bound::At(1_795_529_251_000))
        );
    }

    #[test]
    fn a_time_needs_no_seconds() {
        for text in [
            "2026-11-24T14:07Z",
            "2026-11-24 14:07",
            "2026-11-24T14:07",
            "2026-11-24 14:07 UTC",
            "2026-11-24T15:07+01:00",
            "2026-11-24T14:07:00Z",
        ] {
            assert_eq!(text.parse(), Ok(Bound::At(1_795_529_220_000)), "{text}");
        }
        for text in [
            "2026-11-24T14",
            "2026-11-24T14:",
            "2026-11-24T14:7Z",
            "2026-11-24T14:07:",
            "2026-11-24T14:07.5Z",
            "2026-11-24T24:07Z",
        ] {
            let reason = text.parse::<Bound>().unwrap_err();
            assert!(reason.contains("is not a point in time"), "{reason}");
        }
    }

    #[test]
    fn an_end_may_count_from_the_start() {
        assert_eq!("+30m".parse(), Ok(Bound::AfterStart(1_800_000)));
        assert_eq!(Bound::AfterStart(1_800_000).to_string(), "+30m");
        let end = |start| Window::new(start, Some(Bound::AfterStart(5))).end;
        assert_eq!(end(Some(Bound::At(10))), Some(Bound::At(15)));
        assert_eq!(end(Some(Bound::Offset(10))), Some(Bound::Offset(15)));
        assert_eq!(end(None), Some(Bound::Offset(5)));
        for text in ["+", "+5", "+soon", "+-5m"] {
            let reason = text.parse::<Bound>().unwrap_err();
            assert!(
                reason.starts_with(&format!("'{text}' is not a length of time: ")),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_window_that_ends_before_it_starts_is_void() {
        let window = |start, end| Window {
            start: Some(start),
            end: Some(end),
        };
        assert!(window(Bound::At(10), Bound::At(10)).is_void(None));
        assert!(!window(Bound::At(10), Bound::At(11)).is_void(None));
        assert!(window(Bound::Offset(10), Bound::Offset(9)).is_void(None));
        assert!(!window(Bound::At(10), Bound::Offset(9)).is_void(None));
        assert!(window(Bound::At(10), Bound::Offset(9)).is_void(Some(1)));
        assert!(!window(Bound::At(10), Bound::Offset(9)).is_void(Some(2)));
    }

    #[test]
    fn a_window_begins_inside_and_ends_outside() {
        let window = Window {
            start: Some(Bound::Offset(10)),
            end: Some(Bound::At(130)),
        };
        let inside: Vec<_> = [109, 110, 129, 130]
            .into_iter()
            .filter(|&at| window.contains(at, 100))
            .collect();
        assert_eq!(inside, [110, 129]);
    }
}
