//! Values at their warning or critical level, and what will soon be full.

use crate::protocol::{parts, section};

use super::draft::Draft;
use super::held::held;
use super::outlook::{outlook, outlook_text};
use super::phrases::{lasted, subject};
use super::situation::Situation;
use super::suspects::suspects;
use super::trouble::Urgency;
use crate::view::metric::Metric;
use crate::view::units;

/// Levels of metrics that a server announces none for: warning and critical.
const WATCHED: &[(&str, [f64; 2])] = &[
    // In milliseconds: a disk that turns takes 10, a cloud's volume less.
    ("diskAwait", [50.0, 200.0]),
    // What comes back from the swap space was missed; what leaves may never be.
    ("swapIn", [1e6, 1e7]),
];

/// A slow disk matters if one of these, in percent, says that it is waited for.
const WAITED_FOR: &[(&str, f64)] = &[("diskBusy", 50.0), ("pressureIo", 20.0), ("iowait", 20.0)];

/// Metrics that another one, if it is known, says better.
const SAID_BY: &[(&str, &str)] = &[
    ("exitedCpu", "cpu"),
    ("load5", "load1"),
    ("load15", "load1"),
    ("pressureMemoryFull", "pressureMemory"),
    ("pressureIoFull", "pressureIo"),
];

/// Of these, the first says enough.
const SLOW_DISK: &[&str] = &["diskAwait", "iowait", "diskBusy", "diskQueue"];

/// What counts as waiting for I/O, in percent.
const SOME_WAIT: f64 = 5.0;

/// The sections whose instances say less than the whole: one core, one disk.
const WHOLE: &[&str] = &[section::CPU, section::DISKS, section::NETWORK];

/// A rise is a warning if it ends within so many milliseconds, and has covered so many points.
const SOON: u64 = 600_000;
const STEEP: f64 = 5.0;

/// What is at a level, except what the `alerts` say already.
pub(super) fn drafts(situation: &Situation<'_>, alerts: &[Draft]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (index, metric) in situation.host.metrics.iter().enumerate() {
        let is_new = || is_subject(situation, metric) && !is_said(alerts, &metric.key);
        let found = at_level(situation, index, metric);
        let found = found.or_else(|| soon_full(situation, index, metric));
        drafts.extend(found.filter(|_| is_new()));
    }
    keep_one_slow_disk(&mut drafts);
    drafts
}

/// The levels of `metric`, if it has any: warning and critical.
fn levels(situation: &Situation<'_>, metric: &Metric) -> [Option<f64>; 2] {
    let watched = WATCHED.iter().find(|(name, _)| *name == &*metric.key);
    match watched {
        Some(("diskAwait", _)) if !is_waited_for(situation) => [None, None],
        Some((_, levels)) => levels.map(Some),
        None => [metric.warn, metric.critical],
    }
}

fn is_waited_for(situation: &Situation<'_>) -> bool {
    let reaches = |(name, least): &(&str, f64)| {
        let value = situation.host.value(name);
        value.is_some_and(|value| *least <= value)
    };
    WAITED_FOR.iter().any(reaches)
}

fn at_level(situation: &Situation<'_>, index: usize, metric: &Metric) -> Option<Draft> {
    let [warning, critical] = levels(situation, metric);
    let at = |urgency, level: Option<f64>| Some((urgency, held(situation, index, level?)?));
    let (urgency, since) =
        at(Urgency::Critical, critical).or_else(|| at(Urgency::Warning, warning))?;
    let mut draft = draft(situation, index, metric, urgency)?;
    draft.since = Some(since.at);
    draft.lasted = lasted(situation, since);
    Some(draft)
}

/// What will be full in a few minutes, at whatever level it is.
fn soon_full(situation: &Situation<'_>, index: usize, metric: &Metric) -> Option<Draft> {
    let outlook = outlook(situation.host, index, &metric.key)?;
    let is_urgent = outlook.full_in <= SOON && STEEP <= outlook.risen;
    is_urgent
        .then(|| draft(situation, index, metric, Urgency::Warning))
        .flatten()
}

fn draft(
    situation: &Situation<'_>,
    index: usize,
    metric: &Metric,
    urgency: Urgency,
) -> Option<Draft> {
    let value = situation.host.history.value(index)?;
    let shown = units::value(value, &metric.unit);
    let what = format!("{} {shown}", subject(situation, metric));
    let mut draft = Draft::new(urgency, &metric.key, what);
    draft.outlook = outlook_text(outlook(situation.host, index, &metric.key));
    draft.suspects = suspects(situation, &metric.key);
    let waiting = situation.host.value("iowait");
    match (&*metric.key, waiting.filter(|share| SOME_WAIT <= *share)) {
        ("cpuThrottled", _) => draft.limit = " of periods".into(),
        ("diskAwait", Some(share)) => {
            draft.limit = format!(", I/O wait {}", units::value(share, "%"));
        }
        _ => {}
    }
    Some(draft)
}

/// Whether no other metric says it better.
fn is_subject(situation: &Situation<'_>, metric: &Metric) -> bool {
    let host = situation.host;
    let (family, instance) = parts(&metric.key);
    let says_whole = WHOLE.contains(&&*metric.section);
    let is_instance_of = |other: &Metric| {
        let (its_family, instance) = parts(&other.key);
        its_family == family && instance.is_some()
    };
    let is_said_better = SAID_BY
        .iter()
        .any(|(name, by)| *name == &*metric.key && host.find(by).is_some());
    !is_said_better
        && match instance {
            Some(_) => !(says_whole && host.find(family).is_some()),
            None => says_whole || !host.metrics.iter().any(is_instance_of),
        }
}

/// Whether an alert is about `metric`, or about the whole that it is an instance of.
pub(super) fn is_said(alerts: &[Draft], metric: &str) -> bool {
    let (family, _) = parts(metric);
    alerts
        .iter()
        .any(|alert| alert.metric == metric || alert.metric == family)
}

fn keep_one_slow_disk(drafts: &mut Vec<Draft>) {
    let is_there = |name: &&&str| drafts.iter().any(|draft| draft.metric == **name);
    let first = SLOW_DISK.iter().find(is_there).copied();
    drafts.retain(|draft| {
        let metric = draft.metric.as_str();
        Some(metric) == first || !SLOW_DISK.contains(&metric)
    });
}
