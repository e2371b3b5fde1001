//! How long to wait before the next attempt, and whether there is one.

use std::time::Duration;

use crate::wording::counted;

/// A connection that lasted this long resets the backoff: the next loss starts with a short wait again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// Attempts until the first connection succeeds, unless `--retries` says otherwise.
const FIRST_ATTEMPTS: u32 = 10;

/// How a client retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Attempts in a row after the first one. `None`: 9 until a connection has succeeded, then no limit.
    pub retries: Option<u32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            max: Duration::from_secs(30),
            retries: None,
        }
    }
}

/// The state between attempts.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    retry: Retry,
    /// Attempts that failed since the last good connection.
    failed: u32,
    ever_connected: bool,
}

impl Backoff {
    pub(super) fn new(retry: Retry) -> Self {
        Self {
            retry,
            failed: 0,
            ever_connected: false,
        }
    }

    /// A connection was made.
    pub(super) fn connected(&mut self) {
        self.ever_connected = true;
    }

    /// Whether a connection was ever made.
    pub(super) fn has_connected(&self) -> bool {
        self.ever_connected
    }

    /// A connection was lost after `lived`, or an attempt failed (then zero). `delivered`: a message had arrived.
    pub(super) fn lost(&mut self, lived: Duration, delivered: bool) {
        if delivered || lived >= GOOD_CONNECTION {
            self.failed = 0;
        }
        self.failed = self.failed.saturating_add(1);
    }

    /// The number of the next attempt since the last good connection, from 1; `None` if there is none left.
    pub(super) fn next_attempt(&self) -> Option<u32> {
        let allowed = match self.retry.retries {
            Some(retries) => retries,
            None if self.ever_connected => u32::MAX,
            None => FIRST_ATTEMPTS - 1,
        };
        (self.failed <= allowed).then_some(self.failed)
    }

    /// How many attempts failed, to be appended to the reason of the last failure.
    pub(super) fn gave_up(&self) -> String {
        // What failed first was an attempt, or else a connection.
        let retries = match self.failed.saturating_sub(1) {
            0 => return String::new(),
            1 => "1 retry".into(),
            retries => format!("{retries} retries"),
        };
        if self.ever_connected {
            format!(" (gave up after {retries})")
        } else {
            let attempts = counted(self.failed, "attempt");
            format!(" (gave up after {attempts}: the first and {retries})")
        }
    }

    /// The wait before the next attempt: exponential with full jitter, so that viewers disconnected together do not return
    /// together. `jitter` is in 0.0..1.0.
    pub(super) fn wait(&self, jitter: f64) -> Duration {
        let doublings = self.failed.saturating_sub(1).min(31);
        let ceiling = self
            .retry
            .base
            .saturating_mul(1 << doublings)
            .min(self.retry.max);
        ceiling.mul_f64(jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ceilings(backoff: &mut Backoff, attempts: u32) -> Vec<u64> {
        (0..attempts)
            .map(|_| {
                backoff.lost(Duration::ZERO, false);
                backoff.wait(1.0).as_secs()
            })
            .collect()
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let mut backoff = Backoff::new(Retry::default());
        assert_eq!(ceilings(&mut backoff, 7), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.wait(0.0), Duration::ZERO);
        assert_eq!(backoff.wait(0.5), Duration::from_secs(15));
    }

    #[test]
    fn a_message_or_ten_seconds_make_a_connection_good() {
        let mut backoff = Backoff::new(Retry::default());
        ceilings(&mut backoff, 5);
        backoff.lost(Duration::from_secs(9), false);
        assert_eq!(backoff.wait(1.0).as_secs(), 30);
        backoff.lost(Duration::from_secs(10), false);
        assert_eq!(backoff.wait(1.0).as_secs(), 1);
        ceilings(&mut backoff, 5);
        backoff.lost(Duration::from_millis(1), true);
        assert_eq!(backoff.wait(1.0).as_secs(), 1);
    }

    #[test]
    fn ten_attempts_then_none_until_the_first_connection() {
        let mut backoff = Backoff::new(Retry::default());
        ceilings(&mut backoff, 9);
        assert_eq!(backoff.next_attempt(), Some(9));
        ceilings(&mut backoff, 1);
        assert_eq!(backoff.next_attempt(), None);
        backoff.connected();
        assert_eq!(backoff.next_attempt(), Some(10));
    }

    #[test]
    fn who_gives_up_tells_attempts_from_retries() {
        for (retries, at_first, after_a_connection) in [
            (0, "", ""),
            (
                1,
                " (gave up after 2 attempts: the first and 1 retry)",
                " (gave up after 1 retry)",
            ),
            (
                9,
                " (gave up after 10 attempts: the first and 9 retries)",
                " (gave up after 9 retries)",
            ),
        ] {
            let mut backoff = Backoff::new(Retry {
                retries: Some(retries),
                ..Retry::default()
            });
            while backoff.next_attempt().is_some() {
                backoff.lost(Duration::ZERO, false);
            }
            assert_eq!(backoff.gave_up(), at_first);
            backoff.connected();
            backoff.lost(Duration::from_secs(60), true);
            while backoff.next_attempt().is_some() {
                backoff.lost(Duration::ZERO, false);
            }
            assert_eq!(backoff.gave_up(), after_a_connection);
        }
    }

    #[test]
    fn a_given_number_of_retries_always_applies() {
        let mut backoff = Backoff::new(Retry {
            retries: Some(0),
            ..Retry::default()
        });
        backoff.connected();
        backoff.lost(Duration::from_secs(60), true);
        assert_eq!(backoff.next_attempt(), None);
    }
}
