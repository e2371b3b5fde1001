//! What a spool and a rotated recording go through: power failures at any moment, and a full disk.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::harness::dice::Dice;
use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::{plain, timestamp};
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

/// Starts a server whose spool is on a small disk of its own, after `prepare` has run there in a shell. Its second
/// argument is `contents`, a directory.
fn on_a_small_disk(directory: &Path, prepare: &str, contents: &Path) -> Running {
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
    assert!(
        allowed.status.success(),
        "this test mounts a small disk, as root or where an ordinary user may (user namespaces): {}",
        String::from_utf8_lossy(&allowed.stderr)
    );
    let script = format!(
        "{mount} && {prepare} && exec \"$3\" serve -l 127.0.0.1:0 --name web-1 --interval 200ms --spool \"$1\""
    );
    let server = Metrics::program("unshare")
        .args(namespaces())
        .args(["sh", "-c", &script, "sh"])
        .arg(directory)
        .arg(contents)
        .arg(env!("CARGO_BIN_EXE_metrics"));
    server.start()
}

/// `directory` as the server sees it.
fn seen_by(server: &Running, directory: &Path) -> PathBuf {
    let inside = directory.strip_prefix("/").unwrap();
    PathBuf::from(format!("/proc/{}/root", server.pid())).join(inside)
}

/// Starts a server on a full disk that holds closed files of these many hours ago. Returns it, and their names.
fn full_with_hours(dir: &Path, hours: &[u64]) -> (Running, Vec<String>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (disk, contents) = (dir.join("disk"), dir.join("contents"));
    let host = contents.join("web-1");
    fs::create_dir(&disk).unwrap();
    fs::create_dir_all(&host).unwrap();
    let names = hours.iter().map(|hours| {
        let time = timestamp(now.as_millis() as u64 - hours * 3_600_000);
        let rows: String = (1..=200)
            .map(|seq| format!("{time},web-1,s{hours},{seq},,{seq},,\n"))
            .collect();
        let text = format!("timestamp,host,stream,seq,event,cpu,top,extra\n{rows}");
        let name = format!("{}.csv.gz", &time[..13]);
        // Stored rather than compressed, so that it frees room.
        fs::write(host.join(&name), text).unwrap();
        name
    });
    let names = names.collect();
    let fill = "cp -r \"$2\"/. \"$1\" && ! head -c 1000000 /dev/zero > \"$1/ballast\" 2> /dev/null";
    (on_a_small_disk(&disk, fill, &contents), names)
}

#[test]
fn an_old_hour_makes_room_for_a_new_one_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (server, names) = full_with_hours(dir.path(), &[9, 8, 5]);
    let host = seen_by(&server, &dir.path().join("disk")).join("web-1");
    // The new hour has rows, though the disk is still full.
    let has_begun = || {
        let newest = names_in(&host).pop().unwrap();
        newest.ends_with(".csv") && length_of(&host.join(newest)) > 1000
    };
    wait_for(PATIENCE, || has_begun().then_some(()), || server.story());
    let left = names_in(&host);
    assert!(!left.contains(&names[0]), "{left:?}");
    assert!(
        names[1..].iter().all(|name| left.contains(name)),
        "{left:?}"
    );
}

#[test]
fn the_last_hours_are_never_deleted_to_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let (server, names) = full_with_hours(dir.path(), &[5, 4, 3]);
    let host = seen_by(&server, &dir.path().join("disk")).join("web-1");
    let is_paused = || get(server.port(), "/healthz").1.contains("\"paused\"");
    wait_for(PATIENCE, || is_paused().then_some(()), || server.story());
    let samples = ["--samples", "10"];
    Metrics::record(server.url()).args(samples).run().success();
    let left = names_in(&host);
    assert!(names.iter().all(|name| left.contains(name)), "{left:?}");
}

fn names_in(host: &Path) -> Vec<String> {
    let names = names(host).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        name.contains(".csv").then_some(name)
    });
    names.filter(|name| !name.starts_with('.')).collect()
}

fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |it| it.len())
}

#[test]
fn a_full_disk_delays_no_sample_and_the_hole_is_named_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let server = on_a_small_disk(dir.path(), "true", dir.path());
    let disk = seen_by(&server, dir.path());
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
