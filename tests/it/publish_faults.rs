//! What a publisher makes of a Redis that loses keys, is not the one it was, or hears from others.

use std::fs;

use rustix::process::Signal;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::redis::RedisServer;
use crate::harness::wait_until;
use crate::relay::{WEB_1, health, origin, wait_for_entries, wait_for_part};

const ABOUT: &str = "metrics:1:{c}:web-1:about";

/// The host `web-1`, which publishes to `redis`.
fn start(redis: &RedisServer, flags: &[&str]) -> Running {
    origin(redis, "web-1").args(flags).start()
}

/// Waits until the hash of `web-1` has so many hellos.
#[track_caller]
fn wait_for_hellos(redis: &RedisServer, count: usize) {
    let fields = || redis.cli(&["HKEYS", ABOUT]);
    wait_until(
        || fields().lines().filter(|it| it.contains('-')).count() == count,
        fields,
    );
}

/// The stream and the numbers of the entries in Redis.
fn entries(redis: &RedisServer) -> Vec<(u64, u64)> {
    let number = |text: &str| text.parse().unwrap();
    let entry = |id: &String| {
        let (stream, seq) = id.split_once('-').unwrap();
        (number(stream), number(seq))
    };
    redis.ids(WEB_1).iter().map(entry).collect()
}

#[test]
fn an_emptied_redis_gets_everything_again() {
    let redis = RedisServer::start();
    let origin = start(&redis, &[]);
    wait_for_entries(&redis, WEB_1, 10);
    let newest = entries(&redis).last().unwrap().1;
    redis.cli(&["FLUSHALL"]);
    wait_for_entries(&redis, WEB_1, newest as usize + 1);
    let numbers: Vec<_> = entries(&redis).into_iter().map(|(_, seq)| seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    for key in [WEB_1, ABOUT] {
        let expires: i64 = redis.cli(&["TTL", key]).parse().unwrap();
        assert!(0 < expires, "{key}: {expires}");
    }
    assert!(redis.cli(&["HGET", ABOUT, "origin"]).contains("run"));
    let story = origin.story();
    assert!(
        story.contains("what was written is gone; publishing it again"),
        "{story}"
    );
}

#[test]
fn what_describes_messages_is_written_again_once_it_is_lost() {
    let redis = RedisServer::start();
    let _origin = start(&redis, &["--retain", "30s"]);
    wait_for_entries(&redis, WEB_1, 5);
    redis.cli(&["DEL", ABOUT]);
    wait_until(
        || !redis.cli(&["HGET", ABOUT, "hello"]).is_empty(),
        || "no hello".into(),
    );
    let (stream, first) = entries(&redis)[0];
    let hello = redis.cli(&["HGET", ABOUT, &format!("{stream}-{first}")]);
    assert!(hello.contains(r#""interval":200"#), "{hello}");
    assert!(redis.cli(&["HGET", ABOUT, "alerts"]).contains("firing"));
}

#[test]
fn hellos_of_messages_that_are_gone_are_dropped() {
    let redis = RedisServer::start();
    for run in 1..=3 {
        let origin = start(&redis, &[]);
        wait_for_hellos(&redis, run);
        origin.signal(Signal::TERM);
        origin.wait().success();
    }
    let (newest, seq) = *entries(&redis).last().unwrap();
    redis.cli(&["XTRIM", WEB_1, "MINID", &format!("{newest}-{seq}")]);
    let _origin = start(&redis, &["--retain", "30s"]);
    // That of the one message left, and that of the new stream.
    wait_for_hellos(&redis, 2);
}

#[test]
fn an_alert_that_fires_is_stored_with_the_stream_that_continues_it() {
    let redis = RedisServer::start();
    let spool = tempfile::tempdir().unwrap();
    let flags = [
        "--spool",
        spool.path().to_str().unwrap(),
        "--alert",
        "up: uptime > 0",
    ];
    let mut streams = Vec::new();
    for _ in 0..3 {
        let origin = start(&redis, &flags);
        let newest = || entries(&redis).last().map(|(stream, _)| *stream);
        wait_until(
            || newest().is_some_and(|stream| !streams.contains(&stream)),
            || origin.story(),
        );
        streams.push(entries(&redis).last().unwrap().0);
        if 1 < streams.len() {
            let alerts = redis.cli(&["HGET", ABOUT, "alerts"]);
            assert!(alerts.contains(r#""metric":"uptime""#), "{alerts}");
        } else {
            wait_until(
                || redis.cli(&["HGET", ABOUT, "alerts"]).contains("uptime"),
                || origin.story(),
            );
        }
        origin.signal(Signal::TERM);
        origin.wait().success();
    }
}

#[test]
fn a_redis_that_takes_nothing_is_reported_once_and_never_as_well() {
    let redis = RedisServer::start();
    let origin = start(&redis, &[]);
    wait_for_entries(&redis, WEB_1, 5);
    let wait_for = |status: &str| wait_for_part(&origin, "publish", |it| it["status"] == status);
    wait_for("ok");
    redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    wait_for("waiting");
    // Three attempts and more.
    let asked = || -> u64 {
        let stats = redis.cli(&["INFO", "commandstats"]);
        let mut lines = stats.lines().filter(|it| it.starts_with("cmdstat_xinfo"));
        let calls = lines.find_map(|it| it.split_once("calls=")?.1.split(',').next());
        calls.map_or(0, |it| it.parse().unwrap())
    };
    let before = asked();
    let has_asked = || {
        assert_eq!(health(&origin).1["publish"]["status"], "waiting");
        before + 3 <= asked()
    };
    wait_until(has_asked, || origin.story());
    redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    wait_for("ok");
    let story = origin.story();
    assert_eq!(story.matches("cannot publish: ").count(), 1, "{story}");
    assert_eq!(
        story.matches("publishing to Redis again").count(),
        1,
        "{story}"
    );
}

#[test]
fn files_for_redis_are_checked_before_anything_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(
        &ca,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let ca = ca.to_str().unwrap();
    for (flags, expected) in [
        (
            vec!["--publish", "rediss://127.0.0.1:1", "--redis-ca-cert", ca],
            "there is no usable certificate in PEM in '",
        ),
        (
            vec!["--redis-ca-cert", ca],
            "--redis-ca-cert is for a Redis: add --publish URL",
        ),
        (
            vec!["--redis-password-file", "/nowhere"],
            "--redis-password-file is for a Redis: add --publish URL",
        ),
    ] {
        let output = Metrics::serve().args(flags).run().code(2);
        assert!(output.story().contains(expected), "{}", output.story());
    }
}
