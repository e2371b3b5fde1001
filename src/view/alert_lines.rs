//! The parts of an alert in words: its rule, its value and its limit.

use crate::protocol::Alert;

use super::firing::Culprit;
use super::sanitize::clean;
use super::state::HostState;
use super::units;

/// `rustc 61 %`.
pub(super) fn blame(culprit: &Culprit) -> String {
    let Culprit { name, percent } = culprit;
    match percent {
        Some(percent) => format!("{name} {} %", units::whole_percent(*percent)),
        None => name.clone(),
    }
}

/// The name that was given to the rule; without one, it is called by its text.
pub(super) fn name_of_its_own(alert: &Alert) -> Option<String> {
    let is_its_own = alert.name != alert.rule && !alert.name.is_empty() && !alert.metric.is_empty();
    is_its_own.then(|| clean(&alert.name))
}

/// The alert's name and rule, for a list; only its name, if it has one of its own, where there is `no_room` for both.
pub(super) fn title(host: &HostState, alert: &Alert, no_room: bool) -> String {
    // A rule about instances does not say which one this is.
    let rule = if alert.rule.is_empty() || alert.rule.contains('*') {
        format!("{}{}", subject(host, alert), limit(host, alert))
    } else {
        clean(&alert.rule)
    };
    match name_of_its_own(alert) {
        Some(name) if no_room => name,
        Some(name) => format!("{name}: {rule}"),
        None => rule,
    }
}

/// What the alert is about: the metric as people call it.
pub(super) fn subject(host: &HostState, alert: &Alert) -> String {
    if alert.metric.is_empty() {
        return clean(&alert.name);
    }
    let metric = host.find(&alert.metric).map(|index| &host.metrics[index]);
    metric.map_or_else(|| clean(&alert.metric), |metric| metric.label.clone())
}

fn unit<'a>(host: &'a HostState, alert: &Alert) -> &'a str {
    let metric = host.find(&alert.metric).map(|index| &host.metrics[index]);
    metric.map_or("", |metric| metric.unit.as_str())
}

/// `value` of what the alert is about, with its unit.
pub(super) fn value_text(host: &HostState, alert: &Alert, value: Option<f64>) -> Option<String> {
    value.map(|value| units::value(value, unit(host, alert)))
}

/// ` > 90`, or nothing for a rule that compares with no number.
pub(super) fn limit(host: &HostState, alert: &Alert) -> String {
    alert.threshold.map_or_else(String::new, |threshold| {
        let sign = sign(alert).unwrap_or("against");
        format!(" {sign} {}", level(threshold, unit(host, alert)))
    })
}

/// A threshold. Behind a value in percent or degrees, a whole number needs no unit.
fn level(threshold: f64, unit: &str) -> String {
    if matches!(unit, "%" | "°C") && threshold.fract() == 0.0 && threshold.abs() < 1e4 {
        format!("{threshold:.0}")
    } else {
        units::value(threshold, unit)
    }
}

pub(super) fn is_about_absence(alert: &Alert) -> bool {
    alert.threshold.is_none() && alert.rule.trim_start().starts_with("absent(")
}

/// How the rule compares: `>`, `>=`, `<` or `<=`. A quoted metric, and one that the rule begins with, may hold such signs too.
fn sign(alert: &Alert) -> Option<&'static str> {
    let rule = alert.rule.trim_start();
    let rest = rule.strip_prefix(alert.metric.as_str()).unwrap_or(rule);
    let (mut is_quoted, mut is_escaped) = (false, false);
    let at = rest.find(|c: char| {
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && is_quoted && !is_escaped;
        !is_quoted && matches!(c, '<' | '>')
    })?;
    let is = |sign: &&&str| rest[at..].starts_with(**sign);
    [">=", "<=", ">", "<"].iter().find(is).copied()
}

/// Whether `value` is beyond the threshold; the clear level of a rule may still hold an alert whose value is not.
pub(super) fn is_beyond(alert: &Alert, value: f64) -> bool {
    let Some(threshold) = alert.threshold else {
        return false;
    };
    match sign(alert) {
        Some(">") => threshold < value,
        Some(">=") => threshold <= value,
        Some("<") => value < threshold,
        Some("<=") => value <= threshold,
        _ => threshold <= value,
    }
}

/// Whether the rule is true of low values.
pub(super) fn is_downward(alert: &Alert) -> bool {
    sign(alert).is_some_and(|sign| sign.starts_with('<'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::AlertState;

    fn alert(metric: &str, rule: &str) -> Alert {
        Alert {
            name: rule.into(),
            rule: rule.into(),
            state: AlertState::Firing,
            metric: metric.into(),
            value: None,
            threshold: Some(90.0),
            since: 1,
        }
    }

    #[test]
    fn the_sign_is_that_of_the_rule() {
        for (metric, rule, expected) in [
            ("cpu", "cpu > 90 for 30s", Some(">")),
            ("cpu", "cpu>=90 clear < 80", Some(">=")),
            ("queue", "queue < 1", Some("<")),
            ("queue", "queue <= 1 for 1m", Some("<=")),
            ("disk:/a > b", "\"disk:/a > b\" < 5", Some("<")),
            ("disk:/a>b", "disk:/a>b < 5", Some("<")),
            ("disk:/a\" > b", r#""disk:/a\" > b" < 5"#, Some("<")),
            ("disk:/a\\", r#""disk:/a\\" >= 5"#, Some(">=")),
            ("cpu:3", "cpu:* > 95", Some(">")),
            ("cpu", "absent(cpu) for 1m", None),
            ("", "", None),
        ] {
            assert_eq!(sign(&alert(metric, rule)), expected, "{rule}");
        }
    }

    #[test]
    fn a_threshold_has_the_unit_that_its_value_needs() {
        for (threshold, unit, expected) in [
            (90.0, "%", "90"),
            (92.5, "%", "92.5 %"),
            (80.0, "°C", "80"),
            (12_884_901_888.0, "B", "12.0 GiB"),
            (5e6, "B/s", "5.0 MB/s"),
            (8.0, "", "8"),
            (1e300, "%", "1e300 %"),
        ] {
            assert_eq!(level(threshold, unit), expected);
        }
    }
}
