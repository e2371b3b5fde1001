//! Programs that applications use to report: a crate, DogStatsD's own client, netcat, and the example.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use cadence::prelude::*;
use cadence::{StatsdClient, UdpMetricSink};

use crate::harness::PATIENCE;
use crate::harness::http::get;
use crate::harness::pump::{Pump, first_line};
use crate::harness::statsd::{Samples, Statsd};

/// test.sh installs it there.
const DATADOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp/datadog");

#[test]
fn cadence() {
    let statsd = Statsd::start([]);
    let mut samples = Samples::of(&statsd.serve);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let sink = UdpMetricSink::from((Ipv4Addr::LOCALHOST, statsd.port), socket).unwrap();
    let client = StatsdClient::from_sink("app", sink);
    client.gauge("depth", 42_u64).unwrap();
    client.gauge("load", 0.25).unwrap();
    client.time("latency", vec![10_u64, 20, 60]).unwrap();
    client.histogram("size", 5_u64).unwrap();
    client.distribution("spread", 6_u64).unwrap();
    client.set("users", 7).unwrap();
    client
        .count_with_tags("hits", 5)
        .with_tag("route", "/")
        .try_send()
        .unwrap();
    client.count("hits", 7).unwrap();
    client.count("hits", -2).unwrap();
    assert!((samples.total("app.hits", 10.0) - 10.0).abs() < 0.01);
    let (data, _) = samples.next();
    assert_eq!(
        (data.values["app.depth"], data.values["app.load"]),
        (42.0, 0.25)
    );
    statsd.serve.wait_for_stderr("are dropped");
    let names = metrics(&statsd);
    for name in ["app.latency.max", "app.size", "app.spread", "app.users"] {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
    }
}

/// The names that the server announces.
fn metrics(statsd: &Statsd) -> Vec<String> {
    use crate::harness::viewer::Viewer;
    use crate::harness::wire::Wire;
    match Viewer::connect(statsd.serve.url(), "").message() {
        Wire::Hello { metrics, .. } => metrics.into_iter().map(|metric| metric.name).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn dogstatsd_in_python() {
    let statsd = Statsd::start([]);
    let mut samples = Samples::of(&statsd.serve);
    let script = "import sys
from datadog.dogstatsd.base import DogStatsd
client = DogStatsd(host='127.0.0.1', port=int(sys.argv[1]), disable_telemetry=True, constant_tags=['env:test'])
for _ in range(1000):
    client.increment('hits', 3)
    client.increment('sampled', sample_rate=0.5)
client.gauge('depth', 2.5, tags=['queue:mail'])
client.gauge_with_timestamp('stamped', 9, 1700000000)
client.histogram('size', 4)
client.distribution('spread', 5)
client.timing('latency', 6)
client.set('users', 'alice')
client.event('title', 'text')
client.flush()";
    let output = Command::new("python3")
        .args(["-c", script, &statsd.port.to_string()])
        .env("PYTHONPATH", DATADOG)
        .output()
        .unwrap_or_else(|error| panic!("python3 is needed for this test: {error}"));
    assert!(
        output.status.success(),
        "{}\ntest.sh installs datadog, or: pip3 install --no-deps --target target/tmp/datadog datadog",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!((samples.total("hits", 3000.0) / 3000.0 - 1.0).abs() < 0.001);
    let data = samples.find(|data| {
        data.values
            .contains_key("stamped")
            .then(|| data.values.clone())
    });
    assert_eq!((data["depth"], data["stamped"]), (2.5, 9.0));
    let names = metrics(&statsd);
    for name in ["size.p95", "spread.max", "latency", "users", "sampled"] {
        assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
    }
    statsd.serve.wait_for_stderr("an event or a service check");
    assert_eq!(
        statsd.count("metrics_statsd_lines_total{result=\"malformed\"}"),
        Some(0)
    );
}

#[test]
fn netcat() {
    let statsd = Statsd::start([]);
    let mut samples = Samples::of(&statsd.serve);
    let mut nc = Command::new("nc")
        .args(["-u", "-q0", "127.0.0.1", &statsd.port.to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("nc (netcat-openbsd) is needed for this test: {error}"));
    let mut stdin = nc.stdin.take().unwrap();
    stdin
        .write_all(b"activeUsers:42|g\ncheckout.latency:320|ms\n")
        .unwrap();
    drop(stdin);
    assert!(nc.wait().unwrap().success());
    let data = samples.find(|data| {
        data.values
            .contains_key("checkout.latency")
            .then(|| data.values.clone())
    });
    assert_eq!(
        (data["activeUsers"], data["checkout.latency"]),
        (42.0, 320.0)
    );
}

/// The page that the app sends to a user who is known by a cookie.
fn page_of(port: u16, cookie: &str) -> String {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET / HTTP/1.0\r\nCookie: user={cookie}\r\n\r\n").unwrap();
    BufReader::new(socket)
        .lines()
        .map(Result::unwrap)
        .last()
        .unwrap()
}

#[test]
fn the_example_reports_its_users_and_requests() {
    let statsd = Statsd::start([]);
    statsd.send("requestsPerSecond:0|c\nactiveUsers:somebody|s");
    statsd.wait_for_packets(1);
    // From the second sample on, both are the application's.
    let mut samples = Samples::of(&statsd.serve);
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/app/app.py");
    let mut child = Command::new(app)
        .args(["0", &statsd.port.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("python3 is needed for this test: {error}"));
    let stdout = Pump::of(child.stdout.take().unwrap());
    let port = stdout.wait(PATIENCE, first_line).and_then(|url| {
        let authority = url.trim_end_matches('/').rsplit(':').next()?;
        authority.parse().ok()
    });
    let port: u16 = port.unwrap();
    for _ in 0..20 {
        assert_eq!(get(port, "/").0, 200);
    }
    // Each of these was a new user.
    let mut users = 0.0;
    let requests = samples.sum(20.0, |data, seconds| {
        users += data.values["activeUsers"];
        Some(data.values["requestsPerSecond"] * seconds)
    });
    assert!(
        (requests - 20.0).abs() < 0.02 && users == 20.0,
        "{requests}, {users}"
    );
    assert!(page_of(port, "alice").ends_with("Hello, alice!"));
    assert!(page_of(port, "alice").ends_with("Hello, alice!"));
    assert!(!page_of(port, "<script>").contains("script"));
    child.kill().unwrap();
    child.wait().unwrap();
}
