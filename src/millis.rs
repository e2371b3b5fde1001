//! Milliseconds, the unit of every time on the wire and in a recording.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `duration` in whole milliseconds; the greatest number where it is longer.
#[must_use]
pub fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The time of day in milliseconds since the epoch; 0 where the clock is set before it.
#[must_use]
pub fn epoch_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    in_millis(since.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_cut_down_to_milliseconds_that_fit() {
        for (duration, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_micros(1999), 1),
            (Duration::from_millis(u64::MAX), u64::MAX),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(in_millis(duration), expected);
        }
    }
}
