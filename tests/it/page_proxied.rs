//! The page behind a real nginx, as people configure it: it shows data, or says why there is none.

use crate::harness::browser::Browser;
use crate::harness::http::get;
use crate::harness::metrics::Metrics;
use crate::harness::nginx::{Nginx, UPGRADES};
use crate::page::{VIEW, assert_unbroken, open_after, prepared};

const CONNECTED: &str = "view().isLive && view().filled && view().seq > 3";
const BANNER: &str = "(document.getElementById('banner')?.innerText ?? '')";

#[track_caller]
fn banner_says(browser: &mut Browser, text: &str) {
    browser.wait_until(&format!("{BANNER}.includes(\"{text}\")"), BANNER);
}

/// `location / { proxy_pass … }` and nothing else: HTTP/1.0, and no Upgrade.
#[test]
fn a_plain_proxy_pass_is_enough() {
    let serve = Metrics::serve().start();
    let pass = format!("proxy_pass http://127.0.0.1:{};", serve.port());
    let nginx = Nginx::start(&format!("location / {{ {pass} }}"));
    assert_eq!(get(nginx.port(), "/healthz").0, 200);

    let mut browser = prepared(Browser::blank());
    browser.go(&format!("http://127.0.0.1:{}/", nginx.port()));
    browser.wait_until(CONNECTED, VIEW);
    assert_eq!(browser.eval("view().isBlocked"), true);
    banner_says(
        &mut browser,
        "WebSocket is blocked: using Server-Sent Events instead.",
    );
    assert_unbroken(&mut browser);

    // It continues to say what is wrong.
    serve.kill9();
    banner_says(&mut browser, "A proxy in front of the server answered 502");
}

#[test]
fn it_shows_the_same_below_any_path() {
    let serve = Metrics::serve().start();
    let up = format!("http://127.0.0.1:{}", serve.port());
    let nginx = Nginx::start(&format!(
        "location /metrics-app/ {{ proxy_pass {up}/; {UPGRADES} proxy_set_header Host $http_host; }}
         location /deep/er {{ proxy_pass {up}/; {UPGRADES} }}
         location /plain/ {{ proxy_pass {up}/; }}"
    ));
    for (path, is_blocked) in [
        ("/metrics-app/", false),
        ("/metrics-app", false),
        ("/deep/er/", false),
        // nginx passes on `/` for this, and `//app.js` for files below it.
        ("/deep/er", false),
        ("/plain/", true),
    ] {
        let mut browser = prepared(Browser::blank());
        browser.go(&format!("http://127.0.0.1:{}{path}", nginx.port()));
        browser.wait_until(CONNECTED, VIEW);
        assert_eq!(browser.eval("view().isBlocked"), is_blocked, "{path}");
        assert_unbroken(&mut browser);
        browser.eval("document.getElementById('save').click()");
        let saved = "document.getElementById('saved').textContent";
        browser.wait_until(&format!("{saved} === 'Saved.'"), saved);
        // Without the slash, the files named in the response's head are requested from elsewhere, before the page can
        // correct that.
        let strays = browser
            .requested()
            .iter()
            .filter(|url| path.ends_with('/') && !url.contains(path))
            .count();
        assert_eq!(strays, 0, "{path}: {:?}", browser.requested());
    }
}

/// `$host` has no port, so the server considers the page's origin foreign.
#[test]
fn the_page_explains_a_proxy_that_drops_the_port() {
    let serve = Metrics::serve()
        .args(["--allow-host", "metrics.example"])
        .start();
    let nginx = Nginx::start_tls(
        "metrics.example",
        &format!(
            "location / {{ proxy_pass http://127.0.0.1:{}; {UPGRADES} proxy_set_header Host $host; }}",
            serve.port()
        ),
    );
    let origin = format!("https://metrics.example:{}", nginx.port());
    let mut browser = prepared(Browser::among_untrusted_examples());
    browser.go(&format!("{origin}/"));
    browser.wait_until(CONNECTED, VIEW);
    let why = format!("--allow-origin {origin}): using Server-Sent Events instead.");
    banner_says(&mut browser, &why);
    assert_unbroken(&mut browser);
}

#[test]
fn scripts_that_do_not_load_are_reported_without_a_script() {
    let serve = Metrics::serve().start();
    let up = format!("http://127.0.0.1:{}", serve.port());
    let shown = "getComputedStyle(document.getElementById('unstarted')).visibility";
    // The only script: the server sends all modules as one.
    let nginx = Nginx::start(&format!(
        "location / {{ proxy_pass {up}; }} location /app.js {{ return 403; }}"
    ));
    let mut browser = Browser::open(&format!("http://127.0.0.1:{}/", nginx.port()));
    browser.wait_until(
        &format!("document.getElementById('unstarted') && {shown} === 'visible'"),
        "document.body.innerText",
    );
}

/// The connection is open, but not even the first message arrives.
#[test]
fn silence_from_the_start_is_reported() {
    const MUTE: &str = "window.WebSocket = class extends WebSocket { set onmessage(heard) {} };";
    let serve = Metrics::serve().start();
    let mut browser = open_after(MUTE, serve.port());
    banner_says(
        &mut browser,
        "no data has arrived. A proxy in front of the server may be holding it back.",
    );
}

#[test]
fn the_page_says_why_no_data_arrives() {
    let serve = Metrics::serve().start();
    let up = format!("http://127.0.0.1:{}", serve.port());
    let page = format!("location / {{ proxy_pass {up}; }}");
    for (streams, says) in [
        (
            "location ~ ^/(ws|events|metrics)$ { return 503; }",
            "A proxy in front of the server answered 503",
        ),
        (
            "location ~ ^/(ws|events|metrics)$ { return 404; }",
            "A proxy in front of the server answered 404",
        ),
        (
            "location /events { default_type text/html; return 200 'Please log in.'; }",
            "Something other than the server answered: it sent text/html",
        ),
        (
            "location /events { default_type text/event-stream; return 200 ''; }",
            "The event stream ended.",
        ),
    ] {
        let nginx = Nginx::start(&format!("{page} {streams}"));
        let mut browser = prepared(Browser::blank());
        browser.go(&format!("http://127.0.0.1:{}/", nginx.port()));
        banner_says(&mut browser, says);
    }
}

/// A proxy that buffers events until its buffers are full.
#[test]
fn the_page_explains_a_stream_that_is_held_back() {
    let serve = Metrics::serve().start();
    let nginx = Nginx::start(&format!(
        "location / {{ proxy_pass http://127.0.0.1:{}; }}
         location /events {{
             proxy_pass http://127.0.0.1:{}; proxy_ignore_headers X-Accel-Buffering;
             proxy_buffer_size 1m; proxy_buffers 8 1m; proxy_busy_buffers_size 2m; gzip on; gzip_types text/event-stream;
         }}",
        serve.port(),
        serve.port()
    ));
    let mut browser = prepared(Browser::blank());
    browser.go(&format!("http://127.0.0.1:{}/", nginx.port()));
    banner_says(
        &mut browser,
        "No answer in time. A proxy in front of the server may be holding it back.",
    );
}
