//! Keys, ids and amounts in Redis that no publisher writes, and how they concern nobody else.

use crate::harness::metrics::Metrics;
use crate::harness::redis::RedisServer;
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;
use crate::harness::{PATIENCE, wait_for};
use crate::relay::{WEB_1, health, relay, wait_for_entries};
use crate::relay_checks::ring_free_sha256_digit;

/// The key of a host.
fn key(host: &str) -> String {
    format!("metrics:1:{{{}}}:{host}", ring_free_sha256_digit(host))
}

/// Notes a sign of life of a host.
fn announce(redis: &RedisServer, host: &str) {
    let now = redis.cli(&["TIME"]);
    let now = format!("{}000", now.lines().next().unwrap());
    redis.cli(&["ZADD", "metrics:1:hosts", &now, host]);
}

fn metric(host: &str, seq: u64) -> String {
    format!(
        r#"{{"type":"metric","host":"{host}","seq":{seq},"data":{{"timestamp":{},"cpu":1,"memory":2,"activeUsers":3,"requestsPerSecond":4}}}}"#,
        1_790_000_000_000 + seq % 1_000_000 * 1000
    )
}

/// Another host with the same digit as `web-1`.
fn neighbour() -> String {
    let names = (2..).map(|number| format!("web-{number}"));
    let digit = |name: &String| ring_free_sha256_digit(name) == "c";
    names.into_iter().find(digit).unwrap()
}

#[test]
fn keys_that_hold_something_else_concern_no_other_host() {
    let redis = RedisServer::start();
    let neighbour = neighbour();
    let publish = |host: &str| {
        Metrics::serve_as(host)
            .args(["--publish", &redis.url()])
            .start()
    };
    let (spoilt, _sound) = (publish("web-1"), publish(&neighbour));
    let relay = relay(&redis.url()).start();
    Viewer::connect(relay.url(), "host=web-1").numbered(3);
    let mut viewer = Viewer::connect(relay.url(), &format!("host={neighbour}"));
    viewer.numbered(3);
    spoilt.kill9();
    let about = format!("{WEB_1}:about");
    redis.cli(&["DEL", &about]);
    redis.cli(&["SET", &about, "oops"]);
    redis.cli(&["XADD", WEB_1, "4000000000000-1", "m", "x"]);
    let refused = || (1 <= health(&relay).1["redis"]["skipped"].as_u64()?).then_some(());
    wait_for(PATIENCE, refused, || relay.story());
    // It is read to the end in spite of that.
    viewer.numbered(30);
    let (status, body) = health(&relay);
    assert_eq!((status, &body["redis"]["hosts"]), (200, &1.into()));
    // Once they are as they should be, the host is there again.
    redis.cli(&["DEL", &about, WEB_1]);
    let _again = publish("web-1");
    Viewer::connect(relay.url(), "host=web-1").numbered(3);
    assert_eq!(health(&relay).1["redis"]["hosts"], 2);
}

#[test]
fn numbers_that_cannot_be_sent_are_skipped() {
    let redis = RedisServer::start();
    let key = key("odd-1");
    let add = |id: &str, seq: u64| redis.cli(&["XADD", &key, id, "m", &metric("odd-1", seq)]);
    add("5000-1", 1);
    for seq in [(1 << 53) + 1, u64::MAX - 1, u64::MAX] {
        add(&format!("5000-{seq}"), seq);
    }
    add("5001-2", 2);
    add(&format!("{}-7", 36_u64.pow(12)), 7);
    add(&format!("{0}-{0}", u64::MAX), u64::MAX);
    announce(&redis, "odd-1");
    // As many as are read at first, so that a relay asks what comes after the last.
    let other = self::key("odd-2");
    for (id, seq) in [("1-1", 1), ("1-2", 2), ("1-3", 3)] {
        redis.cli(&["XADD", &other, id, "m", &metric("odd-2", seq)]);
    }
    let last = format!("{0}-{0}", u64::MAX);
    redis.cli(&["XADD", &other, &last, "m", &metric("odd-2", u64::MAX)]);
    announce(&redis, "odd-2");
    let relay = relay(&redis.url()).start();
    let mut viewer = Viewer::connect(relay.url(), "host=odd-1&last=9");
    let told: Vec<_> = (0..5).map(|_| viewer.message()).collect();
    let seqs: Vec<_> = told.iter().filter_map(Wire::seq).collect();
    assert_eq!(seqs, [1, 2], "{told:?}");
    let health = || health(&relay).1["redis"].clone();
    wait_for(
        PATIENCE,
        || (health()["skipped"] == 6 && health()["hosts"] == 2).then_some(()),
        || relay.story(),
    );
    assert_eq!(health()["status"], "ok");
}

#[test]
fn alerts_that_fire_go_on_firing_in_another_stream() {
    let redis = RedisServer::start();
    let origin = Metrics::serve()
        .args(["--publish", &redis.url(), "--alert", "up: uptime > 0"])
        .start();
    let relay = relay(&redis.url()).start();
    let firing = |server: &str| {
        let Wire::Hello { stream, alerts, .. } = Viewer::connect(server, "host=web-1").message()
        else {
            panic!("no hello")
        };
        (stream, alerts.len())
    };
    let wait = |server: &str, is_it: &dyn Fn(&(String, usize)) -> bool| {
        let found = || Some(firing(server)).filter(is_it);
        wait_for(PATIENCE, found, || format!("{:?}", firing(server)))
    };
    Viewer::connect(relay.url(), "host=web-1").numbered(3);
    let (before, _) = wait(relay.url(), &|it| it.1 == 1);
    // As if the clock had been set back: the host begins another stream above this one.
    redis.cli(&["XADD", WEB_1, "4000000000000-7", "m", "{}"]);
    let (stream, count) = wait(origin.url(), &|it| it.0 != before);
    assert_eq!(count, 1, "it goes on");
    wait_for_entries(&redis, WEB_1, 5);
    let (_, count) = wait(relay.url(), &|it| it.0 == stream);
    assert_eq!(count, 1, "also here");
}

#[test]
fn memory_is_bounded_while_everything_is_loaded() {
    const HOSTS: u64 = 4;
    let redis = RedisServer::start();
    for host in 0..HOSTS {
        let host = format!("big-{host}");
        // 6 MB of each host.
        let script = "for seq = 1, 3000 do \
             redis.call('XADD', KEYS[1], '5000-' .. seq, 'm', '{\"type\":\"metric\",\"host\":\"' .. ARGV[1] .. \
             '\",\"seq\":' .. seq .. ',\"data\":{\"timestamp\":' .. (1790000000000 + seq * 200) .. \
             ',\"cpu\":1,\"memory\":2,\"activeUsers\":3,\"requestsPerSecond\":4,\"pad\":\"' .. ARGV[2] .. '\"}}') end";
        redis.cli(&["EVAL", script, "1", &key(&host), &host, &"x".repeat(1900)]);
        announce(&redis, &host);
    }
    let relay = relay(&redis.url()).args(["--memory", "2MiB"]).start();
    let state = || health(&relay).1["redis"].clone();
    wait_for(
        PATIENCE,
        || (state()["hosts"] == HOSTS).then_some(()),
        || relay.story(),
    );
    let (peak, state) = (relay.peak_rss_kib().unwrap(), state());
    assert!(state["keeps"].as_u64().is_some(), "it says so: {state}");
    assert_eq!(state["skipped"], 0);
    assert!(peak < 64 * 1024, "{peak} KiB: {state}");
}

#[test]
fn large_messages_are_read_a_few_at_a_time() {
    let redis = RedisServer::start();
    // 60 MB, which would be one page of small messages.
    let script = "for seq = 1, 60 do \
         redis.call('XADD', KEYS[1], '5000-' .. seq, 'm', '{\"type\":\"metric\",\"host\":\"large-1\",\"seq\":' .. seq .. \
         ',\"data\":{\"timestamp\":' .. (1790000000000 + seq * 20000) .. \
         ',\"cpu\":1,\"memory\":2,\"activeUsers\":3,\"requestsPerSecond\":4,\"pad\":\"' .. string.rep('x', 1000000) .. '\"}}') end";
    redis.cli(&["EVAL", script, "1", &key("large-1")]);
    announce(&redis, "large-1");
    let relay = relay(&redis.url()).args(["--memory", "4MiB"]).start();
    let is_there = || (health(&relay).1["redis"]["hosts"] == 1).then_some(());
    wait_for(PATIENCE, is_there, || relay.story());
    let (peak, state) = (relay.peak_rss_kib().unwrap(), health(&relay).1);
    assert_eq!(state["redis"]["skipped"], 0);
    assert!(peak < 56 * 1024, "{peak} KiB: {state}");
}
