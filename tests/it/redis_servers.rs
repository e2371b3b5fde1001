//! Which server of an address is used, and what is done about one that lacks something or has something else.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::metrics::Metrics;
use crate::harness::recording::{plain, write_plain};
use crate::harness::redis::RedisServer;
use crate::harness::server::each_connection;
use crate::harness::wait_until;
use crate::relay::{WEB_1, key, origin, relay, replay, wait_for_entries, wait_for_part};
use crate::relay_cluster::cluster;

/// How many readers a server has.
fn readers(redis: &RedisServer) -> usize {
    redis.cli(&["CLIENT", "LIST"]).matches("cmd=xread").count()
}

/// A replica of `primary` that has everything.
fn replica_of(primary: &RedisServer) -> RedisServer {
    let port = primary.port().to_string();
    let replica = RedisServer::with(&["--save", "", "--replicaof", "127.0.0.1", &port]);
    replica.wait_for_sync();
    replica
}

#[test]
fn all_hosts_are_published_past_a_dead_server() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let hosts: Vec<_> = (0..40).map(|n| format!("web-{n}")).collect();
    write_plain(dir.path(), &hosts, 20);
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let dead = each_connection(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let url = format!("redis://127.0.0.1:{dead},127.0.0.1:{}", redis.port());
    replay(dir.path(), &url, "max")
        .args(["--wait", "0"])
        .run()
        .success();
    for host in &hosts {
        assert_eq!(redis.ids(&key(host)).len(), 20, "{host}");
    }
    let tries = tries.load(Ordering::Relaxed);
    assert!((1..5).contains(&tries), "it was tried {tries} times");
}

#[test]
fn a_relay_reads_from_the_primary_while_there_is_one() {
    let primary = RedisServer::start();
    let replica = replica_of(&primary);
    let url = format!(
        "redis://127.0.0.1:{},127.0.0.1:{}",
        replica.port(),
        primary.port()
    );
    let _origin = origin(&primary, "web-1").start();
    let relay = relay(&url).start();
    let assert_at_primary = || {
        let state = || format!("{} and {}", readers(&primary), readers(&replica));
        wait_until(|| readers(&primary) == 1, state);
        assert_eq!(readers(&replica), 0);
    };
    assert_at_primary();
    let ids = |redis: &RedisServer| {
        let list = redis.cli(&["CLIENT", "LIST"]);
        let ours = list.lines().filter(|line| line.contains("cmd=xread"));
        let id = |line: &str| line.split(' ').next().unwrap().to_owned();
        ours.map(id).collect::<Vec<_>>()
    };
    let before = ids(&primary);
    // A dropped connection is no reason to go elsewhere for good.
    primary.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    wait_until(|| ids(&primary) != before, || relay.story());
    assert_at_primary();
    wait_for_part(&relay, "redis", |redis| redis["status"] == "ok");
}

#[test]
fn a_relay_reads_from_a_replica_while_the_primary_answers_nothing() {
    let primary = RedisServer::start();
    let replica = replica_of(&primary);
    let origin = origin(&primary, "web-1").start();
    let url = format!(
        "redis://127.0.0.1:{},127.0.0.1:{}",
        primary.port(),
        replica.port()
    );
    let relay = relay(&url).start();
    let state = || format!("{} and {}", readers(&primary), readers(&replica));
    wait_until(|| readers(&primary) == 1, state);
    // It accepts connections, and refuses each command as if it were still loading.
    primary.cli(&["CONFIG", "SET", "busy-reply-threshold", "100"]);
    let port = primary.port().to_string();
    let mut script = Command::new("redis-cli")
        .args(["-p", &port, "EVAL", "while true do end", "0"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| readers(&replica) == 1, state);
    wait_for_part(&relay, "redis", |redis| redis["status"] == "ok");
    primary.cli(&["SCRIPT", "KILL"]);
    script.wait().unwrap();
    // It is looked for again after a while.
    wait_until(|| readers(&primary) == 1 && readers(&replica) == 0, state);
    drop(origin);
}

#[test]
fn a_user_that_may_only_read_is_enough_for_a_relay() {
    let primary = RedisServer::start();
    let replica = replica_of(&primary);
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    fs::write(&password, "secret").unwrap();
    let _origin = origin(&primary, "web-1").start();
    wait_for_entries(&primary, WEB_1, 3);
    let rules = "on >secret ~metrics:1:* resetchannels -@all +@read +@connection +time";
    for more in ["", " +role"] {
        let rules = format!("{rules}{more}");
        let words: Vec<_> = ["ACL", "SETUSER", "relay", "reset"]
            .into_iter()
            .chain(rules.split(' '))
            .collect();
        for server in [&primary, &replica] {
            assert_eq!(server.cli(&words), "OK");
        }
        let url = format!(
            "redis://relay@127.0.0.1:{},127.0.0.1:{}",
            replica.port(),
            primary.port()
        );
        let relay = relay(&url)
            .args(["--redis-password-file"])
            .arg(&password)
            .start();
        wait_for_part(&relay, "redis", |redis| redis["hosts"] == 1);
        // A replica is only known if it may be asked.
        let used = if more.is_empty() { &replica } else { &primary };
        wait_until(|| readers(used) == 1, || relay.story());
    }
}

#[test]
fn what_the_new_owner_of_a_slot_lacks_is_published_again() {
    let nodes = cluster();
    let origin = origin(&nodes[0], "web-1").start();
    let has = |node: &&RedisServer| node.cli(&["EXISTS", WEB_1]) == "1";
    wait_until(|| nodes.iter().any(|node| has(&node)), || origin.story());
    let from = nodes.iter().find(has).unwrap();
    let to = nodes
        .iter()
        .find(|node| node.port() != from.port())
        .unwrap();
    let slot = from.cli(&["CLUSTER", "KEYSLOT", WEB_1]);
    wait_for_entries(from, WEB_1, 5);
    // A copy that is behind, as a replica is that takes over.
    let about = format!("{WEB_1}:about");
    let id = |node: &RedisServer| node.cli(&["CLUSTER", "MYID"]);
    to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    let port = to.port().to_string();
    let copy = [
        "MIGRATE",
        "127.0.0.1",
        &port,
        "",
        "0",
        "5000",
        "COPY",
        "KEYS",
    ];
    let copied = from.cli(&[&copy[..], &[WEB_1, &about]].concat());
    assert_eq!(copied, "OK");
    let copied: usize = from.cli(&["XLEN", WEB_1]).parse().unwrap();
    wait_for_entries(from, WEB_1, copied + 5);
    to.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    wait_for_entries(to, WEB_1, copied + 10);
    let numbers: Vec<u64> = to
        .ids(WEB_1)
        .iter()
        .map(|id| id.split_once('-').unwrap().1.parse().unwrap())
        .collect();
    let all: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, all, "{}", origin.story());
}

#[test]
fn a_replay_fails_if_redis_turns_out_to_have_a_newer_stream() {
    let (mut redis, dir) = (RedisServer::persistent(), tempfile::tempdir().unwrap());
    redis.cli(&["XADD", WEB_1, "9999999999999-1", "m", "{}"]);
    // It is written within a second otherwise.
    redis.cli(&["SHUTDOWN"]);
    redis.kill9();
    let path = dir.path().join("played.csv");
    fs::write(&path, plain("web-1", 10, 1000)).unwrap();
    let replay = replay(&path, &redis.url(), "max")
        .args(["--wait", "1"])
        .start();
    redis.start_again();
    Metrics::watch(replay.url()).arg("--json").run().success();
    replay
        .wait()
        .code(1)
        .stderr_has(
            "not everything was published: web-1 is no longer published: Redis has a newer stream",
        )
        .stderr_has("choose another name with --name");
    assert_eq!(redis.ids(WEB_1).len(), 1);
}

#[test]
fn keys_that_hold_something_else_stop_one_host_alone() {
    let (redis, dir) = (RedisServer::start(), tempfile::tempdir().unwrap());
    redis.cli(&["SET", WEB_1, "x"]);
    write_plain(dir.path(), &["web-1", "db-1"], 20);
    replay(dir.path(), &redis.url(), "max")
        .args(["--wait", "0"])
        .run()
        .code(1)
        .stderr_has(&format!(
            "web-1 is no longer published: {WEB_1} or {WEB_1}:about in Redis holds something else; delete it and start again"
        ));
    assert_eq!(redis.ids(&key("db-1")).len(), 20);
    assert_eq!(redis.cli(&["GET", WEB_1]), "x");
}
