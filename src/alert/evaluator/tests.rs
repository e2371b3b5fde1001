mod promtool;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::alert::{KnownMetrics, parse_rule};
use crate::protocol::{Body, Message};

/// Milliseconds between two samples of the tables.
const STEP: u64 = 10_000;

fn rules(texts: &[&str]) -> Arc<[Rule]> {
    let known = KnownMetrics::catalogue();
    texts
        .iter()
        .map(|text| parse_rule(text, &known).unwrap())
        .collect()
}

fn evaluator(texts: &[&str]) -> Evaluator {
    Evaluator::new(rules(texts), STEP)
}

fn sample(timestamp: u64, values: &[(&str, f64)]) -> Sample {
    let values = values.iter().map(|&(name, value)| (name.into(), value));
    Sample {
        timestamp,
        values: values.collect(),
        ..Sample::default()
    }
}

fn fired(verdicts: &[Verdict]) -> Vec<String> {
    let shown = |verdict: &Verdict| {
        let Alert {
            name,
            metric,
            state,
            ..
        } = &verdict.alert;
        let sign = if *state == AlertState::Firing {
            '+'
        } else {
            '-'
        };
        format!("{sign}{name}/{metric}")
    };
    verdicts.iter().map(shown).collect()
}

/// The course of a rule for values of `cpu`, one every 10 s: `F` where it fires, `R` where it is resolved, `.`
/// elsewhere. A value of `-` is absent; one after `|` follows a gap of two minutes, after `/` a lost message, after `<`
/// a clock that was set back by an hour.
fn course(rule: &str, values: &str) -> String {
    let mut evaluator = evaluator(&[rule]);
    let mut timestamp = 1_000_000_000;
    let mut course = Vec::new();
    for word in values.split(' ') {
        let value = word.trim_start_matches(['|', '/', '<']);
        timestamp += match word.chars().next() {
            Some('|') => 12 * STEP,
            _ => STEP,
        };
        if word.starts_with('<') {
            timestamp -= 3_600_000;
        }
        let present = value.parse().ok().map(|value| ("cpu", value));
        let sample = sample(timestamp, present.as_slice());
        let verdicts = evaluator.judge(&sample, word.starts_with('/'));
        course.push(match fired(&verdicts)[..] {
            [] => ".",
            [ref one] if one.starts_with('+') => "F",
            [_] => "R",
            _ => "several",
        });
    }
    course.join(" ")
}

#[test]
fn a_rule_fires_and_is_resolved_at_exactly_the_right_sample() {
    for (rule, values, expected) in [
        // Without `for`: at once.
        ("cpu > 90", "50 91 95 90 95", ". F . R F"),
        ("cpu >= 90", "89 90 90 89", ". F . R"),
        ("cpu < 10", "10 9 10", ". F R"),
        ("cpu <= 10", "11 10 11", ". F R"),
        // `for` counts from the first true sample, and begins again after a false one.
        ("cpu > 90 for 20s", "95 95 95 95 50", ". . F . R"),
        ("cpu > 90 for 20s", "95 95 50 95 95 95", ". . . . . F"),
        ("cpu > 90 for 25s", "95 95 95 95", ". . . F"),
        ("cpu > 90 for 1s", "95 95", ". F"),
        // `clear` decides once it fires, and not before.
        ("cpu > 90 clear < 80", "95 85 80 79 85 91", "F . . R . F"),
        (
            "cpu > 90 for 20s clear < 80",
            "95 85 95 95 95 85 79",
            ". . . . F . R",
        ),
        // `keep` counts from the last true sample.
        ("cpu > 90 keep 20s", "95 50 50 50", "F . R ."),
        ("cpu > 90 keep 20s", "95 50 95 50 50", "F . . . R"),
        (
            "cpu > 90 clear < 80 keep 20s",
            "95 85 50 50 50",
            "F . . R .",
        ),
        // An absent value is neither true nor false.
        ("cpu > 90", "95 - - 50", "F . . R"),
        ("cpu > 90 for 30s", "95 - 95 95", ". . . F"),
        (
            "cpu > 90 for 30s",
            "95 - - - 95 95 95 95",
            ". . . . . . . F",
        ),
        ("cpu > 90 for 30s", "95 - - 95", ". . . F"),
        ("cpu > 90 keep 20s", "95 - - - 50", "F . . . R"),
        // Nor is a gap.
        ("cpu > 90", "95 |95 |50", "F . R"),
        (
            "cpu > 90 for 1m",
            "95 |95 95 95 95 95 95 95",
            ". . . . . . . F",
        ),
        (
            "cpu > 90 for 3m",
            "95 |95 95 95 95 95 95 95",
            ". . . . . . . F",
        ),
        ("cpu > 90 for 5s", "95 /95 95", ". . F"),
        ("cpu > 90 for 10s", "95 /95 95", ". F ."),
        // A clock that is set back neither fires early nor never.
        ("cpu > 90 for 20s", "95 <95 95 95", ". . . F"),
        ("cpu > 90", "95 <50", "F R"),
        // Absence fires only after its time, even at the start, and ends with the first value.
        ("absent(cpu) for 20s", "- - - - 5", ". . F . R"),
        ("absent(cpu) for 20s", "5 - - 5 - - - 5", ". . . . . . F R"),
        ("absent(cpu) for 20s keep 10s", "- - - 5 5", ". . F R ."),
        ("absent(cpu) for 20s keep 30s", "- - - 5 5 5", ". . F . . R"),
        ("absent(cpu) for 20s", "- |- - -", ". . . F"),
        // Nothing is resolved that never fired.
        ("cpu > 90 for 1h", "95 50 95 - 50", ". . . . ."),
    ] {
        assert_eq!(course(rule, values), expected, "{rule}: {values}");
    }
}

#[test]
fn an_alert_says_what_happened() {
    let mut evaluator = evaluator(&["hot: cpu > 90 for 10s"]);
    let process = |pid, cpu, memory| Process {
        pid,
        name: format!("p{pid}"),
        cpu,
        memory,
        ..Process::default()
    };
    let mut judge = |timestamp, value, top| {
        let top: Option<Vec<_>> = top;
        let sample = Sample {
            top,
            ..sample(timestamp, &[("memory", 5.0), ("cpu", value)])
        };
        evaluator.judge(&sample, false)
    };
    assert_eq!(
        judge(
            1000,
            97.0,
            Some(vec![process(1, 10.0, 90.0), process(2, 60.0, 1.0)])
        ),
        []
    );
    let alert = Alert {
        name: "hot".into(),
        rule: "cpu > 90 for 10s".into(),
        state: AlertState::Firing,
        metric: "cpu".into(),
        value: Some(95.0),
        threshold: Some(90.0),
        since: 1000,
    };
    let firing = Verdict {
        alert: alert.clone(),
        culprit: Some(process(2, 60.0, 1.0)),
        lasted: None,
        peak: None,
        is_downward: false,
        is_withdrawn: false,
    };
    assert_eq!(judge(11_000, 95.0, None), [firing]);
    assert_eq!(judge(21_000, 99.0, Some(vec![])), []);
    let resolved = Verdict {
        alert: Alert {
            state: AlertState::Resolved,
            value: Some(50.0),
            ..alert
        },
        culprit: None,
        lasted: Some(Duration::from_secs(30)),
        peak: Some(99.0),
        is_downward: false,
        is_withdrawn: false,
    };
    assert_eq!(judge(31_000, 50.0, None), [resolved]);
}

#[test]
fn a_verdict_says_which_way_the_peak_is_and_whether_the_rule_is_gone() {
    let judge = |evaluator: &mut Evaluator, time, memory| {
        let verdicts = evaluator.judge(&sample(time, &[("memoryAvailable", memory)]), false);
        let facts = verdicts
            .iter()
            .map(|it| (it.peak, it.is_downward, it.is_withdrawn));
        facts.collect::<Vec<_>>()
    };
    let mut evaluator = evaluator(&["memoryAvailable < 1000"]);
    assert_eq!(judge(&mut evaluator, 1, 900.0), [(None, true, false)]);
    assert_eq!(judge(&mut evaluator, 2, 500.0), []);
    assert_eq!(
        judge(&mut evaluator, 3, 2000.0),
        [(Some(500.0), true, false)]
    );
    judge(&mut evaluator, 4, 900.0);
    evaluator.replace(rules(&["memoryAvailable < 800"]));
    assert_eq!(judge(&mut evaluator, 5, 900.0), [(Some(900.0), true, true)]);
}

#[test]
fn what_the_wire_fills_in_is_absent() {
    let text = r#"{"type":"metric","seq":1,"data":{"timestamp":1,"cpu":0,"memory":5,"activeUsers":0,"requestsPerSecond":0},
        "absent":["cpu","requestsPerSecond"]}"#;
    let Body::Numbered(message) = Message::decode(text).unwrap().body else {
        panic!("a metric");
    };
    let sample = message.sample;
    let mut evaluator = evaluator(&[
        "a: cpu < 10",
        "b: activeUsers < 10",
        "c: absent(cpu) for 1s",
    ]);
    assert_eq!(fired(&evaluator.judge(&sample, false)), ["+b/activeUsers"]);
    let later = Sample {
        timestamp: 1001,
        ..sample
    };
    assert_eq!(fired(&evaluator.judge(&later, false)), ["+c/cpu"]);
}

#[test]
fn each_instance_has_an_alert_of_its_own_in_the_order_of_rules() {
    let mut evaluator = evaluator(&["b: cpu:* > 90", "a: cpu > 90"]);
    let mut judge = |values: &[(&str, f64)]| fired(&evaluator.judge(&sample(5, values), false));
    assert_eq!(
        judge(&[
            ("cpu", 95.0),
            ("cpu:0", 95.0),
            ("cpu:1", 5.0),
            ("cpu:2", 95.0)
        ]),
        ["+b/cpu:0", "+b/cpu:2", "+a/cpu"]
    );
    // Some are added, one is removed, the order changes.
    assert_eq!(
        judge(&[("cpu:2", 5.0), ("cpu:7", 91.0), ("cpu", 95.0)]),
        ["-b/cpu:2", "+b/cpu:7"]
    );
    assert_eq!(judge(&[("cpu", 95.0), ("cpu:0", 5.0)]), ["-b/cpu:0"]);
    // A repeated name counts once.
    assert_eq!(judge(&[("cpu:9", 95.0), ("cpu:9", 95.0)]), ["+b/cpu:9"]);
    assert_eq!(judge(&[("cpu:9", 95.0), ("cpu:9", 5.0)]), [""; 0]);
}

#[test]
fn instances_are_bounded() {
    let mut evaluator = evaluator(&["cpu:* > 90"]);
    let mut firing = 0;
    for round in 0..12 {
        let names: Vec<_> = (0..100).map(|core| format!("cpu:{round}-{core}")).collect();
        let values: Vec<_> = names.iter().map(|name| (&**name, 95.0)).collect();
        firing += evaluator.judge(&sample(round * STEP, &values), false).len();
    }
    assert_eq!(firing, MOST_FIRING);
    // One is resolved, and makes room for another.
    let values = [("cpu:0-0", 5.0), ("cpu:x", 95.0)];
    let turned = evaluator.judge(&sample(13 * STEP, &values), false);
    assert_eq!(fired(&turned), ["-cpu:* > 90/cpu:0-0", "+cpu:* > 90/cpu:x"]);
}

#[test]
fn instances_that_come_and_go_are_forgotten() {
    let mut evaluator = evaluator(&["cpu:* > 90 for 20s"]);
    for round in 0..2000 {
        let name = format!("cpu:{round}");
        evaluator.judge(&sample(round * STEP, &[(&name, 95.0)]), false);
        assert!(evaluator.resting.len() < 10 && evaluator.active < 10);
    }
}

#[test]
fn other_rules_resolve_what_they_do_not_have() {
    let mut evaluator = evaluator(&[
        "a: cpu > 90",
        "b: cpu:* > 90",
        "c: cpu > 80",
        "d: absent(swap) for 10s",
    ]);
    let values = [("cpu", 95.0), ("cpu:0", 95.0)];
    let mut time = 0;
    let mut judge = |evaluator: &mut Evaluator, values: &[(&str, f64)]| {
        time += STEP;
        fired(&evaluator.judge(&sample(time, values), false))
    };
    assert_eq!(
        judge(&mut evaluator, &values),
        ["+a/cpu", "+b/cpu:0", "+c/cpu"]
    );
    assert_eq!(judge(&mut evaluator, &values), ["+d/swap"]);
    // `b` stays, `c` changes, `a` goes, `d` stays.
    evaluator.replace(rules(&[
        "d: absent(swap) for 10s",
        "c: cpu > 85",
        "b: cpu:* > 90",
    ]));
    assert_eq!(
        judge(&mut evaluator, &values),
        ["-a/cpu", "-c/cpu", "+c/cpu"]
    );
    assert_eq!(
        judge(&mut evaluator, &[("cpu:0", 5.0), ("swap", 5.0)]),
        ["-d/swap", "-b/cpu:0"]
    );
    evaluator.replace(rules(&[]));
    assert_eq!(judge(&mut evaluator, &[]), ["-c/cpu"]);
    assert_eq!(evaluator.active, 0);
}

/// A rule for the property tests.
fn any_rule() -> impl Strategy<Value = String> {
    let holds = prop::sample::select(vec!["", " for 1s", " for 10s", " for 25s", " for 60s"]);
    let clears = prop::sample::select(vec!["", " clear < 50", " clear <= 85"]);
    let keeps = prop::sample::select(vec!["", " keep 5s", " keep 30s"]);
    let metrics = prop::sample::select(vec!["cpu", "cpu:*"]);
    (metrics, holds, clears, keeps)
        .prop_map(|(metric, hold, clear, keep)| format!("{metric} > 90{hold}{clear}{keep}"))
}

/// Samples with steps of any kind; a value of `None` is absent.
fn any_samples() -> impl Strategy<Value = Vec<(i64, bool, [Option<f64>; 3])>> {
    let steps = prop_oneof![
        8 => Just(10_000_i64), 2 => 9_000..11_000_i64, 1 => 0..300_000_i64, 1 => -100_000..0_i64
    ];
    let value = || prop_oneof![4 => Just(Some(95.0)), 3 => Just(Some(40.0)), 1 => Just(Some(88.0)), 1 => Just(None)];
    let values = [value().boxed(), value().boxed(), value().boxed()];
    prop::collection::vec((steps, prop::bool::weighted(0.05), values), 0..80)
}

proptest! {
    #[test]
    fn alerts_fire_and_are_resolved_by_turns(rule in any_rule(), samples in any_samples()) {
        let mut evaluator = evaluator(&[&rule]);
        let rule = rules(&[&rule])[0].clone();
        let mut firing: BTreeMap<String, bool> = BTreeMap::new();
        let mut last_fired: BTreeMap<String, u64> = BTreeMap::new();
        let (mut timestamp, mut clock) = (1_000_000_000_u64, 0_u64);
        for (step, gap, values) in samples {
            timestamp = timestamp.saturating_add_signed(step);
            clock = clock.saturating_add_signed(step.max(0));
            let names = ["cpu", "cpu:0", "cpu:1"];
            let present: Vec<_> = names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect();
            for verdict in evaluator.judge(&sample(timestamp, &present), gap) {
                let Alert { metric, state, value, .. } = verdict.alert;
                let is_firing = state == AlertState::Firing;
                // Alternating, starting with a firing one.
                prop_assert_ne!(firing.insert(metric.clone(), is_firing).unwrap_or(false), is_firing);
                // Only a present value decides.
                prop_assert!(present.iter().any(|&(name, there)| name == metric && Some(there) == value));
                prop_assert_eq!(is_firing, value.is_some_and(|value| value > 90.0));
                if is_firing && let Some(before) = last_fired.insert(metric, clock) {
                    // An alert fires again only after this time.
                    prop_assert!(clock - before >= rule.hold + rule.keep);
                }
            }
        }
    }

    #[test]
    fn a_threshold_that_holds_for_long_enough_fires(
        values in prop::collection::vec(prop::bool::ANY, 1..60), hold in 0..6_u64,
    ) {
        // The definition, word for word: it fires once it has been true for at least `hold`, and ends when it is false.
        let hold_ms = hold * STEP;
        let mut evaluator = evaluator(&[&format!("cpu > 90 for {hold_ms}ms")]);
        let mut was_firing = false;
        for (at, is_true) in values.iter().enumerate() {
            let run = values[..=at].iter().rev().take_while(|&&before| before).count() as u64;
            let is_firing = run > hold;
            let value = if *is_true { 95.0 } else { 5.0 };
            let turned = evaluator.judge(&sample(1000 + at as u64 * STEP, &[("cpu", value)]), false);
            prop_assert_eq!(!turned.is_empty(), is_firing != was_firing);
            was_firing = is_firing;
        }
    }
}
