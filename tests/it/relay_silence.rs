//! What a relay tells of hosts that fall silent, and of a Redis that takes nothing.

use std::fs;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::redis::RedisServer;
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for};
use crate::relay::{WEB_1, health, relay, wait_for_entries};
use crate::relay_checks::{notifier, wait_for_notice};

/// A relay that tells of hosts that are silent for 3 s.
fn telling_relay(redis: &RedisServer, program: &std::path::Path) -> Running {
    relay(&redis.url())
        .arg("--notify-exec")
        .arg(program)
        .args(["--notify-silent", "3s"])
        .start()
}

#[test]
fn only_a_host_that_sends_nothing_is_silent() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (program, out) = notifier(dir.path());
    let publish = ["--publish", &redis.url()];
    let _steady = Metrics::serve().args(publish).start();
    let _rare = Metrics::new()
        .args(["serve", "--listen", "127.0.0.1:0", "--name", "rare-1"])
        .args(["--interval", "20s"])
        .args(publish)
        .start();
    wait_for_entries(&redis, WEB_1, 5);
    // A sign of life may be 5 s old, and one from a busy host or Redis older.
    let now: u64 = redis
        .cli(&["TIME"])
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let earlier = format!("{}000", now - 7);
    redis.cli(&["ZADD", "metrics:1:hosts", &earlier, "web-1"]);
    let relay = telling_relay(&redis, &program);
    let mut rare = Viewer::connect(relay.url(), "host=rare-1");
    // 20 s without a sample are no silence of this one.
    rare.numbered(3);
    let falls_silent = Metrics::serve_as("db-1").args(publish).start();
    Viewer::connect(relay.url(), "host=db-1").numbered(3);
    falls_silent.kill9();
    wait_for_notice(&out, &["Firing: silent on db-1"], &relay);
    let told = fs::read_to_string(&out).unwrap();
    assert!(!told.contains("on web-1"), "it was never silent: {told}");
    assert!(!told.contains("on rare-1"), "it just sends rarely: {told}");
}

#[test]
fn a_redis_that_takes_nothing_does_not_make_hosts_silent() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (program, out) = notifier(dir.path());
    let publish = |host: &str| {
        Metrics::serve_as(host)
            .args(["--publish", &redis.url()])
            .start()
    };
    let (one, other) = (publish("web-1"), publish("db-1"));
    let relay = telling_relay(&redis, &program);
    let view = |messages: usize| {
        for host in ["web-1", "db-1"] {
            Viewer::connect(relay.url(), &format!("host={host}")).numbered(messages);
        }
    };
    view(3);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    relay.wait_for_stderr("no host of 2 has given a sign of life for 10 s");
    wait_for_notice(&out, &["Firing: all-silent on "], &relay);
    let (status, body) = health(&relay);
    assert_eq!(status, 200, "it can be read, and viewers are served");
    assert_eq!(body["redis"]["status"], "standstill");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    wait_for_notice(&out, &["Resolved: all-silent on "], &relay);
    wait_for(
        PATIENCE,
        || (health(&relay).1["redis"]["status"] == "ok").then_some(()),
        || relay.story(),
    );
    // Publishers try again at different times; nobody is told to be silent meanwhile.
    view(50);
    let told = fs::read_to_string(&out).unwrap();
    assert!(!told.contains(": silent on"), "{told}");
    // When the last is left, it is he that is silent.
    other.kill9();
    wait_for_notice(&out, &["Firing: silent on db-1"], &relay);
    one.kill9();
    wait_for_notice(&out, &["Firing: silent on web-1"], &relay);
}
