//! When to try again.

use std::time::Duration;

/// Waits before new attempts. They double from failure to failure, and half of each is left to chance, so that many who
/// lost the same server don't come back at once.
#[derive(Debug)]
pub struct RetryWaits {
    next: Duration,
    longest: Duration,
}

impl RetryWaits {
    /// Waits of at most `first` before the first new attempt, and at most `longest` before any.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    /// The next wait.
    #[must_use]
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = self.next;
        self.next = (ceiling * 2).min(self.longest);
        ceiling.mul_f64(rand::random_range(0.5..1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_half_of_each_is_chance() {
        let mut waits = RetryWaits::new(Duration::from_secs(1), Duration::from_secs(5));
        for ceiling in [1, 2, 4, 5, 5].map(Duration::from_secs) {
            let wait = waits.next_wait();
            assert!((ceiling / 2..=ceiling).contains(&wait), "{wait:?}");
        }
    }
}
