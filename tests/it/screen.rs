//! `watch` as a person sees it: in a terminal, cell by cell.

use rustix::process::{Signal, kill_process_group};
use vt100::Screen;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::proxy::Proxy;
use crate::harness::pty::{Left, Terminal, find, rows};
use crate::harness::recording::plain;

const LEAVE_ALTERNATE: &[u8] = b"\x1b[?1049l";

fn watch(url: &str) -> Terminal {
    Metrics::watch(url).in_terminal(100, 40)
}

fn shows(screen: &Screen, text: &str) -> bool {
    screen.contents().contains(text)
}

#[test]
fn live_cut_stale_and_back() {
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let mut terminal = watch(&proxy.url());
    let live = terminal.wait_for("live view", |s| shows(s, "● LIVE") && shows(s, "web-1"));
    assert!(live.alternate_screen() && live.hide_cursor());
    assert!(!terminal.is_cooked());
    for word in ["CPU", "Memory"] {
        assert!(shows(&live, word), "{}", live.contents());
    }
    assert!(!shows(&live, "all below is"));

    // Nothing listens where new connections go now.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    proxy.retarget(nowhere);
    proxy.cut_all();
    let stale = terminal.wait_for("stale view", |s| shows(s, "○") && shows(s, "all below is"));
    assert!(shows(&stale, "attempt"), "{}", stale.contents());
    assert!(!shows(&stale, "● LIVE"), "{}", stale.contents());
    assert!(
        shows(&stale, "CPU"),
        "the old data stay: {}",
        stale.contents()
    );

    proxy.retarget(serve.port());
    terminal.wait_for("return", |s| {
        shows(s, "● LIVE") && !shows(s, "all below is")
    });
    terminal.send_keys("q");
    assert_restored(terminal.wait(), 0);
}

#[track_caller]
fn assert_restored(left: Left, code: u32) {
    assert_eq!(left.code, code, "{}", left.screen.contents());
    assert!(left.cooked, "keys are echoed again");
    assert!(!left.screen.alternate_screen() && !left.screen.hide_cursor());
    assert!(left.bytes.windows(8).any(|bytes| bytes == LEAVE_ALTERNATE));
    assert!(
        shows(&left.screen, "web-1"),
        "the last frame stays: {}",
        left.screen.contents()
    );
}

#[test]
fn the_terminal_is_always_restored() {
    let serve = Metrics::serve().start();
    for end in [
        End::Keys("q"),
        End::Keys("\u{3}"),
        End::Keys("\u{1c}"),
        End::Signal(Signal::INT),
        End::Signal(Signal::TERM),
        End::Signal(Signal::HUP),
        End::Keys("\u{1c}"),
        End::Signal(Signal::QUIT),
    ] {
        println!("{end:?}");
        let mut terminal = watch(serve.url());
        terminal.wait_for_text("● LIVE");
        match end {
            End::Keys(keys) => terminal.send_keys(keys),
            End::Signal(signal) => terminal.signal(signal),
        }
        assert_restored(terminal.wait(), 0);
    }
}

/// Ctrl-Z, or SIGTSTP from elsewhere, gives the terminal back to the shell, and `fg` takes it again.
#[test]
fn it_is_suspended_and_continued_by_a_shell() {
    let serve = Metrics::serve().start();
    let binary = env!("CARGO_BIN_EXE_metrics");
    let shell = Metrics::program("bash").args(["--norc", "--noprofile", "-i"]);
    let mut terminal = shell.env("PS1", "shell: ").in_terminal(100, 40);
    terminal.wait_for_text("shell: ");
    terminal.send_keys(&format!("{binary} watch {}\n", serve.url()));
    let is_live = |s: &Screen| s.alternate_screen() && shows(s, "● LIVE");
    let is_stopped = |s: &Screen| !s.alternate_screen() && !s.hide_cursor();
    // What is typed before the shell asks for it may be lost.
    let asks = |s: &Screen| rows(s).iter().rfind(|row| !row.is_empty()) == Some(&"shell:".into());
    for (stop, times) in [("\u{1a}", 1), ("", 2)] {
        terminal.wait_for("live view", is_live);
        if stop.is_empty() {
            let job = terminal.foreground();
            kill_process_group(job, Signal::TSTP).unwrap();
        }
        terminal.send_keys(stop);
        let stopped = terminal.wait_for("the shell", |s| {
            is_stopped(s) && s.contents().matches("Stopped").count() == times && asks(s)
        });
        assert!(!shows(&stopped, "● LIVE"), "{}", stopped.contents());
        terminal.send_keys("fg\n");
    }
    terminal.wait_for("live view again", is_live);
    terminal.send_keys("q");
    terminal.wait_for("the end", |s| is_stopped(s) && asks(s));
    terminal.send_keys("exit\n");
    assert!(terminal.wait().cooked);
}

#[derive(Debug)]
enum End {
    /// `q`, or Ctrl-C, which is a key like any other while the terminal is raw.
    Keys(&'static str),
    Signal(Signal),
}

#[test]
fn the_mouse_selects_unless_it_is_left_to_the_terminal() {
    let alpha = Metrics::serve_as("alpha").start();
    let beta = Metrics::serve_as("beta").start();
    let watch = || Metrics::watch(alpha.url()).arg(beta.url());
    let mut terminal = watch().in_terminal(100, 30);
    let is_listed = |s: &Screen| shows(s, "alpha") && shows(s, "beta") && shows(s, "● LIVE");
    let screen = terminal.wait_for("both hosts", is_listed);
    assert_eq!(
        screen.mouse_protocol_mode(),
        vt100::MouseProtocolMode::PressRelease
    );
    // Rows may change places meanwhile: whatever is there gets selected.
    terminal.send_keys("\u{1b}[<0;8;4M\u{1b}[<0;8;4m");
    terminal.wait_for("a selected row", |s| {
        rows(s).iter().any(|row| row.starts_with('>'))
    });
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
    let mut terminal = watch().arg("--no-mouse").in_terminal(100, 30);
    let screen = terminal.wait_for("both hosts", is_listed);
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}

#[test]
fn it_shows_history_at_once() {
    let (_dir, replay) = replay_of(60);
    let mut terminal = watch(replay.url());
    // A percent of 41.5 is four eighths of the height, and the last 40 s are held.
    terminal.wait_for("history", |s| {
        rows(s).iter().any(|row| row.contains(&"⣿".repeat(9)))
    });
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}

/// A replay that has played its first 40 samples and waits for another viewer before the rest.
fn replay_of(samples: u64) -> (tempfile::TempDir, Running) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, plain("web-1", samples, 1000)).unwrap();
    let replay = Metrics::replay([&file]).args(["--speed", "10"]).start();
    let mut first = crate::harness::viewer::Viewer::connect(replay.url(), "last=60");
    first.numbered(40);
    (dir, replay)
}

#[test]
fn no_line_wraps_at_any_width() {
    let serve = Metrics::serve().start();
    let sizes = [(40, 10), (40, 24), (59, 30), (80, 24), (133, 50), (300, 60)];
    let terminals = sizes.map(|(columns, height)| {
        let terminal = Metrics::watch(serve.url()).in_terminal(columns, height);
        (columns, height, terminal)
    });
    for (columns, height, mut terminal) in terminals {
        let screen = terminal.wait_for("live view", |s| shows(s, "● LIVE") && shows(s, "CPU"));
        assert_eq!(find(&screen, "web-1").unwrap().0, 0);
        assert!(find(&screen, " q ").unwrap().0 < height);
        for row in 0..height {
            assert!(
                !screen.row_wrapped(row),
                "row {row} at {columns} columns:\n{}",
                screen.contents()
            );
        }
        terminal.send_keys("q");
        assert_restored(terminal.wait(), 0);
    }
}

#[test]
fn a_resized_screen_is_redrawn_completely() {
    let serve = Metrics::serve().start();
    let mut terminal = watch(serve.url());
    terminal.wait_for_text("● LIVE");
    for (columns, height) in [(60, 20), (140, 50), (44, 12), (80, 24)] {
        terminal.resize(columns, height);
        terminal.wait_for(&format!("frame for {columns}x{height}"), |screen| {
            let rows = rows(screen);
            // On the narrowest, there is no rule.
            let is_rule = |row: &&String| row.starts_with("──") && row.ends_with("──");
            let rule = rows.iter().take(4).find(is_rule);
            rows[0].contains("web-1")
                && (columns < 60
                    || rule.is_some_and(|rule| rule.chars().count() == usize::from(columns)))
                && rows.iter().filter(|row| row.contains("● LIVE")).count() == 1
                && rows.iter().filter(|row| row.starts_with(" q ")).count() == 1
        });
    }
    terminal.send_keys("q");
    assert_restored(terminal.wait(), 0);
}

#[test]
fn a_pause_freezes_the_screen_and_help_covers_it() {
    let serve = Metrics::serve().start();
    let mut terminal = watch(serve.url());
    terminal.wait_for_text("● LIVE");
    terminal.send_keys("p");
    terminal.wait_for("pause", |s| s.contents().to_lowercase().contains("paused"));
    terminal.send_keys(" ");
    terminal.wait_for("end of the pause", |s| {
        !s.contents().to_lowercase().contains("paused")
    });
    terminal.send_keys("?");
    terminal.wait_for("help", |s| shows(s, "Ctrl-C"));
    terminal.send_keys("?");
    terminal.wait_for("end of the help", |s| !shows(s, "Ctrl-C"));
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}

/// Moves the cursor to a row and checks where it is: a row moves when its host is late, as on a busy machine.
fn select(terminal: &mut Terminal, host: &str) {
    loop {
        let rows = rows(&terminal.screen());
        let cursor = rows.iter().position(|row| row.starts_with('>'));
        let wanted = rows.iter().position(|row| row.contains(host));
        if cursor.is_some() && cursor == wanted {
            return;
        }
        terminal.send_keys(if cursor < wanted {
            "\u{1b}[B"
        } else {
            "\u{1b}[A"
        });
        terminal.wait_for("answer to a key", |s| crate::harness::pty::rows(s) != rows);
    }
}

#[test]
fn several_hosts_are_rows_and_enter_opens_one() {
    let first = Metrics::serve_as("alpha").start();
    let second = Metrics::serve_as("beta").start();
    let mut terminal = Metrics::watch(first.url())
        .arg(second.url())
        .in_terminal(100, 30);
    let both = terminal.wait_for("both hosts", |s| shows(s, "alpha") && shows(s, "beta"));
    assert_ne!(
        find(&both, "alpha").unwrap().0,
        find(&both, "beta").unwrap().0
    );
    select(&mut terminal, "beta");
    terminal.send_keys("\r");
    terminal.wait_for("beta alone", |s| shows(s, "beta") && !shows(s, "alpha"));
    terminal.send_keys("\u{1b}");
    terminal.wait_for("both again", |s| shows(s, "alpha") && shows(s, "beta"));
    // A host without samples would be down at once, not stale.
    // On a busy machine, both are in trouble.
    terminal.wait_for("samples of both", |s| {
        shows(s, "● LIVE") && !shows(s, " down ")
    });
    first.kill9();
    let down = terminal.wait_for("a lost host", |s| shows(s, "○"));
    assert!(shows(&down, "●"), "beta lives: {}", down.contents());
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}

#[test]
fn a_host_that_was_never_there_is_down() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = listener.local_addr().unwrap();
    drop(listener);
    let mut terminal = Metrics::new()
        .args(["watch", &nowhere.to_string()])
        .in_terminal(80, 24);
    let down = terminal.wait_for("down", |s| shows(s, "✕"));
    assert!(
        down.contents()
            .to_lowercase()
            .contains("connection refused"),
        "{}",
        down.contents()
    );
    terminal.send_keys("q");
    let left = terminal.wait();
    assert!(left.cooked && !left.screen.alternate_screen());
}

#[test]
fn a_recorder_shows_its_progress_on_a_terminal() {
    let serve = Metrics::serve().start();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.csv");
    let mut terminal = Metrics::record(serve.url())
        .arg("-o")
        .arg(&out)
        .in_terminal(100, 10);
    terminal.wait_for("rows and state", |s| shows(s, "rows") && shows(s, "live"));
    terminal.send_keys("\u{3}");
    let left = terminal.wait();
    assert_eq!(left.code, 0);
    assert!(!left.screen.hide_cursor() && left.cooked);
    assert!(shows(&left.screen, "out.csv"), "{}", left.screen.contents());
}
