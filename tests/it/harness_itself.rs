//! The harness itself, tested with stand-ins for the binary.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::browser::Browser;
use crate::harness::dice::Dice;
use crate::harness::metrics::Metrics;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::pty::{find, rows};
use crate::harness::python::python;
use crate::harness::tutorial::{PAGE, TutorialServer};
use crate::harness::{PATIENCE, http, recording, wait_for};

fn sh(script: &str) -> Metrics {
    Metrics::program("/bin/sh").args(["-c", script])
}

/// The message of the panic in `failing`.
#[track_caller]
fn failure(failing: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(failing).unwrap_err();
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn a_server_is_ready_when_it_prints_its_address() {
    let running = sh("echo ws://127.0.0.1:4711/ws; exec cat").start();
    assert_eq!(
        (running.url(), running.port()),
        ("ws://127.0.0.1:4711/ws", 4711)
    );
    running.signal(Signal::TERM);
    assert_eq!(running.wait().status.code(), None);
}

#[test]
fn a_server_without_a_ready_line_fails_with_everything_it_printed() {
    let told = failure(|| drop(sh("echo ready >&2; echo hello; exit 3").start()));
    assert!(told.contains("hello") && told.contains("sh -c"), "{told}");
}

#[test]
fn the_environment_comes_from_the_test() {
    let out = sh("env; echo oops >&2; exit 2")
        .env("METRICS_SERVER", "x")
        .run();
    let out = out.code(2).stderr_has("oops").stderr_lacks("env");
    let names: Vec<_> = out
        .text()
        .lines()
        .filter_map(|l| l.split('=').next())
        .collect();
    assert!(
        names.contains(&"METRICS_SERVER") && !names.contains(&"CARGO_MANIFEST_DIR"),
        "{names:?}"
    );
}

#[test]
fn input_reaches_the_child() {
    sh("cat")
        .run_with_input(b"a\nb\n")
        .success()
        .stdout_is("a\nb\n");
}

#[test]
fn a_terminal_shows_what_would_be_visible() {
    let mut terminal = sh(
        "stty -echo -icanon; printf '\\033[?1049h\\033[?25l\\033[3;5Hhello \\033[31mred'; read -r key; printf '\\033[?25h\\033[?1049l'; stty sane; echo last; exit 7",
    )
    .in_terminal(40, 10);
    let screen = terminal.wait_for_text("hello red");
    assert_eq!(find(&screen, "hello"), Some((2, 4)));
    assert!(screen.alternate_screen() && screen.hide_cursor() && !terminal.is_cooked());
    assert_eq!(screen.cell(2, 10).unwrap().fgcolor(), vt100::Color::Idx(1));
    terminal.resize(60, 12);
    terminal.send_keys("q\n");
    let left = terminal.wait();
    assert_eq!((left.code, left.cooked), (7, true));
    assert!(!left.screen.alternate_screen() && !left.screen.hide_cursor());
    assert_eq!(rows(&left.screen)[0], "last");
    assert!(left.bytes.ends_with(b"last\r\n"));
}

/// A server that sends `bytes` bytes to each connection, then waits for the peer to leave.
fn fountain(bytes: usize) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = socket.write_all(&vec![7; bytes]);
                let _ = socket.read_to_end(&mut Vec::new());
            });
        }
    });
    port
}

fn drain(port: u16) -> (usize, bool) {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut bytes = Vec::new();
    let end = socket.read_to_end(&mut bytes);
    (bytes.len(), end.is_ok())
}

#[test]
fn a_clear_proxy_carries_everything() {
    let proxy = Proxy::clear(fountain(300_000));
    assert_eq!(drain(proxy.port()).0, 300_000);
    assert_eq!(proxy.cuts(), 0);
    proxy.retarget(fountain(10));
    assert_eq!(drain(proxy.port()).0, 10);
}

#[test]
fn a_faulty_proxy_cuts_as_often_as_planned() {
    let lasts = Duration::from_millis(20);
    let kinds = [
        Fault::Reset,
        Fault::Finish,
        Fault::HalfOpen(lasts),
        Fault::Stall(lasts),
    ];
    let proxy = Proxy::faulty(fountain(100_000), Dice::seeded(7), 20, 50_000, &kinds);
    let (mut resets, mut finishes) = (0, 0);
    for _ in 0..20 {
        // The request that a fault may count.
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        let _ = socket.write_all(&[1; 200]);
        let mut bytes = Vec::new();
        match socket.read_to_end(&mut bytes) {
            Ok(_) => finishes += 1,
            Err(_) => resets += 1,
        }
        assert!(bytes.len() <= 100_000);
    }
    assert!(0 < resets && 0 < finishes, "{resets} {finishes}");
    wait_for(
        PATIENCE,
        || (proxy.cuts() == 20).then_some(()),
        || format!("{} cuts", proxy.cuts()),
    );
    assert_eq!(drain(proxy.port()).0, 100_000, "then it is clear");
}

#[test]
fn a_proxy_can_cut_all_at_once() {
    let proxy = Proxy::clear(fountain(10));
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    socket.read_exact(&mut [0; 10]).unwrap();
    proxy.cut_all();
    assert!(socket.read(&mut [0; 1]).is_err(), "a reset, not an end");
    assert_eq!(drain(proxy.port()).0, 10, "a new connection works");
}

#[test]
fn the_page_of_the_tutorial_works_with_the_server_of_the_tutorial() {
    let server = TutorialServer::start(Duration::from_millis(100));
    let page = http::serve_page(PAGE);
    let port = crate::harness::metrics::port_of(&format!("{}/", server.url()));
    let mut browser = Browser::open(&format!("http://127.0.0.1:{page}/?port={port}"));
    browser.wait_until(
        "window.state && state.metrics >= 3",
        "JSON.stringify(window.state)",
    );
    assert_eq!(browser.eval("state.problems"), serde_json::json!([]));
    assert_eq!(browser.eval("Promise.resolve(state.points[1].cpu)"), 2);
    assert_eq!(browser.take_errors(), Vec::<String>::new());
    server.cut_all();
    browser.wait_until(
        "state.connections === 2 && state.connected",
        "JSON.stringify(state)",
    );
    assert_eq!(server.connections(), 2);
    browser.eval("console.error('seen')");
    assert_eq!(browser.take_errors().len(), 1);
}

#[test]
fn random_recordings_are_valid_csv_and_repeatable() {
    let make = || recording::random(&mut Dice::seeded(42), "web-1", 400);
    let recording = make();
    assert_eq!(recording.csv, make().csv);
    assert!(0 < recording.alerts && 0 < recording.gaps, "{recording:?}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.csv");
    std::fs::write(&path, &recording.csv).unwrap();
    let script = "import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1], newline='')))
for row in rows:
    assert None not in row and None not in row.values(), row
    for name in 'top', 'extra':
        row[name] and json.loads(row[name])
    event = row['event']
    event.startswith('alert ') and json.loads(event[6:])
print(sum(1 for row in rows if row['seq']), sum(1 for row in rows if row['event'].startswith('gap')))";
    let counted = python(script, [&path]);
    assert_eq!(
        counted.trim(),
        format!("{} {}", recording.numbered.len(), recording.gaps)
    );
}

#[test]
fn a_timestamp_is_a_date() {
    for (ms, expected) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_001, "2000-02-29T00:00:00.001Z"),
        (1_795_529_251_204, "2026-11-24T14:07:31.204Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(recording::timestamp(ms), expected);
    }
}

#[test]
fn a_recording_with_limits_is_written_as_requested() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.csv");
    recording::write_long(&path, 1000, 40);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 1001);
    assert!(
        text.lines()
            .all(|line| line.split(',').count() == 5 + 40 + 2)
    );
    assert_eq!(recording::plain("web-1", 3, 1000).lines().count(), 4);
}
