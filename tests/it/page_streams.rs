//! The page over bad networks: it says what is wrong, comes back by itself, and its charts miss nothing.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::metrics::Metrics;
use crate::harness::proxy::Proxy;
use crate::page::{VIEW, assert_unbroken, open, open_after, series};

const CONNECTED: &str = "view().status === 'Connected' && view().filled && view().seq > 3";
const BANNER: &str = "document.getElementById('banner').innerText";

#[test]
fn a_server_that_goes_is_told_and_one_that_comes_is_green() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let mut browser = open(serve.port());
    browser.wait_until(CONNECTED, VIEW);
    let stream = browser.eval("view().stream");
    serve.kill9();
    // The counter goes on, and the banner with it.
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
        &format!("view().status === 'Connected' && view().stream !== {stream} && view().seq > 10"),
        VIEW,
    );
    assert_eq!(
        browser.eval("document.getElementById('banner').hidden"),
        true
    );
    // Both runs are there, from their first samples on: nothing is missing but the pause.
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
        browser.wait_until(
            &format!("view().status === 'Connected' && view().seq > {seq} + 3"),
            VIEW,
        );
    }
    assert_unbroken(&mut browser);
    let view = browser.eval("view()");
    assert_eq!((&view["gaps"], &view["unreadable"]), (&json!(0), &json!(0)));
}

#[test]
fn silence_is_stale_though_the_socket_is_open() {
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let mut browser = open(proxy.port());
    browser.wait_until(CONNECTED, VIEW);
    proxy.freeze();
    let frozen = Instant::now();
    browser.wait_until("view().status === 'Stale'", VIEW);
    // Three intervals, at least 3 s, and half a second until the page looks; the rest is for a busy machine.
    let took = frozen.elapsed();
    assert!((2.5..6.0).contains(&took.as_secs_f64()), "{took:?}");
    let banner = browser.eval(BANNER);
    let text = banner.as_str().unwrap();
    assert!(
        text.starts_with("No new data come.") && text.ends_with("Data shown may be stale."),
        "{text}"
    );
    // It gives that connection up, and the next one has everything.
    browser.wait_until(CONNECTED, VIEW);
    assert!(frozen.elapsed() < Duration::from_secs(20));
    assert_unbroken(&mut browser);
}

#[test]
fn events_take_over_where_websocket_is_blocked() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    // The server is there and no handshake succeeds, as behind a proxy that knows no WebSocket.
    let mut browser = open_after(
        "window.WebSocket = class extends WebSocket { constructor(url, more) { super(url.replace('/ws', '/no'), more) } }",
        port,
    );
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
    browser.wait_until("view().status === 'Connected' && view().gaps === 1", VIEW);
}
