//! Pages other than the server's own: a dashboard on another host, in a browser that enforces origins.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::browser::Browser;
use crate::harness::http::serve_page;
use crate::harness::metrics::{Metrics, Running};

const TOKEN: &str = "a-token-for-the-tests";

/// A server that requires a token and allows the pages of one origin.
fn serve(dir: &Path, origin: &str) -> Running {
    let file = dir.join("token");
    std::fs::write(&file, TOKEN).unwrap();
    Metrics::serve()
        .arg("--token-file")
        .arg(file)
        .args(["--allow-origin", origin])
        .start()
}

/// Opens a page that doesn't seem to be on loopback, for the browser and the server.
#[track_caller]
fn visit(browser: &mut Browser, origin: &str) {
    browser.go(origin);
    let there = format!("location.origin === '{origin}' && document.readyState === 'complete'");
    browser.wait_until(&there, "location.href");
}

/// Opens a WebSocket that offers `protocols`, until there are three samples, or it is closed.
#[track_caller]
fn look(browser: &mut Browser, port: u16, protocols: &[&str]) -> Value {
    let protocols = json!(protocols);
    browser.eval(&format!(
        "new Promise((done) => {{
            const socket = new WebSocket('ws://127.0.0.1:{port}/ws', {protocols});
            const seqs = [];
            socket.onmessage = (event) => {{
                const message = JSON.parse(event.data);
                if (message.type === 'metric') seqs.push(message.seq - (seqs[0] ?? 0));
                if (seqs.length === 3) done({{ protocol: socket.protocol, later: seqs.slice(1) }});
            }};
            socket.onclose = (event) => done({{ code: event.code, seen: seqs.length }});
        }})"
    ))
}

/// Reads events until there are three samples; returns the error's name if it may not.
#[track_caller]
fn read(browser: &mut Browser, port: u16, token: &str) -> Value {
    browser.eval(&format!(
        "(async () => {{
            const headers = {{ Authorization: 'Bearer {token}', 'Last-Event-ID': '' }};
            const response = await fetch('http://127.0.0.1:{port}/events', {{ headers }});
            if (!response.ok) return {{ status: response.status, says: await response.text() }};
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            let text = '';
            while (text.split('\"type\":\"metric\"').length <= 3) text += (await reader.read()).value;
            await reader.cancel();
            return {{ status: response.status, type: response.headers.get('content-type') }};
        }})().catch((error) => error.name)"
    ))
}

/// Pages under two names, and a server that allows one of them, with a token.
struct Scene {
    allowed: String,
    foreign: String,
    serve: Running,
    browser: Browser,
    _dir: TempDir,
}

impl Scene {
    #[track_caller]
    fn new() -> Self {
        let pages = serve_page("<title>a dashboard</title>");
        let [allowed, foreign] =
            ["dashboard", "evil"].map(|host| format!("http://{host}.example:{pages}"));
        let dir = tempfile::tempdir().unwrap();
        Self {
            serve: serve(dir.path(), &allowed),
            allowed,
            foreign,
            browser: Browser::among_examples(),
            _dir: dir,
        }
    }
}

#[test]
fn a_dashboard_on_another_host_works_where_it_is_allowed() {
    let mut scene = Scene::new();
    let (browser, port) = (&mut scene.browser, scene.serve.port());
    visit(browser, &scene.allowed);
    let live = json!({ "protocol": "metrics.v1", "later": [1, 2] });
    let refused = json!({ "code": 1006, "seen": 0 });
    assert_eq!(look(browser, port, &["metrics.v1", TOKEN]), live);
    assert_eq!(look(browser, port, &["metrics.v1"]), refused);
    assert_eq!(
        look(browser, port, &["metrics.v1", "not-the-right-token"]),
        refused
    );

    // The same page under another name, and therefore of another origin.
    visit(browser, &scene.foreign);
    assert_eq!(look(browser, port, &["metrics.v1", TOKEN]), refused);
}

#[test]
fn a_page_on_another_host_reads_events_with_the_token_in_a_header() {
    let mut scene = Scene::new();
    let (browser, port) = (&mut scene.browser, scene.serve.port());
    visit(browser, &scene.allowed);
    let live = json!({ "status": 200, "type": "text/event-stream" });
    assert_eq!(read(browser, port, TOKEN), live);
    // It gets the reason, which a page of another origin doesn't.
    let wrong = read(browser, port, "not-the-right-token");
    let says = "this is not the server's token\n";
    assert_eq!(wrong, json!({ "status": 401, "says": says }));

    visit(browser, &scene.foreign);
    assert_eq!(read(browser, port, TOKEN), "TypeError");
}
