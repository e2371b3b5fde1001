//! Existing dashboards and servers: both sides of the well-known tutorial, unmodified.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::browser::Browser;
use crate::harness::http::serve_page;
use crate::harness::metrics::Metrics;
use crate::harness::rows::parse;
use crate::harness::tutorial::{PAGE, TutorialServer};
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;
use crate::harness::{PATIENCE, wait_for};

const STATE: &str = "JSON.stringify(window.state)";

#[test]
fn its_page_shows_our_host_and_reconnects_by_itself() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let mut viewer = Viewer::connect(serve.url(), "last=30");
    let page = serve_page(PAGE);
    let mut browser = Browser::open(&format!("http://localhost:{page}/?port={port}"));
    browser.wait_until("window.state && state.metrics >= 5", STATE);

    // At once: the first sample it shows was taken before it connected.
    assert_eq!(
        browser.eval("state.timestamps[0] <= state.openedAt"),
        true,
        "{}",
        browser.eval(STATE)
    );
    // Then every sample, once.
    let seen: Vec<u64> = serde_json::from_value(browser.eval("state.timestamps")).unwrap();
    let mut sent = Vec::new();
    while sent.last() != seen.last() {
        if let Wire::Metric { data, .. } = viewer.message() {
            sent.push(data.timestamp);
        }
    }
    assert!(sent.ends_with(&seen), "sent {sent:?}, seen {seen:?}");
    assert_eq!(browser.eval("state.problems"), json!([]));
    assert_eq!(browser.take_errors(), Vec::<String>::new());

    serve.kill9();
    browser.wait_until("!state.connected && state.attempt > 0", STATE);
    let _serve = Metrics::serve()
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .start();
    let before = browser.eval("state.metrics").as_u64().unwrap();
    browser.wait_until(
        &format!("state.connected && state.connections === 2 && state.metrics > {before} + 3"),
        STATE,
    );
    assert_eq!(browser.eval("state.problems"), json!([]));
}

#[test]
fn its_page_shows_a_replay() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, crate::harness::recording::plain("web-1", 40, 1000)).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "20"])
        .start();
    let page = serve_page(PAGE);
    let mut browser = Browser::open(&format!("http://localhost:{page}/?port={}", replay.port()));
    browser.wait_until("window.state && state.metrics === 40", STATE);
    assert_eq!(browser.eval("state.points.length"), 30);
    assert_eq!(browser.eval("state.points[29].cpu"), 40);
    assert_eq!(browser.eval("state.problems"), json!([]));
}

/// Like a framework that draws its state once per frame: of two messages in one read, only the second is drawn.
const DRAWN: &str = "
    window.drawn = [];
    let newest = null;
    const socket = new WebSocket('ws://127.0.0.1:PORT');
    socket.onmessage = ({ data }) => {
        if (!newest) requestAnimationFrame(() => { drawn.push(newest); newest = null });
        newest = JSON.parse(data);
    };
";

#[test]
fn its_page_draws_the_sample_before_an_alert() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let alert = r#""alert {""name"":""busy"",""state"":""firing""}""#;
    let mut csv = String::new();
    let mut seq = 0;
    for line in crate::harness::recording::plain("web-1", 30, 1000).lines() {
        let cells: Vec<_> = line.splitn(6, ',').collect();
        if cells[0] == "timestamp" {
            csv.push_str(&format!("{line}\n"));
            continue;
        }
        let [time, values] = [cells[0], cells[5]];
        for event in ["", alert] {
            seq += 1;
            csv.push_str(&format!("{time},web-1,k3v9q2,{seq},{event},{values}\n"));
        }
    }
    std::fs::write(&file, csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "5"])
        .start();
    let page = serve_page("<title>a page</title>");
    let mut browser = Browser::open(&format!("http://127.0.0.1:{page}/"));
    browser.wait_until("document.title === 'a page'", "document.title");
    browser.eval(&format!(
        "{{ {} }}",
        DRAWN.replace("PORT", &replay.port().to_string())
    ));
    browser.wait_until(
        "drawn.some((message) => message.type === 'end' || message.seq === 60)",
        "JSON.stringify(drawn)",
    );
    let metrics = "drawn.filter((message) => message.type === 'metric').length";
    // A busy machine may sometimes draw late. Without the pause, there would be none.
    let seen = browser.eval(metrics).as_u64().unwrap();
    assert!(seen >= 15, "{seen} of 30");
}

#[test]
fn its_server_is_recorded() {
    let server = TutorialServer::start(Duration::from_millis(50));
    let output = Metrics::record(&server.url())
        .args(["--samples", "5"])
        .run()
        .success();
    let rows = parse(&output.stdout);
    let cpu: Vec<_> = rows.iter().map(|row| row.cell("cpu")).collect();
    assert_eq!(cpu, ["1", "2", "3", "4", "5"]);
    let seqs: Vec<_> = rows.iter().map(|row| row.seq()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5].map(Some));
    for row in &rows {
        assert_eq!(
            (row.cell("host"), row.cell("requestsPerSecond")),
            ("127.0.0.1", "340")
        );
    }
}

#[test]
fn its_server_is_recorded_over_a_cut() {
    let server = TutorialServer::start(Duration::from_millis(50));
    let recorder = Metrics::record(&server.url()).spawn();
    recorder.stdout_lines(3);
    let before = server.sent();
    server.cut_all();
    wait_for(
        PATIENCE,
        || (before + 4 < server.sent() && server.connections() == 2).then_some(()),
        || recorder.story(),
    );
    recorder.signal(Signal::INT);
    let rows = parse(&recorder.wait().success().stdout);
    let gaps: Vec<_> = rows.iter().filter(|row| row.seq().is_none()).collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].cell("event"), "gap restarted");
    crate::harness::rows::assert_unbroken(&rows);
    let streams: std::collections::BTreeSet<_> =
        rows.iter().map(|row| row.cell("stream")).collect();
    assert_eq!(streams.len(), 2, "one for each connection");
}

#[test]
fn its_server_is_watched() {
    let server = TutorialServer::start(Duration::from_millis(50));
    let output = Metrics::watch(&server.url())
        .args(["--json", "--samples", "3"])
        .run()
        .success();
    let lines: Vec<serde_json::Value> = output
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let cpu: Vec<_> = lines
        .iter()
        .map(|line| line["data"]["cpu"].as_u64().unwrap())
        .collect();
    assert_eq!(cpu, [1, 2, 3]);
    let mut terminal = Metrics::watch(&server.url()).in_terminal(80, 24);
    terminal.wait_for_text("LIVE");
    terminal.wait_for_text("45.3");
    terminal.send_keys("q");
    assert_eq!(terminal.wait().code, 0);
}
