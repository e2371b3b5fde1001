//! Both sides of a replay hold only a little of a recording, however long, and each viewer takes little memory.

use std::path::Path;
use std::time::Duration;

use crate::harness::certificates::{Authority, Valid};
use crate::harness::herd::{Habits, Herd};
use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::write_long;
use crate::harness::{PATIENCE, wait_for};

const MOST_KIB: u64 = 32 * 1024;

/// More than ten times what the ring keeps of a recording with one sample a second.
const SAMPLES: u64 = 200_000;

#[test]
fn a_long_recording_takes_no_more_memory_than_a_short_one() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    write_long(&file, SAMPLES, 6);
    let mut replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let mut recorder = Metrics::record(replay.url()).arg("-o").arg(&out).spawn();
    let (mut served, mut recorded) = (0, 0);
    while replay.is_running() && recorder.is_running() {
        served = served.max(peak(&replay));
        recorded = recorded.max(peak(&recorder));
        std::thread::sleep(Duration::from_millis(20));
    }
    recorder.wait().success();
    replay.wait().success();
    assert_eq!(
        std::fs::metadata(&file).unwrap().len(),
        std::fs::metadata(&out).unwrap().len()
    );
    println!("peak: replay {served} KiB, record {recorded} KiB");
    assert!(0 < served && served < MOST_KIB, "replay: {served} KiB");
    assert!(
        0 < recorded && recorded < MOST_KIB,
        "record: {recorded} KiB"
    );
}

/// 0 once the process is gone.
fn peak(running: &Running) -> u64 {
    running.peak_rss_kib().unwrap_or(0)
}

/// The most that a viewer may take, in bytes. A release build takes less than 2 KiB, or 10 under TLS; a debug build
/// somewhat more.
const MOST_FOR_A_VIEWER: u64 = 2560;
const MOST_UNDER_TLS: u64 = 12 * 1024;

const VIEWERS: usize = 500;

/// The memory per viewer of `VIEWERS` viewers.
#[track_caller]
fn for_each(serve: &Running, ca: Option<&Path>) -> u64 {
    let habits = Habits {
        ca,
        ..Habits::default()
    };
    let come = |herd: &Herd| {
        wait_for(
            PATIENCE,
            || herd.lives().all(|life| 0 < life.messages).then_some(()),
            || "not all have come".into(),
        );
    };
    // The first few load the code and the tables that all of them use.
    let first = Herd::of(10, serve.port(), habits);
    come(&first);
    let before = serve.rss_kib();
    let herd = Herd::of(VIEWERS, serve.port(), habits);
    come(&herd);
    let grown = serve.rss_kib().saturating_sub(before);
    let bytes = grown * 1024 / VIEWERS as u64;
    println!("{bytes} bytes per viewer");
    bytes
}

#[test]
fn a_viewer_takes_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(dir.path());
    let pair = authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
    let serve = || Metrics::serve();
    let plain = for_each(&serve().start(), None);
    assert!(0 < plain && plain < MOST_FOR_A_VIEWER, "{plain} bytes");
    let serve = serve().arg("--tls-cert").arg(pair.cert);
    let serve = serve.arg("--tls-key").arg(pair.key).start();
    let tls = for_each(&serve, Some(&ca));
    assert!(plain < tls && tls < MOST_UNDER_TLS, "{tls} bytes");
}
