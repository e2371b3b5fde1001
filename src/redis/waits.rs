//! When to try again.

use std::time::Duration;

/// The longest wait before the first new attempt.
const FIRST: Duration = Duration::from_millis(200);

/// The longest wait before any attempt. It isn't shorter because a whole fleet asks a Redis that comes back.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits before new attempts. They grow from failure to failure, and half of each is left to chance.
#[derive(Debug)]
pub struct RetryWaits {
    next: Duration,
}

impl Default for RetryWaits {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl RetryWaits {
    /// The next wait.
    #[must_use]
    pub fn next_wait(&mut self) -> Duration {
        let longest = self.next;
        self.next = (longest * 2).min(LONGEST);
        longest.mul_f64(rand::random_range(0.5..1.0))
    }
}
