//! The flags of `replay`, each tested by what a viewer sees.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use crate::harness::http;
use crate::harness::metrics::{Metrics, Output};
use crate::harness::recording::{plain, timestamp};
use crate::harness::rows::{Row, parse};
use crate::harness::viewer::{Seen, Viewer};
use crate::harness::wire::{Replay, Wire};

struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn add(&self, name: &str, csv: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, csv).unwrap();
        path
    }
}

/// The recording of a replay with `flags`, and how the replay ended.
#[track_caller]
fn replayed(files: &[PathBuf], flags: &[&str], record: &[&str]) -> (Vec<Row>, Output) {
    let replay = Metrics::replay(files)
        .args(["--wait", "1"])
        .args(flags)
        .start();
    let output = Metrics::record(replay.url()).args(record).run().success();
    (parse(&output.stdout), replay.wait().success())
}

fn column<'a>(rows: &'a [Row], name: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row.cell(name)).collect()
}

#[test]
fn time_passes_at_the_requested_speed() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 11, 1000));
    let begin = Instant::now();
    let (rows, _) = replayed(std::slice::from_ref(&file), &["--speed", "10"], &[]);
    // Ten steps of a second at ten times the speed; it may take longer on a busy machine.
    assert!(1.0 <= begin.elapsed().as_secs_f64());
    assert_eq!(rows.len(), 11);
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "10"])
        .start();
    let Wire::Hello { interval, .. } = Viewer::connect(replay.url(), "").message() else {
        panic!("no hello first");
    };
    assert_eq!(interval, 100, "the median step divided by the speed");
}

#[test]
fn a_part_of_a_recording_is_replayed() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 20, 1000));
    let flags = [
        "--speed",
        "max",
        "--start",
        "2026-11-24T14:00:05Z",
        "--end",
        "2026-11-24T14:00:08Z",
    ];
    let (rows, _) = replayed(std::slice::from_ref(&file), &flags, &[]);
    assert_eq!(column(&rows, "seq"), ["5", "6", "7"]);
    let flags = ["--speed", "max", "--start", "5s", "--end", "8s"];
    let (rows, _) = replayed(&[file], &flags, &[]);
    assert_eq!(column(&rows, "seq"), ["6", "7", "8"]);
}

#[test]
fn another_name_is_another_stream() {
    let files = Files::new();
    let csv = plain("web-1", 10, 1000);
    let hole: Vec<_> = csv
        .lines()
        .filter(|line| !line.contains("k3v9q2,5,"))
        .collect();
    let file = files.add("r.csv", &(hole.join("\n") + "\n"));
    let (rows, _) = replayed(&[file], &["--speed", "max", "--name", "canary"], &[]);
    let numbered: Vec<_> = rows.iter().filter(|row| row.seq().is_some()).collect();
    assert_eq!(numbered.len(), 9);
    for row in &rows {
        assert_eq!(row.cell("host"), "canary");
        assert_ne!(row.cell("stream"), "k3v9q2");
    }
    let seqs: Vec<_> = numbered.iter().filter_map(|row| row.seq()).collect();
    assert_eq!(
        seqs,
        [1, 2, 3, 4, 6, 7, 8, 9, 10],
        "the hole keeps its size"
    );
    assert!(column(&rows, "event").contains(&"gap expired 5-5"));
}

#[test]
fn a_rebased_replay_begins_now() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 5, 1000));
    let before = now_ms();
    let (rows, _) = replayed(&[file], &["--speed", "max", "--rebase"], &[]);
    let times = column(&rows, "timestamp");
    let (before, after) = (timestamp(before), timestamp(now_ms()));
    assert!(*before <= *times[0] && *times[0] <= *after, "{times:?}");
    assert_eq!(rows.len(), 5);
    assert_ne!(rows[0].cell("stream"), "k3v9q2");
}

/// The first `hello`'s description of the replay.
#[track_caller]
fn told(url: &str) -> Option<Replay> {
    match Viewer::connect(url, "").message() {
        Wire::Hello { replay, .. } => replay,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hello_describes_the_replay() {
    let files = Files::new();
    let (first, step) = (1_795_528_801_000, 1000);
    let file = files.add("r.csv", &plain("web-1", 20, step));
    let told_with = |flags: &[&str]| {
        let replay = Metrics::replay([&file])
            .args(["--wait", "2"])
            .args(flags)
            .start();
        told(replay.url()).unwrap()
    };
    let whole = Replay {
        speed: Some(1.0),
        again: false,
        first: Some(first),
        last: Some(first + 19 * step),
        wait: Some(2),
    };
    assert_eq!(told_with(&[]), whole);
    let fast = Replay {
        speed: None,
        again: true,
        ..whole
    };
    assert_eq!(told_with(&["--speed", "max", "--loop"]), fast);
    let part = Replay {
        speed: Some(0.5),
        first: Some(first + 5 * step),
        last: Some(first + 7 * step),
        ..whole
    };
    let flags = ["--speed", "0.5", "--start", "5s", "--end", "8s"];
    assert_eq!(told_with(&flags), part);
    assert_eq!(told(Metrics::serve().start().url()), None);
}

#[test]
fn a_rebased_replay_announces_the_times_that_it_sends() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 5, 1000));
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1", "--rebase"])
        .start();
    let (messages, _) = Viewer::connect(replay.url(), "").until_closed();
    let times: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            Wire::Metric { data, .. } => Some(data.timestamp),
            _ => None,
        })
        .collect();
    let told = messages
        .iter()
        .filter_map(|message| match message {
            Wire::Hello { replay, .. } => *replay,
            _ => None,
        })
        .next_back()
        .unwrap();
    assert_eq!((told.first, told.last), (Some(times[0]), Some(times[4])));
}

#[test]
fn the_length_of_a_pipe_is_not_announced() {
    let mut replay = Metrics::replay(["-"]).args(["--wait", "2"]).spawn();
    let mut stdin = replay.stdin().take().unwrap();
    let csv = plain("web-1", 20, 1000);
    stdin.write_all(csv.as_bytes()).unwrap();
    let url = replay.stdout_lines(1).remove(0);
    let told = told(&url).unwrap();
    assert_eq!((told.first, told.last), (Some(1_795_528_801_000), None));
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_millis() as u64
}

#[test]
fn a_loop_never_repeats_a_number_or_goes_back_in_time() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 4, 1000));
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "100", "--loop"])
        .start();
    let output = Metrics::record(replay.url())
        .args(["--samples", "14"])
        .run()
        .success();
    let rows = parse(&output.stdout);
    let seqs: Vec<_> = rows.iter().filter_map(|row| row.seq()).collect();
    assert_eq!(seqs, (1..=14).collect::<Vec<_>>());
    let times = column(&rows, "timestamp");
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    assert_eq!(rows[12].cell("cpu"), "1");
}

#[test]
fn several_files_merge_by_time() {
    let files = Files::new();
    let second = plain("web-2", 10, 700);
    let paths = [
        files.add("a.csv", &plain("web-1", 10, 1000)),
        files.add("b.csv", &second),
    ];
    let replay = Metrics::replay(&paths)
        .args(["--wait", "1", "--speed", "10"])
        .start();
    let (messages, code) = Viewer::connect(replay.url(), "").until_closed();
    assert_eq!(code, Some(1000));
    let order: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            Wire::Metric { host, data, .. } => Some((host.as_str(), data.timestamp)),
            _ => None,
        })
        .collect();
    let times = |host| order.iter().filter(move |(of, _)| *of == host);
    for host in ["web-1", "web-2"] {
        assert_eq!(times(host).count(), 10);
        assert!(times(host).is_sorted(), "{order:?}");
    }
    // On a busy machine neighbours may change places, but one file never overtakes the other.
    let last_of_second = order.iter().rposition(|(host, _)| *host == "web-2");
    assert!(last_of_second < Some(18), "{order:?}");
    let ends = messages
        .iter()
        .filter(|m| matches!(m, Wire::End { .. }))
        .count();
    assert_eq!(ends, 2, "one for each host");
}

#[test]
fn it_waits_for_its_viewers() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 30, 1000));
    let replay = Metrics::replay([&file])
        .args(["--wait", "2", "--speed", "max"])
        .start();
    assert_eq!(http::get(replay.port(), "/healthz").0, 200);
    let mut first = Viewer::connect(replay.url(), "");
    let quiet = std::time::Duration::from_millis(300);
    while let Some(seen) = first.next_within(quiet) {
        assert!(
            matches!(seen, Seen::Message(Wire::Hello { .. }, _)),
            "before the second viewer came: {seen:?}"
        );
    }
    let mut second = Viewer::connect(replay.url(), "");
    for viewer in [&mut first, &mut second] {
        let (messages, code) = viewer.until_closed();
        let seqs: Vec<_> = messages.iter().filter_map(Wire::seq).collect();
        assert_eq!((seqs, code), ((1..=30).collect(), Some(1000)));
    }
    replay.wait().success();
}

#[test]
fn missing_viewers_are_not_awaited_for_ever() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 30, 1000));
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--wait-timeout", "300ms"])
        .start();
    replay
        .wait()
        .code(3)
        .stderr_has("1 viewer")
        .stderr_has("300 ms");
}

#[test]
fn without_wait_it_ends_by_itself() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 30, 1000));
    Metrics::replay([&file])
        .args(["--speed", "max"])
        .start()
        .wait()
        .success();
}

#[test]
fn a_torn_last_row_is_omitted_with_a_warning() {
    let files = Files::new();
    let whole = plain("web-1", 10, 1000);
    for cut in [3, 15, 40] {
        let file = files.add("torn.csv", &whole[..whole.len() - cut]);
        let (rows, output) = replayed(std::slice::from_ref(&file), &["--speed", "max"], &[]);
        assert_eq!(rows.len(), 9, "cut by {cut}");
        let name = file.display().to_string();
        output.stderr_has("warning").stderr_has(&name);
    }
}

#[test]
fn only_a_missing_line_break_is_not_a_torn_row() {
    let files = Files::new();
    let whole = plain("web-1", 10, 1000);
    let file = files.add("r.csv", whole.trim_end());
    let (rows, output) = replayed(&[file], &["--speed", "max"], &[]);
    // The last number may be incomplete, so the row doesn't count.
    assert_eq!(rows.len(), 9);
    output.stderr_has("warning");
}

#[test]
fn a_late_viewer_starts_where_its_query_says() {
    let files = Files::new();
    let file = files.add("r.csv", &plain("web-1", 60, 1000));
    let replay = Metrics::replay([&file]).args(["--speed", "20"]).start();
    Viewer::connect(replay.url(), "last=60").numbered(30);
    for (query, first_is_old) in [
        ("last=10", true),
        ("since=15s", true),
        ("after=web-1:k3v9q2:4", true),
        ("", false),
    ] {
        let messages = Viewer::connect(replay.url(), query).numbered(1);
        let seq = messages[messages.len() - 1].seq().unwrap();
        if query.starts_with("after") {
            assert_eq!(seq, 5);
        }
        assert_eq!(seq < 29, first_is_old, "{query}: {seq}");
    }
    let (status, reason) = Viewer::refused(replay.url(), "host=nope");
    assert_eq!(status, 404);
    assert!(reason.contains("nope"), "{reason}");
    let (status, reason) = Viewer::refused(replay.url(), "last=x");
    assert_eq!(status, 400);
    assert!(reason.contains("last='x'"), "{reason}");
}

/// The levels that `replay` gives the load of a recording with these columns.
fn load_levels(columns: &str) -> (Option<f64>, Option<f64>) {
    let count = columns.split(',').count();
    let values = vec!["3"; count].join(",");
    let csv = format!(
        "timestamp,host,stream,seq,event,{columns}\n2026-11-24T14:00:00.000Z,web-1,k3v9q2,1,,{values}\n"
    );
    let files = Files::new();
    let replay = Metrics::replay([files.add("r.csv", &csv)])
        .args(["--wait", "1"])
        .start();
    let Wire::Hello { metrics, .. } = Viewer::connect(replay.url(), "").message() else {
        panic!("no hello first");
    };
    let load = metrics
        .iter()
        .find(|metric| metric.name == "load1")
        .unwrap();
    (load.warn, load.critical)
}

#[test]
fn load_has_levels_only_if_the_number_of_cores_is_known() {
    for (columns, levels) in [
        ("load1", (None, None)),
        ("cpu,load1", (None, None)),
        ("cpu:all,cpu:x,load1", (None, None)),
        // Somebody has removed the others.
        ("cpu:7,load1", (None, None)),
        ("cpu:0,load1", (Some(0.7), Some(1.0))),
        ("cpu:0,cpu:1,cpu:2,cpu:3,load1", (Some(2.8), Some(4.0))),
        ("load1,cpu:0,cpu:2", (Some(1.4), Some(2.0))),
    ] {
        assert_eq!(load_levels(columns), levels, "{columns}");
    }
}
