//! The processes that alerts are blamed on.

use super::{Process, entry, section};

/// What no process of the machine does to it.
pub const BLAMELESS: [&str; 2] = ["steal", "oomKills"];

/// The first of a list of processes by each of their shares.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Culprits {
    busiest: Option<Process>,
    largest: Option<Process>,
}

impl Culprits {
    /// Those among `top`. One without a share is not to blame.
    #[must_use]
    pub fn among<'a>(top: impl IntoIterator<Item = &'a Process>) -> Self {
        let (mut busiest, mut largest) = (None::<&Process>, None::<&Process>);
        for process in top {
            if busiest.map_or(0.0, |busiest| busiest.cpu) < process.cpu {
                busiest = Some(process);
            }
            if largest.map_or(0.0, |largest| largest.memory) < process.memory {
                largest = Some(process);
            }
        }
        Self {
            busiest: busiest.cloned(),
            largest: largest.cloned(),
        }
    }

    /// The one to blame for an alert about `metric`, with its share of the machine in percent: the busiest for CPU, the
    /// largest for memory, and none for anything else.
    #[must_use]
    pub fn of(&self, metric: &str) -> Option<(&Process, f64)> {
        let with = |share: fn(&Process) -> f64| move |process| (process, share(process));
        match entry(metric)?.section {
            _ if BLAMELESS.contains(&metric) => None,
            section::CPU => self.busiest.as_ref().map(with(|process| process.cpu)),
            section::MEMORY => self.largest.as_ref().map(with(|process| process.memory)),
            _ => None,
        }
    }
}
