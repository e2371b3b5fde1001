//! The inputs of `replay`: pipes, files of other programs, files that aren't recordings, and parts of recordings.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::metrics::Metrics;
use crate::harness::recording::plain;
use crate::harness::rows::assert_same;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn add(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A named pipe that delivers `bytes` to its first reader.
    fn pipe(&self, name: &str, bytes: String) -> PathBuf {
        let path = self.0.path().join(name);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let to = path.clone();
        std::thread::spawn(move || std::fs::write(to, bytes));
        path
    }
}

#[test]
fn a_pipe_is_read_once_like_standard_input() {
    let files = Files::new();
    let csv = plain("web-1", 40, 1000);
    let pipe = files.pipe("pipe", csv.clone());
    let replay = Metrics::replay([&pipe])
        .args(["--wait", "1", "--speed", "max"])
        .start();
    let output = Metrics::record(replay.url()).run().success();
    assert_same("the recording", &csv, output.text());
    replay.wait().success();
}

#[test]
fn a_pipe_can_be_neither_looped_nor_merged() {
    let files = Files::new();
    let file = files.add("r.csv", plain("web-1", 3, 1000));
    for (inputs, flag, reason) in [
        (
            &["/dev/null", "r.csv"][..],
            "--rebase",
            "'/dev/null' is not a regular file: it cannot be merged",
        ),
        (
            &["/dev/null"],
            "--loop",
            "'/dev/null' is not a regular file: it cannot be looped",
        ),
        (
            &["-", "r.csv"],
            "--rebase",
            "standard input cannot be merged",
        ),
        (&["-", "-"], "--rebase", "'-' is given twice"),
    ] {
        let inputs = inputs.iter().map(|&it| {
            if it == "r.csv" {
                file.clone()
            } else {
                it.into()
            }
        });
        Metrics::replay(inputs)
            .arg(flag)
            .run()
            .code(2)
            .stderr_has(reason);
    }
    Metrics::replay(["/dev/null"])
        .run()
        .code(1)
        .stderr_has("/dev/null: not a recording: the file is empty");
}

#[test]
fn the_error_says_what_a_file_is_if_it_is_not_a_recording() {
    let files = Files::new();
    let csv = plain("web-1", 3, 1000);
    for (name, bytes, reason) in [
        (
            "r.csv.zst",
            b"\x28\xb5\x2f\xfd\n".to_vec(),
            "compressed with zstd; write: zstdcat {} | metrics replay -",
        ),
        (
            "r.xlsx",
            b"PK\x03\x04\n".to_vec(),
            "a zip archive or a spreadsheet; save it as CSV",
        ),
        (
            "s.csv",
            csv.replace(',', ";").into_bytes(),
            "separated by semicolons; save it with commas",
        ),
        (
            "t.csv",
            csv.replace(',', "\t").into_bytes(),
            "separated by tabs; save it with commas",
        ),
        (
            "u.csv",
            csv.bytes().flat_map(|byte| [byte, 0]).collect(),
            "in UTF-16; write: iconv -f UTF-16 -t UTF-8 {} |",
        ),
        ("r.html", b"<html>\n".to_vec(), "it is HTML or XML"),
        ("r.json", b"{\"type\":\"metric\"}\n".to_vec(), "it is JSON"),
        (
            "n.csv",
            csv.split_inclusive('\n')
                .skip(1)
                .collect::<String>()
                .into_bytes(),
            "the header is missing",
        ),
    ] {
        let file = files.add(name, bytes);
        let file = file.display().to_string();
        Metrics::replay([&file])
            .run()
            .code(1)
            .stdout_is("")
            .stderr_has(&format!("{file}: not a recording: "))
            .stderr_has(&reason.replace("{}", &file));
    }
}

/// The recording with its times as another program writes them.
fn with_times(csv: &str, separator: &str, fraction: &str, offset: &str) -> String {
    csv.replace("T14:", &format!("{separator}14:"))
        .replace(".000Z", &format!("{fraction}{offset}"))
}

#[test]
fn times_written_by_other_programs_are_replayed() {
    let files = Files::new();
    let csv = plain("web-1", 5, 1000);
    for (separator, fraction, offset) in [
        (" ", ".000", "+00:00"),
        (" ", "", "+00:00"),
        ("t", ".000000000", "z"),
        ("T", ".000000", "+0000"),
        (" ", "", "+00"),
    ] {
        let file = files.add("r.csv", with_times(&csv, separator, fraction, offset));
        let replay = Metrics::replay([&file])
            .args(["--wait", "1", "--speed", "max"])
            .start();
        let output = Metrics::record(replay.url()).run().success();
        assert_same(
            &format!("{separator}{fraction}{offset}"),
            &csv,
            output.text(),
        );
    }
    let file = files.add("r.csv", with_times(&csv, " ", "", ""));
    Metrics::replay([&file])
        .run()
        .code(1)
        .stderr_has(&format!(
            "{}:2: column 'timestamp': '2026-11-24 14:00:01'",
            file.display()
        ))
        .stderr_has("append Z if it is UTC");
}

#[test]
fn an_end_that_counts_from_the_start_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, crate::harness::recording::plain("web-1", 5, 1000)).unwrap();
    for (flags, expected) in [
        (
            &["--start", "+5m"][..],
            "only --end counts from the start: write 5m for that long after the first row",
        ),
        (&["--end", "+5"], "'+5' is not a length of time: "),
        (
            &["--start", "3s", "--end", "+0s"],
            "--end +0s is not after --start 3s",
        ),
    ] {
        let output = Metrics::replay([&file]).args(flags).run().code(2);
        output.stderr_has(expected);
    }
}

#[test]
fn an_impossible_part_is_a_usage_error() {
    let files = Files::new();
    let file = files.add("r.csv", plain("web-1", 5, 1000));
    for (flags, reason) in [
        (
            &["--start", "yesterday"][..],
            "'yesterday' is not a point in time: write 2026-11-24T14:07Z, or 5m",
        ),
        (&["--end", "14:07"], "'14:07' is not a point in time"),
        (
            &["--start", "-5m"],
            "'-5m' is before the recording begins: write 5m",
        ),
        (&["--start", "5"], "has no unit: write 5s"),
        (
            &["--start", "3s", "--end", "2s"],
            "--end 2s is not after --start 3s",
        ),
        (
            &["--start", "3s", "--end", "3s"],
            "--end 3s is not after --start 3s",
        ),
        (
            &[
                "--start",
                "2026-11-24T14:00:03Z",
                "--end",
                "2026-11-24T14:00:02Z",
            ],
            "--end 2026-11-24T14:00:02.000Z is not after --start 2026-11-24T14:00:03.000Z",
        ),
        (
            &["--start", "2026-11-24T14:00:03Z", "--end", "1s"],
            "--end 1s is not after --start 2026-11-24T14:00:03.000Z",
        ),
        (&["--max-pause", "5"], "write 5s"),
    ] {
        Metrics::replay([&file])
            .args(flags)
            .run()
            .code(2)
            .stdout_is("")
            .stderr_has(reason);
    }
    Metrics::replay([&file])
        .args(["--start", "1h"])
        .run()
        .code(1)
        .stderr_has("no rows between --start and --end");
    Metrics::replay(["-"])
        .args(["--start", "1h"])
        .run_with_input(plain("web-1", 5, 1000).as_bytes())
        .code(1)
        .stderr_has("no rows between --start and --end in standard input");
}

#[test]
fn a_long_wait_is_announced_and_can_be_capped() {
    let files = Files::new();
    let csv = plain("web-1", 6, 1000);
    let stepped = csv
        .replace("T14:00:04", "T15:00:04")
        .replace("T14:00:05", "T15:00:05")
        .replace("T14:00:06", "T15:00:06");
    let file = files.add("r.csv", &stepped);
    let replay = Metrics::replay([&file]).args(["--speed", "10"]).start();
    replay.wait_for_stderr(
        " for the next message, 4 of web-1 at 2026-11-24T15:00:04Z; --max-pause 5s shortens",
    );
    // On a busy machine, some of the six minutes are over.
    let said = replay.stderr().text();
    assert!(
        said.contains("Waiting 6 m for") || said.contains("Waiting 5 m 5"),
        "{said}"
    );
    drop(replay);
    let replay = Metrics::replay([&file])
        .args(["--speed", "10", "--max-pause", "300ms", "--wait", "1"])
        .start();
    let output = Metrics::record(replay.url()).run().success();
    assert_same("the recording", &stepped, output.text());
    replay.wait().success().stderr_lacks("Waiting");
}
