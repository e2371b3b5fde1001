//! `--check`: it says what would fail, and leaves everything as it is.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
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
    has(&output, "ok      json (127.0.0.1) accepts connections");
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
    has(&output, "ok      replays web-1 (3 rows)");
    has(&output, "ok      listens on a free port of 127.0.0.1");
    std::fs::write(&path, "timestamp,host\nx,y\n").unwrap();
    let output = check().code(1);
    has_part(&output, "FAILS", "r.csv");
    assert_eq!(names_in(dir.path()), ["r.csv"]);
}

#[test]
fn flags_that_collide_with_each_other_are_found() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (alone, all) = (port.to_string(), format!("0.0.0.0:{port}"));
    let reason = "another --listen already does";
    for pair in [[&alone, &alone], [&alone, &all], [&all, &alone]] {
        let args = ["--allow-anonymous", "-l", pair[0], "-l", pair[1]];
        has_part(&check(&args).code(1), "FAILS", reason);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("statsd").display().to_string();
    for [one, other] in [[&alone, &alone], [&alone, &all], [&path, &path]] {
        let args = ["-l", "0", "--statsd", one, "--statsd", other];
        let output = check(&args).code(1);
        has_part(&output, "FAILS", "another --statsd already does");
        has(&output, "1 thing would fail.");
    }
    // Any number of free ports is there.
    let free = ["-l", "0", "-l", "0", "--statsd", "0", "--statsd", "0"];
    check(&free).success();
}

#[test]
fn what_is_in_the_way_of_a_statsd_socket_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("statsd");
    let text = path.display().to_string();
    let check = || check(&["-l", "0", "--statsd", &text]);
    std::fs::write(&path, "").unwrap();
    has_part(
        &check().code(1),
        "FAILS",
        "a file that is not a socket is in the way",
    );
    std::fs::remove_file(&path).unwrap();
    let socket = UnixDatagram::bind(&path).unwrap();
    has_part(&check().code(1), "FAILS", "another process receives there");
    // Nobody receives there any more.
    drop(socket);
    has_part(&check().success(), "ok", "receives statsd packets in");
}

#[test]
fn a_spool_where_nothing_can_be_kept_is_found() {
    let output = check(&["-l", "0", "--spool", "/proc/spool"]).code(1);
    has_part(
        &output,
        "FAILS",
        "cannot write in '/proc': no space is left there",
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let output = check(&["-l", "0", "--spool", &path.display().to_string()]).code(1);
        has_part(&output, "FAILS", "the spool cannot write in '");
        has_part(&output, "FAILS", "not a directory");
    }
    let token = file.join("token").display().to_string();
    let output = check(&["-l", "0", "--token-file", &token]).code(1);
    has_part(&output, "FAILS", "ot a directory");
}

#[test]
fn the_command_of_a_replay_is_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.csv");
    std::fs::write(&path, plain("web-1", 3, 1000)).unwrap();
    let check = |args: &[&str]| {
        let replay = Metrics::replay([&path]).arg("--check");
        replay.args(args).run()
    };
    has(&check(&["--", "sh"]).success(), "ok      'sh' can be run");
    let missing = check(&["--", "no-such-program"]).code(1);
    has_part(
        &missing,
        "FAILS",
        "cannot run 'no-such-program': there is no such program",
    );
    let plain = path.display().to_string();
    let output = check(&["--", &plain]).code(1);
    has_part(&output, "FAILS", "r.csv': permission denied");
}

#[test]
fn without_a_server_no_port_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.csv");
    std::fs::write(&path, plain("web-1", 3, 1000)).unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let replay = Metrics::new().arg("replay").arg(&path);
    let args = [
        "--check",
        "--print-alerts",
        "--alert",
        "cpu > 90",
        "-l",
        &port,
    ];
    let output = replay.args(args).run().success();
    has(&output, "ok      alerts by 1 rule");
    assert!(!output.text().contains("listen"), "{}", output.story());
}

#[test]
fn a_reader_that_has_enough_is_no_fault() {
    for args in ["serve --check -l 0", "completions bash"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let check = Metrics::new().args(args.split(' '));
        let output = check
            .spawn_into(writer, std::process::Stdio::piped())
            .wait();
        output.success();
    }
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let check = Metrics::new().args(["serve", "--check", "-l", "0"]);
    let output = check.spawn_into(full, std::process::Stdio::piped()).wait();
    output.code(1).stderr_has("cannot write to stdout: ");
}

#[test]
fn a_note_has_one_label() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o644)).unwrap();
    let pair = Authority::new().sign(dir.path(), &[], Valid::Now);
    let [token, cert, key] = [&token, &pair.cert, &pair.key].map(|it| it.display().to_string());
    let args = [
        "-l",
        "0",
        "--token-file",
        &token,
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ];
    let output = check(&args).success();
    has_part(
        &output,
        "note    every user of this machine can read",
        "chmod 600",
    );
    has_part(&output, "note", "names no host: clients will not trust it");
    assert!(!output.text().contains("warning"), "{}", output.story());
}

/// A line without what differs from host to host: numbers, and the sections that have metrics.
fn shape(line: &str) -> String {
    let line = line.trim();
    let line = line
        .split_once(" metrics: ")
        .map_or(line, |(counted, _)| counted);
    let mut shape = line.replace(|c: char| c.is_ascii_digit(), "0");
    while shape.contains("00") {
        shape = shape.replace("00", "0");
    }
    shape
}

#[test]
fn the_example_in_the_documents_is_what_it_prints() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = check(&["-l", &address, "--statsd", "0"]).code(1);
    let printed: Vec<_> = output.text().lines().map(shape).collect();
    let document = include_str!("../../docs/OPERATING.md");
    let (_, example) = document
        .split_once("$ metrics serve --check --statsd 8125\n")
        .unwrap();
    let example = example.lines().take_while(|line| line.starts_with("    "));
    // What is absent depends on the host, and so do the words of the first line.
    let fixed = |line: &String| !line.starts_with("absent") && line != "…";
    let expected: Vec<_> = example.skip(1).map(shape).filter(fixed).collect();
    assert_eq!(expected.len(), 6, "{expected:?}");
    for line in expected {
        assert!(printed.contains(&line), "no {line:?}: {}", output.story());
    }
}
