//! `--check`: it says what would fail, and leaves everything as it is.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::certificates::{Authority, Valid};
use crate::harness::metrics::{Metrics, Output};
use crate::harness::recording::plain;

fn check(args: &[&str]) -> Output {
    let check = Metrics::new().args(["serve", "--check", "--name", "web-1"]);
    check.args(args).run()
}

#[track_caller]
fn has(output: &Output, line: &str) {
    let is_there = output.text().lines().any(|it| it.trim_start() == line);
    assert!(is_there, "no line {line:?}: {}", output.story());
}

#[track_caller]
fn has_part(output: &Output, word: &str, part: &str) {
    let mut lines = output.text().lines();
    let is_there = lines.any(|it| it.trim_start().starts_with(word) && it.contains(part));
    assert!(is_there, "no {word} with {part:?}: {}", output.story());
}

fn names_in(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = names
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_host_without_faults_passes_and_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let pair = Authority::new().sign(dir.path(), &["web-1", "10.0.0.7"], Valid::Now);
    let before = names_in(dir.path());
    let hook = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let url = format!("http://{}/hook", hook.local_addr().unwrap());
    let output = check(&[
        "-l",
        "127.0.0.1:0",
        "--token-file",
        &path("token"),
        "--tls-cert",
        &pair.cert.display().to_string(),
        "--tls-key",
        &pair.key.display().to_string(),
        "--spool",
        &path("spool"),
        "--statsd",
        &path("statsd"),
        "--alert",
        "cpu > 90",
        "--notify-webhook",
        &url,
        "--notify-exec",
        "/bin/true",
    ])
    .success();
    has(&output, "ok      listens on a free port of 127.0.0.1");
    has(&output, "ok      alerts by 1 rule");
    has(&output, "ok      json (127.0.0.1) answers");
    has(&output, "ok      exec (true) can be run");
    has_part(&output, "ok", " metrics: ");
    has_part(&output, "ok", "a token would be created in");
    has_part(&output, "ok", "for web-1, 10.0.0.7 is valid for ");
    has_part(&output, "ok", "the spool is kept in");
    has_part(&output, "ok", "receives statsd packets in");
    has(&output, "Nothing would fail.");

    assert_eq!(names_in(dir.path()), before);
    // The notifier was connected to, and got nothing.
    let mut text = String::new();
    hook.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "");
}

#[test]
fn every_absent_metric_has_a_reason() {
    let output = check(&["-l", "0"]).success();
    let absent = output.text().lines().map(str::trim_start);
    let absent: Vec<_> = absent.filter(|it| it.starts_with("absent ")).collect();
    // No machine has everything: a container has no sensors, a host no quota.
    assert!(!absent.is_empty(), "{}", output.story());
    for line in absent {
        let (_, reason) = line.split_once(": ").unwrap();
        assert!(10 < reason.len(), "{line}");
    }
}

#[test]
fn everything_that_would_fail_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let running = Metrics::serve().arg("--spool").arg(&spool).start();
    let pair = Authority::new().sign(dir.path(), &["web-1"], Valid::Past);
    let token = dir.path().join("token");
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o666)).unwrap();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let hook = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let output = check(&[
        "-l",
        &format!("127.0.0.1:{}", running.port()),
        "-l",
        "203.0.113.7:8080",
        "--token-file",
        &token.display().to_string(),
        "--tls-cert",
        &pair.cert.display().to_string(),
        "--tls-key",
        &pair.key.display().to_string(),
        "--spool",
        &spool.display().to_string(),
        "--statsd",
        &udp.local_addr().unwrap().to_string(),
        "--alert",
        "cpu >",
        "--notify-webhook",
        &hook,
    ])
    .code(1);
    has(
        &output,
        &format!(
            "FAILS   cannot listen on 127.0.0.1:{}: address already in use",
            running.port()
        ),
    );
    has_part(
        &output,
        "FAILS",
        "203.0.113.7:8080: this machine does not have the address",
    );
    has_part(&output, "FAILS", "others can write the token file");
    has_part(&output, "FAILS", "for web-1 expired ");
    has_part(&output, "FAILS", "the spool in '");
    has_part(
        &output,
        "FAILS",
        "cannot receive statsd packets on UDP 127.0.0.1:",
    );
    has_part(&output, "FAILS", "cpu >");
    has_part(
        &output,
        "FAILS",
        "json (127.0.0.1) cannot be reached: connection refused",
    );
    has(&output, "8 things would fail.");
    assert!(!output.story().contains("os error"), "{}", output.story());
}

#[test]
fn files_that_do_not_exist_or_do_not_match_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let none = |name: &str| dir.path().join("none").join(name).display().to_string();
    let output = check(&[
        "-l",
        "0",
        "--token-file",
        &none("token"),
        "--tls-cert",
        &none("cert"),
        "--tls-key",
        &none("key"),
        "--statsd",
        &none("statsd"),
        "--notify-exec",
        &none("program"),
    ])
    .code(1);
    has_part(&output, "FAILS", "cannot create the token file");
    has_part(&output, "FAILS", "cannot read '");
    has_part(&output, "FAILS", "cannot create the statsd socket");
    has_part(&output, "FAILS", "--notify-exec: ");
    let early = Authority::new().sign(dir.path(), &["web-1"], Valid::Future);
    let output = check(&[
        "-l",
        "0",
        "--tls-cert",
        &early.cert.display().to_string(),
        "--tls-key",
        &early.key.display().to_string(),
    ])
    .code(1);
    has_part(&output, "FAILS", "becomes valid only in ");
    has(&output, "1 thing would fail.");
    assert_eq!(names_in(dir.path()), ["cert.pem", "key.pem"]);
}

#[test]
fn a_usage_error_stays_one() {
    let output = check(&["-l", "0.0.0.0:8080"]).code(2).stdout_is("");
    output.stderr_has("--allow-anonymous");
}

#[test]
fn a_replay_is_checked_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.csv");
    std::fs::write(&path, plain("web-1", 3, 1000)).unwrap();
    let check = || {
        let replay = Metrics::replay([&path]);
        replay.args(["--check", "--", "false"]).run()
    };
    let output = check().success();
    has(&output, "ok      Replaying web-1 (3 rows).");
    has(&output, "ok      listens on a free port of 127.0.0.1");
    std::fs::write(&path, "timestamp,host\nx,y\n").unwrap();
    let output = check().code(1);
    has_part(&output, "FAILS", "r.csv");
    assert_eq!(names_in(dir.path()), ["r.csv"]);
}
