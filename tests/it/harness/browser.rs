//! Headless Chromium, driven over its DevTools protocol.

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use super::metrics::port_of;
use super::pump::Pump;
use super::{PATIENCE, http, wait_for};

/// One tab of a browser of its own. The browser ends when this is dropped.
pub(crate) struct Browser {
    child: Child,
    page: WebSocket<TcpStream>,
    last_id: u64,
    /// Errors on the console, and uncaught exceptions.
    errors: Vec<String>,
    /// The URLs of everything requested, WebSockets included.
    requested: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a browser on `url`. A machine without Chromium fails the test.
    #[track_caller]
    pub(crate) fn open(url: &str) -> Self {
        let mut browser = Self::blank();
        browser.go(url);
        browser
    }

    /// Opens a browser on nothing yet.
    #[track_caller]
    pub(crate) fn blank() -> Self {
        Self::with(&[])
    }

    /// The same, but every name in the domain `example` resolves to this machine's loopback: a page of another host
    /// without a network.
    #[track_caller]
    pub(crate) fn among_examples() -> Self {
        Self::with(&["--host-resolver-rules=MAP *.example 127.0.0.1"])
    }

    /// The same, but accepts any certificate.
    #[track_caller]
    pub(crate) fn among_untrusted_examples() -> Self {
        Self::with(&[
            "--host-resolver-rules=MAP *.example 127.0.0.1",
            "--ignore-certificate-errors",
        ])
    }

    #[track_caller]
    fn with(flags: &[&str]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--remote-debugging-port=0",
            ])
            .args(flags)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A process group of its own, so that its helpers end with it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("chromium is needed for this test: {error}"));
        let stderr = Pump::of(child.stderr.take().unwrap());
        let devtools = stderr.wait(PATIENCE, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (_, url) = text.split_once("DevTools listening on ")?;
            Some(url.split_once('\n')?.0.trim().to_owned())
        });
        let Some(devtools) = devtools else {
            let said = stderr.text();
            end(&mut child);
            panic!("chromium did not open its DevTools port:\n{said}");
        };
        let mut browser = Self {
            page: connect(port_of(&devtools)),
            child,
            last_id: 0,
            errors: Vec::new(),
            requested: Vec::new(),
            _profile: profile,
        };
        for domain in ["Runtime", "Log", "Network", "Performance"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Goes to `url`.
    #[track_caller]
    pub(crate) fn go(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
    }

    /// Reloads the page, and returns once the old one is gone and the new one is complete.
    #[track_caller]
    pub(crate) fn reload(&mut self) {
        self.eval("window.isOld = true");
        self.call("Page.reload", &json!({}));
        self.wait_until(
            "window.isOld === undefined && document.readyState === 'complete'",
            "document.readyState",
        );
    }

    /// Runs a script in every page from now on, before its own.
    #[track_caller]
    pub(crate) fn prepare(&mut self, script: &str) {
        self.call("Page.enable", &json!({}));
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({ "source": script }),
        );
    }

    /// Turns the page's network off or on. The browser notifies the page.
    #[track_caller]
    pub(crate) fn be_offline(&mut self, offline: bool) {
        let conditions = json!({
            "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.call("Network.emulateNetworkConditions", &conditions);
        self.wait_until(
            &format!("navigator.onLine !== {offline}"),
            "navigator.onLine",
        );
    }

    /// Opens another tab in front of this one.
    #[track_caller]
    pub(crate) fn hide(&mut self) {
        let tab = json!({ "url": "about:blank" });
        self.call("Target.createTarget", &tab);
        self.wait_until("document.hidden", "document.visibilityState");
    }

    /// Brings this tab back to the front.
    #[track_caller]
    pub(crate) fn show(&mut self) {
        self.call("Page.bringToFront", &json!({}));
        self.wait_until("!document.hidden", "document.visibilityState");
    }

    /// Sets the size of the window, in CSS pixels, and the preferred colour scheme, `light` or `dark`.
    #[track_caller]
    pub(crate) fn look(&mut self, (width, height): (u32, u32), scheme: &str) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
    }

    /// Becomes a telephone of this size, in CSS pixels, which has a touch screen.
    #[track_caller]
    pub(crate) fn be_telephone(&mut self, (width, height): (u32, u32)) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let touch = json!({ "enabled": true, "maxTouchPoints": 2 });
        self.call("Emulation.setTouchEmulationEnabled", &touch);
    }

    /// Moves fingers over the screen along lines in some steps, each from its first place to its second.
    #[track_caller]
    pub(crate) fn swipe(&mut self, fingers: &[[(f64, f64); 2]]) {
        const STEPS: u32 = 8;
        let mut touch = |kind: &str, share: f64, count: usize| {
            let places = fingers[..count].iter().enumerate();
            let points: Vec<Value> = places
                .map(|(id, [(x, y), (end_x, end_y)])| {
                    json!({ "id": id, "x": x + share * (end_x - x), "y": y + share * (end_y - y) })
                })
                .collect();
            let touch = json!({ "type": kind, "touchPoints": points });
            self.call("Input.dispatchTouchEvent", &touch);
        };
        for count in 1..=fingers.len() {
            touch("touchStart", 0.0, count);
        }
        for step in 1..=STEPS {
            touch(
                "touchMove",
                f64::from(step) / f64::from(STEPS),
                fingers.len(),
            );
        }
        touch("touchEnd", 1.0, 0);
    }

    /// The whole page as a PNG, in base64.
    #[track_caller]
    pub(crate) fn screenshot(&mut self) -> String {
        let shot = self.call(
            "Page.captureScreenshot",
            &json!({ "captureBeyondViewport": true }),
        );
        shot["data"].as_str().unwrap().to_owned()
    }

    /// One of the browser's own figures, after a garbage collection: `JSHeapUsedSize`, `Nodes`, `TaskDuration`, …
    #[track_caller]
    pub(crate) fn figure(&mut self, name: &str) -> f64 {
        self.call("HeapProfiler.collectGarbage", &json!({}));
        let answer = self.call("Performance.getMetrics", &json!({}));
        let figures = answer["metrics"].as_array().unwrap();
        let figure = figures.iter().find(|figure| figure["name"] == name);
        figure.unwrap()["value"].as_f64().unwrap()
    }

    /// The URLs of everything requested so far.
    pub(crate) fn requested(&mut self) -> &[String] {
        self.eval("0");
        &self.requested
    }

    /// The value of a JavaScript expression; a promise is awaited.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let mut answer = self.call(
            "Runtime.evaluate",
            &json!({ "expression": expression, "awaitPromise": true, "returnByValue": true }),
        );
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].take()
    }

    /// Clicks an element, which is a JavaScript expression, and leaves the mouse there.
    #[track_caller]
    pub(crate) fn click(&mut self, element: &str) {
        self.eval(&format!("{element}.scrollIntoView({{ block: 'center' }})"));
        self.mouse(&["mouseMoved", "mousePressed", "mouseReleased"], element);
    }

    /// Moves the mouse to an element that is in view.
    #[track_caller]
    pub(crate) fn point_at(&mut self, element: &str) {
        self.mouse(&["mouseMoved"], element);
    }

    #[track_caller]
    fn mouse(&mut self, kinds: &[&str], element: &str) {
        let place = self.eval(&format!(
            "(() => {{
                const {{ x, y, width, height }} = {element}.getBoundingClientRect();
                return [x + width / 2, y + height / 2];
            }})()"
        ));
        for kind in kinds {
            self.call(
                "Input.dispatchMouseEvent",
                &json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 }),
            );
        }
    }

    /// Waits until a JavaScript expression is true; fails with the value of `otherwise`.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, expression: &str, otherwise: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.eval(expression) != Value::Bool(true) {
            assert!(
                Instant::now() < deadline,
                "never {expression}: {}",
                self.eval(otherwise)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Errors on the console and uncaught exceptions since the last call.
    pub(crate) fn take_errors(&mut self) -> Vec<String> {
        self.eval("0");
        std::mem::take(&mut self.errors)
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let request = json!({ "id": self.last_id, "method": method, "params": params });
        self.page.send(Message::text(request.to_string())).unwrap();
        loop {
            let text = match self.page.read() {
                Ok(Message::Text(text)) => text,
                Ok(_) => continue,
                Err(Error::Io(error)) => panic!("{method}: no answer: {error}"),
                Err(error) => panic!("{method}: {error}"),
            };
            let mut message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == self.last_id {
                // What was asked of a page that has just been left is asked of the next one.
                if message["error"]["message"] == "Inspected target navigated or closed" {
                    return self.call(method, params);
                }
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        let url = match event["method"].as_str() {
            Some("Network.requestWillBeSent") => params["request"]["url"].as_str(),
            Some("Network.webSocketCreated") => params["url"].as_str(),
            _ => None,
        };
        self.requested.extend(url.map(String::from));
        let is_error = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => params["type"] == "error",
            Some("Log.entryAdded") => params["entry"]["level"] == "error",
            _ => false,
        };
        if is_error {
            self.errors.push(params.to_string());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a browser and all of its processes.
pub(crate) fn end(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

/// Connects to the browser's first page, once there is one.
#[track_caller]
fn connect(port: u16) -> WebSocket<TcpStream> {
    let first_page = || {
        let (_, body) = http::get(port, "/json/list");
        let targets: Value = serde_json::from_str(&body).ok()?;
        let page = targets.as_array()?.iter().find(|t| t["type"] == "page")?;
        Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
    };
    let url = wait_for(PATIENCE, first_page, || "chromium has no page".into());
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    client(url, stream).unwrap().0
}
