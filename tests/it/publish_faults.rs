//! What a publisher makes of a Redis that loses keys, is not the one it was, or hears from others.

use std::fs;

use rustix::process::Signal;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::redis::RedisServer;
use crate::harness::{PATIENCE, wait_for};
use crate::relay::{WEB_1, health, wait_for_entries};

const ABOUT: &str = "metrics:1:{c}:web-1:about";

/// A host that publishes to `redis` every 200 ms.
fn origin(redis: &RedisServer, flags: &[&str]) -> Running {
    let origin = Metrics::serve().args(["--publish", &redis.url()]);
    origin.args(flags).start()
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(PATIENCE, || is_so().then_some(()), || what.into());
}

/// The stream and the numbers of the entries in Redis.
fn entries(redis: &RedisServer) -> Vec<(u64, u64)> {
    let number = |text: &str| text.parse().unwrap();
    let ids = redis.ids(WEB_1).into_iter();
    ids.map(|id| {
        id.split_once('-')
            .map(|(a, b)| (number(a), number(b)))
            .unwrap()
    })
    .collect()
}

#[test]
fn an_emptied_redis_gets_everything_again() {
    let redis = RedisServer::start();
    let origin = origin(&redis, &[]);
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
    let _origin = origin(&redis, &["--retain", "30s"]);
    wait_for_entries(&redis, WEB_1, 5);
    redis.cli(&["DEL", ABOUT]);
    wait_until("a hello", || {
        !redis.cli(&["HGET", ABOUT, "hello"]).is_empty()
    });
    let (stream, first) = entries(&redis)[0];
    let hello = redis.cli(&["HGET", ABOUT, &format!("{stream}-{first}")]);
    assert!(hello.contains(r#""interval":200"#), "{hello}");
    assert!(redis.cli(&["HGET", ABOUT, "alerts"]).contains("firing"));
}

#[test]
fn hellos_of_messages_that_are_gone_are_dropped() {
    let redis = RedisServer::start();
    for run in 1..=3 {
        let origin = origin(&redis, &[]);
        wait_until("a hello of this run", || {
            let fields = redis.cli(&["HKEYS", ABOUT]);
            fields.lines().filter(|it| it.contains('-')).count() == run
        });
        origin.signal(Signal::TERM);
        origin.wait().success();
    }
    let (newest, seq) = *entries(&redis).last().unwrap();
    redis.cli(&["XTRIM", WEB_1, "MINID", &format!("{newest}-{seq}")]);
    let _origin = origin(&redis, &["--retain", "30s"]);
    wait_until("no old hello", || {
        let fields = redis.cli(&["HKEYS", ABOUT]);
        // That of the one message left, and that of the new stream.
        fields.lines().filter(|it| it.contains('-')).count() == 2
    });
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
        let origin = origin(&redis, &flags);
        wait_until("a stream", || {
            entries(&redis)
                .last()
                .is_some_and(|(stream, _)| !streams.contains(stream))
        });
        streams.push(entries(&redis).last().unwrap().0);
        if 1 < streams.len() {
            let alerts = redis.cli(&["HGET", ABOUT, "alerts"]);
            assert!(alerts.contains(r#""metric":"uptime""#), "{alerts}");
        } else {
            wait_until("an alert", || {
                redis.cli(&["HGET", ABOUT, "alerts"]).contains("uptime")
            });
        }
        origin.signal(Signal::TERM);
        origin.wait().success();
    }
}

#[test]
fn a_redis_that_takes_nothing_is_reported_once_and_never_as_well() {
    let redis = RedisServer::start();
    let origin = origin(&redis, &[]);
    wait_for_entries(&redis, WEB_1, 5);
    let status = || {
        health(&origin).1["publish"]["status"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    wait_until("connected", || status() == "ok");
    redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    wait_until("not connected", || status() == "waiting");
    // Three attempts and more.
    let asked = || -> u64 {
        let stats = redis.cli(&["INFO", "commandstats"]);
        let line = stats
            .lines()
            .find(|it| it.starts_with("cmdstat_xinfo"))
            .unwrap_or_default();
        let calls = line
            .split("calls=")
            .nth(1)
            .and_then(|it| it.split(',').next());
        calls.map_or(0, |it| it.parse().unwrap())
    };
    let before = asked();
    wait_until("new attempts", || {
        assert_eq!(status(), "waiting");
        before + 3 <= asked()
    });
    redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    wait_until("connected again", || status() == "ok");
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
