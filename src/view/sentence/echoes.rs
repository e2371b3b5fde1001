//! What merely follows from something else that is wrong, and would hide what doesn't.

use super::draft::Draft;
use super::trouble::Urgency;

/// Metrics, and those that they follow.
const ECHOES: &[(&str, &[&str])] = &[
    ("pressureCpu", &["cpu"]),
    ("load1", &["cpu", "pressureIo", "diskAwait"]),
    ("pressureMemory", &["memory", "swap", "swapIn"]),
    ("pressureIo", &["diskAwait", "diskBusy", "iowait", "swapIn"]),
];

/// Marks the drafts about levels that follow from others which are at least as urgent.
pub(super) fn mark(drafts: &mut [Draft]) {
    let said: Vec<_> = drafts
        .iter()
        .map(|draft| (draft.metric.clone(), draft.urgency))
        .collect();
    for draft in drafts {
        let (metric, urgency) = (draft.metric.as_str(), draft.urgency);
        let follows = ECHOES.iter().find(|(name, _)| *name == metric);
        let is_said = |cause: &&str| {
            said.iter()
                .any(|(metric, its)| metric == cause && *its <= urgency)
        };
        draft.is_echo = urgency != Urgency::Alert
            && follows.is_some_and(|(_, causes)| causes.iter().any(is_said));
    }
}
