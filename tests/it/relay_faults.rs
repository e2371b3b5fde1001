//! A fleet while its parts are killed, paused, full or replaced: nothing is lost that a ring or Redis still held.

use std::fs;
use std::io::{Read, Write, copy};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;

use tempfile::TempDir;

use crate::harness::metrics::{Running, wait_for_rows};
use crate::harness::proxy::Proxy;
use crate::harness::recording::plain;
use crate::harness::redis::RedisServer;
use crate::harness::rows::{Row, assert_same, assert_unbroken, parse, read};
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for, wait_until};
use crate::relay::{
    WEB_1, health, origin, publish_at_once, record, relay, replay, stop, text, wait_for_entries,
    wait_for_part, wait_for_viewers,
};

/// A recording that takes about ten seconds to play, with a message every 5 ms.
const SAMPLES: u64 = 2000;

/// A recording on its way through Redis and a relay, under load.
struct Flow {
    _dir: TempDir,
    played: PathBuf,
    recorded: PathBuf,
    _relay: Running,
    record: Running,
    replay: Running,
}

impl Flow {
    /// Plays through the Redis at `url`. Returns once the first rows are through.
    #[track_caller]
    fn start(url: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let played = dir.path().join("played.csv");
        fs::write(&played, plain("web-1", SAMPLES, 1000)).unwrap();
        let relay = relay(url).start();
        let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
        wait_for_viewers(&relay, 1);
        let replay = replay(&played, url, "200").start();
        let flow = Self {
            _dir: dir,
            played,
            recorded,
            _relay: relay,
            record,
            replay,
        };
        flow.wait_for_rows(100);
        flow
    }

    #[track_caller]
    fn wait_for_rows(&self, rows: usize) {
        wait_for_rows(&self.recorded, rows);
    }

    /// How many rows are through.
    fn rows(&self) -> usize {
        text(&self.recorded).lines().count()
    }

    /// Plays to the end. What was recorded is what was played.
    #[track_caller]
    fn finish(self) {
        self.replay.wait().success();
        self.record.wait().success();
        assert_same("relayed", &text(&self.played), &text(&self.recorded));
    }
}

/// Plays through a Redis that is killed and started again three times.
#[track_caller]
fn play_while_killing(redis: &mut RedisServer) {
    let flow = Flow::start(&redis.url());
    for _ in 0..3 {
        flow.wait_for_rows(flow.rows() + 100);
        redis.kill9();
        redis.start_again();
    }
    flow.finish();
}

#[test]
fn redis_is_killed_and_has_forgotten_everything() {
    let mut redis = RedisServer::start();
    play_while_killing(&mut redis);
}

#[test]
fn redis_is_killed_and_has_written_down_what_it_had() {
    let mut redis = RedisServer::persistent();
    play_while_killing(&mut redis);
    assert_eq!(redis.ids(WEB_1).len() as u64, SAMPLES);
}

#[test]
fn redis_pauses_longer_than_anybody_waits_for_an_answer() {
    for what in ["WRITE", "ALL"] {
        let redis = RedisServer::start();
        let flow = Flow::start(&redis.url());
        redis.cli(&["CLIENT", "PAUSE", "7000", what]);
        flow.finish();
        assert_eq!(redis.ids(WEB_1).len() as u64, SAMPLES, "each once");
    }
}

#[test]
fn a_live_host_catches_up_after_a_pause_of_20_seconds() {
    let redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(&redis, "web-1").start();
    let relay = relay(&redis.url()).start();
    let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
    wait_for_rows(&recorded, 5);
    redis.cli(&["CLIENT", "PAUSE", "20000", "ALL"]);
    // More than come in 20 s, one each 200 ms.
    Viewer::connect(origin.url(), "").numbered(120);
    let rows = text(&recorded).lines().count();
    wait_for_rows(&recorded, rows.max(120));
    stop(record);
    let rows = read(&recorded);
    assert_unbroken(&rows);
    assert!(rows.iter().all(|row| row.seq().is_some()), "without a gap");
}

#[test]
fn redis_is_full_for_a_while() {
    let redis = RedisServer::start();
    let flow = Flow::start(&redis.url());
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    flow.replay.wait_for_stderr("cannot publish: Redis at");
    flow.replay.wait_for_stderr("OOM");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    flow.finish();
    assert_eq!(redis.ids(WEB_1).len() as u64, SAMPLES, "each once");
}

#[test]
fn a_replica_takes_over() {
    let mut primary = RedisServer::start();
    let port = primary.port().to_string();
    let replica = RedisServer::with(&["--save", "", "--replicaof", "127.0.0.1", &port]);
    replica.wait_for_sync();
    let flow = Flow::start(&format!("{},127.0.0.1:{}", primary.url(), replica.port()));
    flow.wait_for_rows(300);
    primary.kill9();
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    flow.finish();
}

#[test]
fn a_primary_becomes_a_replica() {
    let (one, other) = (RedisServer::start(), RedisServer::start());
    let port = one.port().to_string();
    other.cli(&["REPLICAOF", "127.0.0.1", &port]);
    other.wait_for_sync();
    let flow = Flow::start(&format!("{},127.0.0.1:{}", one.url(), other.port()));
    flow.wait_for_rows(300);
    // What was written in between is lost there, and written again.
    other.cli(&["REPLICAOF", "NO", "ONE"]);
    one.cli(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    flow.finish();
}

#[test]
fn a_relay_is_killed_and_another_takes_its_viewers() {
    let redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let played = dir.path().join("played.csv");
    fs::write(&played, plain("web-1", SAMPLES, 1000)).unwrap();
    let (one, other) = (relay(&redis.url()).start(), relay(&redis.url()).start());
    let both = format!("127.0.0.1:{},127.0.0.1:{}", one.port(), other.port());
    let (record, recorded) = record(&both, &dir, "recorded.csv");
    wait_for_viewers(&one, 1);
    let replay = replay(&played, &redis.url(), "200").start();
    wait_for_rows(&recorded, 500);
    one.kill9();
    replay.wait().success();
    record.wait().success();
    assert_same("relayed", &text(&played), &text(&recorded));
}

#[test]
fn a_publisher_is_killed_and_only_what_nobody_has_is_lost() {
    let redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let origin = origin(&redis, "web-1").args(["--alert", "up: uptime > 0"]);
        origin.start()
    };
    let relay = relay(&redis.url()).start();
    let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
    wait_for_viewers(&relay, 1);
    let mut server = start();
    for kill in 1..=3 {
        wait_for_rows(&recorded, kill * 10);
        server.kill9();
        server = start();
    }
    wait_for_rows(&recorded, 40);
    stop(record);
    let rows = read(&recorded);
    assert_unbroken(&rows);
    let gaps: Vec<_> = rows
        .iter()
        .filter(|row| row.cell("event").starts_with("gap"))
        .collect();
    assert_eq!(gaps.len(), 3);
    assert!(gaps.iter().all(|row| row.cell("event") == "gap restarted"));
}

/// Records through a relay while Redis, which forgets everything, is away for longer than the ring of the host reaches
/// back: the rows of the recording, once there are so many more.
fn outage(flags: &[&str], more: usize) -> Vec<Row> {
    let mut redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    // 30 samples at least stay in the ring: at 200 ms, 6 s.
    let origin = origin(&redis, "web-1").args(["--retain", "1s"]);
    let origin = origin.args(flags).start();
    let relay = relay(&redis.url()).start();
    let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
    wait_for_rows(&recorded, 5);
    redis.kill9();
    Viewer::connect(origin.url(), "").numbered(60);
    redis.start_again();
    let before = text(&recorded).lines().count();
    wait_for_rows(&recorded, before + more);
    stop(record);
    parse(text(&recorded).as_bytes())
}

#[test]
fn what_neither_ring_nor_redis_holds_is_a_gap_with_its_numbers() {
    let (mut last, mut gaps) = (0, 0);
    for row in outage(&[], 5) {
        match row.seq() {
            Some(seq) => {
                assert!(last == 0 || seq == last + 1, "{seq} after {last}");
                last = seq;
            }
            None => {
                let numbers = row.cell("event").strip_prefix("gap expired ").unwrap();
                let (from, to) = numbers.split_once('-').unwrap();
                assert_eq!(from.parse::<u64>().unwrap(), last + 1);
                last = to.parse().unwrap();
                gaps += 1;
            }
        }
    }
    assert_eq!(gaps, 1);
}

#[test]
fn what_a_spool_holds_is_published_once_redis_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let rows = outage(&["--spool", dir.path().to_str().unwrap()], 60);
    assert_unbroken(&rows);
    let gaps = rows.iter().filter(|row| row.seq().is_none());
    assert_eq!(gaps.count(), 0);
    assert!(60 < rows.len(), "{}", rows.len());
}

#[test]
fn without_redis_a_relay_serves_what_it_has_and_catches_up() {
    let mut redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(&redis, "web-1").start();
    let relay = relay(&redis.url()).start();
    let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
    wait_for_rows(&recorded, 5);
    redis.kill9();
    let health = || health(&relay);
    wait_until(|| health().0 == 503, || relay.story());
    let (_, body) = health();
    assert_eq!(body["redis"]["status"], "down");
    assert_eq!(body["viewers"], 1, "nobody is dropped");
    let mut late = Viewer::connect(relay.url(), "host=web-1&last=3");
    late.numbered(3);
    wait_for_part(&origin, "publish", |it| it["status"] == "waiting");
    let rows = text(&recorded).lines().count();
    redis.start_again();
    wait_for_rows(&recorded, rows + 20);
    wait_for_entries(&redis, WEB_1, 5);
    wait_until(|| health().0 == 200, || relay.story());
    stop(record);
    assert_unbroken(&read(&recorded));
    assert!(!text(&recorded).contains(",gap "), "{}", text(&recorded));
}

/// Publishes a recording of `web-1` that is over, which gives no sign of life any more.
#[track_caller]
fn publish_the_past(redis: &RedisServer) {
    let dir = tempfile::tempdir().unwrap();
    let played = dir.path().join("played.csv");
    fs::write(&played, plain("web-1", 100, 1000)).unwrap();
    publish_at_once(&played, redis);
}

/// A server on loopback, and its port.
fn bind() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn a_pause_while_a_host_is_loaded_does_not_lose_it() {
    let redis = RedisServer::start();
    let proxy = Proxy::clear(redis.port());
    let relay = relay(&format!("redis://127.0.0.1:{}", proxy.port())).start();
    wait_for_part(&relay, "redis", |redis| redis["status"] == "ok");
    // Hosts are still found, but the connection over which they are read is never answered.
    let (paused, port) = bind();
    proxy.retarget(port);
    publish_the_past(&redis);
    paused.set_nonblocking(true).unwrap();
    let attempt = || wait_for(PATIENCE, || paused.accept().ok(), || relay.story());
    let attempts: Vec<_> = (0..3).map(|_| attempt()).collect();
    assert_eq!(health(&relay).0, 503, "{}", relay.story());
    proxy.retarget(redis.port());
    wait_for_part(&relay, "redis", |redis| {
        redis["hosts"] == 1 && redis["status"] == "ok"
    });
    assert_eq!(health(&relay).1["redis"]["skipped"], 0);
    drop(attempts);
}

/// Carries a connection to Redis until somebody asks for a whole hash. Nothing is carried after that.
fn carry(mut client: TcpStream, redis: u16) {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, redis)).unwrap();
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || copy(&mut from, &mut to));
    let mut buffer = [0; 16 * 1024];
    let mut is_stuck = false;
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        is_stuck |= buffer[..read].windows(7).any(|it| it == b"HGETALL");
        if !is_stuck && server.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

#[test]
fn a_host_that_is_too_large_is_given_up_and_leaves_no_fault() {
    let redis = RedisServer::start();
    publish_the_past(&redis);
    let (listener, port) = bind();
    let to = redis.port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || carry(client, to));
        }
    });
    let relay = relay(&format!("redis://127.0.0.1:{port}")).start();
    relay.wait_for_stderr(
        "skipped in Redis: the keys of web-1: what is known about it takes too long to arrive",
    );
    wait_for_part(&relay, "redis", |redis| redis["status"] == "ok");
    assert_eq!(health(&relay).1["redis"]["hosts"], 0);
}
