//! A fleet over a Redis Cluster, and over connections that need a password, TLS or a socket.

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::certificates::{Authority, Valid};
use crate::harness::metrics::{Metrics, wait_for_rows};
use crate::harness::recording::{plain, write_plain};
use crate::harness::redis::{PASSWORD, RedisServer};
use crate::harness::rows::assert_same;
use crate::harness::wait_until;
use crate::relay::{
    WEB_1, give_sign_of_life, key, metric, origin, record, relay, replay, text, wait_for_part,
    wait_for_viewers,
};

/// A cluster of three nodes on loopback, each with a third of the slots.
pub(crate) fn cluster() -> [RedisServer; 3] {
    let args = ["--save", "", "--cluster-enabled", "yes"];
    let nodes = [0; 3].map(|_| RedisServer::with(&args));
    let places = nodes
        .each_ref()
        .map(|it| format!("127.0.0.1:{}", it.port()));
    let made = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(&places)
        .arg("--cluster-yes")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success(), "{said}");
    let is_ok = |node: &RedisServer| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
    wait_until(|| nodes.iter().all(is_ok), || said);
    nodes
}

#[test]
fn a_cluster_of_three_carries_a_fleet() {
    let nodes = cluster();
    let dir = tempfile::tempdir().unwrap();
    let hosts: Vec<_> = (0..30).map(|n| format!("web-{n}")).collect();
    let played = dir.path().join("played");
    fs::create_dir(&played).unwrap();
    write_plain(&played, &hosts, 200);
    // Any node is enough to find the others.
    let url = format!("redis://127.0.0.1:{}", nodes[1].port());
    let relay = relay(&nodes[2].url()).start();
    let out = dir.path().join("recorded");
    let mut record = Metrics::record(relay.url());
    for host in &hosts {
        record = record.args(["--host", host]);
    }
    let record = record
        .args(["-o"])
        .arg(format!("{}/", out.display()))
        .spawn();
    wait_for_viewers(&relay, 1);
    replay(&played, &url, "100").start().wait().success();
    record.wait().success();
    for host in &hosts {
        let name = format!("{host}.csv");
        assert_same(host, &text(&played.join(&name)), &text(&out.join(&name)));
    }
    let used = |node: &&RedisServer| node.cli(&["DBSIZE"]) != "0";
    assert_eq!(
        nodes.iter().filter(used).count(),
        3,
        "keys are on every node"
    );
}

#[test]
fn hosts_of_all_lanes_are_read_together_outside_a_cluster() {
    let redis = RedisServer::start();
    let hosts: Vec<_> = (0..20).map(|n| format!("web-{n}")).collect();
    for host in &hosts {
        redis.cli(&["XADD", &key(host), "1000-1", "m", &metric(host, 1)]);
        give_sign_of_life(&redis, host, 0);
    }
    let relay = relay(&redis.url()).start();
    wait_for_part(&relay, "redis", |redis| redis["hosts"] == hosts.len());
    let readers = || redis.cli(&["CLIENT", "LIST"]).matches("cmd=xread").count();
    wait_until(|| readers() == 1, || format!("{} readers", readers()));
}

#[test]
fn slots_move_while_messages_flow() {
    let nodes = cluster();
    let dir = tempfile::tempdir().unwrap();
    let played = dir.path().join("played.csv");
    fs::write(&played, plain("web-1", 1500, 1000)).unwrap();
    let relay = relay(&nodes[0].url()).start();
    let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
    wait_for_viewers(&relay, 1);
    let replay = replay(&played, &nodes[0].url(), "200").start();
    wait_for_rows(&recorded, 200);
    let slot = nodes[0].cli(&["CLUSTER", "KEYSLOT", WEB_1]);
    let has = |node: &&RedisServer| node.cli(&["EXISTS", WEB_1]) == "1";
    let from = nodes.iter().find(has).unwrap();
    let to = nodes
        .iter()
        .find(|node| node.port() != from.port())
        .unwrap();
    let id = |node: &RedisServer| node.cli(&["CLUSTER", "MYID"]);
    to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    let port = to.port().to_string();
    let keys = from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
    for key in keys.lines() {
        from.cli(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
    }
    for node in [to, from] {
        node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
    }
    replay.wait().success();
    record.wait().success();
    assert_same("relayed", &text(&played), &text(&recorded));
}

#[test]
fn tls_a_password_and_a_socket_work() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(dir.path());
    let pair = authority.sign(dir.path(), &["localhost"], Valid::Now);
    let socket = dir.path().join("redis.sock");
    let password = dir.path().join("password");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let tls_port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let redis = RedisServer::with(&[
        "--save",
        "",
        "--requirepass",
        PASSWORD,
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        &path(&pair.cert),
        "--tls-key-file",
        &path(&pair.key),
        "--tls-ca-cert-file",
        &path(&ca),
        "--tls-auth-clients",
        "no",
        "--unixsocket",
        &path(&socket),
    ]);
    let played = dir.path().join("played.csv");
    fs::write(&played, plain("web-1", 50, 1000)).unwrap();
    let login = ["--redis-password-file", &path(&password)];
    let encrypted = format!("rediss://localhost:{tls_port}");
    let local = format!("redis+unix://{}", path(&socket));
    let relay = relay(&local).args(login).start();
    let (record, recorded) = record(relay.url(), &dir, "recorded.csv");
    wait_for_viewers(&relay, 1);
    let publish = replay(&played, &encrypted, "100").args(login);
    publish
        .args(["--redis-ca-cert", &path(&ca)])
        .start()
        .wait()
        .success();
    record.wait().success();
    assert_same("relayed", &text(&played), &text(&recorded));
    // Without the password or the authority, the reason is told.
    let stranger = origin(&redis, "web-1").start();
    stranger.wait_for_stderr("NOAUTH");
    let distrustful = Metrics::serve()
        .args(["--publish", &encrypted])
        .args(login)
        .start();
    distrustful.wait_for_stderr("certificate");
}
