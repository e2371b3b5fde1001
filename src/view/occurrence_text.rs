//! What happened, in words.

use crate::protocol::Alert;

use super::alert_lines::{blame, is_downward, limit, name_of_its_own, subject, title, value_text};
use super::episodes::Outcome;
use super::firing::Culprit;
use super::marks::{Occurrence, OccurrenceCause};
use super::metric::Level;
use super::style::MarkKind;
use super::units;

/// What it is about: an alert's rule, a level, a gap or a restart. Brief where there is `no_room`.
pub(super) fn words(it: &Occurrence<'_>, no_room: bool) -> String {
    if let Some(alert) = alert_of(it) {
        return title(it.host, alert, no_room);
    }
    match &it.cause {
        OccurrenceCause::Level { metric, peak } => {
            let metric = &it.host.metrics[*metric];
            let limit = match metric.level(*peak) {
                Level::Critical => metric.critical,
                _ => metric.warn,
            };
            let limit = limit.map_or_else(String::new, |limit| units::value(limit, &metric.unit));
            format!("{} over {limit}", metric.label)
        }
        OccurrenceCause::Restart(now, before) if !no_room => {
            format!("restarted: stream {now}, was {before}")
        }
        _ if it.kind == MarkKind::Restart => "restarted".into(),
        _ => "gap: no samples".into(),
    }
}

/// The alert that it is about.
fn alert_of<'a>(it: &'a Occurrence<'_>) -> Option<&'a Alert> {
    match &it.cause {
        OccurrenceCause::Alert(episode) => Some(&episode.alert.alert),
        OccurrenceCause::Old(event) => event.alert.as_ref().map(|fired| &fired.alert),
        OccurrenceCause::Level { .. } | OccurrenceCause::Gap | OccurrenceCause::Restart(..) => None,
    }
}

/// What it was about, as a sentence says it: `CPU 98.2 % > 90`. Where no value is known, what [`words`] says.
pub(super) fn clause(it: &Occurrence<'_>) -> String {
    match (&it.cause, peak(it)) {
        (OccurrenceCause::Alert(episode), Some(peak)) => {
            let alert = &episode.alert.alert;
            let name = name_of_its_own(alert).map(|name| format!("{name}: "));
            let name = name.unwrap_or_default();
            let (subject, limit) = (subject(it.host, alert), limit(it.host, alert));
            format!("{name}{subject} {peak}{limit}")
        }
        (OccurrenceCause::Level { metric, .. }, Some(peak)) => {
            let label = &it.host.metrics[*metric].label;
            let about = words(it, true);
            let limit = about.strip_prefix(label.as_str()).unwrap_or_default();
            format!("{label} {peak}{limit}")
        }
        _ => words(it, true),
    }
}

/// The highest value meanwhile, or the lowest for a rule about too little; of what is longer ago than samples are kept, the
/// value that was told.
pub(super) fn peak(it: &Occurrence<'_>) -> Option<String> {
    match &it.cause {
        OccurrenceCause::Alert(episode) => {
            let alert = &episode.alert.alert;
            value_text(it.host, alert, episode.peak(is_downward(alert)))
        }
        OccurrenceCause::Level { metric, peak } => {
            Some(units::value(*peak, &it.host.metrics[*metric].unit))
        }
        OccurrenceCause::Old(_) => {
            let alert = alert_of(it)?;
            value_text(it.host, alert, alert.value)
        }
        OccurrenceCause::Gap | OccurrenceCause::Restart(..) => None,
    }
}

/// The value now, while it lasts; or that nobody knows how it went on.
pub(super) fn value_now(it: &Occurrence<'_>) -> Option<String> {
    if let OccurrenceCause::Alert(episode) = &it.cause
        && episode.outcome == Outcome::CutOff
    {
        return Some("cut off".into());
    }
    if !it.is_open {
        return None;
    }
    match &it.cause {
        OccurrenceCause::Alert(episode) => {
            let alert = &episode.alert.alert;
            let now = it.host.value(&alert.metric).or(alert.value);
            value_text(it.host, alert, now)
        }
        OccurrenceCause::Level { metric, .. } => {
            let value = it.host.history.value(*metric)?;
            Some(units::value(value, &it.host.metrics[*metric].unit))
        }
        OccurrenceCause::Gap | OccurrenceCause::Restart(..) | OccurrenceCause::Old(_) => None,
    }
}

/// The process that was first when it began.
pub(super) fn who(it: &Occurrence<'_>) -> Option<String> {
    match &it.cause {
        OccurrenceCause::Alert(episode) => episode.alert.culprit.as_ref().map(blame),
        OccurrenceCause::Old(event) => event.alert.as_ref()?.culprit.as_ref().map(blame),
        OccurrenceCause::Level { metric, .. } => {
            let key = &it.host.metrics[*metric].key;
            let points = it.host.history.points();
            let at = points.iter().find(|point| it.began <= point.timestamp)?;
            Culprit::of(key, at.top.iter()).as_ref().map(blame)
        }
        OccurrenceCause::Gap | OccurrenceCause::Restart(..) => None,
    }
}
