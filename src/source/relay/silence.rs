//! Whether a host has fallen silent, or Redis takes nothing from any host.

use std::time::{Duration, Instant};

/// Hosts give a sign of life every 5 seconds, whatever their interval. If none of several has done so for this long,
/// the reason isn't the hosts.
pub(super) const STANDSTILL: Duration = Duration::from_secs(10);

/// How long a host may take to write again after Redis could not be read or took nothing: publishers pause for up to
/// 5 seconds between two attempts, each of which may take as long.
pub(super) const GRACE: Duration = Duration::from_secs(15);

/// A change of whether Redis takes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standstill {
    /// None of this many hosts has given a sign of life for [`STANDSTILL`].
    Begins(usize),
    /// One of them has, after this time.
    Ends(Duration),
}

/// What all hosts together have written.
#[derive(Debug)]
pub(super) struct SignsOfLife {
    /// When Redis last turned out to have taken something.
    newest: Instant,
    /// When it began to, after it had taken nothing for a while.
    resumed: Instant,
    /// Since when the registry could be read without interruption.
    readable: Instant,
    /// Hosts that are neither over nor silent.
    live: usize,
    /// Since when nothing has been taken, if that was reported.
    still: Option<Instant>,
}

impl SignsOfLife {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            newest: now,
            resumed: now,
            readable: now,
            live: 0,
            still: None,
        }
    }

    /// Redis has taken something.
    pub(super) fn note(&mut self) {
        let now = Instant::now();
        if STANDSTILL <= now - self.newest {
            self.resumed = now;
        }
        self.newest = now;
    }

    /// The registry cannot be read.
    pub(super) fn lost(&mut self) {
        self.readable = Instant::now();
    }

    /// Counts one more live host, or one fewer.
    pub(super) fn count(&mut self, is_live: bool) {
        self.live = if is_live {
            self.live + 1
        } else {
            self.live.saturating_sub(1)
        };
    }

    /// What has changed since the last call.
    pub(super) fn check(&mut self) -> Option<Standstill> {
        let quiet = self.newest.max(self.readable).elapsed();
        match self.still {
            None if 1 < self.live && STANDSTILL <= quiet => {
                self.still = Some(self.newest);
                Some(Standstill::Begins(self.live))
            }
            Some(since) if since < self.newest => {
                self.still = None;
                Some(Standstill::Ends(self.newest - since))
            }
            _ => None,
        }
    }

    /// Whether a host that sent its last message at `arrived` has been silent for `limit`. Redis, which could be read
    /// since `connected`, must have taken something from other hosts meanwhile, if there are any.
    pub(super) fn is_silent(&self, arrived: Instant, limit: Duration, connected: Instant) -> bool {
        let is_elsewhere = || {
            let after = self.newest.saturating_duration_since(arrived);
            self.live <= 1 || limit <= after
        };
        let well = self.resumed.max(connected).elapsed();
        limit <= arrived.elapsed() && limit.max(GRACE) <= well && is_elsewhere()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Two hosts are live, Redis has taken something `newest` seconds ago, and everything else is long ago.
    fn signs(newest: u32) -> SignsOfLife {
        let long_ago = Instant::now() - 1000 * SECOND;
        SignsOfLife {
            newest: Instant::now() - newest * SECOND,
            resumed: long_ago,
            readable: long_ago,
            live: 2,
            still: None,
        }
    }

    fn is_silent(signs: &SignsOfLife, arrived: u32, limit: u32) -> bool {
        let now = Instant::now();
        let connected = now - 500 * SECOND;
        signs.is_silent(now - arrived * SECOND, limit * SECOND, connected)
    }

    #[test]
    fn a_host_is_silent_only_if_others_are_not() {
        assert!(is_silent(&signs(0), 61, 60));
        assert!(!is_silent(&signs(0), 50, 60), "not yet");
        assert!(!is_silent(&signs(58), 61, 60), "nobody writes");
        let alone = SignsOfLife {
            live: 1,
            ..signs(58)
        };
        assert!(is_silent(&alone, 61, 60), "nobody else could");
    }

    #[test]
    fn hosts_get_time_to_come_back_after_a_standstill() {
        let mut signs = signs(30);
        assert_eq!(signs.check(), Some(Standstill::Begins(2)));
        assert_eq!(signs.check(), None, "it is told once");
        signs.note();
        assert!(matches!(signs.check(), Some(Standstill::Ends(_))));
        assert_eq!(signs.check(), None);
        assert!(!is_silent(&signs, 30, 4), "it may be about to write");
        signs.resumed -= GRACE;
        assert!(is_silent(&signs, 30, 4));
    }

    #[test]
    fn what_cannot_be_read_does_not_stand_still() {
        let mut signs = signs(30);
        signs.lost();
        assert_eq!(signs.check(), None);
    }
}
