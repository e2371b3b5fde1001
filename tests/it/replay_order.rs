//! Recordings with displaced rows are put in order; nothing is lost and nothing else is changed.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::harness::dice::Dice;
use crate::harness::metrics::{Metrics, Output};
use crate::harness::recording::{plain, random};
use crate::harness::rows::{assert_same, parse};

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn add(&self, name: &str, csv: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, csv).unwrap();
        path
    }
}

/// The recording of a replay of `files`, and how the replay ended.
#[track_caller]
fn replayed<P: AsRef<Path>>(files: &[P], flags: &[&str]) -> (String, Output) {
    let files = files.iter().map(|file| file.as_ref());
    let replay = Metrics::replay(files)
        .args(["--wait", "1", "--speed", "max"])
        .args(flags)
        .start();
    let output = Metrics::record(replay.url()).run().success();
    (output.text().into(), replay.wait().success())
}

/// The rows of `csv` below its header, in another order.
fn reordered(csv: &str, order: impl FnOnce(Vec<String>) -> Vec<String>) -> String {
    let mut lines: Vec<_> = csv.split_inclusive('\n').map(String::from).collect();
    let rows = lines.split_off(1);
    [lines, order(rows)].concat().concat()
}

fn swapped(mut rows: Vec<String>) -> Vec<String> {
    let middle = rows.len() / 2;
    rows.rotate_left(middle);
    rows
}

fn newest_first(rows: Vec<String>) -> Vec<String> {
    rows.into_iter().rev().collect()
}

#[test]
fn rows_are_put_in_place_and_counted() {
    let files = Files::new();
    let whole = plain("web-1", 138, 1000);
    let pasted = |mut rows: Vec<String>| {
        let moved: Vec<_> = rows.drain(10..20).collect();
        rows.splice(100..100, moved);
        rows
    };
    for (csv, count) in [
        (reordered(&whole, newest_first), 137),
        (reordered(&whole, swapped), 69),
        (reordered(&whole, pasted), 10),
    ] {
        let file = files.add("r.csv", &csv);
        let (recorded, output) = replayed(&[file], &[]);
        assert_same("the recording", &whole, &recorded);
        output
            .stderr_has(&format!("r.csv: {count} rows were out of order"))
            .stderr_has("(138 rows)")
            .stderr_has("Replayed 138 messages");
    }
}

#[test]
fn restarts_alerts_and_holes_survive_a_sort() {
    let files = Files::new();
    for seed in 0..6 {
        let original = random(&mut Dice::seeded(seed), "web-1", 120).csv;
        let file = files.add("r.csv", &reordered(&original, newest_first));
        let (recorded, output) = replayed(&[file], &[]);
        assert_same(&format!("seed {seed}"), &original, &recorded);
        output.stderr_has("rows were out of order");
    }
}

#[test]
fn rows_of_another_time_come_before_those_they_interrupt() {
    let files = Files::new();
    let today = plain("web-1", 30, 1000);
    let yesterday = today
        .replace("2026-11-24T", "2026-11-23T")
        .replace("k3v9q2", "k3t4w8");
    let of_yesterday: Vec<_> = yesterday.split_inclusive('\n').skip(1).take(8).collect();
    let mixed = reordered(&today, |mut rows| {
        rows.splice(12..12, of_yesterday.iter().map(|&row| row.into()));
        rows
    });
    let (recorded, output) = replayed(&[files.add("r.csv", &mixed)], &[]);
    let rows = parse(recorded.as_bytes());
    let found: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row.cell("stream"), row.seq()?)))
        .collect();
    let expected: Vec<_> = (1..=8)
        .map(|seq| ("k3t4w8", seq))
        .chain((1..=30).map(|seq| ("k3v9q2", seq)))
        .collect();
    assert_eq!(found, expected);
    output.stderr_has("8 rows were out of order");
}

#[test]
fn overlapping_files_send_each_message_once() {
    let files = Files::new();
    let whole = plain("web-1", 60, 1000);
    let part = |range: std::ops::Range<usize>| reordered(&whole, |rows| rows[range].to_vec());
    let parts = [
        files.add("a.csv", &part(30..60)),
        files.add("b.csv", &part(0..20)),
        files.add("c.csv", &reordered(&part(15..40), swapped)),
    ];
    let (recorded, output) = replayed(&parts, &[]);
    assert_same("the recording", &whole, &recorded);
    output
        .stderr_has("c.csv: 15 rows repeat a message")
        .stderr_has("c.csv: 7 rows were out of order");
}

#[test]
fn two_different_rows_for_one_message_are_refused() {
    let files = Files::new();
    let csv = plain("web-1", 9, 1000);
    let other = csv.lines().nth(4).unwrap().replace(",41.5,", ",41.6,");
    let file = files.add("r.csv", &(csv.clone() + &other + "\n"));
    let name = file.display().to_string();
    Metrics::replay([&file])
        .run()
        .code(1)
        .stdout_is("")
        .stderr_has(&format!(
            "{name}:11: message 4 of stream k3v9q2 differs from its row in {name}:5"
        ));
}

#[test]
fn a_pipe_is_not_put_in_order() {
    let csv = reordered(&plain("web-1", 40, 1000), |mut rows| {
        rows.swap(30, 31);
        rows
    });
    let mut replay = Metrics::replay(["-"])
        .args(["--speed", "max", "--wait", "1"])
        .spawn();
    replay
        .stdin()
        .take()
        .unwrap()
        .write_all(csv.as_bytes())
        .unwrap();
    let url = replay.stdout_lines(1).remove(0);
    let recorder = Metrics::record(&url).args(["--retries", "1"]).spawn();
    replay
        .wait()
        .code(1)
        .stderr_has("standard input:33: message 31 of stream k3v9q2 comes after message 32")
        .stderr_has("save the input to a file")
        .stderr_lacks("Replayed");
    drop(recorder);
    let repeated = reordered(&plain("web-1", 5, 1000), |rows| {
        [&rows[..3], &rows[2..]].concat()
    });
    let mut replay = Metrics::replay(["-"]).args(["--speed", "max"]).spawn();
    replay
        .stdin()
        .take()
        .unwrap()
        .write_all(repeated.as_bytes())
        .unwrap();
    replay
        .wait()
        .success()
        .stderr_has("standard input: 1 row repeats a message")
        .stderr_has("Replayed 5 messages");
}

#[test]
fn parts_and_passes_of_displaced_rows_are_in_order_too() {
    let files = Files::new();
    let file = files.add("r.csv", &reordered(&plain("web-1", 20, 1000), newest_first));
    let seqs = |csv: &str| -> Vec<_> {
        parse(csv.as_bytes())
            .iter()
            .filter_map(|row| row.seq())
            .collect()
    };
    let (part, output) = replayed(&[&file], &["--start", "5s", "--end", "8s"]);
    assert_eq!(seqs(&part), [6, 7, 8]);
    output.stderr_has("(3 rows)");
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "100", "--loop"])
        .start();
    let output = Metrics::record(replay.url())
        .args(["--samples", "45"])
        .run()
        .success();
    let rows = parse(&output.stdout);
    assert_eq!(seqs(output.text()), (1..=45).collect::<Vec<_>>());
    let cpu: Vec<_> = rows.iter().map(|row| row.cell("cpu").to_owned()).collect();
    let expected: Vec<_> = (0..45).map(|nth| (nth % 20 + 1).to_string()).collect();
    assert_eq!(cpu, expected);
}
