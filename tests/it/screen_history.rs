//! Looking back in the terminal, and finding a host among several.

use vt100::Screen;

use crate::harness::metrics::{Metrics, Running};
use crate::harness::pty::{Terminal, find, rows};
use crate::harness::recording::{plain, timestamp};
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;

const LEFT: &str = "\u{1b}[D";
const RIGHT: &str = "\u{1b}[C";
const SHIFT_LEFT: &str = "\u{1b}[1;2D";
const SHIFT_RIGHT: &str = "\u{1b}[1;2C";
const HOME: &str = "\u{1b}[H";
const END: &str = "\u{1b}[F";
const ESCAPE: &str = "\u{1b}";

fn watch(url: &str) -> Terminal {
    Metrics::watch(url).in_terminal(100, 30)
}

fn shows(screen: &Screen, text: &str) -> bool {
    screen.contents().contains(text)
}

/// The number in the row of `label`, a metric or a host.
fn value(screen: &Screen, label: &str) -> Option<String> {
    let rows = rows(screen);
    let rest = rows.iter().find_map(|row| Some(row.split_once(label)?.1))?;
    // The mark of a level is before the number.
    let mut words = rest.split_whitespace();
    words.find(|word| !word.starts_with('!')).map(str::to_owned)
}

/// The two numbers of `12 of 345` at the end of the last line: which sample is shown, and how many there are.
fn place(screen: &Screen) -> Option<(usize, usize)> {
    let rows = rows(screen);
    let mut words = rows.last()?.rsplit(' ');
    let of = words.next()?.parse().ok()?;
    words.next().filter(|word| *word == "of")?;
    Some((words.next()?.parse().ok()?, of))
}

/// The sample `seq` as a viewer received it: its time of day, `cpu` and `memory`, as the screen writes them.
fn as_shown(messages: &[Wire], seq: u64) -> (String, String, String) {
    let data = messages.iter().find_map(|message| match message {
        Wire::Metric {
            seq: found, data, ..
        } if *found == seq => Some(data),
        _ => None,
    });
    let data = data.unwrap();
    let time = timestamp(data.timestamp)[11..19].to_owned();
    let percent = |name: &str| format!("{:.1}", data.values[name]);
    (time, percent("cpu"), percent("memory"))
}

#[track_caller]
fn wait_for_sample(terminal: &Terminal, messages: &[Wire], seq: u64) -> Screen {
    let (time, cpu, memory) = as_shown(messages, seq);
    terminal.wait_for(
        &format!("sample {seq} of {time}: {cpu} {memory}"),
        |screen| {
            let header = &rows(screen)[0];
            header.contains('◀')
                && header.ends_with(&format!(" {time}"))
                && value(screen, " CPU  ").as_ref() == Some(&cpu)
                && value(screen, " Memory  ").as_ref() == Some(&memory)
        },
    )
}

/// A replay that has sent its first `played` samples to a viewer, and continues.
fn replay(played: usize) -> (tempfile::TempDir, Running, Vec<Wire>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    // So close together that the server keeps them all.
    std::fs::write(&file, plain("web-1", 8000, 100)).unwrap();
    let replay = Metrics::replay([&file]).args(["--speed", "4"]).start();
    let messages = Viewer::connect(replay.url(), "last=8000").numbered(played);
    (dir, replay, messages)
}

#[test]
fn one_goes_back_to_what_the_server_holds_while_live_goes_on() {
    let (_dir, replay, messages) = replay(90);
    let mut terminal = watch(replay.url());
    terminal.wait_for_text("▷ REPLAY");
    // So that every sample has a dot of its own.
    terminal.send_keys("++");
    terminal.wait_for_text(" 30 s  (");

    // The first sample is far outside the 30 that the screen started with.
    terminal.send_keys(HOME);
    let oldest = wait_for_sample(&terminal, &messages, 1);
    assert!(!shows(&oldest, "▷ REPLAY"), "{}", oldest.contents());
    for (keys, seq) in [(SHIFT_RIGHT, 11), (RIGHT, 12), (LEFT, 11), (SHIFT_LEFT, 1)] {
        terminal.send_keys(keys);
        wait_for_sample(&terminal, &messages, seq);
    }
    terminal.send_keys(&RIGHT.repeat(4));
    wait_for_sample(&terminal, &messages, 5);

    // The picture stays, and shows how many samples there are by now. The last line is drawn last.
    let is_fifth = |screen: &Screen| place(screen).is_some_and(|(number, _)| number == 5);
    let fifth = terminal.wait_for("the number of the sample", is_fifth);
    let (_, before) = place(&fifth).unwrap();
    terminal.wait_for("20 more samples", |screen| {
        place(screen).is_some_and(|(number, of)| number == 5 && before + 20 <= of)
    });
    wait_for_sample(&terminal, &messages, 5);

    terminal.send_keys(END);
    let live = terminal.wait_for("live view", |s| shows(s, "▷ REPLAY") && !shows(s, "◀"));
    let newest = Viewer::connect(replay.url(), "").message();
    let Wire::Hello { newest, .. } = newest else {
        panic!("{newest:?}")
    };
    assert!(110 <= newest, "{newest}: live went on");
    assert!(!shows(&live, "5 of "), "{}", live.contents());
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}

#[test]
fn looking_back_shows_a_real_hosts_first_samples() {
    let serve = Metrics::serve().start();
    let messages = Viewer::connect(serve.url(), "last=1000").numbered(33);
    let mut terminal = watch(serve.url());
    terminal.wait_for_text("● LIVE");
    terminal.send_keys(HOME);
    wait_for_sample(&terminal, &messages, 1);
    // Escape does the same as End.
    terminal.send_keys(ESCAPE);
    terminal.wait_for("live view", |s| shows(s, "● LIVE") && !shows(s, "◀"));
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}

/// Three hosts whose memory differs.
fn three_hosts() -> (tempfile::TempDir, Running) {
    let dir = tempfile::tempdir().unwrap();
    let files = [("alpha", "41.5"), ("beta", "77.5"), ("gamma", "60.5")].map(|(host, memory)| {
        let file = dir.path().join(format!("{host}.csv"));
        let csv = plain(host, 3000, 1000).replace(",41.5,", &format!(",{memory},"));
        std::fs::write(&file, csv).unwrap();
        file
    });
    let replay = Metrics::replay(&files).start();
    (dir, replay)
}

/// The hosts in the order of their rows.
fn hosts(screen: &Screen) -> Vec<&'static str> {
    let mut found: Vec<_> = ["alpha", "beta", "gamma"]
        .into_iter()
        .filter_map(|host| Some((find(screen, host)?.0, host)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, host)| host).collect()
}

#[test]
fn hosts_are_sorted_and_filtered_and_go_back_together() {
    let (_dir, replay) = three_hosts();
    let mut terminal = watch(replay.url());
    let wait_for = |terminal: &Terminal, what: &str, expected: &[&str]| {
        terminal.wait_for(what, |screen| {
            hosts(screen) == expected && shows(screen, what)
        })
    };
    wait_for(&terminal, "sort: trouble", &["alpha", "beta", "gamma"]);
    terminal.send_keys("sss");
    wait_for(&terminal, "sort: memory", &["beta", "gamma", "alpha"]);
    terminal.send_keys("/");
    terminal.wait_for_text("Enter keep");
    terminal.send_keys("A");
    wait_for(&terminal, "3 of 3 hosts", &["beta", "gamma", "alpha"]);
    terminal.send_keys("mm");
    wait_for(&terminal, "1 of 3 hosts", &["gamma"]);
    terminal.send_keys("q");
    terminal.wait_for_text("no host name matches");
    terminal.send_keys("\u{7f}\r\r");
    terminal.wait_for("gamma alone", |s| {
        rows(s)[0].contains("  gamma  ") && !shows(s, "alpha")
    });
    terminal.send_keys(ESCAPE);
    wait_for(&terminal, "1 of 3 hosts", &["gamma"]);
    terminal.send_keys(ESCAPE);
    wait_for(&terminal, "of 3 ", &["beta", "gamma", "alpha"]);
    terminal.send_keys(LEFT);
    terminal.wait_for("a moment of the past", |screen| {
        rows(screen)[0].contains("◀")
    });
    terminal.send_keys(HOME);
    terminal.wait_for("all at their first sample", |screen| {
        let first = |host| value(screen, host).is_some_and(|cpu| cpu == "1.0");
        rows(screen)[0].contains("◀") && ["alpha", "beta", "gamma"].into_iter().all(first)
    });
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}
