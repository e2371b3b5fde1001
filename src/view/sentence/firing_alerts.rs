//! Alerts that fire.

use super::draft::{Draft, Suspect};
use super::held::Since;
use super::outlook::{outlook, outlook_text};
use super::phrases::{lasted, subject};
use super::situation::Situation;
use super::suspects::suspects;
use super::trouble::Urgency;
use crate::view::alert_lines;
use crate::view::firing::FiringAlert;
use crate::view::sanitize::clean;
use crate::view::units;

pub(super) fn drafts(situation: &Situation<'_>) -> Vec<Draft> {
    let firing = situation.host.firing.now().iter();
    firing.map(|alert| draft(situation, alert)).collect()
}

fn draft(situation: &Situation<'_>, firing: &FiringAlert) -> Draft {
    let alert = &firing.alert;
    let metric = situation.metric(&alert.metric);
    let now = situation.host.value(&alert.metric);
    let is_absent = alert_lines::is_about_absence(alert);
    let mut what = match metric {
        Some(metric) => subject(situation, metric),
        None if alert.metric.is_empty() => clean(&alert.name),
        None => clean(&alert.metric),
    };
    if is_absent {
        what.push_str(" absent");
    } else if let Some(value) = now.or(alert.value) {
        let unit = metric.map_or("", |metric| &metric.unit);
        what.push_str(&format!(" {}", units::value(value, unit)));
    }
    let mut draft = Draft::new(Urgency::Alert, &alert.metric, what);
    let name = alert_lines::name_of_its_own(alert);
    draft.rule = name.map_or_else(String::new, |name| format!("{name}: "));
    // A rule may still hold although the value has left its limit.
    let is_beyond = now.is_some_and(|now| alert_lines::is_beyond(alert, now));
    if !is_absent && (is_beyond || now.is_none()) {
        draft.limit = alert_lines::limit(situation.host, alert);
    }
    draft.since = Some(alert.since).filter(|since| *since > 0);
    if let Some(at) = draft.since {
        let is_earlier = false;
        draft.lasted = lasted(situation, Since { at, is_earlier });
    }
    let index = situation.host.find(&alert.metric);
    draft.outlook =
        outlook_text(index.and_then(|index| outlook(situation.host, index, &alert.metric)));
    draft.suspects = blame(situation, firing, is_beyond);
    draft
}

/// Those of now while the value is beyond the limit; afterwards, the one that it began with.
fn blame(situation: &Situation<'_>, firing: &FiringAlert, is_beyond: bool) -> Vec<Suspect> {
    let now = suspects(situation, &firing.alert.metric);
    match &firing.culprit {
        Some(then) if !is_beyond || now.is_empty() => {
            vec![match then.percent {
                Some(percent) => Suspect::sharing(&then.name, percent, None),
                None => Suspect::without_share(&then.name),
            }]
        }
        _ => now,
    }
}
