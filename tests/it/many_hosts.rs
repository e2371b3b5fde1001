//! More hosts behind one address than one request can name.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio_tungstenite::tungstenite::WebSocket;

use crate::harness::metrics::{Metrics, Running, port_of};
use crate::harness::proxy::Proxy;
use crate::harness::recording::timestamp;
use crate::harness::rows::{assert_same, read};
use crate::harness::server::{attend, each_connection, say};
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for};

const HOSTS: usize = 1500;

/// A request head may be this long.
const HEAD_BYTES: usize = 64 * 1024;

/// A directory in memory, if there is one: this many files are a lot of work for a slow disk.
fn quick_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// The longest possible names.
fn name(index: usize) -> String {
    format!("{:x<59}-{index:04}", "host")
}

fn hello(host: &str) -> String {
    format!(
        r#"{{"type":"hello","host":"{host}","stream":"k3","oldest":1,"newest":9,"interval":60000,"metrics":[{{"name":"cpu","unit":"%","label":"CPU"}}]}}"#
    )
}

fn metric(host: &str, seq: u64) -> String {
    let at = 1_795_529_251_204 + seq * 1000;
    format!(
        r#"{{"type":"metric","host":"{host}","seq":{seq},"data":{{"timestamp":{at},"cpu":1}}}}"#
    )
}

fn tell(socket: &mut WebSocket<TcpStream>, host: &str, seqs: &[u64]) {
    say(socket, &[&hello(host)]);
    for &seq in seqs {
        say(socket, &[&metric(host, seq)]);
    }
}

/// Sends every host that was requested, even if another connection has it, and no other.
fn answer(query: &str, socket: &mut WebSocket<TcpStream>) {
    if !query.contains("host=") {
        tell(socket, "late", &[1, 2]);
    }
    for index in 0..HOSTS {
        tell(socket, &name(index), &[1, 2]);
    }
    while socket.read().is_ok() {}
}

/// Reads a request, and refuses it if it asks for hosts by name; returns whether it did.
fn refuses(mut stream: &TcpStream) -> bool {
    const BY_NAME: &[u8] = b"GET /ws?host=";
    let mut begin = [0; BY_NAME.len()];
    while stream
        .peek(&mut begin)
        .is_ok_and(|read| 0 < read && read < begin.len())
    {}
    if begin != BY_NAME {
        return false;
    }
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(read @ 1..) => head.extend_from_slice(&piece[..read]),
            _ => break,
        }
    }
    let refusal =
        "HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\nConnection: close\r\n\r\nno host\n";
    let _ = stream.write_all(refusal.as_bytes());
    true
}

/// Records from a server that breaks the first connection; returns the other requests.
fn recorded(is_refusing: bool) -> Vec<String> {
    let queries = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&queries);
    let port = each_connection(move |number, stream| {
        if number == 0 {
            attend(stream, |_, socket| {
                for index in 0..HOSTS {
                    tell(socket, &name(index), &[1]);
                }
            });
        } else if !(is_refusing && refuses(&stream)) {
            attend(stream, |query, socket| {
                asked.lock().unwrap().push(query.to_owned());
                answer(query, socket);
            });
        }
    });
    let dir = quick_dir();
    let out = format!("{}/", dir.path().display());
    Metrics::record(&format!("ws://127.0.0.1:{port}/ws"))
        .args(["--samples", "2", "-o", &out])
        .run()
        .success();
    for host in (0..HOSTS).map(name).chain(["late".into()]) {
        let rows = read(&dir.path().join(format!("{host}.csv")));
        let seqs: Vec<_> = rows.iter().map(|row| row.seq()).collect();
        assert_eq!(seqs, [Some(1), Some(2)], "{host}");
    }
    let queries = queries.lock().unwrap();
    queries.clone()
}

/// The values of `key`, each once.
#[track_caller]
fn values<'a>(query: &'a str, key: &str) -> HashSet<&'a str> {
    let values: Vec<_> = (query.split('&'))
        .filter_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')?.split('%').next())
        .collect();
    let set: HashSet<_> = values.iter().copied().collect();
    assert_eq!(set.len(), values.len());
    set
}

#[test]
fn every_position_is_requested_once_and_new_hosts_still_arrive() {
    let queries = recorded(false);
    let mut resumed = HashSet::new();
    let mut of_all = 0;
    for query in &queries {
        assert!(query.len() + 1024 < HEAD_BYTES, "{} bytes", query.len());
        let (hosts, after) = (values(query, "host"), values(query, "after"));
        if hosts.is_empty() {
            of_all += 1;
        } else {
            assert_eq!(hosts, after);
        }
        for host in after {
            assert!(resumed.insert(host), "{host} twice");
        }
    }
    assert_eq!(
        (resumed.len(), of_all),
        (HOSTS, 1),
        "{} connections",
        queries.len()
    );
}

#[test]
fn a_server_without_one_of_the_hosts_is_asked_for_all() {
    let queries = recorded(true);
    assert!(2 < queries.len());
    assert!(queries.iter().all(|query| values(query, "host").is_empty()));
}

/// A recording of all hosts: `samples` of each, a second apart.
fn write_all(path: &Path, samples: u64) {
    let mut csv = String::from("timestamp,host,stream,seq,event,cpu,top,extra\n");
    for seq in 1..=samples {
        let at = timestamp(1_795_529_251_204 + seq * 1000);
        for host in 0..HOSTS {
            writeln!(csv, "{at},host-{host},k3,{seq},,{seq},,").unwrap();
        }
    }
    std::fs::write(path, csv).unwrap();
}

#[track_caller]
fn wait_for_all(dir: &Path, rows: usize, recorder: &Running) {
    // What is there already arrives in the order of the names, so the last one is enough to tell how far they are. But what
    // is new arrives as it is played, and a host that was never heard before a cut begins after it.
    let file = dir.join("host-999.csv");
    let is_begun = |host| {
        let file = dir.join(format!("host-{host}.csv"));
        std::fs::metadata(file).is_ok_and(|it| it.len() > 0)
    };
    let lines = || {
        std::fs::read_to_string(&file)
            .unwrap_or_default()
            .lines()
            .count()
    };
    wait_for(
        PATIENCE,
        || (lines() > rows && (0..HOSTS).all(is_begun)).then_some(()),
        || recorder.story(),
    );
}

#[test]
fn a_recording_of_1500_hosts_survives_cuts_under_a_low_limit_of_files() {
    const SAMPLES: u64 = 8;
    let dir = quick_dir();
    let (given, out) = (dir.path().join("given.csv"), dir.path().join("out/"));
    write_all(&given, SAMPLES);
    // After a cut, the recorder has two connections, because one request cannot name all hosts. The replay waits for both
    // at the end, as it began with two viewers; on a busy machine, that may take more than a minute.
    let replay = Metrics::replay([&given])
        .args(["--wait", "2", "--speed", "0.8", "--wait-timeout", "10m"])
        .start();
    let mut second = Some(Viewer::connect(replay.url(), "host=host-0"));
    let proxy = Proxy::clear(port_of(replay.url()));
    let recorder = Metrics::program("/bin/sh")
        .args([
            "-c",
            "ulimit -Sn 256; exec \"$0\" record \"$1\" --retry-base 10ms --retry-max 100ms -o \"$2/\"",
            env!("CARGO_BIN_EXE_metrics"),
            &proxy.url(),
        ])
        .arg(&out)
        .spawn();
    for rows in [1, 3, 5] {
        wait_for_all(&out, rows, &recorder);
        second.take();
        proxy.cut_all();
    }
    recorder.wait().success();
    let given = std::fs::read_to_string(&given).unwrap();
    let mut lines = given.lines();
    let mut expected = vec![format!("{}\n", lines.next().unwrap()); HOSTS];
    for (index, line) in lines.enumerate() {
        writeln!(expected[index % HOSTS], "{line}").unwrap();
    }
    for (index, expected) in expected.iter().enumerate() {
        let file = out.join(format!("host-{index}.csv"));
        assert_same(
            &file.display().to_string(),
            expected,
            &std::fs::read_to_string(&file).unwrap(),
        );
    }
}

#[test]
fn more_named_hosts_than_one_request_holds_are_recorded() {
    const SAMPLES: u64 = 2;
    let dir = quick_dir();
    let (given, out) = (dir.path().join("given.csv"), dir.path().join("out/"));
    write_all(&given, SAMPLES);
    let replay = Metrics::replay([&given]);
    let replay = replay.args(["--speed", "max", "--wait", "2"]).start();
    let mut record = Metrics::record(replay.url()).arg("-o").arg(&out);
    for host in 0..HOSTS {
        record = record.args(["--host", &format!("host-{host}")]);
    }
    record.run().success();
    for host in 0..HOSTS {
        let rows = read(&out.join(format!("host-{host}.csv")));
        let seqs: Vec<_> = rows.iter().map(|row| row.seq()).collect();
        assert_eq!(seqs, [Some(1), Some(2)], "host-{host}");
    }
}
