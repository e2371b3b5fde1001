//! What the page fetches of a longer past, when it asks for it, and when it doesn't.

use std::net::TcpStream;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::WebSocket;

use crate::harness::browser::Browser;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::server::{page_with_stream, say};
use crate::page::{VIEW, open_after};

const NOW: u64 = 1_795_528_800_000;
const MINUTE: u64 = 60_000;
const SEQS: u64 = 300;
/// Notes when the page asks for buckets, and refuses to answer while `refuses` is set.
const NOTED: &str = "window.asked = []; window.refused = 0; window.refuses = false; window.WebSocket = class extends WebSocket {
    constructor(url, more) {
        super(url, more);
        if (!url.includes('step=')) return;
        asked.push(performance.now());
        if (!refuses) return;
        this.addEventListener('close', () => refused += 1);
        this.close();
    }
};";
const BUCKETS: &str = "metrics.state.host.history.buckets";

fn hello() -> String {
    let metric = |name: &str| json!({ "name": name, "unit": "%", "label": name, "section": "CPU" });
    json!({
        "type": "hello", "host": "web-1", "protocol": 1, "server": "metrics/9", "stream": "k3", "oldest": 1, "newest": SEQS,
        "held": NOW - 24 * 60 * MINUTE, "interval": 600_000, "heartbeat": 30000, "alerts": [], "unavailable": [],
        "metrics": [metric("cpu"), metric("memory"), metric("pressureCpu")],
    })
    .to_string()
}

/// Samples of the last five minutes.
fn sample(seq: u64) -> String {
    let data: Value = json!({
        "timestamp": NOW - (SEQS - seq) * 1000, "cpu": 10, "memory": 40, "activeUsers": 2, "requestsPerSecond": 3,
        "pressureCpu": 0,
    });
    json!({ "type": "metric", "host": "web-1", "seq": seq, "data": data }).to_string()
}

/// The summary of two minutes that ended so many minutes ago. Hours ago, something waited for a CPU.
fn summary(ago: u64) -> String {
    let to = NOW - ago * MINUTE;
    let pressure = if ago > 6 * 60 { 30 } else { 0 };
    let values = json!({ "cpu": 12, "memory": 40, "pressureCpu": pressure });
    json!({
        "type": "summary", "host": "web-1", "from": to - 2 * MINUTE, "to": to, "count": 120,
        "mean": values, "min": values, "max": values,
    })
    .to_string()
}

/// A browser on the page, of a server that has nothing of the minutes before the samples.
#[track_caller]
fn browser(page: &Running, nothing: u64) -> Browser {
    let attend = move |query: &str, socket: &mut WebSocket<TcpStream>| {
        say(socket, &[&hello()]);
        let each = if query.contains("step=600s") { 20 } else { 2 };
        if query.contains("step=") {
            let minutes = if each == 20 { 24 * 60 } else { 6 * 60 };
            let ago = (nothing + 6..minutes).rev().filter(|ago| ago % each == 0);
            ago.for_each(|ago| say(socket, &[&summary(ago)]));
        } else if query.contains("since=") {
            (1..SEQS).for_each(|seq| say(socket, &[&sample(seq)]));
        }
        say(socket, &[&sample(SEQS)]);
        while socket.read().is_ok() {}
    };
    let port = page_with_stream(page.port(), attend);
    let mut browser = open_after(NOTED, port);
    browser.wait_until(&format!("view().filled && view().seq === {SEQS}"), VIEW);
    draw(&mut browser);
    browser
}

/// Waits until two frames were drawn: a click has the page draw one.
#[track_caller]
fn draw(browser: &mut Browser) {
    browser.eval(
        "new Promise((done) => requestAnimationFrame(() => {
            document.body.click();
            requestAnimationFrame(done);
        }))",
    );
}

#[track_caller]
fn choose(browser: &mut Browser, minutes: u64) {
    browser.eval(&format!(
        "document.querySelector('#windows [value=\"{minutes}\"]').click()"
    ));
    draw(browser);
}

#[test]
fn a_time_without_samples_is_asked_for_once() {
    let page = Metrics::serve().start();
    let mut browser = browser(&page, 45);
    choose(&mut browser, 60);
    browser.wait_until(&format!("{BUCKETS} > 100"), BUCKETS);
    for _ in 0..20 {
        draw(&mut browser);
    }
    assert_eq!(browser.eval("asked.length"), 1);
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

#[test]
fn a_refused_past_stays_as_it_is_and_is_asked_for_again_later() {
    let page = Metrics::serve().start();
    let mut browser = browser(&page, 0);
    choose(&mut browser, 360);
    browser.wait_until(&format!("{BUCKETS} > 150"), BUCKETS);
    browser.eval("window.refuses = true");
    choose(&mut browser, 60);
    browser.wait_until("refused === 6", "refused");
    draw(&mut browser);
    let kept = browser.eval(BUCKETS);
    assert!(kept.as_u64().unwrap() > 150, "{kept}");
    browser.eval("window.refuses = false");
    browser.wait_until("asked.length === 8", "asked");
    let pause = browser.eval("asked[7] - asked[6]");
    assert!(pause.as_f64().unwrap() > 9_000.0, "{pause}");
    draw(&mut browser);
    assert_eq!(browser.eval("asked.length"), 8);
}

/// Longer buckets of a longer time may be fewer.
#[test]
fn what_moved_in_a_longer_time_is_there_once_that_is_shown() {
    let page = Metrics::serve().start();
    let mut browser = browser(&page, 0);
    let shown = "!document.getElementById('chart-pressure').hidden";
    choose(&mut browser, 360);
    browser.wait_until(&format!("{BUCKETS} > 150"), BUCKETS);
    draw(&mut browser);
    assert_eq!(browser.eval(shown), false);
    choose(&mut browser, 1440);
    browser.wait_until(&format!("{BUCKETS} < 100 && {shown}"), BUCKETS);
    // It stays.
    choose(&mut browser, 5);
    assert_eq!(browser.eval(shown), true);
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}
