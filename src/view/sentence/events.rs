//! What happened in the last minutes: kills for lack of memory, restarts and gaps.

use crate::millis::in_millis;
use crate::protocol::{Gap, GapReason, Process};
use crate::wording::{counted, span};

use super::draft::{Draft, Suspect};
use super::phrases::ago;
use super::situation::Situation;
use super::trouble::Urgency;
use crate::view::history::Point;
use crate::view::units::grouped;

/// How long an event is told, in milliseconds.
const REACH: u64 = 300_000;

/// How many samples before a kill are searched for the process that was killed.
const BEFORE: usize = 3;

pub(super) fn drafts(situation: &Situation<'_>) -> Vec<Draft> {
    oom_kills(situation)
        .into_iter()
        .chain(gap(situation))
        .collect()
}

/// `OOM kill 12 s ago: java had 81.0 %`.
fn oom_kills(situation: &Situation<'_>) -> Option<Draft> {
    let index = situation.host.find("oomKills")?;
    let is_kill = |point: &Point| point.value(index).is_some_and(|rate| 0.0 < rate);
    let (last, _) = situation.recent(REACH).find(|(point, _)| is_kill(point))?;
    let count = situation.count("oomKills", REACH).max(1.0);
    let when = ago(situation, last.timestamp);
    let subject = if count == 1.0 {
        format!("OOM kill {when}")
    } else {
        format!("{} OOM kills, the last {when}", grouped(count))
    };
    let mut draft = Draft::new(Urgency::Event, "oomKills", subject);
    draft.since = Some(last.timestamp);
    draft.suspects = victim(situation, last.timestamp).into_iter().collect();
    Some(draft)
}

/// The largest process before the kill at `at` that isn't listed any more.
fn victim(situation: &Situation<'_>, at: u64) -> Option<Suspect> {
    let is_gone = |process: &&Process| {
        let mut left = situation.host.top().iter();
        left.all(|other| other.pid != process.pid)
    };
    let before = situation
        .points()
        .iter()
        .rev()
        .filter(|point| point.timestamp <= at);
    let listed = before.take(BEFORE).flat_map(|point| point.top.iter());
    let victim = listed
        .filter(is_gone)
        .max_by(|a, b| a.memory.total_cmp(&b.memory))?;
    let words = format!("{} had ", victim.name);
    Some(Suspect::sharing(&victim.name, victim.memory, Some(words)))
}

/// `gap 12 s ago: messages 13 to 57 are lost`, or `restarted 12 s ago`.
fn gap(situation: &Situation<'_>) -> Option<Draft> {
    let (gap, reported) = situation.host.gap?;
    let age = situation.now.elapsed.saturating_sub(reported);
    if REACH < in_millis(age) {
        return None;
    }
    let when = format!("{} ago", span(age));
    let mut draft = match gap.reason {
        GapReason::Restarted => Draft::new(Urgency::Event, "", format!("restarted {when}")),
        GapReason::Expired => Draft::new(Urgency::Event, "", format!("gap {when}")),
    };
    draft.since = Some(situation.newest().saturating_sub(in_millis(age)));
    if gap.reason == GapReason::Expired {
        draft.suspects = vec![Suspect::nobody(lost(gap))];
    }
    Some(draft)
}

fn lost(gap: Gap) -> String {
    match (gap.from, gap.to) {
        (Some(from), Some(to)) if from < to => {
            let count = (to - from).saturating_add(1);
            format!("{} are lost", counted(count, "message"))
        }
        (Some(_), Some(_)) => "1 message is lost".into(),
        _ => "messages are lost".into(),
    }
}
