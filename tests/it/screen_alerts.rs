//! Alerts in the terminal.

use std::fmt::Write as _;
use std::path::PathBuf;

use vt100::Screen;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::pty::rows;
use crate::harness::recording::timestamp;
use crate::harness::viewer::Viewer;

/// 2026-11-24T14:00:00Z
const BEGIN_MS: u64 = 1_795_528_800_000;

/// A recording of `samples` samples a second apart. An alert by the rule `cpu > 90 for 30s`, true since the start, fires
/// with the sample 31 while rustc is the busiest process; `java` is it from then on. Another fires with the sample 35 and
/// is resolved with the sample 40.
fn recording(samples: u64) -> String {
    let mut csv = String::from(
        "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond,top,extra\n",
    );
    let mut seq = 0;
    let mut row = |n: u64, event: &str| {
        seq += 1;
        let time = timestamp(BEGIN_MS + n * 1000);
        let busiest = if n < 32 { "rustc" } else { "java" };
        let top = format!(r#""[{{""pid"":7,""name"":""{busiest}"",""cpu"":61.4,""memory"":2}}]""#);
        writeln!(
            csv,
            "{time},web-1,k3v9q2,{seq},{event},98.2,41.5,2,120.25,{top},"
        )
        .unwrap();
    };
    let alert = |rule: &str, metric: &str, state: &str, since: u64, value: f64, threshold: f64| {
        let since = BEGIN_MS + since * 1000;
        format!(
            r#""alert {{""name"":""{rule}"",""rule"":""{rule}"",""state"":""{state}"",""metric"":""{metric}"",""value"":{value},""threshold"":{threshold},""since"":{since}}}""#
        )
    };
    for n in 1..=samples {
        row(n, "");
        match n {
            31 => row(
                n,
                &alert("cpu > 90 for 30s", "cpu", "firing", 1, 98.2, 90.0),
            ),
            35 => row(n, &alert("memory > 40", "memory", "firing", 35, 41.5, 40.0)),
            40 => row(
                n,
                &alert("memory > 40", "memory", "resolved", 35, 41.5, 40.0),
            ),
            _ => {}
        }
    }
    csv
}

/// A replay that has played its first `played` messages, and goes on.
fn replay(played: usize) -> (tempfile::TempDir, PathBuf, Running) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, recording(4000)).unwrap();
    let replay = Metrics::replay([&file]).args(["--speed", "10"]).start();
    Viewer::connect(replay.url(), "last=4000").numbered(played);
    (dir, file, replay)
}

fn shows(screen: &Screen, text: &str) -> bool {
    screen.contents().contains(text)
}

/// The rows of the list.
fn listed(screen: &Screen) -> Vec<String> {
    let is_row = |row: &String| row.contains("cpu > 90") || row.contains("memory > 40");
    rows(screen).into_iter().skip(2).filter(is_row).collect()
}

#[test]
fn a_screen_that_comes_late_shows_what_fires_and_lists_what_fired() {
    // The alert began to fire before the 30 samples that a screen asks for.
    let (_dir, _file, replay) = replay(90);
    let mut terminal = Metrics::watch(replay.url()).in_terminal(100, 30);
    // The end of the line may be drawn later than its begin.
    let late = terminal.wait_for("the alert", |s| {
        shows(s, "CPU 98.2 % > 90 for 1 m ") && shows(s, " s: java 61.4 %")
    });
    let first = rows(&late).remove(0);
    assert!(
        first.starts_with(" ▲  web-1  CPU 98.2 % > 90 for 1 m "),
        "{first}"
    );
    assert!(first.contains(" s: java 61.4 %"), "{first}");
    assert!(!shows(&late, "memory 41.5 % >"), "{}", late.contents());

    terminal.send_keys("e");
    let list = terminal.wait_for("the list", |s| listed(s).len() == 2);
    let rows = listed(&list);
    assert!(
        rows[0].starts_with(">△  24 Nov 14:00:35       5 s "),
        "{}",
        rows[0]
    );
    assert!(rows[0].contains("memory > 40"), "{}", rows[0]);
    assert!(
        rows[1].starts_with(" ▲  24 Nov 14:00:01  1 m "),
        "{}",
        rows[1]
    );
    assert!(
        rows[1].contains("cpu > 90 for 30s") && rows[1].ends_with("rustc 61 %"),
        "{}",
        rows[1]
    );
    // Enter looks at the moment at which the selected one began.
    terminal.send_keys("\r");
    terminal.wait_for("that moment", |s| {
        shows(s, "◀ BACK") && shows(s, "14:00:35")
    });
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}

#[test]
fn looking_back_shows_what_fired_then() {
    let (_dir, _file, replay) = replay(60);
    let mut terminal = Metrics::watch(replay.url()).in_terminal(80, 24);
    terminal.wait_for_text("CPU 98.2 %");
    // So that every sample has a dot of its own.
    terminal.send_keys("++");
    terminal.wait_for_text(" 30 s  (");
    terminal.send_keys("\u{1b}[H");
    terminal.wait_for("the first sample", |s| {
        shows(s, "14:00:01") && shows(s, "▲  now: CPU") && shows(s, "then: nothing")
    });
    terminal.send_keys(&"\u{1b}[1;2C".repeat(3));
    terminal.wait_for("the moment it fires", |s| {
        shows(s, "14:00:31") && rows(s)[0].contains("then: CPU 98") && rows(s)[0].contains("rustc")
    });
    terminal.send_keys(&"\u{1b}[C".repeat(4));
    terminal.wait_for("both", |s| {
        shows(s, "14:00:35") && rows(s)[0].contains("then: memory 41.5 %")
    });
    terminal.send_keys(&"\u{1b}[C".repeat(5));
    terminal.wait_for("the end of one", |s| {
        shows(s, "14:00:40") && rows(s)[0].contains("then: CPU 98")
    });
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}

#[test]
fn the_table_that_is_printed_once_begins_with_what_fires() {
    let (_dir, _file, replay) = replay(60);
    let terminal = Metrics::watch(replay.url())
        .arg("--once")
        .in_terminal(80, 24);
    terminal.wait_for_text("▲  web-1  CPU 98.2 %");
    assert_eq!(terminal.wait().code, 0);
}
