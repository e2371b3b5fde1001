//! The time of samples, by their own timestamps.

use super::state::SampleTime;

/// How many steps determine the usual distance of samples.
const STEPS: usize = 5;

/// Follows the samples of a host.
#[derive(Debug)]
pub(super) struct Timing {
    /// The timestamp of the last sample.
    last: Option<u64>,
    clock: u64,
    count: u64,
    /// The last steps forward, in milliseconds; before the first, the expected one.
    steps: Vec<u64>,
}

impl Timing {
    /// For samples that are `interval` milliseconds apart, until the samples show otherwise.
    pub(super) fn new(interval: u64) -> Self {
        Self {
            last: None,
            clock: 0,
            count: 0,
            steps: vec![interval.max(1)],
        }
    }

    /// The moment of the next sample. If it is more than one and a half of the usual steps after the previous one,
    /// samples are missing, as after a suspend.
    pub(super) fn tick(&mut self, timestamp: u64, is_after_gap: bool) -> SampleTime {
        let step = timestamp.saturating_sub(self.last.replace(timestamp).unwrap_or(timestamp));
        let usual = self.usual_step();
        if step > 0 {
            if self.steps.len() == STEPS {
                self.steps.remove(0);
            }
            self.steps.push(step);
        }
        self.clock = self.clock.saturating_add(step);
        self.count += 1;
        SampleTime {
            timestamp,
            clock: self.clock,
            count: self.count,
            is_after_hole: is_after_gap || step > usual.saturating_add(usual / 2),
        }
    }

    fn usual_step(&self) -> u64 {
        let mut steps = [0; STEPS];
        let steps = &mut steps[..self.steps.len()];
        steps.copy_from_slice(&self.steps);
        steps.sort_unstable();
        steps[steps.len() / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the samples at these times follow a hole, and the clock of the last one.
    fn holes(interval: u64, times: &[u64]) -> (Vec<u64>, u64) {
        let mut timing = Timing::new(interval);
        let mut clock = 0;
        let after = times.iter().copied().filter(|&time| {
            let moment = timing.tick(time, false);
            clock = moment.clock;
            moment.is_after_hole
        });
        (after.collect(), clock)
    }

    #[test]
    fn a_step_that_is_longer_than_usual_is_a_hole() {
        assert_eq!(holes(10, &[100, 110, 121, 136, 146]), (vec![], 46));
        assert_eq!(holes(10, &[100, 120, 130]), (vec![120], 30));
        // The interval changes here.
        let slower = [0, 10, 20, 60, 100, 140, 180, 220];
        assert_eq!(holes(10, &slower), (vec![60, 100, 140], 220));
    }

    #[test]
    fn a_clock_that_is_set_back_stands_still() {
        assert_eq!(holes(10, &[100, 110, 50, 60, 70]), (vec![], 30));
        assert_eq!(holes(10, &[100, u64::MAX, 0, u64::MAX]).1, u64::MAX);
        assert_eq!(holes(0, &[5, 5, 5]), (vec![], 0));
    }
}
