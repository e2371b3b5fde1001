//! The page over bad networks: it says what is wrong, reconnects by itself, and its charts have no holes.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::browser::Browser;
use crate::harness::metrics::Metrics;
use crate::harness::proxy::Proxy;
use crate::harness::recording::{plain, write_plain};
use crate::harness::viewer::Viewer;
use crate::page::{VIEW, assert_unbroken, open, open_after, series};

const CONNECTED: &str = "view().isLive && view().filled && view().seq > 3";
/// The server is up but no handshake succeeds, as behind a proxy without WebSocket support.
const BLOCKED: &str = "window.WebSocket = class extends WebSocket { \
                       constructor(url, more) { super(url.replace('/ws', '/no'), more) } };";
/// Cuts off the first two connections that fetch the history, at their first message.
const CUT_HISTORY: &str = "window.cuts = 0; window.WebSocket = class extends WebSocket { \
                           set onmessage(listener) { super.onmessage = (event) => { \
                           if (this.url.includes('since=') && window.cuts < 2) { window.cuts += 1; this.close(); } \
                           else listener?.(event); } } };";
/// Waits ten minutes before the first retry, which is longer than any test.
const PATIENT: &str = "Math.random = () => 600;";
const BANNER: &str = "document.getElementById('banner').innerText";

#[test]
fn a_lost_server_is_shown_and_a_new_one_is_green() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let mut browser = open(serve.port());
    browser.wait_until(CONNECTED, VIEW);
    let stream = browser.eval("view().stream");
    serve.kill9();
    // The counter continues, and so does the banner.
    browser.wait_until("/^Reconnecting \\([2-9]\\)…$/.test(view().status)", VIEW);
    let banner = browser.eval(BANNER);
    let text = banner.as_str().unwrap();
    assert!(
        text.starts_with("Connection lost. Reconnection attempt "),
        "{text}"
    );
    assert!(text.contains("… Data shown may be stale."), "{text}");
    browser.wait_until(&format!("/Next in \\d+ s\\./.test({BANNER})"), BANNER);
    assert_eq!(
        browser.eval("document.title.startsWith('(Reconnecting (')"),
        true
    );

    let _serve = Metrics::serve()
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .start();
    browser.wait_until(
        &format!("view().isLive && view().stream !== {stream} && view().seq > 10"),
        VIEW,
    );
    assert_eq!(
        browser.eval("document.getElementById('banner').hidden"),
        true
    );
    // Both runs are there, from their first samples on; only the pause is missing.
    let rows = series(&mut browser, "cpu");
    let restart = rows
        .windows(2)
        .position(|two| two[1].0 <= two[0].0)
        .unwrap();
    let (before, after) = rows.split_at(restart + 1);
    for run in [before, after] {
        let seqs: Vec<u64> = run.iter().map(|row| row.0).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    }
    assert!(
        rows.windows(2).all(|two| two[0].1 < two[1].1),
        "time goes on"
    );
}

#[test]
fn a_cut_leaves_no_hole() {
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let mut browser = open(proxy.port());
    browser.wait_until(CONNECTED, VIEW);
    for _ in 0..3 {
        let seq = browser.eval("view().seq");
        proxy.cut_all();
        browser.wait_until(&format!("view().isLive && view().seq > {seq} + 3"), VIEW);
    }
    assert_unbroken(&mut browser);
    let view = browser.eval("view()");
    assert_eq!((&view["gaps"], &view["unreadable"]), (&json!(0), &json!(0)));
}

#[test]
fn a_history_that_is_cut_off_is_fetched_again() {
    let serve = Metrics::serve().start();
    Viewer::connect(serve.url(), "").numbered(5);
    let mut browser = open_after(CUT_HISTORY, serve.port());
    browser.wait_until(
        "window.cuts === 2 && view().filled && view().seq >= 8",
        VIEW,
    );
    assert_eq!(series(&mut browser, "cpu")[0].0, 1, "with its history");
    assert_unbroken(&mut browser);
}

#[test]
fn silence_is_stale_even_with_an_open_socket() {
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let mut browser = open(proxy.port());
    browser.wait_until(CONNECTED, VIEW);
    proxy.freeze();
    let frozen = Instant::now();
    browser.wait_until("view().status === 'Stale'", VIEW);
    // Three intervals, at least 3 s, and half a second until the page checks. A busy machine may take longer.
    let took = frozen.elapsed().as_secs_f64();
    assert!(2.5 < took, "{took} s");
    let banner = browser.eval(BANNER);
    let text = banner.as_str().unwrap();
    assert!(
        text.starts_with("No new data. Data shown may be stale."),
        "{text}"
    );
    // It gives up on that connection, and the next one has everything.
    browser.wait_until(CONNECTED, VIEW);
    assert_unbroken(&mut browser);
}

#[test]
fn events_take_over_where_websocket_is_blocked() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let mut browser = open_after(BLOCKED, port);
    browser.wait_until(CONNECTED, VIEW);
    assert_eq!(browser.eval("view().isBlocked"), true);
    let banner = browser.eval(BANNER);
    assert!(
        banner.as_str().unwrap().contains("Server-Sent Events"),
        "{banner}"
    );
    assert_eq!(series(&mut browser, "cpu")[0].0, 1, "with its history");
    assert_unbroken(&mut browser);

    serve.kill9();
    browser.wait_until("view().status.startsWith('Reconnecting')", VIEW);
    let _serve = Metrics::serve()
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .start();
    browser.wait_until("view().isLive && view().gaps === 1", VIEW);
}

#[test]
fn events_of_several_hosts_are_shown_one_host_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let files = write_plain(dir.path(), &["web-2", "web-1"], 3000);
    let replay = Metrics::replay(&files).args(["--speed", "20"]).start();
    let mut browser = open_after(BLOCKED, replay.port());
    let shows = |host: &str| {
        format!(
            "view().host === '{host}' && view().isBlocked && view().filled && view().seq > 20 && \
             document.getElementById('host').textContent === '{host}' && \
             document.getElementById('hosts').options.length === 2"
        )
    };
    browser.wait_until(&shows("web-1"), VIEW);
    for host in ["web-2", "web-1", "web-2"] {
        browser.eval(&format!(
            "{{ const hosts = document.getElementById('hosts'); hosts.value = '{host}'; \
             hosts.dispatchEvent(new Event('change')) }}"
        ));
        browser.wait_until(&shows(host), VIEW);
        assert_eq!(series(&mut browser, "cpu")[0].0, 1, "with its history");
        assert_unbroken(&mut browser);
    }
    // The address names the selected host, which is selected again when the address is opened.
    browser.reload();
    browser.wait_until(&shows("web-2"), VIEW);
    assert_unbroken(&mut browser);
    let view = browser.eval("view()");
    assert_eq!((&view["gaps"], &view["unreadable"]), (&json!(0), &json!(0)));
}

#[test]
fn it_reconnects_at_once_when_the_network_is_back() {
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let mut browser = open_after(PATIENT, proxy.port());
    browser.wait_until(CONNECTED, VIEW);
    proxy.cut_all();
    browser.wait_until("metrics.connection.state === 'waiting'", VIEW);
    browser.be_offline(true);
    browser.be_offline(false);
    browser.wait_until(CONNECTED, VIEW);
    assert_unbroken(&mut browser);
}

#[test]
fn it_reconnects_at_once_when_its_tab_is_shown() {
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let mut browser = open_after(PATIENT, proxy.port());
    browser.wait_until(CONNECTED, VIEW);
    browser.hide();
    proxy.cut_all();
    browser.wait_until("metrics.connection.state === 'waiting'", VIEW);
    browser.show();
    browser.wait_until(CONNECTED, VIEW);
    assert_unbroken(&mut browser);
}

#[test]
fn it_does_not_reconnect_after_it_broke_the_rules() {
    // A script that sends something through the page's socket, which the page itself never does.
    const RUDE: &str = "window.WebSocket = class extends WebSocket { \
                        constructor(...all) { super(...all); window.opened = (window.opened ?? 0) + 1; window.first ??= this } };";
    let serve = Metrics::serve().start();
    let mut browser = open_after(RUDE, serve.port());
    browser.wait_until(CONNECTED, VIEW);
    let opened = browser.eval("window.opened");
    browser.eval("{ for (let i = 0; i < 1000; i += 1) first.send('x') }");
    browser.wait_until("view().status === 'Disconnected'", VIEW);
    let banner = browser.eval(BANNER);
    assert!(
        banner.as_str().unwrap().starts_with("The server says: "),
        "{banner}"
    );
    let state =
        "({ now: metrics.connection.state, attempt: view().attempt, opened: window.opened })";
    let away = json!({ "now": "refused", "attempt": 0, "opened": opened });
    assert_eq!(browser.eval(state), away);

    browser.eval("document.getElementById('retry').click()");
    browser.wait_until(CONNECTED, VIEW);
    assert_unbroken(&mut browser);
}

#[test]
fn a_changed_token_is_required_at_the_next_connection() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let tokens = ["the-first-of-two-tokens", "the-second-of-two-tokens"];
    std::fs::write(&file, tokens[0]).unwrap();
    let serve = Metrics::serve().arg("--token-file").arg(&file).start();
    let proxy = Proxy::clear(serve.port());
    let mut browser = open(proxy.port());
    let type_in = |browser: &mut Browser, token: &str| {
        browser.wait_until("document.getElementById('dialog')?.open === true", VIEW);
        browser.eval(&format!(
            "{{ document.getElementById('token').value = '{token}'; document.querySelector('#dialog form').requestSubmit() }}"
        ));
        browser.wait_until(CONNECTED, VIEW);
    };
    type_in(&mut browser, tokens[0]);
    std::fs::write(&file, tokens[1]).unwrap();
    serve.signal(Signal::HUP);
    serve.wait_for_stderr("read the token");
    // Connected viewers stay connected.
    let seq = browser.eval("view().seq");
    browser.wait_until(&format!("view().isLive && view().seq > {seq} + 3"), VIEW);
    proxy.cut_all();
    type_in(&mut browser, tokens[1]);
    assert_unbroken(&mut browser);
}

/// The old position is reached only long after this, and a page that waited for it would show nothing new.
#[test]
fn a_restarted_replay_shows_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, plain("web-1", 3000, 1000)).unwrap();
    for blocked in ["", BLOCKED] {
        let replay = Metrics::replay([&file]).args(["--speed", "50"]).start();
        let port = replay.port();
        let mut browser = open_after(blocked, port);
        browser.wait_until("view().filled && view().seq > 100", VIEW);
        replay.kill9();
        browser.wait_until("view().status.startsWith('Reconnecting')", VIEW);
        let _replay = Metrics::replay([&file])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .start();
        browser.wait_until("view().isLive && view().filled && view().seq < 100", VIEW);
        let seq = browser.eval("view().seq");
        browser.wait_until(&format!("view().seq > {seq} + 1"), VIEW);
        assert_eq!(series(&mut browser, "cpu")[0].0, 1, "with its history");
        assert_unbroken(&mut browser);
    }
}
