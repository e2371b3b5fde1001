//! `record` of a `replay` of a recording is that recording, byte for byte.

use std::path::Path;

use crate::harness::dice::Dice;
use crate::harness::metrics::Metrics;
use crate::harness::python::python;
use crate::harness::recording::{Recording, plain, random};
use crate::harness::rows::assert_same;
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;

/// Replays `files` at `speed` into one recorder that writes to `out`; both end by themselves.
#[track_caller]
fn copy<P: AsRef<Path>>(files: &[P], out: &str, speed: &str) {
    let files = files.iter().map(|file| file.as_ref());
    let replay = Metrics::replay(files)
        .args(["--speed", speed, "--wait", "1"])
        .start();
    Metrics::record(replay.url())
        .args(["-o", out])
        .run()
        .success();
    replay.wait().success();
}

#[track_caller]
fn check(what: &str, csv: &str, speed: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    std::fs::write(&file, csv).unwrap();
    copy(&[file], out.to_str().unwrap(), speed);
    assert_same(what, csv, &std::fs::read_to_string(out).unwrap());
}

fn generated(seed: u64, samples: u64) -> Recording {
    random(&mut Dice::seeded(seed), "web-1", samples)
}

#[test]
fn generated_recordings() {
    for seed in 0..12 {
        check(&format!("seed {seed}"), &generated(seed, 150).csv, "max");
    }
}

#[test]
fn the_result_is_the_same_at_recorded_speed() {
    check("at 2000 times the speed", &generated(99, 150).csv, "2000");
}

#[test]
fn recordings_of_pythons_csv_module() {
    for seed in ["1", "2", "3"] {
        let script = include_str!("fixtures/recording.py");
        let csv = python(script, [seed, "db-1", "200"]);
        assert!(
            csv.contains("gap restarted") && csv.contains("alert {"),
            "{csv}"
        );
        check(&format!("Python's seed {seed}"), &csv, "max");
    }
}

#[test]
fn a_single_sample_and_none() {
    let one = plain("web-1", 1, 1000);
    check("a single sample", &one, "1");
    let header = one.split_inclusive('\n').next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, header).unwrap();
    let output = Metrics::replay([&file]).run().code(1);
    output.stderr_has("no rows").stdout_is("");
}

#[test]
fn several_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::seeded(5);
    let hosts = ["db-1", "web-1", "web-2"];
    let recordings: Vec<_> = hosts
        .iter()
        .map(|host| random(&mut dice, host, 80))
        .collect();
    let files: Vec<_> = hosts
        .iter()
        .map(|host| dir.path().join(format!("{host}.in")))
        .collect();
    for (file, recording) in files.iter().zip(&recordings) {
        std::fs::write(file, &recording.csv).unwrap();
    }
    let out = dir.path().join("out");
    copy(&files, &format!("{}/", out.display()), "max");
    for (host, recording) in hosts.iter().zip(&recordings) {
        let found = std::fs::read_to_string(out.join(format!("{host}.csv"))).unwrap();
        assert_same(host, &recording.csv, &found);
    }
    assert_eq!(std::fs::read_dir(out).unwrap().count(), hosts.len());
}

#[test]
fn one_host_of_several() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<_> = ["web-1", "web-2"].map(|host| dir.path().join(host)).into();
    for file in &files {
        let host = file.file_name().unwrap().to_str().unwrap();
        std::fs::write(file, plain(host, 20, 1000)).unwrap();
    }
    let replay = Metrics::replay(&files)
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let output = Metrics::record(replay.url())
        .args(["--host", "*-2"])
        .run()
        .success();
    assert_same("web-2", &plain("web-2", 20, 1000), output.text());
}

#[test]
fn to_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let csv = generated(17, 60).csv;
    std::fs::write(&file, &csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let output = Metrics::record(replay.url()).run().success();
    assert_same("stdout", &csv, output.text());
}

#[test]
fn from_standard_input() {
    use std::io::Write;
    let csv = generated(18, 60).csv;
    let mut replay = Metrics::replay(["-"])
        .args(["--speed", "max", "--wait", "1"])
        .spawn();
    let mut stdin = replay.stdin().take().unwrap();
    stdin.write_all(csv.as_bytes()).unwrap();
    drop(stdin);
    let url = replay.stdout_lines(1).remove(0);
    let output = Metrics::record(&url).run().success();
    assert_same("stdin", &csv, output.text());
    replay.wait().success();
}

#[test]
fn a_host_that_appears_late_in_a_pipe_gets_the_interval_of_the_others() {
    use std::io::Write;
    let mut csv = plain("web-1", 30, 500);
    csv.extend(plain("web-2", 10, 500).split_inclusive('\n').skip(1));
    let mut replay = Metrics::replay(["-"])
        .args(["--speed", "100", "--wait", "1"])
        .spawn();
    let mut stdin = replay.stdin().take().unwrap();
    stdin.write_all(csv.as_bytes()).unwrap();
    drop(stdin);
    let url = replay.stdout_lines(1).remove(0);
    let (messages, _) = Viewer::connect(&url, "").until_closed();
    let intervals: Vec<_> = messages
        .into_iter()
        .filter_map(|message| match message {
            Wire::Hello { host, interval, .. } => Some((host, interval)),
            _ => None,
        })
        .collect();
    // As often as the replay is speeded up.
    let expected = ["web-1", "web-2"].map(|host| (host.to_owned(), 5));
    assert_eq!(intervals, expected);
}

#[test]
fn a_concatenation_of_recordings() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("both.csv");
    let csv = plain("web-1", 40, 1000);
    let lines: Vec<_> = csv.split_inclusive('\n').collect();
    let repeated = [&lines[..21], &lines[..1], &lines[21..]].concat().concat();
    std::fs::write(&file, repeated).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let output = Metrics::record(replay.url()).run().success();
    assert_same("repeated header", &csv, output.text());
}

#[test]
fn host_stream_and_number_are_kept_on_the_wire() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let recording = generated(21, 200);
    std::fs::write(&file, &recording.csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let (messages, code) = Viewer::connect(replay.url(), "").until_closed();
    assert_eq!(code, Some(1000));
    let (mut stream, mut numbered, mut gaps) = (String::new(), Vec::new(), 0);
    for message in &messages {
        match message {
            Wire::Hello {
                stream: s, system, ..
            } => {
                stream.clone_from(s);
                assert_eq!(*system, None);
            }
            Wire::Gap { .. } => gaps += 1,
            _ => {}
        }
        numbered.extend(message.seq().map(|seq| (stream.clone(), seq)));
    }
    assert_eq!(numbered, recording.numbered);
    assert_eq!(gaps, recording.gaps);
    assert!(matches!(messages.last(), Some(Wire::End { .. })));
}
