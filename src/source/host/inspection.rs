//! What this machine lets us read, and why the rest is absent: a check-up before a server starts.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use super::platform::{why_absent, why_no_processes};
use super::{Options, Own, Sampler};
use crate::protocol::{MetricInfo, System};

/// The time from the baseline to the sample.
const STEP: Duration = Duration::from_millis(250);

/// What a reading of this machine contains, and what it lacks.
#[derive(Debug)]
pub struct Inspection {
    /// The machine.
    pub system: System,
    /// What can be read.
    pub metrics: Arc<[MetricInfo]>,
    /// What cannot, by reason.
    pub absent: Vec<Absence>,
    /// Why processes cannot be listed, if that is so.
    pub processes_hidden: Option<String>,
}

/// Metrics that are absent for one reason.
#[derive(Debug)]
pub struct Absence {
    /// Their names in the catalogue.
    pub names: Vec<String>,
    /// Why, in words that can stand in a sentence.
    pub reason: String,
}

/// Reads this machine twice, as a server would. Takes about a quarter of a second.
#[must_use]
pub fn inspect(options: Options) -> Inspection {
    let mut sampler = Sampler::new(options);
    sampler.prepare(Instant::now() + STEP);
    thread::sleep(STEP);
    sampler.sample(Own::default());
    let mut absent: Vec<Absence> = Vec::new();
    for name in sampler.unavailable() {
        let reason = why_absent(&name);
        match absent.iter_mut().find(|it| it.reason == reason) {
            Some(absence) => absence.names.push(name),
            None => absent.push(Absence {
                names: vec![name],
                reason,
            }),
        }
    }
    Inspection {
        system: sampler.system(),
        metrics: sampler.metrics(),
        absent,
        processes_hidden: (options.top != 0).then(why_no_processes).flatten(),
    }
}

#[cfg(not(target_os = "linux"))]
fn why_absent(_: &str) -> String {
    "it is read on Linux only, or this machine does not have it".to_owned()
}

#[cfg(not(target_os = "linux"))]
fn why_no_processes() -> Option<String> {
    None
}
