//! Standard output is for data, standard error for text, and signals end a command in order.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::plain;
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;

/// A replay that takes minutes, and its folder.
fn long_replay() -> (tempfile::TempDir, Running) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, plain("web-1", 600, 1000)).unwrap();
    let replay = Metrics::replay([&file]).args(["--speed", "5"]).start();
    (dir, replay)
}

#[test]
fn servers_print_one_line_on_standard_output() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (_dir, replay) = long_replay();
        for server in [Metrics::serve().start(), replay] {
            let url = server.url().to_owned();
            assert_eq!(url, format!("ws://127.0.0.1:{}/ws", server.port()));
            Viewer::connect(&url, "").message();
            server.signal(signal);
            let output = server.wait().success();
            output.stdout_is(&format!("{url}\n")).stderr_lacks("\u{1b}");
        }
    }
}

#[test]
fn a_stopping_server_asks_viewers_to_reconnect() {
    let serve = Metrics::serve().start();
    let mut viewer = Viewer::connect(serve.url(), "");
    viewer.numbered(1);
    serve.signal(Signal::TERM);
    let (_, code) = viewer.until_closed();
    assert_eq!(code, Some(1001));
    serve.wait().success();
}

#[test]
fn a_second_signal_ends_the_wait() {
    let serve = Metrics::serve().args(["--drain", "1h"]).start();
    // A peer that never answers the close.
    let mut deaf = TcpStream::connect((Ipv4Addr::LOCALHOST, serve.port())).unwrap();
    write!(
        deaf,
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    .unwrap();
    deaf.read_exact(&mut [0; 100]).unwrap();
    serve.signal(Signal::INT);
    let mut heard: Vec<u8> = Vec::new();
    // A close frame with 1001, whatever its length; these two bytes alone may also be the length of a message.
    while !matches!(heard[..], [.., 0x88, _, 0x03, 0xe9]) {
        let mut byte = [0];
        deaf.read_exact(&mut byte).unwrap();
        heard.push(byte[0]);
    }
    serve.signal(Signal::INT);
    serve.wait().code(130);
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let (_dir, replay) = long_replay();
    for args in ["watch --json", "watch --plain", "record"] {
        let script = format!(
            "set -o pipefail; {{ \"$0\" {args} \"$1\"; echo \"status $?\" >&2; }} | head -1"
        );
        let output = Command::new("bash")
            .args(["-c", &script, env!("CARGO_BIN_EXE_metrics"), replay.url()])
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!(out.lines().count(), 1, "{args}: {out}");
        assert!(err.ends_with("status 0\n"), "{args}: {err}");
        assert!(
            !err.contains("panicked") && !err.contains("roken pipe"),
            "{args}: {err}"
        );
    }
}

#[test]
fn json_lines_are_the_messages_as_received() {
    let (_dir, replay) = long_replay();
    let output = Metrics::watch(replay.url())
        .args(["--json", "--samples", "4", "--last", "4"])
        .run()
        .success();
    let text = output.text();
    let mut last = None;
    for line in text.lines() {
        let message = Wire::read(line).unwrap();
        let Wire::Metric { seq, .. } = message else {
            panic!("{line}");
        };
        assert!(last.is_none_or(|last: u64| last + 1 == seq), "{text}");
        last = Some(seq);
    }
    assert_eq!(text.lines().count(), 4);
    output.stderr_lacks("\u{1b}");
}

#[test]
fn plain_lines_have_a_fixed_form() {
    let (_dir, replay) = long_replay();
    for (columns, expected) in [
        (None, &["cpu", "memory", "activeUsers"][..]),
        (
            Some("*"),
            &["cpu", "memory", "activeUsers", "requestsPerSecond"],
        ),
        (Some("memory, swap,cpu"), &["memory", "swap", "cpu"]),
    ] {
        let columns = columns.map(|names| ["--columns", names]);
        let output = Metrics::watch(replay.url())
            .args(["--plain", "--samples", "3"])
            .args(columns.iter().flatten())
            .run()
            .success();
        assert_eq!(output.text().lines().count(), 3);
        for line in output.text().lines() {
            assert!(line.len() <= 80 || columns.is_some(), "{line}");
            let words: Vec<_> = line.split(' ').collect();
            assert!(
                words[0].starts_with("2026-11-24T14:") && words[0].ends_with('Z'),
                "{line}"
            );
            assert_eq!(words[1], "web-1");
            let keys: Vec<_> = words[2..]
                .iter()
                .filter_map(|w| w.split('=').next())
                .collect();
            assert_eq!(keys, expected, "{line}");
            assert!(words.contains(&"memory=41.5"), "{line}");
        }
    }
}

#[test]
fn lines_of_a_real_host_fit_into_80_columns() {
    let serve = Metrics::serve_as("web-1").start();
    let output = Metrics::watch(serve.url())
        .args(["--plain", "--samples", "2"])
        .run()
        .success();
    for line in output.text().lines() {
        let has_all = ["cpu=", "memory=", "load1=", "disk="].map(|name| line.contains(name));
        assert!(line.len() <= 80 && has_all == [true; 4], "{line}");
    }
}

#[test]
fn an_unknown_column_is_reported_with_what_was_meant() {
    let (_dir, replay) = long_replay();
    for flags in [&["--plain", "--samples", "1"][..], &["--once"]] {
        Metrics::watch(replay.url())
            .args(["--columns", "cpuu,disk:/,memory:0,cpu"])
            .args(flags)
            .run()
            .success()
            .stderr_has(
                "--columns: web-1: no metric 'cpuu' is known; the nearest is cpu: write cpu",
            )
            .stderr_has("memory has no instances: write memory instead of 'memory:0'")
            .stderr_lacks("disk");
    }
}

#[test]
fn the_table_shows_the_columns_that_were_asked_for() {
    let serve = Metrics::serve_as("web-1").start();
    let output = Metrics::watch(serve.url())
        .args(["--once", "--columns", "memory,cpu,disk:*"])
        .run()
        .success();
    let text = output.text();
    // A mark before a name says that its value is at a level.
    let begins = |line: &str, word: &str| line.get(3..).is_some_and(|line| line.starts_with(word));
    let at = |word: &str| text.lines().position(|line| begins(line, word));
    assert!(at("Memory").is_some() && at("Memory") < at("CPU"), "{text}");
    assert!(
        text.contains("Disk /") && !text.contains("Load") && !text.contains("PROCESS"),
        "{text}"
    );
}

#[test]
fn once_prints_a_table_and_leaves() {
    let (_dir, replay) = long_replay();
    let output = Metrics::watch(replay.url()).arg("--once").run().success();
    assert!(
        output.text().contains("web-1") && output.text().contains("41.5"),
        "{}",
        output.story()
    );
    assert!(!output.text().contains('\u{1b}'));
}

#[test]
fn colour_is_decided_once() {
    let (_dir, replay) = long_replay();
    let once = || Metrics::watch(replay.url()).arg("--once");
    let coloured = |metrics: Metrics| metrics.run().success().text().contains("\u{1b}[");
    assert!(!coloured(once()), "a pipe");
    assert!(
        coloured(once().args(["--color", "always"])),
        "--color always"
    );
    assert!(
        coloured(once().env("CLICOLOR_FORCE", "1")),
        "CLICOLOR_FORCE"
    );
    assert!(
        !coloured(once().env("CLICOLOR_FORCE", "1").args(["--color", "never"])),
        "a flag beats the environment"
    );
    let on_terminal = |metrics: Metrics| {
        let left = metrics.in_terminal(100, 40).wait();
        assert_eq!(left.code, 0);
        String::from_utf8(left.bytes).unwrap().contains("\u{1b}[")
    };
    assert!(on_terminal(once()), "a terminal");
    assert!(!on_terminal(once().env("NO_COLOR", "1")), "NO_COLOR");
    assert!(
        !on_terminal(once().env("TERM", "dumb").env("CI", "true")),
        "TERM=dumb"
    );
    assert!(
        !on_terminal(once().args(["--color", "never"])),
        "--color never"
    );
}

#[test]
fn a_recorder_sums_up_in_one_line() {
    let (dir, replay) = long_replay();
    let out = dir.path().join("out.csv");
    let output = Metrics::record(replay.url())
        .args(["--samples", "3", "-o"])
        .arg(&out)
        .run()
        .success()
        .stdout_is("")
        .stderr_has("3 rows")
        .stderr_lacks("\u{1b}")
        .stderr_lacks("\r");
    let name = out.display().to_string();
    let told: Vec<_> = output
        .stderr
        .lines()
        .filter(|l| l.contains(&name))
        .collect();
    assert_eq!(told.len(), 1, "{}", output.story());
}

#[test]
fn signals_end_a_recorder_with_a_complete_file() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (_dir, replay) = long_replay();
        let recorder = Metrics::record(replay.url()).spawn();
        recorder.stdout_lines(4);
        recorder.signal(signal);
        let output = recorder.wait().success();
        assert!(3 <= crate::harness::rows::parse(&output.stdout).len());
    }
}

#[test]
fn samples_and_duration_bound_a_run() {
    let (_dir, replay) = long_replay();
    let output = Metrics::record(replay.url())
        .args(["--samples", "2"])
        .run()
        .success();
    assert_eq!(crate::harness::rows::parse(&output.stdout).len(), 2);
    let output = Metrics::record(replay.url())
        .args(["--duration", "700ms"])
        .run()
        .success();
    let rows = crate::harness::rows::parse(&output.stdout).len();
    assert!((1..100).contains(&rows), "{rows}");
}
