//! Networks, servers and recorders fail; a recording shows what was lost, if anything was.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::dice::Dice;
use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::recording::{plain, random};
use crate::harness::rows::{Row, assert_same, assert_unbroken, parse_whole, read};
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for};

const CUTS: u64 = 50;

const SHORT: Duration = Duration::from_millis(50);

const EVERY_KIND: [Fault; 4] = [
    Fault::Reset,
    Fault::Finish,
    Fault::HalfOpen(SHORT),
    Fault::Stall(SHORT),
];

/// Records everything that `url` has and will send.
fn record(url: &str, out: &Path) -> Metrics {
    Metrics::record(url).args(["--since", "1h", "-o"]).arg(out)
}

#[track_caller]
fn stop(recorder: Running) {
    recorder.signal(Signal::INT);
    recorder.wait().success();
}

#[track_caller]
fn wait_for_cuts(proxy: &Proxy, cuts: u64) {
    wait_for(
        PATIENCE,
        || (cuts <= proxy.cuts()).then_some(()),
        || format!("{} cuts of {cuts}", proxy.cuts()),
    );
}

#[test]
fn a_live_host_over_a_bad_network() {
    let dir = tempfile::tempdir().unwrap();
    let (beside, behind) = (dir.path().join("beside.csv"), dir.path().join("behind.csv"));
    let serve = Metrics::serve().start();
    let proxy = Proxy::faulty(serve.port(), Dice::seeded(15), CUTS, 9_000, &EVERY_KIND);
    let clear = record(serve.url(), &beside).spawn();
    let cut = record(&proxy.url(), &behind).spawn();
    wait_for_cuts(&proxy, CUTS);
    let had = parse_whole(&std::fs::read(&beside).unwrap()).len();
    wait_for_rows(&behind, had + 2);
    stop(cut);
    wait_for_rows(&beside, read(&behind).len());
    stop(clear);

    let (beside, behind) = (read(&beside), read(&behind));
    assert_unbroken(&behind);
    assert_eq!(behind[0].seq(), Some(1));
    for (through, direct) in behind.iter().zip(&beside) {
        assert_eq!(through.text, direct.text);
    }
    assert!(had < behind.len() && behind.len() <= beside.len());
}

#[test]
fn a_replay_over_a_bad_network() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    let csv = plain("web-1", 3000, 200);
    std::fs::write(&file, &csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "40", "--wait", "1"])
        .start();
    let proxy = Proxy::faulty(replay.port(), Dice::seeded(15), CUTS, 6_000, &EVERY_KIND);
    record(&proxy.url(), &out).run().success();
    assert_eq!(proxy.cuts(), CUTS);
    assert_same(
        "behind the proxy",
        &csv,
        &std::fs::read_to_string(out).unwrap(),
    );
    replay.wait().success();
}

#[test]
fn losses_over_a_bad_network_are_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::seeded(5);
    let hosts = ["db-1", "web-1", "web-2"];
    let recordings = hosts.map(|host| random(&mut dice, host, 150));
    let files = hosts.map(|host| dir.path().join(format!("{host}.in")));
    for (file, recording) in files.iter().zip(&recordings) {
        std::fs::write(file, &recording.csv).unwrap();
    }
    let replay = Metrics::replay(&files)
        .args(["--speed", "60", "--wait", "1", "--retain", "1h"])
        .start();
    let proxy = Proxy::faulty(replay.port(), dice, CUTS, 5_000, &EVERY_KIND);
    let out = dir.path().join("out");
    Metrics::record(&proxy.url())
        .args(["--since", "1h", "-o", &format!("{}/", out.display())])
        .run()
        .success();
    assert!(CUTS / 2 < proxy.cuts(), "{} cuts", proxy.cuts());
    for (host, recording) in hosts.iter().zip(&recordings) {
        let found = std::fs::read_to_string(out.join(format!("{host}.csv"))).unwrap();
        assert_same(host, &recording.csv, &found);
    }
}

#[test]
fn an_unavoidable_loss_is_recorded_with_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    let csv = plain("web-1", 600, 1000);
    std::fs::write(&file, &csv).unwrap();
    // The shortest memory there is: 30 samples.
    let replay = Metrics::replay([&file])
        .args(["--speed", "100", "--wait", "2", "--retain", "1s"])
        .start();
    let proxy = Proxy::clear(replay.port());
    let recorder = record(&proxy.url(), &out).spawn();
    let mut witness = Viewer::connect(replay.url(), "");
    wait_for_rows(&out, 50);
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    proxy.retarget(nowhere.unwrap().port());
    proxy.cut_all();
    while witness.numbered(1).pop().and_then(|m| m.seq()) < Some(300) {}
    proxy.retarget(replay.port());
    witness.until_closed();
    recorder.wait().success();

    let rows = read(&out);
    let at = rows.iter().position(|row| row.seq().is_none()).unwrap();
    let (before, after) = (rows[at - 1].seq().unwrap(), rows[at + 1].seq().unwrap());
    assert!(50 <= before && 270 <= after, "{before} {after}");
    let gap = format!("gap expired {}-{}", before + 1, after - 1);
    assert_eq!(rows[at].cell("event"), gap);
    assert_eq!(rows[at].cell("timestamp"), rows[at + 1].cell("timestamp"));
    // Everything else is there once, and the recording replays unchanged.
    let numbered: Vec<_> = rows.iter().filter_map(Row::seq).collect();
    assert_eq!(
        numbered,
        (1..=before).chain(after..=600).collect::<Vec<_>>()
    );
    let again = Metrics::replay([&out])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let copy = Metrics::record(again.url()).run().success();
    assert_same(
        "with a gap",
        &std::fs::read_to_string(&out).unwrap(),
        copy.text(),
    );
}

#[test]
fn a_half_open_connection_is_detected() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.csv");
    let serve = Metrics::serve().start();
    let forever = [Fault::HalfOpen(Duration::from_secs(3600))];
    let proxy = Proxy::faulty(serve.port(), Dice::seeded(15), 1, 9_000, &forever);
    let recorder = record(&proxy.url(), &out).spawn();
    // Only a second connection can bring rows that are newer than the fault.
    wait_for_rows(&out, 80);
    stop(recorder);
    assert_unbroken(&read(&out));
}

#[test]
fn a_server_that_is_killed_and_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.csv");
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let recorder = record(&proxy.url(), &out).spawn();
    wait_for_rows(&out, 3);
    serve.kill9();
    let serve = Metrics::serve().start();
    proxy.retarget(serve.port());
    wait_for(
        PATIENCE,
        || {
            let rows = parse_whole(&std::fs::read(&out).unwrap());
            let after = rows
                .iter()
                .position(|row| row.cell("event") == "gap restarted")?;
            (after + 3 < rows.len()).then_some(())
        },
        || std::fs::read_to_string(&out).unwrap() + &recorder.story(),
    );
    stop(recorder);
    let rows = read(&out);
    assert_unbroken(&rows);
    let gaps: Vec<_> = rows.iter().filter(|row| row.seq().is_none()).collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].cell("event"), "gap restarted");
    let (first, last) = (rows[0].cell("stream"), rows[rows.len() - 1].cell("stream"));
    assert_eq!(gaps[0].cell("stream"), last);
    // Both have the same length, so their order as text is their order as numbers.
    assert!(first < last && first.len() == last.len(), "{first} {last}");
    let next = rows
        .iter()
        .find(|row| row.cell("stream") == last && row.seq().is_some());
    assert_eq!(next.unwrap().seq(), Some(1));
}

#[test]
fn a_recorder_killed_twenty_times_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    let csv = plain("web-1", 4000, 200);
    std::fs::write(&file, &csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "60", "--wait", "1"])
        .start();
    let mut dice = Dice::seeded(15);
    let watching = Watching::over(&out);
    for _ in 0..20 {
        let recorder = record(replay.url(), &out).arg("--append").spawn();
        // Any moment will do: before the header, in the middle of a row, while it catches up.
        std::thread::sleep(Duration::from_millis(dice.within(0..300)));
        recorder.kill9();
    }
    let killed_at = parse_whole(&std::fs::read(&out).unwrap()).len();
    assert!(0 < killed_at && killed_at < 4000, "{killed_at} rows");
    record(replay.url(), &out).arg("--append").run().success();
    assert_same(
        "after 20 kills",
        &csv,
        &std::fs::read_to_string(&out).unwrap(),
    );
    assert!(0 < watching.finish());
    replay.wait().success();
}

#[test]
fn a_recording_cut_anywhere_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    let csv = plain("web-1", 30, 1000);
    std::fs::write(&file, &csv).unwrap();
    let header = csv.find('\n').unwrap() + 1;
    let row = csv.match_indices('\n').nth(12).unwrap().0 + 1;
    for kept in [0, 1, header - 1, header, header + 1, row - 1, row, row + 40] {
        std::fs::write(&out, &csv[..kept]).unwrap();
        let replay = Metrics::replay([&file])
            .args(["--speed", "max", "--wait", "1"])
            .start();
        record(replay.url(), &out).arg("--append").run().success();
        let found = std::fs::read_to_string(&out).unwrap();
        assert_same(&format!("behind byte {kept}"), &csv, &found);
    }
}

/// Reads a file again and again while others write it: it must be a recording at every moment.
struct Watching {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: std::thread::JoinHandle<usize>,
}

impl Watching {
    fn over(path: &Path) -> Self {
        use std::sync::atomic::{AtomicBool, Ordering};
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let (path, stopped): (PathBuf, _) = (path.into(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut looks = 0;
            while !stopped.load(Ordering::SeqCst) {
                if let Ok(csv) = std::fs::read(&path) {
                    let rows: Vec<Row> = parse_whole(&csv);
                    assert_unbroken(&rows);
                    looks += usize::from(!rows.is_empty());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            looks
        });
        Self { stop, thread }
    }

    /// How often there was something to read.
    fn finish(self) -> usize {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}
