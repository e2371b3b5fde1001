//! What a relay makes of Redis's contents, and what it tells of; and how the flags are checked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::recording::plain;
use crate::harness::redis::RedisServer;
use crate::harness::rows::assert_same;
use crate::harness::viewer::Viewer;
use crate::harness::wait_until;
use crate::harness::wire::Wire;
use crate::relay::{
    WEB_1, give_sign_of_life, health, key, metric, origin, publish_at_once, record, relay, replay,
    stop, text, wait_for_entries, wait_for_part, wait_for_viewers,
};

/// Writes names, keys, entries and hellos that no publisher writes; only the last entry is a message.
fn plant(redis: &RedisServer) {
    let other = key("other");
    redis.cli(&[
        "HSET",
        &format!("{other}:about"),
        "5000-1",
        "{}",
        "5000-x",
        "?",
        "hello",
        "5000-1",
    ]);
    for name in ["-bad name", "other", "text", "empty"] {
        give_sign_of_life(redis, name, 0);
    }
    redis.cli(&["SET", &key("text"), "not a stream"]);
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
        ("5000-7", &["m", &metric("other", 7)]),
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
    let [_origin, other] = ["web-1", "db-1"].map(|host| origin(&redis, host).start());
    let relay = relay(&redis.url()).start();
    let is_ok = |hosts: u64| {
        wait_for_part(&relay, "redis", |redis| {
            redis["hosts"] == hosts && redis["status"] == "ok"
        });
    };
    is_ok(2);
    other.kill9();
    redis.cli(&["SET", &format!("{}:about", key("db-1")), "x"]);
    relay.wait_for_stderr("skipped in Redis: the keys of db-1: they hold something else");
    Viewer::connect(relay.url(), "host=web-1").numbered(5);
    is_ok(1);
}

/// A program for `--notify-exec` that appends what it gets to a file.
pub(crate) fn notifier(dir: &Path) -> (PathBuf, PathBuf) {
    let (program, out) = (dir.join("notify"), dir.join("notices"));
    let text = format!("#!/bin/sh\n(cat; echo) >> '{}'\n", out.display());
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program, out)
}

/// A relay that tells of hosts that are silent for 3 s.
pub(crate) fn telling_relay(redis: &RedisServer, program: &Path) -> Running {
    relay(&redis.url())
        .arg("--notify-exec")
        .arg(program)
        .args(["--notify-silent", "3s"])
        .start()
}

/// Waits until a notification has all these parts.
#[track_caller]
pub(crate) fn wait_for_notice(out: &Path, parts: &[&str], relay: &Running) {
    let read = || fs::read_to_string(out).unwrap_or_default();
    let is_it = |line: &str| parts.iter().all(|part| line.contains(part));
    wait_until(
        || read().lines().any(is_it),
        || format!("no {parts:?} in\n{}\n{}", read(), relay.story()),
    );
}

#[test]
fn a_relay_notifies_of_the_alerts_of_origins_and_of_silence() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (program, out) = notifier(dir.path());
    let before = origin(&redis, "db-1")
        .args(["--alert", "old: uptime > 0"])
        .start();
    wait_for_entries(&redis, &key("db-1"), 5);
    let relay = telling_relay(&redis, &program);
    let up = origin(&redis, "web-1").args(["--alert", "up: uptime > 0"]);
    let up = up.start();
    wait_for_notice(&out, &["Firing: up on web-1"], &relay);
    drop(up);
    wait_for_notice(
        &out,
        &["Firing: silent on web-1", "No sample has come for"],
        &relay,
    );
    let _again = origin(&redis, "web-1").start();
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
    let origin = origin(&redis, "web-1")
        .args(["--alert", "up: uptime > 0", "--retain", "1s"])
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
    publish_at_once(&played, &redis);
    let relay = relay(&redis.url()).args(["--memory", "200KiB"]).start();
    relay.wait_for_stderr("of each host, of 15 m: --memory");
    let is_below = |value: &Value, most| value.as_u64().is_some_and(|value| value < most);
    wait_for_part(&relay, "redis", |redis| {
        is_below(&redis["bytes"], 250 * 1024) && is_below(&redis["keeps"], 300_000)
    });
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
    serve(&["--from", "redis://me@h"])
        .stderr_has("a user needs a password: add --redis-password-file FILE");
    serve(&["--publish", "redis://h", "--redis-ca-cert", "/nowhere"])
        .stderr_has("--redis-ca-cert is for TLS: write --publish rediss://HOST:PORT");
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
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    fs::write(&password, "x").unwrap();
    let file = password.to_str().unwrap();
    let login = ["--redis-password-file", file];
    let sound = check(&[&["--from", "redis://me@db:7000,db-2"][..], &login].concat()).success();
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
    let origin = origin(&redis, "web-1").start();
    origin.wait_for_stderr("cannot publish: Redis at");
    redis.start_again();
    wait_for_rows(&recorded, 5);
    stop(record);
    assert!(
        text(&recorded).contains(",1,,"),
        "from the first message on"
    );
}
