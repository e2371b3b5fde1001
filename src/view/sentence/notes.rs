//! What is worth knowing although no level is reached: a process that takes one whole core, as a loop without an end does.

use crate::protocol::Process;

use super::draft::{Draft, Suspect};
use super::held::Since;
use super::phrases::lasted;
use super::situation::Situation;
use super::trouble::Urgency;

/// The share of one core that counts as all of it.
const WHOLE: std::ops::Range<f64> = 0.9..1.15;

/// A shorter time is ordinary work, in milliseconds.
const LONG: u64 = 30_000;

/// `one core busy for 48 s: python3 50.0 %`.
pub(super) fn draft(situation: &Situation<'_>) -> Option<Draft> {
    let cores = situation.cores();
    if cores < 2 {
        return None;
    }
    let takes_one = |process: &&Process| WHOLE.contains(&(process.cpu * f64::from(cores) / 100.0));
    let process = situation.host.top().iter().find(takes_one)?;
    let mut since = Since {
        at: situation.newest(),
        is_earlier: true,
    };
    for point in situation.points().iter().rev() {
        let mut same = point.top.iter().filter(|other| other.pid == process.pid);
        if !same.any(|other| takes_one(&other)) {
            since.is_earlier = false;
            break;
        }
        since.at = point.timestamp;
    }
    if situation.newest().saturating_sub(since.at) < LONG {
        return None;
    }
    let mut draft = Draft::new(Urgency::Note, "cpu", "one core busy".into());
    draft.since = Some(since.at);
    draft.lasted = lasted(situation, since);
    draft.suspects = vec![Suspect::sharing(&process.name, process.cpu, None)];
    Some(draft)
}
