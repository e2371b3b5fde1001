//! `serve --spool`: the past outlives the ring and the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::proxy::Proxy;
use crate::harness::recording::timestamp;
use crate::harness::rows::{self, parse};
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;
use crate::harness::{PATIENCE, wait_for};
use crate::replay_directory::gzip;
use crate::rotation::joined;

/// How often the server is killed; scripts/spool-kills.sh asks for more.
fn kills() -> usize {
    let asked = std::env::var("METRICS_TEST_KILLS").ok();
    asked.and_then(|kills| kills.parse().ok()).unwrap_or(6)
}

pub(crate) fn serve(spool: &Path) -> Metrics {
    Metrics::serve().arg("--spool").arg(spool)
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_millis() as u64
}

/// The stream and number of each numbered row.
fn numbered(csv: &str) -> Vec<(String, u64)> {
    let rows = parse(csv.as_bytes());
    let numbered = rows
        .iter()
        .filter_map(|row| Some((row.cell("stream").to_owned(), row.seq()?)));
    numbered.collect()
}

fn wait_until(what: &str, running: &Running, mut is_so: impl FnMut() -> bool) {
    wait_for(
        PATIENCE,
        || is_so().then_some(()),
        || format!("{what}\n{}", running.story()),
    );
}

#[test]
fn a_killed_server_loses_nothing_that_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, out) = (dir.path().join("spool"), dir.path().join("r.csv"));
    let mut server = serve(&spool).start();
    let proxy = Proxy::clear(server.port());
    let record = Metrics::record(&proxy.url()).arg("-o").arg(&out).spawn();
    let recorded = || fs::read_to_string(&out).unwrap_or_default();
    for _ in 0..kills() {
        let rows = numbered(&recorded()).len();
        wait_until("more rows", &record, || {
            rows + 3 <= numbered(&recorded()).len()
        });
        server.kill9();
        // What a crash leaves can be read at any moment.
        let output = Metrics::replay([&spool]).args(["--speed", "max", "--wait", "0"]);
        let copy = output.start();
        copy.signal(Signal::TERM);
        copy.wait().success();
        server = serve(&spool).start();
        proxy.retarget(server.port());
    }
    let rows = numbered(&recorded()).len();
    wait_until("the last rows", &record, || {
        rows + 3 <= numbered(&recorded()).len()
    });
    record.signal(Signal::INT);
    record.wait().success();
    server.signal(Signal::TERM);
    server.wait().success();
    let recorded = recorded();
    let found = numbered(&recorded);
    let kept = numbered(&joined(&spool.join("web-1")));
    let from = kept.iter().position(|it| *it == found[0]).unwrap();
    assert_eq!(kept[from..from + found.len()], found, "each once, in order");
    let gaps: Vec<_> = recorded
        .lines()
        .filter(|line| line.contains(",gap "))
        .collect();
    assert_eq!(gaps.len(), kills(), "{gaps:?}");
    assert!(
        gaps.iter().all(|gap| gap.contains("gap restarted")),
        "{gaps:?}"
    );
}

/// Writes a spool of the last hours: a sample every ten seconds, in files of an hour, compressed but for the newest.
pub(crate) fn write_spool(spool: &Path, hours: u64) -> Vec<u64> {
    let begin = now_ms() - hours * 3_600_000;
    let mut files: Vec<(String, String)> = Vec::new();
    let mut times = Vec::new();
    for seq in 1..=hours * 360 - 30 {
        let time = begin + seq * 10_000;
        let text = timestamp(time);
        if files.last().is_none_or(|(name, _)| *name != text[..13]) {
            let header = "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond,top,extra\n";
            files.push((text[..13].to_owned(), header.into()));
        }
        let (_, rows) = files.last_mut().unwrap();
        rows.push_str(&format!(
            "{text},web-1,k3v9q2,{seq},,{},41.5,2,120.25,,\n",
            seq % 100
        ));
        times.push(time);
    }
    let host = spool.join("web-1");
    fs::create_dir_all(&host).unwrap();
    let count = files.len();
    for (nth, (name, rows)) in files.into_iter().enumerate() {
        if nth + 1 == count {
            fs::write(host.join(format!("{name}.csv")), rows).unwrap();
        } else {
            gzip(&rows, &host.join(format!("{name}.csv.gz")));
        }
    }
    times
}

#[test]
fn viewers_look_back_beyond_the_ring_and_before_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let times = write_spool(dir.path(), 4);
    let count = times.len();
    let server = serve(dir.path()).start();
    let record = |flags: &[&str], samples: usize| {
        let output = Metrics::record(server.url())
            .args(flags)
            .args(["--samples", &samples.to_string()])
            .run()
            .success();
        numbered(output.text())
    };
    let old = |from: u64, to: u64| (from..=to).map(|seq| ("k3v9q2".to_owned(), seq));
    let last = count as u64;
    let all = record(&["--since", "5h"], count + 2);
    assert_eq!(all[..count], old(1, last).collect::<Vec<_>>());
    assert_eq!((all[count].1, all[count + 1].1), (1, 2), "then this run");
    // Two hours ago, give or take what passes meanwhile.
    let two_hours = record(&["--since", "2h"], 10);
    assert!(
        last / 2 - 60 < two_hours[0].1 && two_hours[0].1 < last / 2 + 60,
        "{two_hours:?}"
    );
    let after = numbered(&get(server.port(), "/recording.csv?after=web-1:k3v9q2:100").1);
    assert_eq!(after[..count - 100], old(101, last).collect::<Vec<_>>());
    let whole = get(server.port(), "/recording.csv").1;
    assert_eq!(numbered(&whole)[..count], old(1, last).collect::<Vec<_>>());
    assert_eq!(whole.matches("gap restarted").count(), 1);
    let Wire::Hello { held, .. } = Viewer::connect(server.url(), "").message() else {
        panic!("no hello");
    };
    assert_eq!(held, Some(times[0]));
}

#[test]
fn a_recording_is_appended_to_after_the_fact() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let times = write_spool(&spool, 2);
    let out = dir.path().join("r.csv");
    let host = spool.join("web-1");
    let whole = joined(&host);
    let begun: String = whole.split_inclusive('\n').take(1 + 50).collect();
    fs::write(&out, begun).unwrap();
    let server = serve(&spool).start();
    let missing = times.len() - 50 + 1;
    Metrics::record(server.url())
        .arg("-o")
        .arg(&out)
        .args(["--append", "--samples", &missing.to_string()])
        .run()
        .success();
    let found = fs::read_to_string(&out).unwrap();
    assert!(found.starts_with(&whole), "{found}");
    rows::parse(found.as_bytes());
}

#[test]
fn a_second_server_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = serve(dir.path()).start();
    let second = serve(dir.path()).run().code(1);
    second.stderr_has("is being recorded into by another process");
    // Another host has its own directory.
    let other = Metrics::serve_as("web-2")
        .arg("--spool")
        .arg(dir.path())
        .start();
    drop((first, other));
}

#[test]
fn a_directory_that_vanishes_pauses_the_spool_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, aside) = (dir.path().join("spool"), dir.path().join("aside"));
    let server = serve(&spool).start();
    let health = || get(server.port(), "/healthz");
    let state = |word: &str| {
        let state = format!("\"status\":\"{word}\"");
        move || {
            health()
                .1
                .split_once("\"spool\":")
                .is_some_and(|(_, it)| it.contains(&state))
        }
    };
    let kept = || joined(&spool.join("web-1")).lines().count();
    wait_until("rows", &server, || 3 <= kept());
    assert!(state("ok")(), "{:?}", health());
    fs::rename(&spool, &aside).unwrap();
    wait_until("paused", &server, state("paused"));
    assert_eq!(health().0, 200);
    let metrics = get(server.port(), "/metrics").1;
    assert!(metrics.contains("\nmetrics_spool_paused 1\n"), "{metrics}");
    let output = Metrics::record(server.url())
        .args(["--samples", "3"])
        .run()
        .success();
    assert_eq!(numbered(output.text()).len(), 3);
    server.wait_for_stderr("the spool pauses, samples continue");
    fs::rename(&aside, &spool).unwrap();
    wait_until("ok again", &server, state("ok"));
    server.wait_for_stderr("the spool continues");
    server.signal(Signal::TERM);
    let output = server.wait().success();
    let kept = joined(&spool.join("web-1"));
    assert_eq!(kept.matches("gap expired").count(), 1, "{kept}");
    // What it says is missing is missing.
    let (_, gap) = kept.split_once("gap expired ").unwrap();
    let (gap, _) = gap.split_once(',').unwrap();
    let (from, to) = gap.split_once('-').unwrap();
    let missing = to.parse::<u64>().unwrap() + 1 - from.parse::<u64>().unwrap();
    let told = format!("the spool continues without {missing} message");
    assert!(output.story().contains(&told), "{gap}: {}", output.story());
}

#[test]
fn a_deleted_file_is_named_and_no_message_is_lost_after_it_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path()).start();
    let host = dir.path().join("web-1");
    let csv = || {
        let files = fs::read_dir(&host).into_iter().flatten().flatten();
        let mut files = files.map(|file| file.path());
        files.find(|file| file.extension().is_some_and(|it| it == "csv"))
    };
    wait_until("a file", &server, || csv().is_some());
    fs::remove_file(csv().unwrap()).unwrap();
    server.wait_for_stderr("was deleted while recording");
    server.wait_for_stderr("the spool continues without what '");
    wait_until("a file again", &server, || csv().is_some());
    server.signal(Signal::TERM);
    server.wait().success();
}

#[test]
fn a_disk_that_does_not_answer_at_the_start_keeps_nobody_from_stopping_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let host = dir.path().join("web-1");
    fs::create_dir(&host).unwrap();
    // Nobody writes to it, so opening it waits.
    let pipe = host.join("2026-01-24T14.csv.gz");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let server = serve(dir.path()).spawn();
    server.wait_until_interruptible();
    server.signal(Signal::TERM);
    let output = server.wait().success();
    output.stderr_has("Stopped before the spool was open.");
}

#[test]
fn an_alert_that_fires_continues_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let serve = || {
        serve(dir.path())
            .args(["--alert", "up: uptime > 0"])
            .start()
    };
    let first = serve();
    let mut viewer = Viewer::connect(first.url(), "last=99");
    while !matches!(viewer.message(), Wire::Alert { .. }) {}
    first.kill9();
    let second = serve();
    let mut viewer = Viewer::connect(second.url(), "");
    let Wire::Hello { alerts, .. } = viewer.message() else {
        panic!("no hello");
    };
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    viewer.numbered(3);
    second.signal(Signal::TERM);
    second.wait().success();
    let kept = joined(&dir.path().join("web-1"));
    assert_eq!(kept.matches(r#"""state"":""firing"""#).count(), 1, "{kept}");
}

#[test]
fn wrong_flags_are_refused() {
    for flags in [["--keep", "24h"], ["--keep-bytes", "1GiB"]] {
        let output = Metrics::serve().args(flags).run().code(2);
        output.stderr_has("--spool");
    }
    let spool = ["--spool", "/tmp/never-created", "--keep", "10m"];
    Metrics::serve()
        .args(spool)
        .run()
        .code(2)
        .stderr_has("too short");
}

/// The newest file of a spool, and one in the middle.
fn newest_and_middle(host: &Path) -> (PathBuf, PathBuf) {
    let files = fs::read_dir(host).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    (files[files.len() - 1].clone(), files[2].clone())
}

#[test]
fn a_damaged_spool_is_served_as_far_as_it_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let times = write_spool(dir.path(), 5);
    let (newest, middle) = newest_and_middle(&dir.path().join("web-1"));
    fs::write(&middle, "garbage\n").unwrap();
    let whole = fs::read_to_string(&newest).unwrap();
    let last = whole.lines().last().unwrap().replace(",120.25", ",\0\0");
    fs::write(&newest, format!("{whole}{last}\n")).unwrap();
    let check = serve(dir.path()).arg("--check").run().success();
    assert!(check.text().contains("is damaged: "), "{}", check.text());
    assert!(
        fs::read_to_string(&newest).unwrap().contains('\0'),
        "only read"
    );
    let server = serve(dir.path()).start();
    let found = numbered(&get(server.port(), "/recording.csv").1);
    let found: Vec<_> = found.iter().filter(|row| row.0 == "k3v9q2").collect();
    assert_eq!(found[0].1, 1);
    assert_eq!(found[found.len() - 1].1, times.len() as u64);
    assert_eq!(found.len(), times.len() - 360, "all but an hour");
    server.wait_for_stderr("in the spool left out");
    server.wait_for_stderr("the damaged file is now ");
    // Each is said once, however many viewers come.
    numbered(&get(server.port(), "/recording.csv").1);
    server.signal(Signal::TERM);
    let output = server.wait().success();
    assert_eq!(output.story().matches(" left out").count(), 1);
}

#[test]
fn a_spool_of_another_host_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_spool(dir.path(), 2);
    fs::rename(dir.path().join("web-1"), dir.path().join("web-2")).unwrap();
    let other = || Metrics::serve_as("web-2").arg("--spool").arg(dir.path());
    other()
        .run()
        .code(1)
        .stderr_has("is a recording of web-1, not of web-2");
    let check = other().arg("--check").run().code(1);
    assert!(
        check.text().contains("is of web-1, not of web-2"),
        "{}",
        check.text()
    );
}
