//! When a card that could sleep may be read.
//!
//! Reading a sleeping card wakes it up, and reading it again and again, or only keeping NVIDIA's library open, keeps it
//! awake. So a sleeping card is left alone, and an idle one is left alone for a while to see whether it falls asleep.
//! If it doesn't, somebody else keeps it awake, and it is read for much longer before the next try.

use std::time::{Duration, Instant};

/// How long an idle card is read before it is left alone.
const SHORT_PATIENCE: Duration = Duration::from_secs(10);

/// The same for a card that has stayed awake when it was left alone.
const LONG_PATIENCE: Duration = Duration::from_secs(600);

/// How long it is left alone. NVIDIA's driver lets a card sleep after some six seconds, AMD's after five.
const REST: Duration = Duration::from_secs(60);

/// Decides for one card, or for all that can only be read together.
#[derive(Debug)]
pub(super) struct GpuManners {
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// It is read. `idle_since`: when it was last seen to work, or when this began.
    Read {
        idle_since: Instant,
        patience: Duration,
    },
    /// It is left alone.
    Left { since: Instant, has_slept: bool },
}

impl GpuManners {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Read {
                idle_since: now,
                patience: SHORT_PATIENCE,
            },
        }
    }

    /// Whether the card may be read at `now`.
    pub(super) fn allow(&mut self, now: Instant, is_asleep: bool, may_sleep: bool) -> bool {
        if is_asleep {
            self.phase = Phase::Left {
                since: now,
                has_slept: true,
            };
            return false;
        }
        let read = |patience| Phase::Read {
            idle_since: now,
            patience,
        };
        match self.phase {
            _ if !may_sleep => self.phase = read(LONG_PATIENCE),
            Phase::Read { .. } if !self.is_over(now) => {}
            Phase::Read { .. } => {
                self.phase = Phase::Left {
                    since: now,
                    has_slept: false,
                };
            }
            // Somebody has woken it up, to use it.
            Phase::Left {
                has_slept: true, ..
            } => self.phase = read(SHORT_PATIENCE),
            Phase::Left { since, .. } => {
                if REST <= now.saturating_duration_since(since) {
                    self.phase = read(LONG_PATIENCE);
                }
            }
        }
        matches!(self.phase, Phase::Read { .. })
    }

    /// A reading at `now` has found it at work.
    pub(super) fn note_work(&mut self, now: Instant) {
        if let Phase::Read { idle_since, .. } = &mut self.phase {
            *idle_since = now;
        }
    }

    /// Whether it should be left alone if it could sleep: it has been idle, or not been read, for long enough.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Read {
                idle_since,
                patience,
            } => patience <= now.saturating_duration_since(idle_since),
            Phase::Left { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks once a second whether a card may be read that is awake and could sleep; it works as long as `works`. The
    /// seconds at which the answer changes, the first being yes.
    fn changes(manners: &mut GpuManners, from: Instant, seconds: u64, works: u64) -> Vec<u64> {
        let mut before = true;
        let mut changes = Vec::new();
        for second in 0..seconds {
            let now = from + Duration::from_secs(second);
            let may = manners.allow(now, false, true);
            if may && second < works {
                manners.note_work(now);
            }
            if may != before {
                changes.push(second);
                before = may;
            }
        }
        changes
    }

    #[test]
    fn an_idle_card_is_left_alone_and_one_that_stays_awake_read_for_longer() {
        let start = Instant::now();
        let mut manners = GpuManners::new(start);
        let expected = [10, 70, 670, 730];
        assert_eq!(changes(&mut manners, start, 800, 0), expected);
        let mut manners = GpuManners::new(start);
        assert_eq!(changes(&mut manners, start, 800, 100), [109, 169, 769]);
    }

    #[test]
    fn a_sleeping_card_is_left_alone_until_somebody_wakes_it_up() {
        let start = Instant::now();
        let mut manners = GpuManners::new(start);
        for second in 0..1000 {
            assert!(!manners.allow(start + Duration::from_secs(second), true, true));
        }
        let woken = start + Duration::from_secs(1000);
        assert_eq!(changes(&mut manners, woken, 60, 0), [10]);
        // It falls asleep while it is left alone.
        let later = woken + Duration::from_secs(20);
        assert!(!manners.allow(later, true, true));
        assert!(manners.allow(later + Duration::from_secs(1), false, true));
    }

    #[test]
    fn a_card_that_never_sleeps_is_always_read() {
        let start = Instant::now();
        let mut manners = GpuManners::new(start);
        for hour in 0..10 {
            assert!(manners.allow(start + Duration::from_secs(3600 * hour), false, false));
        }
    }

    #[test]
    fn one_that_is_rarely_read_is_left_alone_in_between() {
        let start = Instant::now();
        let mut manners = GpuManners::new(start);
        assert!(manners.allow(start, false, true));
        manners.note_work(start);
        assert!(!manners.is_over(start + Duration::from_secs(9)));
        assert!(manners.is_over(start + Duration::from_secs(10)));
    }
}
