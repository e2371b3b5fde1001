//! Who does it: the processes that a metric can be blamed on.

use std::collections::HashSet;

use crate::protocol::{self, BLAMELESS, Process, entry, parts, section};
use crate::wording::counted;

use super::draft::{Draft, Suspect};
use super::situation::Situation;
use crate::view::units::grouped;

/// The least share of a second culprit, in percent of the machine.
const WORTH_NAMING: f64 = 5.0;

/// What is to blame for `metric` now, the first before the others.
pub(super) fn suspects(situation: &Situation<'_>, metric: &str) -> Vec<Suspect> {
    let top = situation.host.top();
    let (family, _) = parts(metric);
    if protocol::is_about_waiting(metric) {
        return waiting(top).into_iter().collect();
    }
    let known = situation.metric(metric).map(|metric| &*metric.section);
    match known.or_else(|| Some(entry(family)?.section)) {
        _ if BLAMELESS.contains(&family) => Vec::new(),
        // The share of the machine would mislead: what counts is the share of the quota.
        Some(section::CPU) if family == "cpuThrottled" => {
            let first = busy(situation, top).into_iter().next();
            first
                .map(|it| Suspect::without_share(&it.name))
                .into_iter()
                .collect()
        }
        Some(section::CPU) => busy(situation, top),
        // A process that waits for what was swapped out is kept small by that.
        Some(section::MEMORY) if family == "swapIn" => {
            waiting(top).or_else(|| largest(top)).into_iter().collect()
        }
        Some(section::MEMORY) => largest(top).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Leaves out culprits that an earlier draft names. Behind a load, how many wait says more.
pub(super) fn name_once(situation: &Situation<'_>, drafts: &mut [Draft]) {
    let mut named = HashSet::new();
    for draft in drafts {
        let first = draft.suspects.first().map(|culprit| culprit.name.clone());
        let is_named = first.is_some_and(|name| !name.is_empty() && !named.insert(name));
        if is_named && draft.metric.starts_with("load") {
            draft.suspects = queue(situation).into_iter().collect();
        } else if is_named {
            draft.suspects.clear();
        }
    }
}

/// The busiest process, and those that came and went; the larger first, and the second only if it matters.
fn busy(situation: &Situation<'_>, top: &[Process]) -> Vec<Suspect> {
    let exited = situation.host.value("exitedCpu").unwrap_or_default();
    let mut shares: Vec<(&str, f64)> = first_by(top, |process| process.cpu).into_iter().collect();
    shares.push(("came and went", exited));
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let is_worth = |(nth, (_, share)): &(usize, (&str, f64))| {
        WORTH_NAMING <= *share || *nth == 0 && 0.0 < *share
    };
    let worth = shares.into_iter().enumerate().filter(is_worth);
    worth
        .map(|(_, (name, share))| Suspect::sharing(name, share, None))
        .collect()
}

/// The process that takes most of the memory.
fn largest(top: &[Process]) -> Option<Suspect> {
    let (name, share) = first_by(top, |process| process.memory)?;
    Some(Suspect::sharing(name, share, None))
}

/// The first process by a share, and that share; `None` if none has any.
fn first_by(top: &[Process], share: fn(&Process) -> f64) -> Option<(&str, f64)> {
    let mut first: Option<(&str, f64)> = None;
    for process in top {
        if first.map_or(0.0, |(_, most)| most) < share(process) {
            first = Some((&process.name, share(process)));
        }
    }
    first
}

/// The first process that waits for a disk and can't be interrupted.
fn waiting(top: &[Process]) -> Option<Suspect> {
    protocol::waiting(top).map(|it| Suspect::without_share(&it.name))
}

/// What stands behind a load whose culprit is named already: `14 runnable on 8 cores`.
fn queue(situation: &Situation<'_>) -> Option<Suspect> {
    let value = |name| situation.host.value(name).unwrap_or_default();
    let (runnable, blocked) = (value("tasksRunnable"), value("tasksBlocked"));
    let cores = situation.cores();
    if runnable < blocked {
        let text = format!("{} waiting for I/O", grouped(blocked));
        return Some(Suspect::nobody(text));
    }
    let is_known = runnable > 0.0 && cores > 0;
    let text = || {
        format!(
            "{} runnable on {}",
            grouped(runnable),
            counted(cores, "core")
        )
    };
    is_known.then(|| Suspect::nobody(text()))
}
