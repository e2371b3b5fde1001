//! What a relay tells of hosts that fall silent, and of a Redis that takes nothing.

use std::fs;

use crate::harness::metrics::Metrics;
use crate::harness::redis::RedisServer;
use crate::harness::viewer::Viewer;
use crate::relay::{
    WEB_1, give_sign_of_life, health, key, origin, relay, wait_for_entries, wait_for_part,
};
use crate::relay_checks::{notifier, telling_relay, wait_for_notice};

#[test]
fn only_a_host_that_sends_nothing_is_silent() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (program, out) = notifier(dir.path());
    let _steady = origin(&redis, "web-1").start();
    let _rare = Metrics::new()
        .args(["serve", "--listen", "127.0.0.1:0", "--name", "rare-1"])
        .args(["--interval", "20s", "--publish", &redis.url()])
        .start();
    wait_for_entries(&redis, WEB_1, 5);
    // A sign of life may be 5 s old, and one from a busy host or Redis older.
    give_sign_of_life(&redis, "web-1", 7);
    let relay = telling_relay(&redis, &program);
    let mut rare = Viewer::connect(relay.url(), "host=rare-1");
    // 20 s without a sample are no silence of this one.
    rare.numbered(3);
    let falls_silent = origin(&redis, "db-1").start();
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
    let [one, other] = ["web-1", "db-1"].map(|host| origin(&redis, host).start());
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
    wait_for_part(&relay, "redis", |redis| redis["status"] == "ok");
    // Publishers try again at different times; nobody is told to be silent meanwhile.
    view(50);
    let told = fs::read_to_string(&out).unwrap();
    assert!(!told.contains(": silent on"), "{told}");
    // Once only one host is left, it is reported itself.
    other.kill9();
    wait_for_notice(&out, &["Firing: silent on db-1"], &relay);
    one.kill9();
    wait_for_notice(&out, &["Firing: silent on web-1"], &relay);
}

#[test]
fn a_host_whose_keys_are_gone_is_reported_before_it_is_forgotten() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (program, out) = notifier(dir.path());
    let [_steady, gone] = ["web-1", "db-1"].map(|host| origin(&redis, host).start());
    // It is longer silent until that counts than it takes to be forgotten.
    let relay = relay(&redis.url())
        .args(["--retain", "1s", "--notify-silent", "17s", "--notify-exec"])
        .arg(&program)
        .start();
    Viewer::connect(relay.url(), "host=db-1").numbered(3);
    gone.kill9();
    let key = key("db-1");
    redis.cli(&["DEL", &key, &format!("{key}:about")]);
    wait_for_notice(&out, &["Firing: silent on db-1"], &relay);
    wait_for_part(&relay, "redis", |redis| redis["hosts"] == 1);
}
