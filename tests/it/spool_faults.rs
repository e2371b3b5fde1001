//! What a spool and a rotated recording go through: power failures at any moment, and a full disk.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::dice::Dice;
use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::plain;
use crate::harness::rows::parse;
use crate::harness::steady::Steady;
use crate::harness::{PATIENCE, wait_for};
use crate::rotation::joined;

/// How often the directory is copied while it is written.
const COPIES: u64 = 5;

fn names(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

/// Copies the files of a host as they are at one moment; the end of the newest one may be missing, as after a power
/// failure.
fn snapshot(from: &Path, to: &Path, dice: &mut Dice) {
    loop {
        let _ = fs::remove_dir_all(to);
        fs::create_dir_all(to).unwrap();
        let before = names(from);
        let copied = before.iter().try_for_each(|file| {
            let name = file.file_name().unwrap();
            fs::copy(file, to.join(name)).map(|_| ())
        });
        match copied {
            Ok(()) if names(from) == before => break,
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            _ => {} // a file was renamed or removed meanwhile: that is not one moment
        }
    }
    let newest = names(to)
        .into_iter()
        .rfind(|it| it.extension().is_some_and(|it| it == "csv"));
    if let Some(newest) = newest {
        let mut bytes = fs::read(&newest).unwrap();
        bytes.truncate(bytes.len().saturating_sub(dice.within(0..300) as usize));
        fs::write(&newest, bytes).unwrap();
    }
}

/// The stream and number of each row that a replay of a directory has.
fn replayed(directory: &Path) -> Vec<(String, u64)> {
    let replay = Metrics::replay([directory])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let output = Metrics::record(replay.url()).run().success();
    replay.wait().success();
    let rows = parse(output.text().as_bytes());
    let numbered = rows
        .iter()
        .filter_map(|row| Some((row.cell("stream").to_owned(), row.seq()?)));
    numbered.collect()
}

/// Copies `host` at random moments while `running` writes to it, and checks that each copy is what the one before had and
/// more, without a hole.
fn check_copies(host: &Path, running: &Running, seed: u64) -> Vec<(String, u64)> {
    let mut dice = Dice::seeded(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut had = Vec::new();
    for nth in 0..COPIES {
        let copy = dir.path().join("web-1");
        wait_for(
            PATIENCE,
            || {
                snapshot(host, &copy, &mut dice);
                // At first there may be no whole row.
                let bytes = names(&copy)
                    .into_iter()
                    .map(|file| fs::metadata(file).unwrap().len());
                (bytes.sum::<u64>() > 8000).then_some(())
            },
            || running.story(),
        );
        let rows = replayed(&copy);
        let first = &rows[0];
        for (row, seq) in rows.iter().zip(first.1..) {
            assert_eq!((&row.0, row.1), (&first.0, seq), "copy {nth}");
        }
        // A cut takes a few rows at most.
        assert!(
            had.len() <= rows.len() + 9,
            "copy {nth}: {} after {}",
            rows.len(),
            had.len()
        );
        had = rows;
    }
    had
}

#[test]
fn a_copy_of_a_spool_at_any_moment_is_intact_but_for_the_torn_row() {
    let dir = tempfile::tempdir().unwrap();
    let server = Metrics::serve().arg("--spool").arg(dir.path()).start();
    let host = dir.path().join("web-1");
    wait_for(PATIENCE, || host.exists().then_some(()), || server.story());
    let copied = check_copies(&host, &server, 1);
    server.signal(Signal::TERM);
    server.wait().success();
    assert!(replayed(&host).starts_with(&copied));
}

#[test]
fn a_copy_of_a_rotated_recording_at_any_moment_is_intact_but_for_the_torn_row() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out"));
    fs::write(&file, plain("web-1", 9000, 1000)).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "300", "--wait", "1"])
        .start();
    let record = Metrics::record(replay.url())
        .args(["--rotate", "1m", "-o", &format!("{}/", out.display())])
        .spawn();
    let host = out.join("web-1");
    wait_for(PATIENCE, || host.exists().then_some(()), || record.story());
    let copied = check_copies(&host, &record, 2);
    assert!(copied.len() > 60, "{}", copied.len());
    record.signal(Signal::INT);
    record.wait().success();
}

/// Starts a server whose spool is on a small disk of its own; `None` if that is not allowed here.
fn on_a_small_disk(directory: &Path) -> Option<Running> {
    let is_root = rustix::process::geteuid().is_root();
    let namespaces = if is_root {
        "--mount"
    } else {
        "--map-root-user --mount"
    };
    let namespaces = || namespaces.split(' ');
    let mount = "mount -t tmpfs -o size=256k,mode=700 tmpfs \"$1\"";
    let mut probe = Command::new("unshare");
    let probe = probe
        .args(namespaces())
        .args(["sh", "-c", mount, "sh"])
        .arg(directory);
    let allowed = probe
        .output()
        .unwrap_or_else(|error| panic!("unshare is needed for this test: {error}"));
    if !allowed.status.success() {
        println!(
            "no disk can be mounted here: {}",
            String::from_utf8_lossy(&allowed.stderr)
        );
        return None;
    }
    let script = format!(
        "{mount} && exec \"$2\" serve -l 127.0.0.1:0 --name web-1 --interval 200ms --spool \"$1\""
    );
    let server = Metrics::program("unshare")
        .args(namespaces())
        .args(["sh", "-c", &script, "sh"])
        .arg(directory)
        .arg(env!("CARGO_BIN_EXE_metrics"));
    Some(server.start())
}

#[test]
fn a_full_disk_delays_no_sample_and_the_hole_is_named_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = on_a_small_disk(dir.path()) else {
        return;
    };
    // The disk as the server sees it.
    let inside = dir.path().strip_prefix("/").unwrap();
    let disk = PathBuf::from(format!("/proc/{}/root", server.pid())).join(inside);
    let viewer = Steady::watch(server.url());
    let kept = || joined(&disk.join("web-1")).lines().count();
    wait_for(PATIENCE, || (kept() > 5).then_some(()), || server.story());
    let ballast = disk.join("ballast");
    let filled = fs::write(&ballast, vec![0; 1024 * 1024]).unwrap_err();
    assert_eq!(filled.kind(), ErrorKind::StorageFull);
    let health = || get(server.port(), "/healthz");
    let until = |what: &str| {
        let is_so = || health().1.contains(what).then_some(());
        wait_for(PATIENCE, is_so, || {
            format!("{:?}\n{}", health(), server.story())
        });
        assert_eq!(health().0, 200);
    };
    until("no space left");
    // A row that is shorter than the others may still fit, until none does.
    viewer.wait_for_more(10);
    until("\"status\":\"paused\"");
    fs::remove_file(&ballast).unwrap();
    let rows = kept();
    wait_for(
        PATIENCE,
        || (kept() > rows + 3).then_some(()),
        || server.story(),
    );
    viewer.wait_for_more(5);
    viewer.finish();
    let kept = joined(&disk.join("web-1"));
    server.signal(Signal::TERM);
    server.wait().success();
    let lines: Vec<_> = kept.lines().collect();
    let cell = |line: &str, nth: usize| line.split(',').nth(nth).unwrap().to_owned();
    let seq = |line: &str| cell(line, 3).parse::<u64>().unwrap();
    let mut gaps = 0;
    for around in lines[1..].windows(3) {
        if around[1].contains(",gap ") {
            gaps += 1;
            let (from, to) = (seq(around[0]) + 1, seq(around[2]) - 1);
            assert_eq!(cell(around[1], 4), format!("gap expired {from}-{to}"));
        }
    }
    assert!(gaps > 0, "{kept}");
    let named = |line: &&&str| !line.contains(",gap ");
    let seqs: Vec<_> = lines[1..]
        .iter()
        .filter(named)
        .map(|line| seq(line))
        .collect();
    let holes = seqs
        .windows(2)
        .filter(|pair| pair[0] + 1 != pair[1])
        .count();
    assert_eq!(holes, gaps, "{kept}");
}
