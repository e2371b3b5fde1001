//! What a relay makes of Redis's contents, and what it tells of; and how the flags are checked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::recording::plain;
use crate::harness::redis::RedisServer;
use crate::harness::rows::assert_same;
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;
use crate::harness::{PATIENCE, wait_for};
use crate::relay::{
    WEB_1, health, record, relay, replay, text, wait_for_entries, wait_for_viewers,
};

/// Writes names, keys, entries and hellos that no publisher writes; only the last entry is a message.
fn plant(redis: &RedisServer) {
    let lane = |host: &str| {
        let digest = ring_free_sha256_digit(host);
        format!("metrics:1:{{{digest}}}:{host}")
    };
    redis.cli(&[
        "HSET",
        &format!("{}:about", lane("other")),
        "5000-1",
        "{}",
        "5000-x",
        "?",
        "hello",
        "5000-1",
    ]);
    let now = redis.cli(&["TIME"]);
    let now = format!("{}000", now.lines().next().unwrap());
    for name in ["-bad name", "other", "text", "empty"] {
        redis.cli(&["ZADD", "metrics:1:hosts", &now, name]);
    }
    redis.cli(&["SET", &lane("text"), "not a stream"]);
    let other = lane("other");
    for (id, fields) in [
        ("5000-1", &["x", "y"][..]),
        ("5000-2", &["m", "{}"]),
        ("5000-3", &["m", "\u{1b}[31m"]),
        (
            "5000-4",
            &[
                "m",
                r#"{"type":"metric","host":"web-1","seq":4,"data":{"timestamp":1,"cpu":1}}"#,
            ],
        ),
        (
            "5000-5",
            &[
                "m",
                r#"{"type":"metric","host":"other","seq":4,"data":{"timestamp":1,"cpu":1}}"#,
            ],
        ),
        ("5000-6", &["m", r#"{"type":"end","host":"other"}"#]),
        (
            "5000-7",
            &[
                "m",
                r#"{"type":"metric","host":"other","seq":7,"data":{"timestamp":7,"cpu":1,"memory":2,"activeUsers":3,"requestsPerSecond":4}}"#,
            ],
        ),
    ] {
        redis.cli(&[&["XADD", &other, id][..], fields].concat());
    }
}

#[test]
fn what_is_no_message_is_skipped_and_counted() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let played = dir.path().join("played.csv");
    fs::write(&played, plain("web-1", 300, 1000)).unwrap();
    let relay = relay(&redis.url()).start();
    let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
    wait_for_viewers(&relay, 1);
    plant(&redis);
    replay(&played, &redis.url(), "200")
        .start()
        .wait()
        .success();
    record.wait().success();
    assert_same("relayed", &text(&played), &text(&recorded));
    let mut viewer = Viewer::connect(relay.url(), "host=other&last=9");
    let hello = viewer.message();
    assert!(
        matches!(&hello, Wire::Hello { metrics, .. } if metrics.len() == 4),
        "{hello:?}"
    );
    let only = viewer.message();
    assert!(matches!(&only, Wire::Metric { seq: 7, .. }), "{only:?}");
    // A name, a key, six entries and a hello, which may be read again.
    let skipped = health(&relay).1["redis"]["skipped"].as_u64().unwrap();
    assert!((9..=10).contains(&skipped), "{skipped}\n{}", relay.story());
    assert_eq!(health(&relay).1["redis"]["status"], "ok");
    assert!(!relay.story().contains('\u{1b}'), "{}", relay.story());
}

#[test]
fn a_host_whose_hash_turns_into_something_else_is_given_up_alone() {
    let redis = RedisServer::start();
    let publish = |name: &str| {
        Metrics::serve_as(name)
            .args(["--publish", &redis.url()])
            .start()
    };
    let (_origin, other) = (publish("web-1"), publish("db-1"));
    let relay = relay(&redis.url()).start();
    let is_ok = |hosts: u64| {
        let is_so = || {
            let redis = &health(&relay).1["redis"];
            (redis["hosts"] == hosts && redis["status"] == "ok").then_some(())
        };
        wait_for(PATIENCE, is_so, || relay.story());
    };
    is_ok(2);
    other.kill9();
    let digit = ring_free_sha256_digit("db-1");
    redis.cli(&["SET", &format!("metrics:1:{{{digit}}}:db-1:about"), "x"]);
    relay.wait_for_stderr("skipped in Redis: the keys of db-1: they hold something else");
    Viewer::connect(relay.url(), "host=web-1").numbered(5);
    is_ok(1);
}

/// The first hex digit of the SHA-256 of a name, from another program.
pub(crate) fn ring_free_sha256_digit(host: &str) -> String {
    let script = "import hashlib,sys; print(hashlib.sha256(sys.argv[1].encode()).hexdigest()[0])";
    let output = std::process::Command::new("python3")
        .args(["-c", script, host])
        .output();
    String::from_utf8(output.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// A program for `--notify-exec` that appends what it gets to a file.
pub(crate) fn notifier(dir: &Path) -> (PathBuf, PathBuf) {
    let (program, out) = (dir.join("notify"), dir.join("notices"));
    let text = format!("#!/bin/sh\n(cat; echo) >> '{}'\n", out.display());
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program, out)
}

#[track_caller]
pub(crate) fn wait_for_notice(out: &Path, parts: &[&str], relay: &Running) {
    let read = || fs::read_to_string(out).unwrap_or_default();
    let is_it = |line: &str| parts.iter().all(|part| line.contains(part));
    wait_for(
        PATIENCE,
        || read().lines().any(is_it).then_some(()),
        || format!("no {parts:?} in\n{}\n{}", read(), relay.story()),
    );
}

#[test]
fn a_relay_notifies_of_the_alerts_of_origins_and_of_silence() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (program, out) = notifier(dir.path());
    let before = Metrics::serve_as("db-1")
        .args(["--publish", &redis.url(), "--alert", "old: uptime > 0"])
        .start();
    wait_for_entries(
        &redis,
        &format!("metrics:1:{{{}}}:db-1", ring_free_sha256_digit("db-1")),
        5,
    );
    let relay = relay(&redis.url())
        .arg("--notify-exec")
        .arg(&program)
        .args(["--notify-silent", "3s"])
        .start();
    let origin = Metrics::serve()
        .args(["--publish", &redis.url(), "--alert", "up: uptime > 0"])
        .start();
    wait_for_notice(&out, &["Firing: up on web-1"], &relay);
    drop(origin);
    wait_for_notice(
        &out,
        &["Firing: silent on web-1", "No sample has come for"],
        &relay,
    );
    let _again = Metrics::serve().args(["--publish", &redis.url()]).start();
    wait_for_notice(
        &out,
        &["Resolved: silent on web-1", "after a silence of"],
        &relay,
    );
    let told = fs::read_to_string(&out).unwrap();
    assert!(
        !told.contains("db-1"),
        "it neither fired anew nor fell silent: {told}"
    );
    drop(before);
}

#[test]
fn alerts_that_fire_are_known_to_a_relay_that_starts_later() {
    let redis = RedisServer::start();
    let origin = Metrics::serve()
        .args([
            "--publish",
            &redis.url(),
            "--alert",
            "up: uptime > 0",
            "--retain",
            "1s",
        ])
        .start();
    wait_for_entries(&redis, WEB_1, 5);
    // The message of the alert is gone, and it goes on firing.
    redis.cli(&["XTRIM", WEB_1, "MAXLEN", "1"]);
    let relay = relay(&redis.url()).start();
    let mut viewer = Viewer::connect(relay.url(), "host=web-1");
    let hello = viewer.message();
    let Wire::Hello { alerts, .. } = hello else {
        panic!("{hello:?}")
    };
    assert_eq!(alerts.len(), 1);
    drop(origin);
}

#[test]
fn memory_is_bounded_and_the_relay_says_so() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let played = dir.path().join("played.csv");
    fs::write(&played, plain("web-1", 3000, 100)).unwrap();
    replay(&played, &redis.url(), "max")
        .args(["--wait", "0"])
        .start()
        .wait()
        .success();
    let relay = relay(&redis.url()).args(["--memory", "200KiB"]).start();
    relay.wait_for_stderr("of each host, of 15 m: --memory");
    let is_within = || {
        let health = health(&relay).1;
        let (bytes, keeps) = (
            health["redis"]["bytes"].as_u64()?,
            health["redis"]["keeps"].as_u64()?,
        );
        (bytes < 250 * 1024 && keeps < 300_000).then_some(())
    };
    wait_for(PATIENCE, is_within, || health(&relay).1.to_string());
}

#[test]
fn flags_that_make_no_sense_are_refused_with_the_reason() {
    let serve = |args: &[&str]| Metrics::new().arg("serve").args(args).run().code(2);
    let from = ["--from", "redis://127.0.0.1:1"];
    serve(&[&from[..], &["--alert", "default"]].concat()).stderr_has(
        "a relay has no rules of its own: give --alert and --alerts to the servers that publish",
    );
    serve(&[&from[..], &["--notify-silent", "1m"]].concat())
        .stderr_has("--notify-silent has nobody to notify");
    serve(&[&from[..], &["--spool", "x"]].concat()).stderr_has("--spool");
    serve(&[&from[..], &["--publish", "redis://127.0.0.1:2"]].concat()).stderr_has("--publish");
    serve(&["--memory", "1GiB"]).stderr_has("--from");
    for flag in ["--from", "--publish"] {
        let refused =
            serve(&[flag, "redis://me:hunter2@127.0.0.1"]).stderr_has("--redis-password-file");
        refused.stderr_lacks("hunter2");
        serve(&[flag, "127.0.0.1:6379"]).stderr_has(&format!(
            "{flag}: not a URL of Redis: write redis://HOST:PORT"
        ));
    }
    serve(&["--publish", "redis://h", "--redis-prefix", "{x}"])
        .stderr_has("is not a prefix of keys");
    serve(&[
        "--publish",
        "redis://h",
        "--redis-password-file",
        "/nowhere",
    ])
    .stderr_has("cannot read the password in '/nowhere': no such file or directory");
}

#[test]
fn a_check_asks_redis_nothing() {
    let check = |args: &[&str]| {
        Metrics::new()
            .args(["serve", "--listen", "127.0.0.1:0", "--check"])
            .args(args)
            .run()
    };
    let sound = check(&["--from", "redis://me@db:7000,db-2"]).success();
    assert!(
        sound
            .text()
            .contains("relays from redis://me@db:7000,db-2:6379"),
        "{}",
        sound.text()
    );
    let sound = check(&["--publish", "rediss://db"]).success();
    assert!(
        sound.text().contains("publishes to rediss://db:6379"),
        "{}",
        sound.text()
    );
    let wrong = check(&["--from", "redis://db", "--alert", "default"]).code(1);
    assert!(
        wrong.text().contains("FAILS   a relay has no rules"),
        "{}",
        wrong.text()
    );
    let wrong = check(&["--publish", "redis://:hunter2@db"]).code(1);
    assert!(!wrong.story().contains("hunter2") || wrong.story().matches("hunter2").count() == 1);
}

#[test]
fn a_relay_without_redis_starts_and_waits_for_it() {
    let mut redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    redis.kill9();
    let relay = relay(&redis.url()).start();
    relay.wait_for_stderr("cannot read Redis at");
    assert_eq!(health(&relay).0, 503);
    let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
    let origin = Metrics::serve().args(["--publish", &redis.url()]).start();
    origin.wait_for_stderr("cannot publish: Redis at");
    redis.start_again();
    wait_for_rows(&recorded, 5);
    record.signal(Signal::INT);
    record.wait().success();
    assert!(
        text(&recorded).contains(",1,,"),
        "from the first message on"
    );
}
