//! Output that nobody reads, on stdout or stderr, holds up nothing.

use std::process::Stdio;

use rustix::process::Signal;

use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::recording::plain;
use crate::harness::unread::{Unread, WAYS, Way};
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for};

/// Enough to fill a terminal with the log long before the last.
const VIEWERS: usize = 150;

#[track_caller]
fn is_healthy(port: u16) {
    wait_for(
        PATIENCE,
        || (get(port, "/healthz").0 == 200).then_some(()),
        || "not healthy".into(),
    );
}

#[track_caller]
fn stops(running: Running, signal: Signal) {
    running.signal(signal);
    running.wait().code(0);
}

#[test]
fn a_server_serves_even_if_nobody_reads_its_log() {
    for way in WAYS {
        for (flag, signal) in [("-vv", Signal::INT), ("--color=auto", Signal::TERM)] {
            let unread = Unread::new(way);
            let serve = Metrics::serve().arg(flag).start_into(unread.end());
            for n in 0..VIEWERS {
                // The first message arrives, and a refused request is answered.
                drop(Viewer::connect(serve.url(), ""));
                if n % 10 == 0 {
                    assert_eq!(Viewer::refused(serve.url(), "after=x").0, 400);
                }
            }
            let mut viewer = Viewer::connect(serve.url(), "");
            viewer.numbered(2);
            is_healthy(serve.port());
            stops(serve, signal);
        }
    }
}

#[test]
fn a_log_that_is_read_late_is_complete_or_says_what_is_missing() {
    let unread = Unread::new(Way::Pipe);
    let serve = Metrics::serve().arg("-v").start_into(unread.end());
    for _ in 0..VIEWERS {
        drop(Viewer::connect(serve.url(), ""));
    }
    is_healthy(serve.port());
    let Unread::Pipe(reader, writer) = unread else {
        unreachable!()
    };
    let pump = crate::harness::pump::Pump::of(reader);
    let connected = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        (text.matches("viewer connected").count() == VIEWERS).then_some(text)
    };
    let log = pump.wait(PATIENCE, connected).unwrap();
    assert!(log.contains("Serving web-1"), "{log}");
    stops(serve, Signal::INT);
    drop(writer);
    let log = String::from_utf8(pump.finish()).unwrap();
    assert!(
        log.contains("Stopped after"),
        "what is read is said to the end: {log}"
    );
}

#[test]
fn a_server_serves_even_if_nobody_reads_its_address() {
    for way in WAYS {
        let unread = Unread::new(way);
        let serve = Metrics::serve().spawn_into(unread.end(), unread.end());
        let port = wait_for(
            PATIENCE,
            || listening_port(&serve),
            || "it does not listen".into(),
        );
        is_healthy(port);
        stops(serve, Signal::INT);
    }
}

/// The port on which a process listens, according to the kernel.
fn listening_port(running: &Running) -> Option<u16> {
    let pid = running.pid();
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|entry| {
            Some(
                std::fs::read_link(entry.ok()?.path())
                    .ok()?
                    .display()
                    .to_string(),
            )
        })
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let listens = fields.get(3) == Some(&"0A") && sockets.iter().any(|it| it == fields[9]);
        let port = fields.get(1)?.rsplit(':').next()?;
        listens.then(|| u16::from_str_radix(port, 16).unwrap())
    })
}

#[test]
fn a_recorder_records_even_if_nobody_reads_its_progress() {
    let serve = Metrics::serve().start();
    let dir = tempfile::tempdir().unwrap();
    for way in WAYS {
        for signal in [Signal::INT, Signal::TERM] {
            let unread = Unread::new(way);
            let out = dir.path().join(format!("{way:?}-{}.csv", signal.as_raw()));
            let record = Metrics::record(serve.url())
                .arg("-o")
                .arg(&out)
                .spawn_into(Stdio::null(), unread.end());
            wait_for_rows(&out, 5);
            stops(record, signal);
        }
    }
}

#[test]
fn signals_are_handled_while_nobody_reads_stdout() {
    let serve = Metrics::serve().start();
    let commands = || {
        [
            Metrics::record(serve.url()),
            Metrics::watch(serve.url()).arg("--json"),
            Metrics::watch(serve.url()).arg("--plain"),
        ]
    };
    for way in WAYS {
        for (nth, signal) in [Signal::INT, Signal::TERM, Signal::INT]
            .into_iter()
            .enumerate()
        {
            let unread = Unread::new(way);
            let command = commands()[nth].clone();
            let running = command.spawn_into(unread.end(), unread.end());
            has_a_viewer(&serve);
            stops(running, signal);
        }
    }
}

#[test]
fn a_table_that_nobody_reads_is_abandoned() {
    for way in WAYS {
        let serve = Metrics::serve().start();
        let unread = Unread::new(way);
        let watch = Metrics::watch(serve.url()).arg("--once");
        let watch = watch.spawn_into(unread.end(), Stdio::null());
        // When the viewer is gone, everything to be printed is known.
        let has_gone = || {
            let (_, text) = get(serve.port(), "/metrics");
            let has = |wanted: &str| text.lines().any(|line| line == wanted);
            (has("metrics_viewers_peak 1") && has("metrics_viewers 0")).then_some(())
        };
        wait_for(PATIENCE, has_gone, || "no table".into());
        stops(watch, Signal::INT);
    }
}

/// Waits until there is a viewer.
#[track_caller]
fn has_a_viewer(serve: &Running) {
    let viewers = || {
        let (_, text) = get(serve.port(), "/metrics");
        let line = text
            .lines()
            .find(|line| line.starts_with("metrics_viewers "))?;
        (line != "metrics_viewers 0").then_some(())
    };
    wait_for(PATIENCE, viewers, || "no viewer".into());
}

#[test]
fn a_second_signal_also_restores_the_screen() {
    let serve = Metrics::serve().start();
    let unread = Unread::new(Way::Terminal);
    let watch = Metrics::watch(serve.url()).spawn_on(|| unread.end());
    has_a_viewer(&serve);
    // Both arrive while the first write waits for the terminal.
    watch.signal(Signal::TERM);
    watch.signal(Signal::INT);
    let code = watch.wait().status.code().unwrap();
    assert!([0, 130, 143].contains(&code), "{code}");
    assert!(unread.is_cooked());
}

#[test]
fn a_second_signal_exits_at_once() {
    let serve = Metrics::serve().start();
    let unread = Unread::new(Way::Pipe);
    let record = Metrics::record(serve.url()).spawn_into(unread.end(), unread.end());
    has_a_viewer(&serve);
    record.signal(Signal::TERM);
    record.signal(Signal::INT);
    let code = record.wait().status.code().unwrap();
    assert!([0, 130, 143].contains(&code), "{code}");
}

#[test]
fn signals_work_while_nobody_opens_a_named_pipe() {
    let serve = Metrics::serve().start();
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.csv");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let record = Metrics::record(serve.url()).arg("-o").arg(&pipe).spawn();
    record.wait_until_interruptible();
    stops(record, Signal::INT);
}

#[test]
fn an_unread_error_still_sets_the_exit_status() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = listener.local_addr().unwrap().to_string();
    drop(listener);
    for way in WAYS {
        let unread = Unread::new(way);
        let record = Metrics::record(&nowhere).args(["--retries", "0"]);
        let record = record.spawn_into(Stdio::null(), unread.end());
        record.wait().code(3);
    }
}

#[test]
fn a_replay_plays_to_its_end_even_if_nobody_reads_its_progress() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plain.csv");
    std::fs::write(&file, plain("web-1", 20, 1000)).unwrap();
    for way in WAYS {
        let unread = Unread::new(way);
        let replay = Metrics::replay([&file]).args(["--wait", "1", "--speed", "max", "-v"]);
        let replay = replay.start_into(unread.end());
        let (messages, code) = Viewer::connect(replay.url(), "last=100").until_closed();
        assert_eq!(code, Some(1000));
        assert_eq!(
            messages
                .iter()
                .filter(|message| message.seq().is_some())
                .count(),
            20
        );
        replay.wait().code(0);
    }
}

#[test]
fn a_screen_that_is_not_read_delays_no_data_and_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plain.csv");
    std::fs::write(&file, plain("web-1", 200, 1000)).unwrap();
    let unread = Unread::new(Way::Terminal);
    // It never drops what a viewer hasn't read: it ends only if the screen keeps taking messages.
    let replay = Metrics::replay([&file]).args(["--wait", "1", "--speed", "max"]);
    let replay = replay.start();
    let watch = Metrics::watch(replay.url()).spawn_on(|| unread.end());
    watch.wait().code(0);
    replay.wait().code(0);
    assert!(unread.is_cooked());
    let seen = unread.read();
    assert!(
        seen.contains("\x1b[?1049l") && seen.contains("\x1b[?25h"),
        "{seen:?}"
    );
}

#[test]
fn a_screen_that_is_not_read_handles_signals() {
    let serve = Metrics::serve().start();
    for signal in [Signal::INT, Signal::TERM] {
        let unread = Unread::new(Way::Terminal);
        let watch = Metrics::watch(serve.url()).spawn_on(|| unread.end());
        has_a_viewer(&serve);
        stops(watch, signal);
        assert!(unread.is_cooked());
        let seen = unread.read();
        assert!(
            seen.contains("\x1b[?1049l") && seen.contains("\x1b[?25h"),
            "{seen:?}"
        );
    }
}
