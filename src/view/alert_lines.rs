//! What fires, as sentences at the top of a page: one line each.

use std::time::Duration;

use crate::protocol::Alert;
use crate::wording::span;

use super::causes::cause;
use super::firing::{Culprit, FiringAlert};
use super::page_parts::{Canvas, LinePart, spread};
use super::sanitize::clean;
use super::state::HostState;
use super::style::Tone;
use super::styled_line::StyledLine;
use super::units;

/// A line for each alert of `host`, or for as many as a page of `height` lines has room for.
pub(super) fn of_host(host: &HostState, height: usize, canvas: Canvas) -> Vec<StyledLine> {
    let said = in_order(host).into_iter().map(|alert| (host, alert));
    lines(&said.collect::<Vec<_>>(), false, height, canvas)
}

/// The same for all `hosts`, with their names: the first alert of each comes before the second of any.
pub(super) fn of_hosts<'a>(
    hosts: impl Iterator<Item = &'a HostState>,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let mut alerts: Vec<_> = hosts
        .flat_map(|host| {
            let ranked = in_order(host).into_iter().enumerate();
            ranked.map(move |(nth, alert)| (nth, host, alert))
        })
        .collect();
    alerts.sort_by_key(|(nth, _, alert)| (*nth, cause(&alert.alert.metric), alert.alert.since));
    let said = alerts.into_iter().map(|(_, host, alert)| (host, alert));
    lines(&said.collect::<Vec<_>>(), true, height, canvas)
}

fn in_order(host: &HostState) -> Vec<&FiringAlert> {
    let mut alerts: Vec<_> = host.firing.now().iter().map(|alert| &**alert).collect();
    alerts.sort_by_key(|alert| (cause(&alert.alert.metric), alert.alert.since));
    alerts
}

/// The most lines that alerts take on a page of `height` lines.
fn most(height: usize) -> usize {
    (height / 5).clamp(2, 10)
}

fn lines(
    alerts: &[(&HostState, &FiringAlert)],
    are_named: bool,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let most = most(height);
    let shown = if alerts.len() > most {
        most - 1
    } else {
        alerts.len()
    };
    let more = alerts.len() - shown;
    let mut lines: Vec<_> = alerts[..shown]
        .iter()
        .map(|(host, alert)| line(host, alert, are_named, canvas))
        .collect();
    if more > 0 {
        let mark = canvas.style.glyphs().alert;
        lines.push(StyledLine::new(
            Tone::Critical,
            format!(" {mark} and {more} more"),
        ));
    }
    lines
}

fn line(host: &HostState, alert: &FiringAlert, is_named: bool, canvas: Canvas) -> StyledLine {
    let name = if is_named {
        format!("{}  ", host.name)
    } else {
        String::new()
    };
    let mark = canvas.style.glyphs().alert;
    let room = canvas.width.saturating_sub(1);
    let line = |sentence| StyledLine::new(Tone::Critical, format!("{mark} {name}{sentence}"));
    let lines = sentences(host, alert).map(line);
    let fitting = lines.iter().find(|line| line.width() <= room);
    let part = LinePart {
        rank: 0,
        line: fitting
            .unwrap_or(&lines[2])
            .clone()
            .clip(room, canvas.style),
    };
    spread(vec![part], &since_texts(host, alert.alert.since), canvas)
}

/// `since 14:06:58 UTC`, where that is known and the sentence leaves room for it.
fn since_texts(host: &HostState, since: u64) -> Vec<String> {
    if since == 0 {
        return Vec::new();
    }
    let clock = units::clock(since);
    let newest = host.history.newest().unwrap_or(since);
    let is_today = units::date(newest) == units::date(since);
    let dated = (!is_today).then(|| format!("since {} {clock} UTC", units::date(since)));
    let texts = dated
        .into_iter()
        .chain([format!("since {clock} UTC"), format!("since {clock}")]);
    texts.take(if is_today { 2 } else { 1 }).collect()
}

/// `CPU 98.2 % > 90 for 2 m 10 s: rustc 61 %`, after the alert's name if it has one of its own. Then, for where that does not
/// fit, without the threshold, and without the time as well.
fn sentences(host: &HostState, alert: &FiringAlert) -> [String; 3] {
    let FiringAlert { alert, culprit, .. } = alert;
    let mut begin = name_of_its_own(alert).map_or_else(String::new, |name| format!("{name}: "));
    begin.push_str(&subject(host, alert));
    if let Some(value) = value_text(host, alert, alert.value) {
        begin.push_str(&format!(" {value}"));
    }
    if is_about_absence(alert) {
        begin.push_str(" absent");
    }
    let limit = limit(host, alert);
    let lasted = lasted(host, alert).map(|lasted| format!(" for {}", span(lasted)));
    let lasted = lasted.unwrap_or_default();
    // A viewer that came late knows the processes of now.
    let blamed = match culprit {
        Some(culprit) => Some(blame(culprit)),
        None => Culprit::of(&alert.metric, host.top()).map(|it| format!("now {}", blame(&it))),
    };
    let end = blamed.map_or_else(String::new, |blamed| format!(": {blamed}"));
    [
        format!("{begin}{limit}{lasted}{end}"),
        format!("{begin}{lasted}{end}"),
        format!("{begin}{end}"),
    ]
}

/// `rustc 61 %`.
pub(super) fn blame(culprit: &Culprit) -> String {
    let Culprit { name, percent } = culprit;
    format!("{name} {} %", units::whole_percent(*percent))
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
fn subject(host: &HostState, alert: &Alert) -> String {
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

fn lasted(host: &HostState, alert: &Alert) -> Option<Duration> {
    let newest = host.history.newest().unwrap_or(alert.since);
    let is_known = alert.since > 0;
    is_known.then(|| Duration::from_millis(newest.saturating_sub(alert.since)))
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

    #[test]
    fn the_lines_are_bounded_by_the_height() {
        assert_eq!([0, 11, 22, 38, 58, 10_000].map(most), [2, 2, 4, 7, 10, 10]);
    }
}
