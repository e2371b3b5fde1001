//! What happened, in words.

use super::alert_lines::{blame, is_downward, title, value_text};
use super::episodes::Outcome;
use super::firing::Culprit;
use super::marks::{Occurrence, OccurrenceCause};
use super::metric::Level;
use super::units;

/// What it is about: an alert's rule, a level, a gap or a restart. Brief where there is `no_room`.
pub(super) fn words(it: &Occurrence<'_>, no_room: bool) -> String {
    match &it.cause {
        OccurrenceCause::Alert(episode) => title(it.host, &episode.alert.alert, no_room),
        OccurrenceCause::Level { metric, peak } => {
            let metric = &it.host.metrics[*metric];
            let limit = match metric.level(*peak) {
                Level::Critical => metric.critical,
                _ => metric.warn,
            };
            let limit = limit.map_or_else(String::new, |limit| units::value(limit, &metric.unit));
            format!("{} over {limit}", metric.label)
        }
        OccurrenceCause::Gap => "gap: no samples".into(),
        OccurrenceCause::Restart(_, _) if no_room => "restarted".into(),
        OccurrenceCause::Restart(now, before) => {
            format!("restarted: stream {now}, was {before}")
        }
    }
}

/// The highest value meanwhile, or the lowest for a rule about too little.
pub(super) fn peak(it: &Occurrence<'_>) -> Option<String> {
    match &it.cause {
        OccurrenceCause::Alert(episode) => {
            let alert = &episode.alert.alert;
            value_text(it.host, alert, episode.peak(is_downward(alert)))
        }
        OccurrenceCause::Level { metric, peak } => {
            Some(units::value(*peak, &it.host.metrics[*metric].unit))
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
        OccurrenceCause::Gap | OccurrenceCause::Restart(..) => None,
    }
}

/// The process that was first when it began.
pub(super) fn who(it: &Occurrence<'_>) -> Option<String> {
    match &it.cause {
        OccurrenceCause::Alert(episode) => episode.alert.culprit.as_ref().map(blame),
        OccurrenceCause::Level { metric, .. } => {
            let key = &it.host.metrics[*metric].key;
            let points = it.host.history.points();
            let at = points.iter().find(|point| it.began <= point.timestamp)?;
            Culprit::of(key, at.top.iter()).as_ref().map(blame)
        }
        OccurrenceCause::Gap | OccurrenceCause::Restart(..) => None,
    }
}
