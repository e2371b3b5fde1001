//! The sockets that applications send to: their files, who may send, and what the kernel drops.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::statsd::{Samples, Statsd};
use crate::harness::{PATIENCE, wait_for};

#[track_caller]
fn start(path: &Path) -> Running {
    Metrics::serve().arg("--statsd").arg(path).start()
}

#[track_caller]
fn reaches(serve: &Running, path: &Path) {
    let mut samples = Samples::of(serve);
    UnixDatagram::unbound()
        .unwrap()
        .send_to(b"sent:7|g", path)
        .unwrap();
    samples.find(|data| (data.values.get("sent") == Some(&7.0)).then_some(()));
}

#[test]
fn a_socket_is_for_owner_and_group_and_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("statsd");
    let serve = start(&path);
    let mode = std::fs::symlink_metadata(&path)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o660);
    reaches(&serve, &path);
    serve.signal(Signal::TERM);
    serve.wait().success();
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_is_replaced_but_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("statsd");
    start(&path).kill9();
    assert!(path.exists());
    let serve = start(&path);
    reaches(&serve, &path);

    let second = Metrics::serve().arg("--statsd").arg(&path).run().code(1);
    second
        .stderr_has("cannot create the statsd socket")
        .stderr_has("another process receives there");
    reaches(&serve, &path);

    let file = dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let refused = Metrics::serve().arg("--statsd").arg(&file).run().code(1);
    refused.stderr_has("a file that is not a socket is in the way");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let nowhere = dir.path().join("no/statsd");
    Metrics::serve()
        .arg("--statsd")
        .arg(&nowhere)
        .run()
        .code(1)
        .stderr_has("no such file");
}

#[test]
fn addresses_that_are_none_are_usage_errors() {
    for (address, expected) in [
        ("127.0.0.1", "write 127.0.0.1:8125"),
        ("statsd.sock", "a path with a slash: ./statsd.sock"),
        ("localhost:x", "'x' is not a port"),
    ] {
        Metrics::serve()
            .args(["--statsd", address])
            .run()
            .code(2)
            .stderr_has(expected);
    }
    let statsd = Statsd::start([]);
    let taken = format!("127.0.0.1:{}", statsd.port);
    let second = Metrics::serve().args(["--statsd", &taken]).run().code(1);
    second.stderr_has(&format!("cannot receive statsd packets on UDP {taken}"));
}

#[test]
fn only_an_address_beyond_loopback_causes_a_warning() {
    let warning = "warning: anybody who can reach UDP 0.0.0.0:";
    let serve = Metrics::serve().args(["--statsd", "0.0.0.0:0"]).start();
    serve.wait_for_stderr(warning);
    serve.wait_for_stderr("can forge the values of applications");
    let statsd = Statsd::start(["--statsd", "0"]);
    statsd.serve.wait_for_stderr("Stop with Ctrl-C");
    assert!(
        !statsd.serve.story().contains("forge"),
        "{}",
        statsd.serve.story()
    );
}

#[test]
fn packets_that_the_kernel_drops_are_counted() {
    let statsd = Statsd::start([]);
    statsd.serve.signal(Signal::STOP);
    // More than the largest buffer holds.
    let packet = "x".repeat(30_000);
    for _ in 0..1000 {
        statsd.send(&packet);
    }
    statsd.serve.signal(Signal::CONT);
    let dropped = wait_for(
        PATIENCE,
        || {
            let read = statsd.count("metrics_statsd_packets_total")?;
            let dropped = statsd.count("metrics_statsd_dropped_packets_total")?;
            (read + dropped == 1000).then_some(dropped)
        },
        || statsd.serve.story(),
    );
    assert!(0 < dropped && dropped < 1000, "{dropped}");
    statsd.serve.wait_for_stderr("the kernel dropped packets");
}
