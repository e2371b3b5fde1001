//! Two servers with the same name: behind one address, or both given.

use std::collections::HashSet;
use std::path::Path;

use rustix::process::Signal;

use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::proxy::Proxy;
use crate::harness::recording::write_plain;
use crate::harness::rows::{Row, assert_same, assert_unbroken, parse_whole, read};
use crate::harness::{PATIENCE, wait_for};

const TOLD: &str = "two servers are called 'web': start one with --name";

/// Directs the recorder to another server.
fn send_to(proxy: &Proxy, server: &Running) {
    proxy.retarget(server.port());
    proxy.cut_all();
}

/// Waits until the last row of `out` belongs to another stream than `before`, or further on in the same one. Returns
/// its stream.
#[track_caller]
fn wait_for_other(out: &Path, before: &str, recorder: &Running) -> String {
    let last = || {
        let rows = parse_whole(&std::fs::read(out).ok()?);
        let stream = rows.last()?.cell("stream").to_owned();
        (stream != before).then_some(stream)
    };
    wait_for(PATIENCE, last, || recorder.story())
}

/// Checks that nothing is repeated and each stream is in one piece without a hole; returns the streams in order.
#[track_caller]
fn streams(rows: &[Row]) -> Vec<String> {
    assert_unbroken(rows);
    let mut seen = HashSet::new();
    let mut streams: Vec<String> = Vec::new();
    for row in rows {
        let Some(seq) = row.seq() else { continue };
        let stream = row.cell("stream").to_owned();
        assert!(seen.insert((stream.clone(), seq)), "{stream}:{seq} twice");
        if streams.last() != Some(&stream) {
            assert!(!streams.contains(&stream), "{stream} came back");
            streams.push(stream);
        }
    }
    streams
}

#[test]
fn a_stream_that_reappears_is_rejected_and_reported() {
    for set_back in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.csv");
        let older = Metrics::serve_as("web").start();
        let newer = Metrics::serve_as("web").start();
        let (first, second) = if set_back {
            (&newer, &older)
        } else {
            (&older, &newer)
        };
        let proxy = Proxy::clear(first.port());
        let record = || {
            Metrics::record(&proxy.url())
                .args(["--since", "1h", "--append", "-o"])
                .arg(&out)
        };
        let recorder = record().spawn();
        let one = wait_for_other(&out, "", &recorder);
        send_to(&proxy, second);
        let two = wait_for_other(&out, &one, &recorder);
        // Back to the first: a few attempts reach it.
        send_to(&proxy, first);
        recorder.wait_for_stderr(TOLD);
        let connections = proxy.cuts();
        assert!(0 < connections);
        send_to(&proxy, second);
        let before = read_whole(&out).len();
        wait_for_rows(&out, before + 3);
        recorder.signal(Signal::INT);
        let output = recorder.wait().success();
        assert_eq!(output.stderr.matches(TOLD).count(), 1, "{}", output.story());
        assert_eq!(
            output.stderr.contains("its clock was set back"),
            set_back,
            "{}",
            output.story()
        );
        let rows = read(&out);
        assert_eq!(streams(&rows), [one, two]);
        let gaps: Vec<_> = rows
            .iter()
            .filter(|row| row.seq().is_none())
            .map(|row| row.cell("event"))
            .collect();
        assert_eq!(gaps, ["gap restarted"]);
        // The streams are also known from the file.
        proxy.retarget(first.port());
        go_on(&record, &proxy, second, &out);
        let replay = Metrics::replay([&out])
            .args(["--speed", "max", "--wait", "1"])
            .start();
        let again = Metrics::record(replay.url()).run().success();
        assert_same(
            "again",
            &std::fs::read_to_string(&out).unwrap(),
            again.text(),
        );
    }
}

/// Goes on with the recording `out`, first at the server that was left, then at `second`.
fn go_on(record: &dyn Fn() -> Metrics, proxy: &Proxy, second: &Running, out: &Path) {
    let (bytes, rows) = (std::fs::read(out).unwrap(), read(out).len());
    let recorder = record().spawn();
    recorder.wait_for_stderr(TOLD);
    assert!(bytes == std::fs::read(out).unwrap(), "{}", recorder.story());
    send_to(proxy, second);
    wait_for_rows(out, rows + 2);
    recorder.signal(Signal::INT);
    recorder.wait().success();
    assert_eq!(streams(&read(out)).len(), 2);
}

fn read_whole(path: &Path) -> Vec<Row> {
    parse_whole(&std::fs::read(path).unwrap())
}

#[test]
fn two_servers_with_the_same_name_are_reported_with_their_addresses() {
    let (one, two) = (
        Metrics::serve_as("web").start(),
        Metrics::serve_as("web").start(),
    );
    let dir = tempfile::tempdir().unwrap();
    let out = format!("{}/", dir.path().display());
    for command in [
        Metrics::watch(one.url()).args([two.url(), "--plain", "--samples", "6"]),
        Metrics::watch(one.url()).args([two.url(), "--json", "--samples", "6"]),
        Metrics::record(one.url()).args([two.url(), "--samples", "6", "-o", &out]),
    ] {
        let output = command.run().success();
        for text in [TOLD, one.url(), two.url()] {
            assert!(output.stderr.contains(text), "{text}: {}", output.story());
        }
        assert_eq!(output.stderr.matches(TOLD).count(), 1, "{}", output.story());
    }
    assert_eq!(streams(&read(&dir.path().join("web.csv"))).len(), 1);
    let mut screen = Metrics::watch(one.url())
        .arg(two.url())
        .in_terminal(100, 30);
    let shown = screen.wait_for_text("Two servers are called web");
    assert!(!shown.contents().contains("down"), "{}", shown.contents());
    screen.send_keys("q");
    screen.wait();
}

#[test]
fn one_server_given_twice_is_one_server() {
    let serve = Metrics::serve_as("web").start();
    let other = format!("localhost:{}", serve.port());
    let both = format!("{},{other}", serve.url());
    let dir = tempfile::tempdir().unwrap();
    let out = format!("{}/", dir.path().display());
    for (second, said) in [
        (serve.url(), "is given twice, and used once"),
        (&other, "to let either stand in for the other"),
        (&both, "to let either stand in for the other"),
    ] {
        let once = Metrics::watch(serve.url())
            .args([second, "--once"])
            .run()
            .success();
        assert!(!once.text().contains("down"), "{second}: {}", once.story());
        for command in [
            Metrics::watch(serve.url()).args([second, "--plain", "--samples", "4"]),
            Metrics::record(serve.url()).args([second, "--force", "--samples", "4", "-o", &out]),
        ] {
            let output = command.run().success();
            output.stderr_has(said).stderr_lacks("two servers");
        }
        assert_eq!(read(&dir.path().join("web.csv")).len(), 4);
    }
}

#[test]
fn two_servers_with_the_same_hosts_are_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = ["db-1", "web-1", "web-2"];
    let files = write_plain(dir.path(), &hosts, 20);
    let replay = Metrics::replay(&files)
        .args(["--wait", "2", "--speed", "max"])
        .start();
    let out = dir.path().join("out");
    let output = Metrics::record(replay.url())
        .arg(format!("localhost:{}", replay.port()))
        .args(["-o", &format!("{}/", out.display())])
        .run()
        .success();
    let said = output
        .stderr
        .matches("hosts in common, which are used once")
        .count();
    assert_eq!(said, 1, "{}", output.story());
    for host in hosts {
        let name = format!("{host}.csv");
        assert_eq!(read(&out.join(&name)).len(), 20, "{host}");
    }
}
