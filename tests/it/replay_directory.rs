//! `replay` of compressed recordings and of directories.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::dice::Dice;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::python::python;
use crate::harness::recording::{plain, random};
use crate::harness::rows::assert_same;

/// Compresses `text` into `path`, with another implementation than ours.
pub(crate) fn gzip(text: &str, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let plain = path.with_extension("unpacked");
    fs::write(&plain, text).unwrap();
    let script =
        "import gzip, sys; gzip.open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read())";
    python(script, [&plain, path]);
    fs::remove_file(plain).unwrap();
}

fn replay<P: AsRef<std::ffi::OsStr>>(files: impl IntoIterator<Item = P>) -> Metrics {
    Metrics::replay(files).args(["--speed", "max", "--wait", "1"])
}

#[track_caller]
fn recorded(replay: Running) -> String {
    let output = Metrics::record(replay.url()).run().success();
    replay.wait().success();
    output.text().into()
}

/// Cuts a recording after `count` lines, so that the rest has its own header.
fn halves(csv: &str, count: usize) -> (String, String) {
    let lines: Vec<_> = csv.split_inclusive('\n').collect();
    let (first, rest) = lines.split_at(count);
    (first.concat(), lines[0].to_owned() + &rest.concat())
}

#[test]
fn a_compressed_recording_is_recognised_by_its_first_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let csv = random(&mut Dice::seeded(7), "web-1", 150).csv;
    for name in ["r.csv.gz", "r.csv", "no suffix"] {
        let file = dir.path().join(name);
        gzip(&csv, &file);
        assert_same(name, &csv, &recorded(replay([&file]).start()));
    }
    let packed = fs::read(dir.path().join("r.csv")).unwrap();
    let mut piped = replay(["-"]).spawn();
    let mut stdin = piped.stdin().take().unwrap();
    std::io::Write::write_all(&mut stdin, &packed).unwrap();
    drop(stdin);
    let url = piped.stdout_lines(1)[0].clone();
    let output = Metrics::record(&url).run().success();
    assert_same("standard input", &csv, output.text());
    piped.wait().success();
}

#[test]
fn only_the_files_with_the_wanted_rows_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (file, rotated) = (dir.path().join("r.csv"), dir.path().join("rotated"));
    let csv = plain("web-1", 600, 1000); // ten minutes from 14:00:01 on
    fs::write(&file, &csv).unwrap();
    let whole = replay([&file]).start();
    Metrics::record(whole.url())
        .args(["-o", &format!("{}/", rotated.display()), "--rotate", "1m"])
        .run()
        .success();
    whole.wait().success();
    let host = rotated.join("web-1");
    let packed = |minute: u32| host.join(format!("2026-11-24T140{minute}.csv.gz"));
    for minute in [1, 2, 7, 8] {
        fs::write(packed(minute), "no recording").unwrap();
    }
    replay([&rotated])
        .run()
        .code(1)
        .stderr_has("not a recording");
    let lines: Vec<_> = csv.split_inclusive('\n').collect();
    let rows = |from: usize, to: usize| lines[0].to_owned() + &lines[from..to].concat();
    for (start, end) in [
        ("2026-11-24T14:03Z", "2026-11-24T14:07Z"),
        ("2026-11-24 14:03", "+4m"),
        ("2m59s", "+4m"),
        ("2m59s", "6m59s"),
    ] {
        let part = replay([&rotated])
            .args(["--start", start, "--end", end])
            .start();
        assert_same(start, &rows(180, 420), &recorded(part));
    }
    let part = replay([&rotated]).args(["--end", "+59s"]).start();
    assert_same("the first minute", &rows(1, 60), &recorded(part));
    let part = replay([&rotated])
        .args(["--start", "2026-11-24T14:09Z"])
        .start();
    assert_same("the last minute", &rows(540, 601), &recorded(part));
}

#[test]
fn a_compressed_recording_can_be_looped_and_merged() {
    let dir = tempfile::tempdir().unwrap();
    let (packed, other) = (dir.path().join("a.csv.gz"), dir.path().join("b.csv"));
    gzip(&plain("web-1", 3, 1000), &packed);
    fs::write(&other, plain("web-2", 3, 1000)).unwrap();
    let looped = Metrics::replay([&packed])
        .args(["--loop", "--speed", "max"])
        .start();
    let output = Metrics::record(looped.url())
        .args(["--last", "0", "--samples", "10"])
        .run()
        .success();
    assert_eq!(output.text().lines().count(), 11);
    let both = replay([&packed, &other]).start();
    let out = dir.path().join("out/");
    Metrics::record(both.url())
        .arg("-o")
        .arg(format!("{}/", out.display()))
        .run()
        .success();
    for host in ["web-1", "web-2"] {
        let found = fs::read_to_string(out.join(format!("{host}.csv"))).unwrap();
        assert_same(host, &plain(host, 3, 1000), &found);
    }
}

#[test]
fn what_cannot_be_done_with_a_compressed_recording_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let csv = plain("web-1", 9, 1000);
    let lines: Vec<_> = csv.split_inclusive('\n').collect();
    let displaced = [lines[0], lines[2], lines[1], lines[3]].concat();
    let file = dir.path().join("r.csv.gz");
    gzip(&displaced, &file);
    let output = Metrics::replay([&file]).run().code(1);
    output
        .stderr_has("r.csv.gz:3: message 1 of stream k3v9q2 comes after message 2")
        .stderr_has("`zcat -f FILE… > all.csv`");
    gzip(&csv, &file);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 9]).unwrap();
    let output = Metrics::replay([&file]).run().code(1);
    output.stderr_has("r.csv.gz': its gzip data is damaged or cut off");
}

#[test]
fn a_directory_is_replayed_with_everything_below_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("recordings");
    // The streams of a host whose clock was set back would be merged in the wrong order by time.
    let csv = random(&mut Dice::seeded(3), "web-1", 120).csv;
    let (first, second) = halves(&csv, 60);
    let (second, third) = halves(&second, 30);
    gzip(&first, &root.join("web-1/2026-11-24T14.csv.gz"));
    fs::write(root.join("web-1/2026-11-24T15.csv"), second).unwrap();
    fs::write(root.join("web-1/2026-11-24T15.csv.gz"), "not finished").unwrap();
    fs::write(root.join("web-1/2026-11-24T16.csv"), third).unwrap();
    fs::write(root.join("web-1/2026-11-24T17.csv"), "").unwrap();
    fs::write(root.join("web-1/.lock"), "").unwrap();
    fs::write(root.join("web-2.csv"), plain("web-2", 5, 1000)).unwrap();
    fs::write(root.join("notes.txt"), "").unwrap();
    let replay = replay([&root]).start();
    replay.wait_for_stderr("notes.txt, web-1/2026-11-24T15.csv.gz.");
    replay.wait_for_stderr("2026-11-24T17.csv: has no complete row and is left out");
    let out = dir.path().join("out");
    Metrics::record(replay.url())
        .arg("-o")
        .arg(format!("{}/", out.display()))
        .run()
        .success();
    replay.wait().success();
    let found = |host| fs::read_to_string(out.join(format!("{host}.csv"))).unwrap();
    assert_same("web-1", &csv, &found("web-1"));
    assert_same("web-2", &plain("web-2", 5, 1000), &found("web-2"));
}

#[test]
fn a_directory_without_recordings_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let output = Metrics::replay([dir.path()]).run().code(1);
    output.stderr_has("there is no *.csv or *.csv.gz below '");
    let blank: PathBuf = dir.path().join("2026-11-24T14.csv");
    fs::write(blank, "timestamp,host").unwrap();
    let output = Metrics::replay([dir.path()]).run().code(1);
    output
        .stderr_has("2026-11-24T14.csv: has no complete row")
        .stderr_has("nothing to replay: no rows in '");
}
