//! A change of an alert in plain English.

use std::time::Duration;

use crate::alert::change::Change;
use crate::protocol::{
    Alert, AlertState, HostName, MetricInfo, Process, describe, is_about_waiting, section, shown,
};
use crate::view::{date, value};
use crate::wording::span;

/// The longest piece of foreign text in a notification, in characters: chats truncate messages.
const LONGEST_NAME: usize = 120;

/// The longest rule or name in the facts of a notification, in characters.
const LONGEST_FACT: usize = 1000;

/// A shorter time isn't mentioned.
const BRIEFEST: Duration = Duration::from_secs(1);

/// A notification's text, and its facts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notice {
    pub(super) change: Change,
    /// The catalogue's description of the metric.
    pub(super) metric: MetricInfo,
    /// What happened to which alert of which host, in a few words.
    pub(super) title: String,
    /// The values, as sentences.
    pub(super) details: String,
}

impl Notice {
    /// A notice about `change`.
    pub(super) fn of(change: &Change) -> Self {
        let change = with_bounds(change);
        let alert = &change.alert;
        let happened = match alert.state {
            AlertState::Firing => "Firing",
            AlertState::Resolved if change.is_withdrawn => "Withdrawn",
            AlertState::Resolved => "Resolved",
        };
        let metric = describe(&alert.metric, 0);
        Self {
            title: format!("{happened}: {} on {}", plain(&alert.name), change.host),
            details: details(&change, &metric),
            metric,
            change,
        }
    }

    /// A notification without a change, to test whether it arrives.
    pub(super) fn test(host: &HostName, timestamp: u64) -> Self {
        let alert = Alert {
            name: "test".into(),
            rule: String::new(),
            state: AlertState::Firing,
            metric: String::new(),
            value: None,
            threshold: None,
            since: timestamp,
        };
        Self {
            title: format!("Test from {host}"),
            details: "Notifications from this host arrive here. No alert is firing.".into(),
            metric: MetricInfo::default(),
            change: Change::of(host, alert, timestamp, false),
        }
    }

    /// The title; for a replay, it begins with saying so.
    pub(super) fn title(&self) -> String {
        format!("{}{}", self.replay(), self.title)
    }

    /// Title and details in one text.
    pub(super) fn text(&self) -> String {
        format!("{}{}. {}", self.replay(), self.title, self.details)
    }

    /// The details alone; for a replay, they begin with saying so.
    pub(super) fn body(&self) -> String {
        format!("{}{}", self.replay(), self.details)
    }

    /// The start of a text about something in the past.
    fn replay(&self) -> String {
        if self.change.replayed {
            format!("Replay of {}: ", date(self.change.timestamp))
        } else {
            String::new()
        }
    }

    pub(super) fn is_firing(&self) -> bool {
        self.change.alert.state == AlertState::Firing
    }
}

/// Truncates extremely long names and rules.
fn with_bounds(change: &Change) -> Change {
    let mut change = change.clone();
    let alert = &mut change.alert;
    for text in [&mut alert.name, &mut alert.rule, &mut alert.metric] {
        cut(text, LONGEST_FACT);
    }
    if let Some(culprit) = &mut change.culprit {
        cut(&mut culprit.name, LONGEST_FACT);
    }
    change
}

fn details(change: &Change, metric: &MetricInfo) -> String {
    if change.is_about_silence() {
        return silence(change);
    }
    if change.is_about_all() {
        return silence_of_all(change);
    }
    let culprit = change.culprit.as_ref().map(|it| culprit(it, metric));
    let sentences = match change.alert.state {
        AlertState::Firing => [firing(change, metric)]
            .into_iter()
            .chain(culprit)
            .collect(),
        // The busiest process at the end explains nothing.
        AlertState::Resolved => resolved(change, metric),
    };
    sentences.join(" ")
}

/// `No sample has come for 1 m 00 s.`, or what it was when it is over.
fn silence(change: &Change) -> String {
    let since = Duration::from_millis(change.timestamp.saturating_sub(change.alert.since));
    let length = span(change.lasted.unwrap_or(since));
    match change.alert.state {
        AlertState::Firing => format!("No sample has come for {length}."),
        AlertState::Resolved => format!("Samples are coming again, after a silence of {length}."),
    }
}

/// What a relay says of all its hosts.
fn silence_of_all(change: &Change) -> String {
    let since = Duration::from_millis(change.timestamp.saturating_sub(change.alert.since));
    let length = span(change.lasted.unwrap_or(since));
    match change.alert.state {
        AlertState::Firing => format!(
            "No host has given a sign of life for {length}: Redis takes nothing, or all hosts are down."
        ),
        AlertState::Resolved => {
            format!("Hosts give signs of life again, after {length} without any.")
        }
    }
}

/// `CPU is 98.2 %, above 90.0 % for 2 m 10 s.`
fn firing(change: &Change, metric: &MetricInfo) -> String {
    let alert = &change.alert;
    let label = plain(&metric.label);
    let held = Duration::from_millis(change.timestamp.saturating_sub(alert.since));
    let long = if held < BRIEFEST {
        String::new()
    } else {
        format!(" for {}", span(held))
    };
    match (alert.value, alert.threshold) {
        (Some(now), Some(threshold)) => format!(
            "{label} is {}, {} {}{long}.",
            value(now, &metric.unit),
            side(now, threshold),
            value(threshold, &metric.unit)
        ),
        (Some(now), None) => format!("{label} is {}{long}.", value(now, &metric.unit)),
        (None, _) => format!("{label} has had no value{long}."),
    }
}

/// On which side of the threshold a value is.
fn side(value: f64, threshold: f64) -> &'static str {
    if threshold < value {
        "above"
    } else if value < threshold {
        "below"
    } else {
        "at"
    }
}

/// `CPU is 41.0 %. The alert lasted 12 m 30 s, with a peak of 99.1 % (threshold 90.0 %).` If the rule is gone, that comes
/// first.
fn resolved(change: &Change, metric: &MetricInfo) -> Vec<String> {
    let alert = &change.alert;
    let label = plain(&metric.label);
    let now = (alert.value).map(|now| format!("{label} is {}.", value(now, &metric.unit)));
    let lasted = change
        .lasted
        .unwrap_or_else(|| Duration::from_millis(change.timestamp.saturating_sub(alert.since)));
    let peak = change.peak.map(|peak| {
        let peak = value(peak, &metric.unit);
        if change.is_downward {
            format!("; its lowest value was {peak}")
        } else {
            format!(", with a peak of {peak}")
        }
    });
    let threshold = (alert.threshold).map(|it| format!(" (threshold {})", value(it, &metric.unit)));
    let lasted = if lasted < BRIEFEST {
        "less than a second".into()
    } else {
        span(lasted)
    };
    let lasted = format!(
        "The alert lasted {lasted}{}{}.",
        peak.unwrap_or_default(),
        threshold.unwrap_or_default()
    );
    let withdrawn = change
        .is_withdrawn
        .then(|| "Its rule was removed or changed.".to_owned());
    (withdrawn.into_iter().chain(now)).chain([lasted]).collect()
}

/// The process that used most of what the rule is about, or one that waits.
fn culprit(process: &Process, metric: &MetricInfo) -> String {
    let name = plain(&process.name);
    if is_about_waiting(&metric.name) {
        format!("Waiting for a disk: {name}.")
    } else if metric.section == section::MEMORY {
        let share = value(process.memory, "%");
        format!("Largest process: {name}, {share} of the memory.")
    } else {
        let share = value(process.cpu, "%");
        format!("Busiest process: {name}, {share} of the CPU.")
    }
}

/// Foreign text in one line: short, and with its control and invisible characters escaped.
pub(super) fn plain(text: &str) -> String {
    let mut plain = shown(text).to_string();
    cut(&mut plain, LONGEST_NAME);
    plain
}

fn cut(text: &mut String, longest: usize) {
    if let Some((at, _)) = text.char_indices().nth(longest) {
        text.truncate(at);
        text.push('…');
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An alert of `hot disk`'s kind, 130 s after its rule became true.
    pub(in crate::alert::notify) fn firing() -> Change {
        Change {
            host: "web-1".parse().unwrap(),
            alert: Alert {
                name: "hot cpu".into(),
                rule: "cpu > 90 for 30s".into(),
                state: AlertState::Firing,
                metric: "cpu".into(),
                value: Some(98.2),
                threshold: Some(90.0),
                since: 1_795_529_251_204,
            },
            timestamp: 1_795_529_381_204,
            culprit: Some(Process {
                pid: 812,
                name: "rustc".into(),
                cpu: 61.04,
                memory: 12.5,
                ..Process::default()
            }),
            lasted: None,
            peak: None,
            is_downward: false,
            is_withdrawn: false,
            replayed: false,
        }
    }

    /// The end of it.
    pub(in crate::alert::notify) fn resolved() -> Change {
        let mut change = firing();
        change.alert.state = AlertState::Resolved;
        change.alert.value = Some(41.0);
        change.timestamp += 620_000;
        change.lasted = Some(Duration::from_secs(750));
        change.peak = Some(99.1);
        change
    }

    #[test]
    fn a_change_is_told_in_plain_english() {
        let text = |change: &Change| Notice::of(change).text();
        assert_eq!(
            text(&firing()),
            "Firing: hot cpu on web-1. CPU is 98.2 %, above 90.0 % for 2 m 10 s. \
             Busiest process: rustc, 61.0 % of the CPU."
        );
        assert_eq!(
            text(&resolved()),
            "Resolved: hot cpu on web-1. CPU is 41.0 %. \
             The alert lasted 12 m 30 s, with a peak of 99.1 % (threshold 90.0 %)."
        );
        let mut withdrawn = resolved();
        withdrawn.is_withdrawn = true;
        withdrawn.alert.value = Some(98.0);
        assert_eq!(
            text(&withdrawn),
            "Withdrawn: hot cpu on web-1. Its rule was removed or changed. CPU is 98.0 %. \
             The alert lasted 12 m 30 s, with a peak of 99.1 % (threshold 90.0 %)."
        );
        let mut low = resolved();
        low.alert.metric = "memoryAvailable".into();
        low.alert.value = Some(2_147_483_648.0);
        low.alert.threshold = Some(1_073_741_824.0);
        (low.peak, low.is_downward) = (Some(524_288_000.0), true);
        assert_eq!(
            text(&low),
            "Resolved: hot cpu on web-1. Memory available is 2.0 GiB. \
             The alert lasted 12 m 30 s; its lowest value was 500 MiB (threshold 1.0 GiB)."
        );
        let mut memory = firing();
        memory.alert.name = "memoryAvailable < 1GiB".into();
        memory.alert.metric = "memoryAvailable".into();
        memory.alert.value = Some(536_870_912.0);
        memory.alert.threshold = Some(1_073_741_824.0);
        memory.alert.since = memory.timestamp;
        assert_eq!(
            text(&memory),
            "Firing: memoryAvailable < 1GiB on web-1. Memory available is 512 MiB, below 1.0 GiB. \
             Largest process: rustc, 12.5 % of the memory."
        );
        let mut slow = firing();
        slow.alert.metric = "iowait".into();
        slow.alert.since = slow.timestamp;
        assert_eq!(
            text(&slow),
            "Firing: hot cpu on web-1. I/O wait is 98.2 %, above 90.0 %. Waiting for a disk: rustc."
        );
        let mut disk = firing();
        disk.alert.metric = "disk:/var".into();
        disk.alert.value = Some(90.0);
        disk.culprit = None;
        assert_eq!(
            text(&disk),
            "Firing: hot cpu on web-1. Disk /var is 90.0 %, at 90.0 % for 2 m 10 s."
        );
    }

    #[test]
    fn an_absent_value_is_told_as_such() {
        let mut absent = firing();
        absent.alert.name = "absent(requestsPerSecond) for 1m".into();
        absent.alert.metric = "orders".into();
        absent.alert.value = None;
        absent.alert.threshold = None;
        absent.culprit = None;
        assert_eq!(
            Notice::of(&absent).details,
            "orders has had no value for 2 m 10 s."
        );
        absent.alert.state = AlertState::Resolved;
        absent.lasted = Some(Duration::from_secs(9));
        assert_eq!(Notice::of(&absent).details, "The alert lasted 9 s.");
        absent.alert.value = Some(7.0);
        assert_eq!(
            Notice::of(&absent).details,
            "orders is 7. The alert lasted 9 s."
        );
    }

    #[test]
    fn silence_is_told_without_a_metric() {
        let minute = Duration::from_secs(60);
        let host = "web-1".parse().unwrap();
        let text = |is_back| {
            Notice::of(&Change::silence(
                &host,
                (minute, minute),
                1_000_000,
                is_back,
            ))
            .text()
        };
        assert_eq!(
            text(false),
            "Firing: silent on web-1. No sample has come for 1 m 00 s."
        );
        assert_eq!(
            text(true),
            "Resolved: silent on web-1. Samples are coming again, after a silence of 1 m 00 s."
        );
    }

    #[test]
    fn silence_of_all_hosts_may_be_that_of_redis() {
        let (length, limit) = (Duration::from_secs(75), Duration::from_secs(10));
        let relay = "relay-1".parse().unwrap();
        let text = |is_back| {
            Notice::of(&Change::silence_of_all(
                &relay,
                (length, limit),
                1_000_000,
                is_back,
            ))
            .text()
        };
        assert_eq!(
            text(false),
            "Firing: all-silent on relay-1. No host has given a sign of life for 1 m 15 s: Redis takes nothing, or all \
             hosts are down."
        );
        assert_eq!(
            text(true),
            "Resolved: all-silent on relay-1. Hosts give signs of life again, after 1 m 15 s without any."
        );
    }

    #[test]
    fn a_replay_says_so_first() {
        let mut change = firing();
        change.replayed = true;
        let notice = Notice::of(&change);
        for text in [notice.title(), notice.text(), notice.body()] {
            assert!(text.starts_with("Replay of 2026-11-24: "), "{text}");
        }
    }

    #[test]
    fn names_of_others_are_short_and_obey_nothing() {
        let mut change = firing();
        change.alert.name = "a\r\nb\u{202e}\u{1b}[31m".into();
        change.culprit.as_mut().unwrap().name = "x".repeat(100_000);
        let text = Notice::of(&change).text();
        assert!(
            text.contains(r"Firing: a\r\nb\u{202e}\u{1b}[31m on web-1."),
            "{text}"
        );
        assert!(text.chars().count() < 400, "{}", text.len());
    }
}
