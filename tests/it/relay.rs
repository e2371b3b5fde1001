//! `--publish` and `serve --from`: a fleet over Redis.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::dice::Dice;
use crate::harness::events::Events;
use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::proxy::Proxy;
use crate::harness::python::python;
use crate::harness::recording::{plain, random};
use crate::harness::redis::RedisServer;
use crate::harness::rows::{assert_same, assert_unbroken, parse, read};
use crate::harness::viewer::Viewer;
use crate::harness::wait_until;
use crate::harness::wire::Wire;

/// The key of `web-1`: `printf web-1 | sha256sum` begins with c.
pub(crate) const WEB_1: &str = "metrics:1:{c}:web-1";

/// The values that every sample has.
const VALUES: &str = r#""cpu":1,"memory":2,"activeUsers":3,"requestsPerSecond":4"#;

/// The key of any host, with the first hex digit of the SHA-256 of its name, from another program.
pub(crate) fn key(host: &str) -> String {
    let script = "import hashlib,sys; print(hashlib.sha256(sys.argv[1].encode()).hexdigest()[0])";
    format!("metrics:1:{{{}}}:{host}", python(script, [host]).trim())
}

/// A host that publishes a sample every 200 ms.
pub(crate) fn origin(redis: &RedisServer, host: &str) -> Metrics {
    Metrics::serve_as(host).args(["--publish", &redis.url()])
}

/// Notes that a host gave a sign of life so many seconds ago.
pub(crate) fn give_sign_of_life(redis: &RedisServer, host: &str, seconds_ago: u64) {
    let now = redis.cli(&["TIME"]);
    let now: u64 = now.lines().next().unwrap().parse().unwrap();
    let millis = ((now - seconds_ago) * 1000).to_string();
    redis.cli(&["ZADD", "metrics:1:hosts", &millis, host]);
}

/// A sample of a host as a message.
pub(crate) fn metric(host: &str, seq: u64) -> String {
    let timestamp = 1_790_000_000_000 + seq % 1_000_000 * 1000;
    format!(
        r#"{{"type":"metric","host":"{host}","seq":{seq},"data":{{"timestamp":{timestamp},{VALUES}}}}}"#
    )
}

/// A relay from `url`.
pub(crate) fn relay(url: &str) -> Metrics {
    Metrics::new().args(["serve", "--listen", "127.0.0.1:0", "--from", url])
}

/// Records `web-1` from `server` into a file of `dir`.
pub(crate) fn record(server: &str, dir: &TempDir, name: &str) -> (Running, PathBuf) {
    let path = dir.path().join(name);
    let record = Metrics::record(server)
        .args(["--host", "web-1", "-o"])
        .arg(&path)
        .spawn();
    (record, path)
}

pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

pub(crate) fn health(server: &Running) -> (u16, Value) {
    let (status, body) = get(server.port(), "/healthz");
    (status, serde_json::from_str(&body).unwrap())
}

/// Waits until the key has at least so many entries.
#[track_caller]
pub(crate) fn wait_for_entries(redis: &RedisServer, key: &str, least: usize) {
    let count = || redis.cli(&["XLEN", key]);
    wait_until(
        || least <= count().parse().unwrap_or(0),
        || format!("{key} has {} entries", count()),
    );
}

/// Waits until so many viewers are connected.
#[track_caller]
pub(crate) fn wait_for_viewers(server: &Running, viewers: u64) {
    wait_until(|| health(server).1["viewers"] == viewers, || server.story());
}

/// Waits until what `/healthz` says of a part is as it should be.
#[track_caller]
pub(crate) fn wait_for_part(server: &Running, part: &str, is_it: impl Fn(&Value) -> bool) {
    let health = || health(server).1;
    wait_until(
        || is_it(&health()[part]),
        || format!("{}\n{}", health(), server.story()),
    );
}

/// Interrupts a recording.
#[track_caller]
pub(crate) fn stop(record: Running) {
    record.signal(Signal::INT);
    record.wait().success();
}

/// The rows that both recordings have, by stream and number.
fn common(one: &str, other: &str) -> (Vec<String>, Vec<String>) {
    let rows = |csv: &str| {
        let rows = parse(csv.as_bytes());
        let numbered = rows.iter().filter(|row| row.seq().is_some());
        let keyed = numbered.map(|row| {
            let key = (row.cell("stream").to_owned(), row.seq().unwrap());
            (key, row.text.clone())
        });
        keyed.collect::<std::collections::BTreeMap<_, _>>()
    };
    let (one, other) = (rows(one), rows(other));
    let keys: Vec<_> = one.keys().filter(|key| other.contains_key(key)).collect();
    let of = |rows: &std::collections::BTreeMap<_, String>| {
        keys.iter().map(|key| rows[*key].clone()).collect()
    };
    (of(&one), of(&other))
}

#[test]
fn a_relay_sends_the_messages_of_the_origin() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let origin = origin(&redis, "web-1")
        .args(["--alert", "up: uptime > 0"])
        .start();
    let relay = relay(&redis.url()).start();
    let (direct, at_origin) = record(origin.url(), &dir, "origin.csv");
    let (relayed, at_relay) = record(relay.url(), &dir, "relay.csv");
    for path in [&at_origin, &at_relay] {
        wait_for_rows(path, 10);
    }
    for record in [direct, relayed] {
        stop(record);
    }
    let (expected, found) = common(&text(&at_origin), &text(&at_relay));
    assert!(5 < found.len(), "{}", found.len());
    assert_eq!(found, expected);
    assert_unbroken(&read(&at_relay));
    // Byte for byte, on the wire.
    let first_event = |server: &Running| {
        let mut events = Events::open(server.port(), "/events?host=web-1&since=1h", "");
        events.find(|event| event.id.is_some()).unwrap()
    };
    let (expected, found) = (first_event(&origin), first_event(&relay));
    assert_eq!(found, expected);
    let (status, health) = health(&relay);
    assert_eq!((status, &health["redis"]["status"]), (200, &"ok".into()));
    assert_eq!(health["redis"]["hosts"], 1);
    let (_, health) = self::health(&origin);
    assert_eq!(health["publish"]["status"], "ok");
}

/// A replay that publishes, once Redis can be asked, and waits for as many viewers of its own.
pub(crate) fn replay(path: &Path, redis: &str, speed: &str) -> Metrics {
    Metrics::replay([path]).args(["--publish", redis, "--speed", speed])
}

/// Publishes a whole recording, without viewers.
#[track_caller]
pub(crate) fn publish_at_once(path: &Path, redis: &RedisServer) {
    let replay = replay(path, &redis.url(), "max").args(["--wait", "0"]);
    replay.start().wait().success();
}

#[test]
fn recordings_through_either_relay_or_both_are_identical() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let recording = random(&mut Dice::seeded(16), "web-1", 400);
    let path = dir.path().join("played.csv");
    fs::write(&path, &recording.csv).unwrap();
    let relays = [relay(&redis.url()).start(), relay(&redis.url()).start()];
    let proxy = Proxy::clear(relays[0].port());
    let (one, through_one) = record(relays[0].url(), &dir, "a.csv");
    let (other, through_other) = record(relays[1].url(), &dir, "b.csv");
    let (both, through_both) = record(&proxy.url(), &dir, "ab.csv");
    wait_for_viewers(&relays[0], 2);
    wait_for_viewers(&relays[1], 1);
    let replay = replay(&path, &redis.url(), "200").start();
    for (turn, rows) in (1..).zip((30..330).step_by(30)) {
        wait_for_rows(&through_both, rows);
        proxy.retarget(relays[turn % 2].port());
        proxy.cut_all();
    }
    for record in [one, other, both] {
        record.wait().success();
    }
    replay.wait().success();
    for path in [&through_one, &through_other, &through_both] {
        assert_same("relayed", &recording.csv, &text(path));
    }
}

#[test]
fn a_relay_that_starts_later_has_everything() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let path = dir.path().join("played.csv");
    fs::write(&path, plain("web-1", 700, 1000)).unwrap();
    publish_at_once(&path, &redis);
    assert_eq!(redis.ids(WEB_1).len(), 700, "more than a page");
    let relay = relay(&redis.url()).start();
    let found = dir.path().join("found.csv");
    let record = Metrics::record(relay.url()).args(["--host", "web-1", "--since", "1h", "-o"]);
    record.arg(&found).run().success();
    assert_same("loaded", &text(&path), &text(&found));
}

#[test]
fn a_recording_older_than_what_redis_has_is_refused() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    redis.cli(&["XADD", WEB_1, "9999999999999-1", "m", "{}"]);
    let path = dir.path().join("played.csv");
    fs::write(&path, plain("web-1", 10, 1000)).unwrap();
    let refused = replay(&path, &redis.url(), "max").run();
    refused
        .code(1)
        .stderr_has("Redis has a newer stream of web-1, 3jlxpt2pr, than this recording, k3v9q2")
        .stderr_has("--name");
    assert_eq!(redis.ids(WEB_1).len(), 1);
    // Under another name, there is none.
    let other = replay(&path, &redis.url(), "max").args(["--name", "db-1", "--wait", "0"]);
    other.start().wait().success();
}

#[test]
fn hosts_come_while_a_relay_runs() {
    let redis = RedisServer::start();
    let relay = relay(&redis.url()).start();
    let mut waiting = Viewer::connect(relay.url(), "host=web-1");
    let mut everyone = Viewer::connect(relay.url(), "");
    let origin = origin(&redis, "web-1").start();
    for viewer in [&mut waiting, &mut everyone] {
        let first = viewer.message();
        assert!(matches!(first, Wire::Hello { .. }), "{first:?}");
    }
    drop(origin);
}

#[test]
fn a_lower_stream_than_redis_has_is_replaced() {
    let redis = RedisServer::start();
    let origin = origin(&redis, "web-1").start();
    wait_for_entries(&redis, WEB_1, 3);
    // As if the clock had been set back since then.
    let ahead = "4000000000000-7";
    redis.cli(&["XADD", WEB_1, ahead, "m", "{}"]);
    wait_for_entries(&redis, WEB_1, 8);
    let ids = redis.ids(WEB_1);
    let at = ids.iter().position(|id| id == ahead).unwrap();
    assert_eq!(ids[at + 1], "4000000000001-1", "{}", origin.story());
    assert_eq!(health(&origin).1["publish"]["status"], "ok");
}

#[test]
fn two_servers_with_one_name_are_told_so() {
    let redis = RedisServer::start();
    let first = origin(&redis, "web-1").start();
    wait_for_entries(&redis, WEB_1, 3);
    let relay = relay(&redis.url()).start();
    let second = origin(&redis, "web-1").start();
    first.wait_for_stderr("web-1 is no longer published: two servers use this name");
    let (one, other) = (first.port().to_string(), second.port().to_string());
    for port in [&one, &other] {
        first.wait_for_stderr(&format!("(127.0.0.1:{port})"));
        relay.wait_for_stderr(&format!("(127.0.0.1:{port})"));
    }
    first.wait_for_stderr("--name");
    let (status, health) = health(&first);
    assert_eq!(status, 200, "it still serves its own viewers");
    assert_eq!(health["publish"]["status"], "stopped");
    assert_eq!(self::health(&second).1["publish"]["status"], "ok");
}

#[test]
fn what_is_old_is_dropped_and_what_is_left_expires() {
    let redis = RedisServer::with(&["--save", "", "--stream-node-max-entries", "10"]);
    let origin = origin(&redis, "web-1").args(["--retain", "1s"]).start();
    let expires = |key: &str| redis.cli(&["TTL", key]).parse::<u64>().unwrap_or(0);
    wait_for_entries(&redis, WEB_1, 2);
    for key in [WEB_1, &format!("{WEB_1}:about")] {
        assert!((3500..=3601).contains(&expires(key)), "{key}");
    }
    // 60 messages stay, and Redis drops ten at a time.
    wait_until(
        || {
            redis
                .ids(WEB_1)
                .first()
                .is_some_and(|id| !id.ends_with("-1"))
        },
        || origin.story(),
    );
    assert!(60 <= redis.ids(WEB_1).len());
    assert!((3500..=3601).contains(&expires(WEB_1)), "it is renewed");
    assert_eq!(redis.cli(&["ZCARD", "metrics:1:hosts"]), "1");
}

#[test]
fn a_host_whose_keys_expired_is_forgotten_until_it_returns() {
    let redis = RedisServer::start();
    let first = origin(&redis, "web-1").start();
    let relay = relay(&redis.url()).args(["--retain", "1s"]).start();
    let mut viewer = Viewer::connect(relay.url(), "host=web-1");
    viewer.numbered(3);
    first.kill9();
    redis.cli(&["DEL", WEB_1, &format!("{WEB_1}:about")]);
    wait_for_part(&relay, "redis", |redis| redis["hosts"] == 0);
    let _second = origin(&redis, "web-1").start();
    wait_for_part(&relay, "redis", |redis| redis["hosts"] == 1);
    // What is left of the first run ends with a gap.
    while !matches!(viewer.message(), Wire::Gap { .. }) {}
    viewer.numbered(3);
}
