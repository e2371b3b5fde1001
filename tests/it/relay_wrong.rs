//! Keys, ids and amounts in Redis that no publisher writes, and how they concern nobody else.

use crate::harness::redis::RedisServer;
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;
use crate::harness::{PATIENCE, wait_for};
use crate::relay::{
    WEB_1, give_sign_of_life, health, key, metric, origin, relay, wait_for_entries, wait_for_part,
};

/// Writes `messages` of a host, `step` milliseconds apart, each a little larger than `bytes`.
fn write_large(redis: &RedisServer, host: &str, (messages, step): (u64, u64), bytes: u64) {
    let script = r#"
        local pad = string.rep('x', ARGV[4])
        for seq = 1, tonumber(ARGV[2]) do
            local data = '"timestamp":' .. (1790000000000 + seq * ARGV[3]) ..
                ',"cpu":1,"memory":2,"activeUsers":3,"requestsPerSecond":4,"pad":"' .. pad .. '"'
            redis.call('XADD', KEYS[1], '5000-' .. seq, 'm',
                '{"type":"metric","host":"' .. ARGV[1] .. '","seq":' .. seq .. ',"data":{' .. data .. '}}')
        end"#;
    let numbers = [messages, step, bytes].map(|number| number.to_string());
    let [messages, step, bytes] = numbers.each_ref().map(String::as_str);
    let key = key(host);
    redis.cli(&["EVAL", script, "1", &key, host, messages, step, bytes]);
}

/// Another host with the same digit as `web-1`.
fn neighbour() -> String {
    let mut names = (2..).map(|number| format!("web-{number}"));
    names.find(|name| key(name).contains("{c}")).unwrap()
}

#[test]
fn keys_that_hold_something_else_concern_no_other_host() {
    let redis = RedisServer::start();
    let neighbour = neighbour();
    let [spoilt, _sound] = ["web-1", &neighbour].map(|host| origin(&redis, host).start());
    let relay = relay(&redis.url()).start();
    Viewer::connect(relay.url(), "host=web-1").numbered(3);
    let mut viewer = Viewer::connect(relay.url(), &format!("host={neighbour}"));
    viewer.numbered(3);
    spoilt.kill9();
    let about = format!("{WEB_1}:about");
    redis.cli(&["DEL", &about]);
    redis.cli(&["SET", &about, "oops"]);
    redis.cli(&["XADD", WEB_1, "4000000000000-1", "m", "x"]);
    wait_for_part(&relay, "redis", |redis| {
        1 <= redis["skipped"].as_u64().unwrap()
    });
    // It is read to the end in spite of that.
    viewer.numbered(30);
    let (status, body) = health(&relay);
    assert_eq!((status, &body["redis"]["hosts"]), (200, &1.into()));
    // Once they are as they should be, the host is there again.
    redis.cli(&["DEL", &about, WEB_1]);
    let _again = origin(&redis, "web-1").start();
    Viewer::connect(relay.url(), "host=web-1").numbered(3);
    assert_eq!(health(&relay).1["redis"]["hosts"], 2);
}

#[test]
fn numbers_that_cannot_be_sent_are_skipped() {
    let redis = RedisServer::start();
    let odd = key("odd-1");
    let add = |id: &str, seq: u64| redis.cli(&["XADD", &odd, id, "m", &metric("odd-1", seq)]);
    add("5000-1", 1);
    for seq in [(1 << 53) + 1, u64::MAX - 1, u64::MAX] {
        add(&format!("5000-{seq}"), seq);
    }
    add("5001-2", 2);
    add(&format!("{}-7", 36_u64.pow(12)), 7);
    add(&format!("{0}-{0}", u64::MAX), u64::MAX);
    give_sign_of_life(&redis, "odd-1", 0);
    // As many as are read at first, so that a relay asks what comes after the last.
    let other = key("odd-2");
    for (id, seq) in [("1-1", 1), ("1-2", 2), ("1-3", 3)] {
        redis.cli(&["XADD", &other, id, "m", &metric("odd-2", seq)]);
    }
    let last = format!("{0}-{0}", u64::MAX);
    redis.cli(&["XADD", &other, &last, "m", &metric("odd-2", u64::MAX)]);
    give_sign_of_life(&redis, "odd-2", 0);
    let relay = relay(&redis.url()).start();
    let mut viewer = Viewer::connect(relay.url(), "host=odd-1&last=9");
    let told: Vec<_> = (0..5).map(|_| viewer.message()).collect();
    let seqs: Vec<_> = told.iter().filter_map(Wire::seq).collect();
    assert_eq!(seqs, [1, 2], "{told:?}");
    wait_for_part(&relay, "redis", |redis| {
        redis["skipped"] == 6 && redis["hosts"] == 2
    });
    assert_eq!(health(&relay).1["redis"]["status"], "ok");
}

#[test]
fn alerts_that_fire_go_on_firing_in_another_stream() {
    let redis = RedisServer::start();
    let origin = origin(&redis, "web-1").args(["--alert", "up: uptime > 0"]);
    let origin = origin.start();
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
        write_large(&redis, &host, (3000, 200), 1900);
        give_sign_of_life(&redis, &host, 0);
    }
    let relay = relay(&redis.url()).args(["--memory", "2MiB"]).start();
    wait_for_part(&relay, "redis", |redis| redis["hosts"] == HOSTS);
    let (peak, state) = (relay.peak_rss_kib().unwrap(), health(&relay).1);
    assert!(
        state["redis"]["keeps"].as_u64().is_some(),
        "it says so: {state}"
    );
    assert_eq!(state["redis"]["skipped"], 0);
    assert!(peak < 64 * 1024, "{peak} KiB: {state}");
}

#[test]
fn memory_is_bounded_whatever_the_timestamps() {
    const HOSTS: u64 = 2;
    let redis = RedisServer::start();
    for host in 0..HOSTS {
        let host = format!("still-{host}");
        // 6 MB of each host, all of the same millisecond.
        write_large(&redis, &host, (3000, 0), 1900);
        give_sign_of_life(&redis, &host, 0);
    }
    let relay = relay(&redis.url()).args(["--memory", "2MiB"]).start();
    relay.wait_for_stderr("with too many messages of nearly the same time, of 15 m: --memory");
    wait_for_part(&relay, "redis", |redis| {
        let bytes = redis["bytes"].as_u64().unwrap();
        redis["hosts"] == HOSTS && bytes < 2 * 1024 * 1024 && redis["keeps"] == 1000
    });
    for host in 0..HOSTS {
        let hello = Viewer::connect(relay.url(), &format!("host=still-{host}")).message();
        let Wire::Hello { oldest, newest, .. } = hello else {
            panic!("no hello")
        };
        assert!(1000 < oldest && oldest < newest, "{oldest}-{newest}");
        assert_eq!(newest, 3000);
    }
}

#[test]
fn large_messages_are_read_a_few_at_a_time() {
    let redis = RedisServer::start();
    // 60 MB, which would be one page of small messages.
    write_large(&redis, "large-1", (60, 20_000), 1_000_000);
    give_sign_of_life(&redis, "large-1", 0);
    let relay = relay(&redis.url()).args(["--memory", "4MiB"]).start();
    wait_for_part(&relay, "redis", |redis| redis["hosts"] == 1);
    let (peak, state) = (relay.peak_rss_kib().unwrap(), health(&relay).1);
    assert_eq!(state["redis"]["skipped"], 0);
    assert!(peak < 56 * 1024, "{peak} KiB: {state}");
}
