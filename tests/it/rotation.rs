//! `record --rotate`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::dice::Dice;
use crate::harness::metrics::Metrics;
use crate::harness::python::python;
use crate::harness::recording::{plain, random, timestamp};
use crate::harness::rows::assert_same;

/// Records a replay of `input` into `out`, with these flags.
#[track_caller]
fn copy(input: &Path, out: &Path, flags: &[&str]) {
    let replay = Metrics::replay([input])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    Metrics::record(replay.url())
        .args(["-o", &format!("{}/", out.display())])
        .args(flags)
        .run()
        .success();
    replay.wait().success();
}

/// All files below `root`, except for the locks.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for host in fs::read_dir(root).unwrap() {
        let host = host.unwrap();
        for file in fs::read_dir(host.path()).unwrap() {
            let file = file.unwrap().path();
            if !file.ends_with(".lock") {
                let name = file.strip_prefix(root).unwrap().display().to_string();
                files.insert(name, fs::read(file).unwrap());
            }
        }
    }
    files
}

/// The rows of all files in the order of their names, below one header, unpacked by another implementation.
pub(crate) fn joined(directory: &Path) -> String {
    let script = "\
import gzip, os, sys
header = None
for name in sorted(os.listdir(sys.argv[1])):
    if name.startswith('.') or name.endswith('.minutes'): continue
    path = os.path.join(sys.argv[1], name)
    text = (gzip.open if name.endswith('.gz') else open)(path, 'rt', newline='').read()
    first, rows = text.split('\\n', 1)
    if header is None: header = first; sys.stdout.write(header + '\\n')
    assert first == header
    sys.stdout.write(rows)";
    python(script, [directory])
}

/// A recording without the gaps that a file would begin with.
fn without_gaps_at_boundaries(csv: &str) -> String {
    let minute = |line: &str| line[..16].to_owned();
    let mut open = String::new();
    let lines = csv.split_inclusive('\n').enumerate().filter(|(nth, line)| {
        if *nth == 0 {
            return true;
        }
        let begins = open < minute(line);
        let is_gap = line.split(',').nth(4).unwrap().starts_with("gap ");
        if begins && !is_gap {
            open = minute(line);
        }
        !(begins && is_gap)
    });
    lines.map(|(_, line)| line).collect()
}

#[test]
fn a_copy_of_a_rotated_recording_is_the_same_files() {
    for seed in [1, 2, 3] {
        let dir = tempfile::tempdir().unwrap();
        let csv = random(&mut Dice::seeded(seed), "web-1", 400).csv;
        let (file, one, two) = (
            dir.path().join("r.csv"),
            dir.path().join("one"),
            dir.path().join("two"),
        );
        fs::write(&file, &csv).unwrap();
        copy(&file, &one, &["--rotate", "1m"]);
        let files = tree(&one);
        assert!(files.len() > 3, "{:?}", files.keys());
        let is_recording = |name: &&String| !name.ends_with(".minutes");
        let recordings: Vec<_> = files.keys().filter(is_recording).collect();
        for (nth, name) in recordings.iter().enumerate() {
            let is_last = nth + 1 == recordings.len();
            assert_eq!(name.ends_with(".csv"), is_last, "{name}");
            assert_eq!(name.ends_with(".csv.gz"), !is_last, "{name}");
            let stem = name.split('.').next().unwrap();
            let minutes = files.contains_key(&format!("{stem}.minutes"));
            assert_eq!(minutes, !is_last, "{name}");
        }
        let what = format!("seed {seed}");
        assert_same(
            &what,
            &without_gaps_at_boundaries(&csv),
            &joined(&one.join("web-1")),
        );
        copy(&one, &two, &["--rotate", "1m"]);
        assert!(tree(&one) == tree(&two), "{what} differs");
    }
}

#[test]
fn appending_continues_after_the_newest_row() {
    let dir = tempfile::tempdir().unwrap();
    let csv = plain("web-1", 150, 2000);
    let (file, begun) = (dir.path().join("r.csv"), dir.path().join("begun.csv"));
    fs::write(&file, &csv).unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    copy(&file, &whole, &["--rotate", "1m"]);
    for rows in [20, 60, 61, 150] {
        let lines = csv.split_inclusive('\n').take(1 + rows);
        fs::write(&begun, lines.collect::<String>()).unwrap();
        copy(&begun, &parts, &["--rotate", "1m", "--append"]);
        if rows == 60 {
            // A crash cuts off a row, and leaves a compressed file unfinished.
            let newest = parts.join("web-1/2026-11-24T1402.csv");
            let text = fs::read_to_string(&newest).unwrap();
            fs::write(&newest, &text[..text.len() - 7]).unwrap();
            fs::write(parts.join("web-1/.2026-11-24T1401.csv.gz.part"), "x").unwrap();
        }
    }
    assert_eq!(
        tree(&whole).keys().collect::<Vec<_>>(),
        tree(&parts).keys().collect::<Vec<_>>()
    );
    assert!(tree(&whole) == tree(&parts), "they differ");
}

#[test]
fn only_the_owner_can_read_and_only_one_process_can_write() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out/");
    let serve = Metrics::serve().start();
    let record = || {
        Metrics::record(serve.url())
            .arg("-o")
            .arg(&out)
            .args(["--rotate", "1h"])
    };
    let first = record().spawn();
    let host = out.join("web-1");
    crate::harness::wait_for(
        crate::harness::PATIENCE,
        || (host.is_dir() && !tree(&out).is_empty()).then_some(()),
        || first.story(),
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&out), mode(&host)), (0o700, 0o700));
    for file in fs::read_dir(&host).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    let second = record().arg("--append").run().code(1);
    second.stderr_has("is being recorded into by another process");
    first.signal(rustix::process::Signal::INT);
    first.wait().success().stderr_has(" UTC.");
    let third = record().run().code(2);
    third.stderr_has("holds recordings: use --append to continue them");
}

#[test]
fn old_files_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out"));
    fs::write(&file, plain("web-1", 300, 2000)).unwrap();
    copy(&file, &out, &["--rotate", "1m", "--keep", "3m"]);
    let kept: Vec<_> = tree(&out).into_keys().collect();
    let closed = ["06", "07", "08", "09"]
        .map(|minute| [format!("{minute}.csv.gz"), format!("{minute}.minutes")]);
    let expected = closed.concat().into_iter().chain(["10.csv".to_owned()]);
    let ends: Vec<_> = kept
        .iter()
        .map(|name| name["web-1/2026-11-24T14".len()..].to_owned())
        .collect();
    assert_eq!(ends, expected.collect::<Vec<_>>());
}

#[test]
fn wrong_flags_are_refused() {
    for (flags, reason) in [
        (
            &["-o", "x.csv", "--rotate", "1h"][..],
            "name a directory for them with -o DIR/",
        ),
        (
            &["--rotate", "1h"],
            "name a directory for them with -o DIR/",
        ),
        (
            &["-o", "x/", "--rotate", "7h"],
            "write 1d, 12h, 6h, 1h, 15m",
        ),
        (
            &["-o", "x/", "--rotate", "1h", "--force"],
            "--rotate replaces no files",
        ),
        (&["-o", "x/", "--keep", "7d"], "--rotate"),
        (
            &["-o", "x/", "--rotate", "1h", "--keep-bytes", "2"],
            "such as 500MB or 2GiB",
        ),
        (&["-o", "x.csv.gz"], "-o DIR/ --rotate 1h"),
    ] {
        let output = Metrics::record("127.0.0.1:1").args(flags).run().code(2);
        output.stderr_has(reason);
    }
}

#[test]
fn containers_keep_their_column() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out"));
    let container = r#""[{""name"":""db"",""cpu"":1.5,""memory"":20}]""#;
    let csv = format!(
        "timestamp,host,stream,seq,event,cpu,containers,top,extra\n\
         2026-11-24T14:00:58.000Z,web-1,s1,1,,5,{container},,\n\
         2026-11-24T14:01:01.000Z,web-1,s1,2,,6,[],,\n"
    );
    fs::write(&file, &csv).unwrap();
    copy(&file, &out, &["--rotate", "1m"]);
    assert_eq!(joined(&out.join("web-1")), csv);
}

#[test]
fn a_row_from_the_far_future_ends_neither_rotation_nor_history() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let day_ms = 24 * 3_600_000;
    let ago = |days: u64| timestamp(now.as_millis() as u64 - days * day_ms);
    let in_73_years = timestamp(now.as_millis() as u64 + 73 * 365 * day_ms);
    let times = [ago(9), ago(8), in_73_years, ago(6), ago(5)];
    let row = |(seq, time)| format!("{time},web-1,s1,{seq},,{seq},,\n");
    let rows: String = (1..).zip(&times).map(row).collect();
    fs::write(
        &file,
        format!("timestamp,host,stream,seq,event,cpu,top,extra\n{rows}"),
    )
    .unwrap();
    copy(&file, &out, &["--rotate", "1h", "--keep", "30d"]);
    let closed = |days: u64| format!("web-1/{}.csv.gz", &ago(days)[..13]);
    let newest = format!("web-1/{}.csv", &ago(5)[..13]);
    let names = [closed(9), closed(8), closed(6), newest];
    let files = tree(&out);
    let recordings: Vec<_> = files
        .keys()
        .filter(|name| !name.ends_with(".minutes"))
        .collect();
    assert_eq!(recordings, names.iter().collect::<Vec<_>>());
    let two = dir.path().join("two");
    copy(&out, &two, &["--rotate", "1h"]);
    assert!(tree(&two) == files);
}
