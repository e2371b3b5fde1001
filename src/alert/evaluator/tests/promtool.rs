//! Prometheus as the reference: the same rules over the same samples, at the same interval.
//!
//! A threshold with a `for` is the same in both: the time counts from the first sample for which it is true, the alert fires
//! at the first sample at which that long has passed, and the first false sample ends it. Where we differ:
//!
//! * An absent value: we neither fire nor resolve on it. Prometheus looks back for up to five minutes and uses the last
//!   value as the current one; after that, or after a staleness marker, the alert is resolved.
//! * `keep` counts from the last true sample, `keep_firing_for` from the first false one, an interval later.
//! * `clear` has no counterpart in a single rule.
//! * `absent()` of ours needs a `for` and never fires on a gap in the samples themselves.

use std::fmt::Write;
use std::process::Command;

use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

const SERIES: usize = 20;

const SAMPLES: usize = 60;

/// Milliseconds that the rule of a series must be true, and its values.
type Generated = (u64, Vec<f64>);

fn generated() -> Vec<Generated> {
    let holds = prop::sample::select(vec![0_u64, 5, 10, 15, 30, 45, 60, 100]);
    // Runs of true and false values, so that some are long enough and others are not.
    let run = (
        prop::sample::select(vec![91.0, 99.5, 90.0, 40.0]),
        1..12_usize,
    );
    let runs = prop::collection::vec(run, SAMPLES);
    let values = runs.prop_map(|runs| {
        let values = runs
            .into_iter()
            .flat_map(|(value, length)| vec![value; length]);
        values.take(SAMPLES).collect()
    });
    let series = (holds.prop_map(|seconds| seconds * 1000), values);
    let mut runner = TestRunner::deterministic();
    let tree = prop::collection::vec(series, SERIES).new_tree(&mut runner);
    tree.unwrap().current()
}

/// Whether our alert fires after each of the values.
fn ours((hold, values): &Generated) -> Vec<bool> {
    let mut evaluator = evaluator(&[&format!("cpu > 90 for {hold}ms")]);
    let mut firing = false;
    let states = (0..).zip(values).map(|(at, &value)| {
        let turned = evaluator.judge(&sample(at * STEP, &[("cpu", value)]), false);
        firing ^= !turned.is_empty();
        firing
    });
    states.collect()
}

#[test]
fn prometheus_fires_and_resolves_at_the_same_samples() {
    let mut rules = String::from("groups:\n- name: all\n  rules:\n");
    let mut tests = String::from("rule_files: [rules.yml]\nevaluation_interval: 10s\ntests:\n");
    let mut changes = 0;
    for (nth, series) in generated().iter().enumerate() {
        let (hold, values) = series;
        let values: Vec<_> = values.iter().map(f64::to_string).collect();
        let states = ours(series);
        changes += states.windows(2).filter(|pair| pair[0] != pair[1]).count();
        writeln!(
            rules,
            "  - {{alert: r{nth}, expr: 'cpu{{n=\"{nth}\"}} > 90', for: {hold}ms}}"
        )
        .unwrap();
        writeln!(
            tests,
            "- interval: 10s\n  input_series: [{{series: 'cpu{{n=\"{nth}\"}}', values: '{}'}}]\n  alert_rule_test:",
            values.join(" ")
        )
        .unwrap();
        for (at, firing) in states.iter().enumerate() {
            let alerts = if *firing {
                format!("{{exp_labels: {{n: \"{nth}\"}}}}")
            } else {
                String::new()
            };
            let time = at as u64 * STEP / 1000;
            writeln!(
                tests,
                "  - {{eval_time: {time}s, alertname: r{nth}, exp_alerts: [{alerts}]}}"
            )
            .unwrap();
        }
    }
    assert!(SERIES < changes, "only {changes} changes to compare");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rules.yml"), rules).unwrap();
    std::fs::write(directory.path().join("tests.yml"), tests).unwrap();
    let judged = Command::new("promtool")
        .args(["test", "rules", "tests.yml"])
        .current_dir(directory.path())
        .output()
        .expect("promtool, of the package prometheus");
    let said = String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{said}");
}
