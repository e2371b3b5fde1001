//! However long a recording is, both sides hold only a little of it.

use std::time::Duration;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::write_long;

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
