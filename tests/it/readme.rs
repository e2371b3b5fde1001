//! The commands in the documentation: all of them are accepted, and the tour of the README works as it is written.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::harness::metrics::Metrics;
use crate::harness::statsd::{Samples, Statsd};
use crate::harness::{PATIENCE, wait_for};

const DOCUMENTS: [&str; 5] = [
    "README.md",
    "docs/OPERATING.md",
    "docs/PROTOCOL.md",
    "docs/RECORDING.md",
    "examples/proxy/README.md",
];

fn read(document: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap()
}

/// The commands in the blocks of a document: lines that begin with `metrics`, perhaps after a prompt.
fn commands(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let is_code = fenced || line.starts_with("    ");
        let line = line.trim_start().trim_start_matches("$ ");
        let line = line.trim_start_matches("# ");
        // What follows in a column of its own is for the reader.
        let line = line.split("   ").next().unwrap_or_default();
        if is_code && line.starts_with("metrics ") {
            commands.push(line.to_owned());
        }
    }
    commands
}

/// Instead of running, each command asks for help after its flags: that fails if one of them is unknown, or its value is
/// not accepted. A shell takes the line apart, so quotes, pipes and comments mean what they mean to the reader.
const ACCEPTS: &str = r#"
metrics() {
    local flags=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do flags+=("$1"); shift; done
    "$BINARY" "${flags[@]}" --help > /dev/null 2> "$LOG" || exit 1
    echo accepted > "$LOG"
}
export -f metrics
"#;

#[test]
fn every_command_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut refused = Vec::new();
    let mut count = 0;
    for document in DOCUMENTS {
        for command in commands(&read(document)) {
            count += 1;
            let mut bash = Command::new("bash");
            bash.args(["-c", &format!("{ACCEPTS}\n{command}")]);
            bash.env("BINARY", env!("CARGO_BIN_EXE_metrics"))
                .env("LOG", &log);
            bash.current_dir(dir.path()).env_remove("METRICS_SERVER");
            bash.output().unwrap();
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let _ = std::fs::remove_file(&log);
            if said != "accepted\n" {
                refused.push(format!("{document}: {command}: {said}"));
            }
        }
    }
    assert!(60 < count, "only {count} commands found");
    assert_eq!(refused, Vec::<String>::new());
}

/// The README's tour, with free ports and a recording that ends sooner.
#[test]
fn the_tour_works_as_it_is_written() {
    let readme = read("README.md");
    let (_, tour) = readme.split_once("\n## A tour in 60 seconds\n").unwrap();
    let (tour, _) = tour.split_once("\n## ").unwrap();
    let commands = commands(tour);
    let has = |command: &str| {
        let is_there = commands.iter().any(|it| it.starts_with(command));
        assert!(is_there, "the tour has no `{command}`: {commands:?}");
        command
            .split(' ')
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    has("metrics serve");
    let serve = Metrics::new().args(["serve", "-l", "127.0.0.1:0"]).start();
    assert!(serve.url().starts_with("ws://127.0.0.1:") && serve.url().ends_with("/ws"));
    let watch = has("metrics watch");
    let watch = Metrics::new()
        .args(watch)
        .env("METRICS_SERVER", serve.url());
    let table = watch.arg("--once").run().success();
    assert!(table.text().contains("CPU") && table.text().contains("Memory"));

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("incident.csv");
    let here = file.display().to_string();
    let in_dir = |args: Vec<String>| {
        args.into_iter().map({
            let here = here.clone();
            move |arg| {
                if arg == "incident.csv" {
                    here.clone()
                } else {
                    arg
                }
            }
        })
    };
    let record = has("metrics record --since 10m -o incident.csv");
    let record = Metrics::new()
        .args(in_dir(record))
        .env("METRICS_SERVER", serve.url())
        .spawn();
    wait_for(
        PATIENCE,
        || (1 < std::fs::read_to_string(&file).ok()?.lines().count()).then_some(()),
        || record.story(),
    );
    record.signal(Signal::INT);
    record.wait().success().stderr_has("Wrote ");

    let replay = has("metrics replay incident.csv -l 127.0.0.1:9000 --rebase --speed 10");
    let replay = in_dir(replay).map(|arg| arg.replace(":9000", ":0"));
    let replay = Metrics::new().args(replay).args(["--wait", "1"]).start();
    has("metrics watch 127.0.0.1:9000");
    Metrics::watch(replay.url()).arg("--once").run().success();
}

#[test]
fn the_tours_application_reports_its_numbers() {
    let readme = read("README.md");
    let line = readme
        .lines()
        .find(|line| line.contains("| nc -u -q0 127.0.0.1 8125"));
    let line = line.unwrap().trim_start().trim_start_matches("$ ");
    let server = Statsd::start([]);
    let line = line.replace(" 8125", &format!(" {}", server.port));
    let mut samples = Samples::of(&server.serve);
    let sent = Command::new("bash").args(["-c", &line]).status().unwrap();
    assert!(sent.success());
    let latency = samples.find(|data| {
        let users = data.values.get("activeUsers") == Some(&42.0);
        data.values
            .get("checkout.latency")
            .copied()
            .filter(|_| users)
    });
    assert!((latency - 320.0).abs() < f64::EPSILON, "{latency}");
}
