//! `examples/ci`: it passes, and it fails for the right reason when something in it is broken.

use std::path::Path;
use std::time::Duration;

use crate::harness::metrics::{Metrics, Output};
use crate::harness::rows;

/// A run of the example, which waits for a browser and plays a minute at six times its speed.
const LONGEST: Duration = Duration::from_secs(240);

/// A copy of the example, in which a text of a file may be replaced.
fn copy(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci");
    for entry in std::fs::read_dir(example).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    if !file.is_empty() {
        let path = dir.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} lacks {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
    dir
}

fn script(dir: &Path, name: &str) -> Metrics {
    let binary = env!("CARGO_BIN_EXE_metrics");
    Metrics::program(dir.join(name)).env("METRICS", binary)
}

#[track_caller]
fn run((file, from, to): (&str, &str, &str)) -> Output {
    let dir = copy(file, from, to);
    script(dir.path(), "test.sh").spawn().wait_within(LONGEST)
}

#[test]
fn the_example_passes() {
    let output = run(("", "", "")).success();
    let end = "the dashboard survived a cut: live, reconnecting, attempt 1, live, over\n";
    assert!(output.text().ends_with(end), "{}", output.story());
}

#[test]
fn a_broken_rule_or_recording_fails_the_example() {
    for (broken, says) in [
        (
            ("rules.txt", "for 3s", "for 1s"),
            "FAILED: the rule fires too early",
        ),
        (
            ("rules.txt", "cpu > 80", "cpu > 99"),
            "FAILED: the alerts are others than those in alerts.jsonl",
        ),
        (
            ("rules.txt", "cpu > 80", "cpu above 80"),
            "FAILED: the rule cannot be tested",
        ),
        // The load begins a sample later.
        (
            ("incident.csv", "m3x8k0,21,,9", "m3x8k0,21,,"),
            "FAILED: the alerts are others than those in alerts.jsonl",
        ),
        // Or is over before it has lasted.
        (
            ("incident.csv", "m3x8k0,23,,9", "m3x8k0,23,,"),
            "FAILED: the alerts are others than those in alerts.jsonl",
        ),
        (
            ("incident.csv", "m3x8k0,30,,", "m3x8k0,30,,x"),
            "error: incident.csv:31: column 'cpu':",
        ),
    ] {
        let output = run(broken).code(1).stderr_has(says);
        assert!(!output.text().contains("survived"), "{}", output.story());
    }
}

/// Breaks the dashboard.
#[track_caller]
fn breaks((from, to): (&str, &str), says: &str) {
    let output = run(("dashboard.html", from, to)).code(1);
    output.stderr_has(&format!("FAILED: the dashboard {says}"));
}

#[test]
fn a_dashboard_that_stays_away_fails_the_example() {
    breaks(
        ("setTimeout(connect,", "setTimeout(() => {},"),
        "was never live again after the cut",
    );
}

#[test]
fn a_dashboard_that_begins_anew_fails_the_example() {
    breaks(("if (seq) url", "if (false) url"), "shows ");
}

#[test]
fn a_dashboard_that_hides_the_cut_fails_the_example() {
    breaks(
        ("shown(\"state\", `reconnecting", "(`reconnecting"),
        "was never reconnecting after the cut",
    );
}

#[test]
fn a_dashboard_without_the_alert_fails_the_example() {
    breaks(
        ("message.type === \"alert\"", "false"),
        "showed these alerts: []",
    );
}

#[test]
fn the_incident_is_recorded_while_the_load_runs() {
    let dir = copy("", "", "");
    std::fs::remove_file(dir.path().join("incident.csv")).unwrap();
    let server = Metrics::serve().start();
    // It writes into the folder in which it is run.
    let here = format!(r#"cd "{}" && exec ./record.sh "$0""#, dir.path().display());
    let record = Metrics::program("sh").args(["-c", &here, server.url()]);
    let record = record
        .env("METRICS", env!("CARGO_BIN_EXE_metrics"))
        .env("LOAD", "1");
    record.run().success().stderr_has("Wrote incident.csv: ");
    rows::assert_unbroken(&rows::read(&dir.path().join("incident.csv")));
}

/// The lines of the README that turn an incident into a test, as they are written.
#[test]
fn the_lines_in_the_readme_pass() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = readme.unwrap();
    let (_, lines) = readme.split_once("\n    cd examples/ci\n").unwrap();
    let (lines, _) = lines.split_once("\n\n").unwrap();
    let lines: Vec<_> = lines.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let dir = copy("", "", "");
    let binary = Path::new(env!("CARGO_BIN_EXE_metrics")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let bash = Metrics::program("bash").args([
        "-c",
        &format!("set -euo pipefail; cd \"$0\"\n{}", lines.join("\n")),
    ]);
    let output = bash
        .arg(dir.path())
        .env("PATH", path)
        .spawn()
        .wait_within(LONGEST);
    output.success();
}
