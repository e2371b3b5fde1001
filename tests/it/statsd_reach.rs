//! What applications report is everywhere that metrics are: screens, recordings, alerts, the exposition.

use serde_json::json;

use crate::harness::http::get;
use crate::harness::metrics::{Metrics, wait_for_rows};
use crate::harness::rows::{assert_same, read};
use crate::harness::statsd::{Samples, Statsd};
use crate::harness::viewer::Viewer;
use crate::harness::wire::{AlertState, Wire};
use crate::harness::{PATIENCE, wait_for};
use crate::page::{VIEW, open};

const REPORT: &str = "queue.depth:7|g\nqueue.wait:12.5|ms\nactiveUsers:4321|g";

#[test]
fn watch_shows_them() {
    let statsd = Statsd::start([]);
    let mut samples = Samples::of(&statsd.serve);
    statsd.send(REPORT);
    samples.find(|data| data.values.contains_key("queue.depth").then_some(()));
    let watch = |flags: &[&str]| {
        let watch = Metrics::watch(statsd.serve.url())
            .args(["--once"])
            .args(flags);
        watch.run().success().text().to_owned()
    };
    let line = watch(&["--plain", "--columns", "*"]);
    assert!(
        line.contains(" queue.depth=7 ") && line.contains(" activeUsers=4321 "),
        "{line}"
    );
    let table = watch(&[]);
    for text in ["queue.depth", "queue.wait", "App users", "4321"] {
        assert!(table.contains(text), "{table}");
    }
}

#[test]
fn the_page_has_a_section_for_them() {
    let statsd = Statsd::start([]);
    let mut browser = open(statsd.serve.port());
    browser.wait_until("view().filled", VIEW);
    statsd.send(REPORT);
    let section = "[...document.getElementById('values Application')?.tBodies[0].rows ?? []]
        .map((row) => [...row.cells].map((cell) => cell.textContent.trim()))";
    browser.wait_until(
        &format!("{section}.length === 4 && {section}[0][1] === '7'"),
        section,
    );
    let rows = browser.eval(section);
    let names: Vec<_> = (0..4).map(|nth| rows[nth][0].clone()).collect();
    assert_eq!(
        json!(names),
        json!([
            "queue.depth",
            "queue.wait",
            "queue.wait.p95",
            "queue.wait.max"
        ])
    );
    // Among the counters, of which only the first are shown unless they are unfolded.
    let users = "[...document.querySelectorAll('.unfold:not([hidden])')].forEach((button) => button.textContent === 'fewer' || button.click()),
        [...document.querySelectorAll('tr')].map((row) => row.textContent).filter((text) => text.includes('App users')).join()";
    browser.wait_until(&format!("({users}).includes('4321')"), users);

    // A name that JavaScript gives to every object is a name like any other.
    statsd.send("constructor:5|g\ntoString:6|g");
    browser.wait_until(
        &format!("{section}.length === 6 && {section}[5][1] === '6'"),
        section,
    );
    assert_eq!(browser.eval(section)[4], json!(["constructor", "5"]));
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

#[test]
fn rules_may_name_them_before_they_are_reported() {
    let rule = [
        "--alert",
        "deep: queue.depth > 5",
        "--alert",
        "typo: cpuu > 5",
    ];
    let refused = Metrics::serve().args(rule).run().code(2);
    refused.stderr_has("no metric 'queue.depth' is known");
    let statsd = Statsd::start(rule);
    statsd
        .serve
        .wait_for_stderr("Rules wait for an application to report: cpuu, queue.depth");
    let bad = ["--statsd", "127.0.0.1:0", "--alert", "queue/depth > 5"];
    Metrics::serve()
        .args(bad)
        .run()
        .code(2)
        .stderr_has("no metric 'queue/depth' is known");

    let mut viewer = Viewer::connect(statsd.serve.url(), "");
    viewer.numbered(1);
    let mut next = |packet: &str| {
        statsd.send(packet);
        loop {
            if let Wire::Alert { alert, .. } = viewer.message() {
                break (alert.state, alert.value);
            }
        }
    };
    assert_eq!(next(REPORT), (AlertState::Firing, Some(7.0)));
    assert_eq!(next("queue.depth:-3|g"), (AlertState::Resolved, Some(4.0)));
}

#[test]
fn the_exposition_has_them() {
    let statsd = Statsd::start([]);
    statsd.send(REPORT);
    for line in [
        "host_other{host=\"web-1\",name=\"queue.depth\"} 7\n",
        "host_active_users{host=\"web-1\"} 4321\n",
        "metrics_statsd_packets_total 1\n",
        "metrics_statsd_lines_total{result=\"accepted\"} 3\n",
        "metrics_statsd_lines_total{result=\"malformed\"} 0\n",
        "metrics_statsd_names 3\n",
    ] {
        let has_line = || {
            get(statsd.serve.port(), "/metrics")
                .1
                .contains(line)
                .then_some(())
        };
        wait_for(PATIENCE, has_line, || format!("no {line}"));
    }
    let without = Metrics::serve().start();
    assert!(!get(without.port(), "/metrics").1.contains("statsd"));
}

#[test]
fn recordings_keep_them_and_play_them_again() {
    let dir = tempfile::tempdir().unwrap();
    let [late, early] = ["late.csv", "early.csv"].map(|name| dir.path().join(name));
    let statsd = Statsd::start(["--alert", "deep: queue.depth > 5"]);
    let record = |to: &std::path::Path, samples: &str| {
        Metrics::record(statsd.serve.url())
            .arg("-o")
            .arg(to)
            .args(["--samples", samples])
    };
    let recorder = record(&late, "8").spawn();
    wait_for_rows(&late, 1);
    statsd.send(REPORT);
    recorder.wait().success();
    // What is late for the header is in `extra`.
    let rows = read(&late);
    let extra = rows
        .iter()
        .map(|row| row.cell("extra"))
        .find(|cell| cell.contains("queue.wait"));
    let extra: serde_json::Value = serde_json::from_str(extra.unwrap()).unwrap();
    let wait = json!(12.5);
    assert_eq!(
        extra,
        json!({ "queue.depth": 7, "queue.wait": wait, "queue.wait.p95": wait, "queue.wait.max": wait })
    );
    let last = rows.last().unwrap();
    assert_eq!(
        (last.cell("activeUsers"), last.cell("extra")),
        ("4321", "{\"queue.depth\":7}")
    );

    // A later recording has columns for them.
    record(&early, "3").run().success();
    let rows = read(&early);
    assert_eq!(
        (
            rows[0].cell("queue.depth"),
            rows[0].cell("queue.wait"),
            rows[0].cell("extra")
        ),
        ("7", "", "")
    );

    for file in [&late, &early] {
        let replay = Metrics::replay([file])
            .args(["--speed", "max", "--wait", "1"])
            .start();
        let again = dir.path().join("again.csv");
        let copy = Metrics::record(replay.url())
            .arg("-f")
            .arg("-o")
            .arg(&again)
            .run();
        copy.success();
        replay.wait().success();
        let [before, after] = [file, &again].map(|file| std::fs::read_to_string(file).unwrap());
        assert_same("with metrics of applications", &before, &after);
    }
}
