//! When the next message is due.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::shown;

/// Sensible factors: from a minute in 17 hours to a month in less than three seconds.
const FACTORS: RangeInclusive<f64> = 0.001..=1_000_000.0;

/// A replay that is late by more than this, as after a suspend, continues from where it is.
const MOST_LATE: Duration = Duration::from_secs(1);

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// This many times as fast as it was recorded.
    Factor(f64),
    /// As fast as the viewers read.
    Max,
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        let number = text.trim_ascii().trim_end_matches(['x', 'X', '×']);
        match number.parse::<f64>() {
            Ok(factor) if FACTORS.contains(&factor) => Ok(Self::Factor(factor)),
            _ => Err(format!(
                "'{}' is not a speed: write a factor from {} to {}, such as 2 or 0.5, or max",
                shown(text),
                FACTORS.start(),
                FACTORS.end()
            )),
        }
    }
}

impl Speed {
    /// How many times as fast as it was recorded; `None`: as fast as the viewers read.
    #[must_use]
    pub fn factor(self) -> Option<f64> {
        match self {
            Self::Factor(factor) => Some(factor),
            Self::Max => None,
        }
    }

    /// `ms` of recorded time at this speed; at least 1.
    pub(super) fn scaled(self, ms: u64) -> u64 {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a float cast saturates"
            )]
            #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
            Self::Factor(factor) => ((ms as f64 / factor).round() as u64).max(1),
            Self::Max => 1,
        }
    }
}

/// Turns recorded time into send times. It slips rather than bursts: a late message delays everything after it.
#[derive(Debug)]
pub(super) struct Pace {
    speed: Speed,
    /// The longest wait for a message, from the one before it.
    max_pause: Option<Duration>,
    /// When recorded time 0 is.
    origin: Instant,
    /// The total time cut from longer pauses.
    skipped: Duration,
    /// The recorded time of the last message.
    last: u64,
}

impl Pace {
    pub(super) fn new(speed: Speed, max_pause: Option<Duration>, now: Instant) -> Self {
        Self {
            speed,
            max_pause,
            origin: now,
            skipped: Duration::ZERO,
            last: 0,
        }
    }

    /// When the next message, at `ms` of recorded time, is due; `None` means at once.
    pub(super) fn due(&mut self, ms: u64, now: Instant) -> Option<Instant> {
        let last = std::mem::replace(&mut self.last, ms);
        if let Some(longest) = self.max_pause
            && let (Some(before), Some(after)) = (self.after(last), self.after(ms))
        {
            let pause = after.saturating_sub(before);
            self.skipped = self.skipped.saturating_add(pause.saturating_sub(longest));
        }
        let due = self.at(ms)?;
        if now > due + MOST_LATE {
            self.origin += now - due;
        }
        (due > now).then_some(due)
    }

    /// Viewers held the replay up: the message at `ms` is sent only `now`.
    pub(super) fn held_up(&mut self, ms: u64, now: Instant) {
        if let Some(due) = self.at(ms) {
            self.origin += now.saturating_duration_since(due);
        }
    }

    /// How long after recorded time 0 a message is due, if no pause is cut.
    fn after(&self, ms: u64) -> Option<Duration> {
        match self.speed {
            Speed::Max => None,
            #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
            Speed::Factor(factor) => Some(
                Duration::try_from_secs_f64(ms as f64 / 1000.0 / factor).unwrap_or(Duration::MAX),
            ),
        }
    }

    fn at(&self, ms: u64) -> Option<Instant> {
        let after = self.after(ms)?.saturating_sub(self.skipped);
        // A time too far away to be represented won't be reached anyway.
        let far_away = || self.origin + Duration::from_secs(86_400 * 365);
        Some(self.origin.checked_add(after).unwrap_or_else(far_away))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_speed_is_a_factor_or_max() {
        assert_eq!("2".parse(), Ok(Speed::Factor(2.0)));
        assert_eq!("0.5x".parse(), Ok(Speed::Factor(0.5)));
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("10X".parse(), Ok(Speed::Factor(10.0)));
        for bad in [
            "0", "-1", "-0", "inf", "NaN", "1e999", "1e-9", "1000001", "x", "fast", "",
        ] {
            let error = bad.parse::<Speed>().unwrap_err();
            let range = "write a factor from 0.001 to 1000000";
            assert!(error.contains(range), "{bad}: {error}");
        }
    }

    #[test]
    fn messages_are_due_by_their_time() {
        let start = Instant::now();
        let mut pace = Pace::new(Speed::Factor(2.0), None, start);
        assert_eq!(pace.due(0, start), None);
        assert_eq!(pace.due(4000, start), Some(start + 2000 * MS));
        // Being slightly late doesn't delay what follows.
        assert_eq!(pace.due(4000, start + 2100 * MS), None);
        assert_eq!(pace.due(6000, start + 2100 * MS), Some(start + 3000 * MS));
    }

    #[test]
    fn a_longer_pause_is_cut_and_moves_everything_after_it() {
        let start = Instant::now();
        let mut pace = Pace::new(Speed::Factor(2.0), Some(5000 * MS), start);
        assert_eq!(pace.due(0, start), None);
        assert_eq!(pace.due(8000, start), Some(start + 4000 * MS));
        assert_eq!(pace.due(3_608_000, start), Some(start + 9000 * MS));
        assert_eq!(pace.due(3_610_000, start), Some(start + 10_000 * MS));
        // The same message again, as after viewers held it up, cuts no more.
        pace.held_up(3_610_000, start + 12_000 * MS);
        assert_eq!(pace.due(u64::MAX, start), Some(start + 17_000 * MS));
    }

    #[test]
    fn a_hold_up_delays_everything_after_it() {
        let start = Instant::now();
        let mut pace = Pace::new(Speed::Factor(1.0), None, start);
        pace.held_up(1000, start + 9000 * MS);
        assert_eq!(pace.due(2000, start + 9000 * MS), Some(start + 10_000 * MS));
        assert_eq!(pace.due(3000, start + 60_000 * MS), None);
        assert_eq!(
            pace.due(4000, start + 60_000 * MS),
            Some(start + 61_000 * MS)
        );
    }
}
