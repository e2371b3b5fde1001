//! Clients of several servers at once, and malicious servers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use crate::harness::metrics::Metrics;
use crate::harness::recording::{plain, write_plain};

fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

#[test]
fn every_form_of_watch_follows_all_of_them() {
    let (one, two) = (
        Metrics::serve_as("alpha").start(),
        Metrics::serve_as("omega").start(),
    );
    for form in ["--json", "--plain"] {
        let seen = Metrics::watch(one.url())
            .args([two.url(), form, "--samples", "2", "--last", "1"])
            .run()
            .success();
        for host in ["alpha", "omega"] {
            let lines = seen.text().lines().filter(|line| line.contains(host));
            assert_eq!(lines.count(), 2, "{form}: {}", seen.text());
        }
    }
    let table = Metrics::watch(one.url())
        .args([two.url(), "--once"])
        .run()
        .success();
    assert!(table.text().contains("alpha") && table.text().contains("omega"));
}

#[test]
fn retries_happen_and_end() {
    let dir = tempfile::tempdir().unwrap();
    let out = format!("{}/out/", dir.path().display());
    for command in [
        Metrics::watch(&nobody()).arg("--json"),
        Metrics::record(&nobody()).args(["-o", &out]),
    ] {
        let other = nobody();
        let more = [&other, "--retries", "3"];
        command.args(more).run().code(3);
    }
}

#[test]
fn samples_are_counted_of_every_host_of_every_server() {
    let (one, two) = (
        Metrics::serve_as("alpha").start(),
        Metrics::serve_as("omega").start(),
    );
    let dir = tempfile::tempdir().unwrap();
    let out = format!("{}/", dir.path().display());
    Metrics::record(one.url())
        .args([two.url(), "--samples", "2", "-o", &out])
        .run()
        .success();
    for host in ["alpha", "omega"] {
        let rows = std::fs::read_to_string(dir.path().join(format!("{host}.csv"))).unwrap();
        assert_eq!(rows.lines().count(), 3, "{rows}");
    }
}

#[test]
fn an_endless_retry_after_is_not_honoured() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(
                b"HTTP/1.1 503 X\r\nRetry-After: 18446744073709551615\r\nContent-Length: 0\r\n\r\n",
            );
        }
    });
    for command in [
        Metrics::record(&server),
        Metrics::watch(&server).arg("--json"),
    ] {
        command
            .args(["--duration", "500ms"])
            .run()
            .code(3)
            .stderr_has("503");
    }
}

#[test]
fn a_file_at_its_size_limit_counts_as_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    std::fs::write(&file, plain("web-1", 200, 1000)).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "max"])
        .start();
    let output = Command::new("bash")
        .args(["-c", "ulimit -f 4; exec \"$0\" record \"$1\" -o \"$2\""])
        .arg(env!("CARGO_BIN_EXE_metrics"))
        .args([replay.url(), &out.display().to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&out.display().to_string()), "{said}");
    let rows = std::fs::read_to_string(&out).unwrap();
    assert!(rows.ends_with('\n') && rows.lines().count() > 10, "{rows}");
}

#[test]
fn a_recording_of_another_host_is_not_continued() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (
        Metrics::serve_as("alpha").start(),
        Metrics::serve_as("omega").start(),
    );
    let file = dir.path().join("alpha.csv");
    Metrics::record(two.url())
        .args(["--samples", "1", "-o"])
        .arg(&file)
        .run()
        .success();
    let out = format!("{}/", dir.path().display());
    Metrics::record(one.url())
        .args([two.url(), "--append", "-o", &out])
        .run()
        .code(2)
        .stderr_has("is a recording of omega, not of alpha");
}

#[test]
fn values_out_of_range_are_named() {
    for (args, reason) in [
        (["--heartbeat", "1ns"], "write 100ms or more"),
        (
            ["--max-viewers", "0"],
            "'0' is not a whole number from 1 to",
        ),
        (["--drain", "500000000000y"], "'500000000000y'"),
        (["--retain", "11y"], "write 3650d or less"),
    ] {
        Metrics::new()
            .arg("serve")
            .args(args)
            .run()
            .code(2)
            .stderr_has(reason);
    }
}

#[test]
fn a_pattern_selects_hosts_of_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let files = write_plain(dir.path(), &["db-1", "web-1", "web-2"], 20);
    let replay = Metrics::replay(&files)
        .args(["--wait", "2", "--speed", "max"])
        .start();
    let out = dir.path().join("out");
    let record = Metrics::record(replay.url())
        .args(["--host", "web-*", "-o", &format!("{}/", out.display())])
        .spawn();
    let seen = Metrics::watch(replay.url())
        .args(["--json", "--host", "web-*"])
        .run()
        .success();
    record.wait().success();
    let mut recorded: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    recorded.sort();
    assert_eq!(recorded, ["web-1.csv", "web-2.csv"]);
    for (host, samples) in [("db-1", 0), ("web-1", 20), ("web-2", 20)] {
        let of_host = format!(r#""type":"metric","host":"{host}""#);
        assert_eq!(seen.text().matches(&of_host).count(), samples, "{host}");
    }
}
