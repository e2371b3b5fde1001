//! What happened in the time that is held: alerts, levels, gaps and restarts.

use std::cmp::Reverse;

use super::episodes::{Episode, Outcome, episodes};
use super::history::Point;
use super::metric::Level;
use super::old_events::OldEvent;
use super::state::HostState;
use super::style::MarkKind;

/// A level counts as an event once it was held this long, in milliseconds.
const HELD: u64 = 10_000;

/// The metrics whose levels are events.
const WATCHED: [&str; 10] = [
    "cpu",
    "memory",
    "swap",
    "load1",
    "disk",
    "inodes",
    "diskBusy",
    "pressureCpu",
    "pressureMemory",
    "pressureIo",
];

/// Something that happened to a host.
#[derive(Debug, Clone)]
pub(super) struct Occurrence<'a> {
    pub host: &'a HostState,
    pub kind: MarkKind,
    /// In milliseconds since the epoch.
    pub began: u64,
    pub ended: u64,
    /// Whether it lasts.
    pub is_open: bool,
    pub cause: OccurrenceCause<'a>,
}

/// What an occurrence is about.
#[derive(Debug, Clone)]
pub(super) enum OccurrenceCause<'a> {
    Alert(Episode<'a>),
    /// A metric of the host, and the highest value meanwhile.
    Level {
        metric: usize,
        peak: f64,
    },
    Gap,
    /// The names of the stream and of the one before.
    Restart(String, String),
    /// Longer ago than samples are kept.
    Old(&'a OldEvent),
}

/// All that happened to `host`, the newest first.
pub(super) fn occurrences(host: &HostState, step: u64) -> Vec<Occurrence<'_>> {
    let mut all: Vec<_> = episodes(host)
        .into_iter()
        .map(|episode| of_alert(host, episode))
        .collect();
    let alerts = all.len();
    for name in WATCHED {
        let Some(metric) = host.find(name) else {
            continue;
        };
        for level in levels(host, metric) {
            let is_told = all[..alerts].iter().any(|alert| {
                matches!(&alert.cause, OccurrenceCause::Alert(it) if it.alert.alert.metric == name)
                    && alert.began <= level.ended
                    && level.began <= alert.ended
            });
            if !is_told {
                all.push(level);
            }
        }
    }
    all.extend(breaks(host, step));
    all.sort_by_key(|it| (Reverse(it.began), Reverse(it.kind)));
    all
}

/// The same, and what is known to have happened before the samples that are kept.
pub(super) fn all_occurrences(host: &HostState, step: u64) -> Vec<Occurrence<'_>> {
    let mut all = occurrences(host, step);
    let kept = all.len();
    let oldest = host.history.points().front();
    let until = oldest.map_or(u64::MAX, |point| point.timestamp);
    let stepped = host.stepped.iter();
    for event in stepped.flat_map(|past| past.events_before(until)) {
        // Some of it may have lasted into the samples.
        let is_told = all[..kept]
            .iter()
            .any(|it| match (&it.cause, &event.alert) {
                (OccurrenceCause::Alert(episode), Some(alert)) => episode.alert.is_same(alert),
                _ => false,
            });
        if !is_told {
            all.push(Occurrence {
                host,
                kind: event.kind,
                began: event.began,
                ended: event.ended,
                is_open: false,
                cause: OccurrenceCause::Old(event),
            });
        }
    }
    all
}

fn of_alert<'a>(host: &'a HostState, episode: Episode<'a>) -> Occurrence<'a> {
    let is_open = episode.outcome == Outcome::Firing;
    Occurrence {
        host,
        kind: if is_open {
            MarkKind::Firing
        } else {
            MarkKind::Resolved
        },
        began: episode.began(),
        ended: episode.ended(),
        is_open,
        cause: OccurrenceCause::Alert(episode),
    }
}

/// When the metric was at a level for long enough.
fn levels(host: &HostState, metric: usize) -> Vec<Occurrence<'_>> {
    let mut found = Vec::new();
    if host.metrics[metric].warn.is_none() && host.metrics[metric].critical.is_none() {
        return found;
    }
    // Since when, until when, the highest value, and the highest level.
    let mut open: Option<(u64, u64, f64, Level)> = None;
    let mut close = |open: &mut Option<(u64, u64, f64, Level)>, is_open| {
        if let Some((began, ended, peak, level)) = open.take()
            && HELD <= ended.saturating_sub(began)
        {
            found.push(Occurrence {
                host,
                kind: if level == Level::Critical {
                    MarkKind::Critical
                } else {
                    MarkKind::Warning
                },
                began,
                ended,
                is_open,
                cause: OccurrenceCause::Level { metric, peak },
            });
        }
    };
    for point in host.history.points() {
        let value = point.value(metric);
        let level = value.map_or(Level::Normal, |value| host.metrics[metric].level(value));
        if level == Level::Normal {
            if value.is_some() {
                close(&mut open, false);
            }
            continue;
        }
        let value = value.unwrap_or_default();
        let (began, _, peak, highest) = open.unwrap_or((point.timestamp, 0, value, level));
        open = Some((began, point.timestamp, peak.max(value), highest.max(level)));
    }
    close(&mut open, true);
    found
}

/// Where messages are missing, and where a stream follows another.
fn breaks(host: &HostState, step: u64) -> impl Iterator<Item = Occurrence<'_>> {
    let points = host.history.points();
    std::iter::zip(points, points.iter().skip(1)).filter_map(move |(before, after)| {
        let (kind, cause) = if before.position.0 != after.position.0 {
            let names = (after.position.0, before.position.0);
            let cause = OccurrenceCause::Restart(names.0.to_string(), names.1.to_string());
            (MarkKind::Restart, cause)
        } else if is_gap(before, after, step) {
            (MarkKind::Gap, OccurrenceCause::Gap)
        } else {
            return None;
        };
        Some(Occurrence {
            host,
            kind,
            began: before.timestamp.saturating_add(step),
            ended: after.timestamp,
            is_open: false,
            cause,
        })
    })
}

fn is_gap(before: &Point, after: &Point, step: u64) -> bool {
    let apart = after.timestamp.saturating_sub(before.timestamp);
    let is_long =
        step.saturating_mul(5) < apart.saturating_mul(2) && step.saturating_add(1000) <= apart;
    after.after_gap || is_long
}

/// The marks of `host` on the axis of time: an alert that is over has one where it began, and one where it ended.
pub(super) fn marks(host: &HostState, step: u64) -> Vec<(u64, MarkKind)> {
    if let Some(marks) = &host.marks {
        return marks.to_vec();
    }
    let mut marks = Vec::new();
    for it in occurrences(host, step) {
        if it.kind == MarkKind::Resolved {
            marks.push((it.ended, MarkKind::Resolved));
            marks.push((it.began, MarkKind::Firing));
        } else {
            marks.push((it.began, it.kind));
        }
    }
    let oldest = host.history.points().front();
    let until = oldest.map_or(u64::MAX, |point| point.timestamp);
    let stepped = host.stepped.iter();
    marks.extend(stepped.flat_map(|past| past.marks_before(until)));
    marks.sort_by_key(|(at, kind)| (*at, *kind));
    marks
}
