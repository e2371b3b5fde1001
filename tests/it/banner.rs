//! The commands that a server prints work when copied.

use std::path::Path;

use crate::harness::PATIENCE;
use crate::harness::certificates::{Authority, Valid};
use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::plain;

/// A server started by a shell in `dir`, with `args`.
#[track_caller]
fn start(dir: &Path, args: &str) -> Running {
    shell(
        dir,
        &format!("exec '{}' {args}", env!("CARGO_BIN_EXE_metrics")),
    )
    .start()
}

fn shell(dir: &Path, command: &str) -> Metrics {
    let command = format!("cd '{}' && {command}", dir.display());
    Metrics::program("sh").args(["-c", &command])
}

/// The commands of the banner, in the order in which they are printed.
#[track_caller]
fn commands(server: &Running) -> Vec<String> {
    let all = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (_, banner) = text.split_once("Stop with Ctrl-C.\n")?;
        let lines: Vec<_> = banner.lines().map(|line| line.trim().to_owned()).collect();
        let whole = text.ends_with('\n') && lines.iter().any(|line| line.contains(" replay "));
        whole.then_some(lines)
    };
    let lines = server.stderr().wait(PATIENCE, all);
    let lines = lines.unwrap_or_else(|| panic!("no banner in\n{}", server.story()));
    assert!(lines[0].starts_with("http"), "{}", server.story());
    lines[1..4].to_vec()
}

/// Runs the commands that the server prints, from another directory, and expects each to work.
#[track_caller]
fn follow(server: &Running) {
    let printed = commands(server);
    let elsewhere = tempfile::tempdir().unwrap();
    let [watch, record, replay] = &printed[..] else {
        panic!("{printed:?}")
    };
    let watched = shell(elsewhere.path(), &format!("{watch} --once")).run();
    let watched = watched.success();
    assert!(watched.text().contains("CPU"), "{}", watched.story());
    watched.stderr_lacks("warning");
    let recorded = shell(elsewhere.path(), &format!("{record} --samples 1")).run();
    recorded.success().stderr_has("Wrote");
    let replayed = shell(elsewhere.path(), &format!("exec {replay}")).start();
    assert!(replayed.url().starts_with("ws://127.0.0.1:"));
}

const SERVE: &str = "serve --name web-1 --interval 200ms";

#[test]
fn of_a_plain_server() {
    let dir = tempfile::tempdir().unwrap();
    for listen in ["0", "127.0.0.1:0", "[::1]:0", "localhost:0"] {
        follow(&start(dir.path(), &format!("{SERVE} -l {listen}")));
    }
}

#[test]
fn of_a_server_on_every_interface() {
    let dir = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        follow(&start(
            dir.path(),
            &format!("{SERVE} -l {listen} --allow-anonymous"),
        ));
    }
}

#[test]
fn of_a_server_with_a_token() {
    let dir = tempfile::tempdir().unwrap();
    follow(&start(
        dir.path(),
        &format!("{SERVE} -l 0 --token-file \"my token's\""),
    ));
}

#[test]
fn of_a_server_with_tls() {
    for names in [
        &["127.0.0.1"][..],
        &["localhost"],
        &["web-1.example.com", "localhost", "::1"],
    ] {
        for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
            let dir = tempfile::tempdir().unwrap();
            Authority::new().sign(dir.path(), names, Valid::Now);
            let tls = "--tls-cert cert.pem --tls-key key.pem --allow-anonymous";
            let server = start(dir.path(), &format!("{SERVE} -l {listen} {tls}"));
            assert!(server.url().starts_with("wss://"), "{}", server.url());
            follow(&server);
        }
    }
}

#[test]
fn of_a_server_with_a_token_and_tls() {
    let dir = tempfile::tempdir().unwrap();
    Authority::new().sign(dir.path(), &["::1"], Valid::Now);
    let flags = "--tls-cert ./cert.pem --tls-key key.pem --token-file token";
    follow(&start(dir.path(), &format!("{SERVE} -l '[::]:0' {flags}")));
}

#[test]
fn of_a_replay_beside_the_file_that_is_replayed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("incident.csv"), plain("web-1", 1000, 1000)).unwrap();
    let replay = start(dir.path(), "replay incident.csv -l 0");
    let printed = commands(&replay);
    assert!(printed[1].ends_with("-o incident-2.csv"), "{printed:?}");
    follow(&replay);
}

#[test]
fn a_link_local_address_is_opened_as_it_is_printed() {
    let Some((address, zone)) = link_local() else {
        return; // Without one, this machine cannot listen on one.
    };
    let dir = tempfile::tempdir().unwrap();
    let flags = "--allow-anonymous";
    let server = start(
        dir.path(),
        &format!("{SERVE} -l '[{address}%{zone}]:0' {flags}"),
    );
    follow(&server);
    for url in [
        server.url().to_owned(),
        format!("[{address}%{zone}]:{}", server.port()),
        format!("http://[{address}%25{zone}]:{}/", server.port()),
    ] {
        Metrics::watch(&url).arg("--once").run().success();
    }
}

/// A link-local address of this machine and its interface, as the kernel lists them.
fn link_local() -> Option<(String, String)> {
    let listed = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    listed.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let bits = u128::from_str_radix(fields.first()?, 16).ok()?;
        let address = std::net::Ipv6Addr::from(bits);
        // Tentative and failed addresses cannot be bound yet.
        let is_usable = address.is_unicast_link_local() && *fields.get(4)? == "80";
        is_usable.then(|| (address.to_string(), fields[5].to_owned()))
    })
}
