//! The table of cases that the page is tested against too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::trouble::Urgency;
use super::*;
use crate::protocol::{
    Alert, AlertState, Gap, GapReason, Hello, HostName, MetricInfo, Process, Sample, StreamId,
    System, describe,
};
use crate::view::state::{Now, ViewState};

const CASES: &str = include_str!("../../../tests/it/fixtures/sentence.json");

/// The time of the newest sample: 2026-11-24T14:07:31Z.
const NEWEST: u64 = 1_795_529_251_000;

const PLAIN: Style = Style {
    colour: false,
    unicode: true,
};

/// A host, and what is said about it. One sample a second.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Of the machine; 0 if nobody says.
    #[serde(default = "eight")]
    cores: u32,
    /// For the levels of load, where nobody says.
    described: Option<u32>,
    #[serde(default = "forty")]
    samples: usize,
    /// The newest values of each metric: `v`, or `[v, n]` for n of them, or `[v, w, n]` for a straight line. The first
    /// fills what is left before them.
    values: BTreeMap<String, Value>,
    /// Metrics that aren't in the catalogue.
    #[serde(default)]
    infos: BTreeMap<String, MetricInfo>,
    /// The newest processes: name, share of the CPU and of the memory, state.
    #[serde(default)]
    top: Vec<Entry>,
    /// The processes that were listed up to so many samples ago.
    #[serde(default)]
    tops: BTreeMap<usize, Vec<Entry>>,
    #[serde(default)]
    alerts: Vec<Firing>,
    silence: Option<Silence>,
    loss: Option<Loss>,
    /// The urgencies and the longest forms.
    expect: Vec<(String, String)>,
    /// The form of the first that fits a width.
    #[serde(default)]
    fit: BTreeMap<usize, String>,
    /// The first as a line of the terminal.
    #[serde(default)]
    lines: BTreeMap<usize, String>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum Entry {
    Waiting(String, f64, f64, String),
    Running(String, f64, f64),
}

#[derive(Deserialize)]
struct Firing {
    name: Option<String>,
    rule: String,
    metric: String,
    value: Option<f64>,
    threshold: Option<f64>,
    /// In seconds.
    ago: u64,
    /// The processes when it began, where they differ.
    then: Option<Vec<Entry>>,
    /// Whether only a hello told of it.
    #[serde(default)]
    told: bool,
}

/// Times are in seconds.
#[derive(Deserialize)]
struct Silence {
    kind: String,
    #[serde(default)]
    age: u64,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    attempt: u32,
    #[serde(default)]
    wait: u64,
}

#[derive(Deserialize)]
struct Loss {
    reason: GapReason,
    from: Option<u64>,
    to: Option<u64>,
    ago: u64,
}

fn eight() -> u32 {
    8
}

fn forty() -> usize {
    40
}

impl Entry {
    fn process(&self) -> Process {
        let (name, cpu, memory, state) = match self {
            Self::Waiting(name, cpu, memory, state) => (name, cpu, memory, Some(state.clone())),
            Self::Running(name, cpu, memory) => (name, cpu, memory, None),
        };
        Process {
            // Each name is a process.
            pid: name.bytes().map(u32::from).sum(),
            name: name.clone(),
            cpu: *cpu,
            memory: *memory,
            state,
            ..Process::default()
        }
    }
}

fn processes(entries: &[Entry]) -> Option<Vec<Process>> {
    (!entries.is_empty()).then(|| entries.iter().map(Entry::process).collect())
}

/// `count` values, the oldest first.
fn values(text: &Value, count: usize) -> Vec<Option<f64>> {
    let mut values = Vec::new();
    let runs = match text {
        Value::Array(runs) => runs.as_slice(),
        value => std::slice::from_ref(value),
    };
    for run in runs {
        let numbers = run
            .as_array()
            .map_or(std::slice::from_ref(run), Vec::as_slice);
        match numbers {
            [value] => values.push(value.as_f64()),
            [value, times] => {
                let times = usize::try_from(times.as_u64().unwrap()).unwrap();
                values.extend(std::iter::repeat_n(value.as_f64(), times));
            }
            [from, to, times] => {
                let (from, to) = (from.as_f64().unwrap(), to.as_f64().unwrap());
                let times = u32::try_from(times.as_u64().unwrap()).unwrap();
                let step = (to - from) / f64::from(times - 1);
                values.extend((0..times).map(|n| Some(from + step * f64::from(n))));
            }
            other => panic!("{other:?}"),
        }
    }
    let missing = count.saturating_sub(values.len());
    let first = values.first().copied().flatten();
    values.splice(0..0, std::iter::repeat_n(first, missing));
    values.split_off(values.len() - count)
}

impl Case {
    fn state(&self) -> (ViewState, Now) {
        let host: HostName = "web-1".parse().unwrap();
        let mut state = ViewState::new(1000, &["web-1".to_owned()]);
        let mut now = Now {
            elapsed: Duration::from_secs(10_000),
            wall: NEWEST,
        };
        state.connected(0);
        let told = self
            .alerts
            .iter()
            .filter(|alert| alert.told)
            .map(Firing::alert);
        let hello = Hello {
            stream: StreamId(1),
            interval: 1000,
            system: (self.cores > 0).then(|| System {
                cores: self.cores,
                ..System::default()
            }),
            metrics: self.metrics().into(),
            alerts: told.collect(),
            ..Hello::default()
        };
        state.hello(0, &host, &hello);
        for (sample, back) in self.history() {
            let at = Now {
                elapsed: now.elapsed - Duration::from_secs(back),
                ..now
            };
            let position = (StreamId(1), 5000 - back);
            state.sample(0, &host, position, &sample, at);
        }
        for alert in self.alerts.iter().filter(|alert| !alert.told) {
            let top = alert.then.as_ref().unwrap_or(&self.top);
            let sample = Sample {
                timestamp: NEWEST,
                top: processes(top),
                ..Sample::default()
            };
            state.alert(0, &host, (StreamId(1), 5001), &alert.alert(), &sample, now);
        }
        self.lose(&mut state, &host, now);
        self.fall_silent(&mut state, &host, &mut now);
        (state, now)
    }

    fn lose(&self, state: &mut ViewState, host: &HostName, now: Now) {
        if let Some(Loss {
            reason,
            from,
            to,
            ago,
        }) = self.loss
        {
            let at = Now {
                elapsed: now.elapsed - Duration::from_secs(ago),
                ..now
            };
            state.gap(0, host, Gap { from, to, reason }, at);
        }
    }

    fn fall_silent(&self, state: &mut ViewState, host: &HostName, now: &mut Now) {
        if let Some(silence) = &self.silence {
            now.elapsed += Duration::from_secs(silence.age);
            let retry_at = now.elapsed + Duration::from_secs(silence.wait);
            match silence.kind.as_str() {
                "lost" => state.lost(0, &silence.reason, silence.attempt, retry_at),
                "refused" => state.refused(0, &silence.reason),
                "stale" => state.stale(host),
                "over" => state.host_ended(host),
                _ => {}
            }
        }
    }

    fn metrics(&self) -> Vec<MetricInfo> {
        let cores = usize::try_from(self.described.unwrap_or(self.cores)).unwrap();
        let info = |name: &String| MetricInfo {
            name: name.clone(),
            ..self
                .infos
                .get(name)
                .cloned()
                .unwrap_or_else(|| describe(name, cores))
        };
        self.values.keys().map(info).collect()
    }

    /// The samples, each with the number of those after it.
    fn history(&self) -> Vec<(Sample, u64)> {
        let series: Vec<(Arc<str>, Vec<Option<f64>>)> = self
            .values
            .iter()
            .map(|(name, text)| (name.as_str().into(), values(text, self.samples)))
            .collect();
        let sample = |index: usize| {
            let back = self.samples - 1 - index;
            let value = |(name, values): &(Arc<str>, Vec<Option<f64>>)| {
                Some((Arc::clone(name), values[index]?))
            };
            let listed = self.tops.range(..=back).next_back().map(|(_, top)| top);
            let back = u64::try_from(back).unwrap();
            let sample = Sample {
                timestamp: NEWEST - 1000 * back,
                values: series.iter().filter_map(value).collect(),
                top: processes(listed.unwrap_or(&self.top)),
                ..Sample::default()
            };
            (sample, back)
        };
        (0..self.samples).map(sample).collect()
    }

    fn check(&self) -> Result<(), String> {
        let (state, now) = self.state();
        let host = &state.hosts[&"web-1".parse::<HostName>().unwrap()];
        let situation = Situation {
            state: &state,
            host,
            now,
        };
        let found = problems(&situation);
        let said: Vec<(String, String)> = found
            .iter()
            .map(|trouble| (word(trouble.urgency).to_owned(), trouble.forms[0].clone()))
            .collect();
        let mut wrong = Vec::new();
        if said != self.expect {
            wrong.push(format!("said {said:?}\nexpected {:?}", self.expect));
        }
        let first = found.first().cloned().unwrap_or_else(Trouble::well);
        for (width, expected) in &self.fit {
            let text = first.text(*width);
            if text != expected {
                wrong.push(format!("{width}: {text:?}, expected {expected:?}"));
            }
        }
        for (width, expected) in &self.lines {
            let text = line(&first, "web-1", *width, PLAIN).render(PLAIN);
            if text != *expected {
                wrong.push(format!("line of {width}: {text:?}, expected {expected:?}"));
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("{}: {}", self.name, wrong.join("\n")))
        }
    }
}

impl Firing {
    fn alert(&self) -> Alert {
        Alert {
            name: self.name.clone().unwrap_or_else(|| self.rule.clone()),
            rule: self.rule.clone(),
            state: AlertState::Firing,
            metric: self.metric.clone(),
            value: self.value,
            threshold: self.threshold,
            since: NEWEST - 1000 * self.ago,
        }
    }
}

fn word(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::NotLive => "silent",
        Urgency::Alert => "alert",
        Urgency::Critical => "critical",
        Urgency::Warning => "warning",
        Urgency::Event => "event",
        Urgency::Note => "note",
        Urgency::Well => "well",
    }
}

#[test]
fn every_case_of_the_table_is_said_as_it_says() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(40 <= cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| case.check().err()).collect();
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn a_line_is_never_wider_than_the_screen() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    for case in &cases {
        let (state, now) = case.state();
        let host = &state.hosts[&"web-1".parse::<HostName>().unwrap()];
        let situation = Situation {
            state: &state,
            host,
            now,
        };
        for width in [1, 10, 20, 40, 80, 120, 200] {
            for line in lines(&situation, 9, width, PLAIN) {
                assert!(line.width() <= width, "{}: {width}", case.name);
            }
        }
    }
}
