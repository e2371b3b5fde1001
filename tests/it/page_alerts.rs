//! The page says what is firing, since when and who did it, what fired before, and tells people who asked for it.

use serde_json::{Value, json};

use crate::harness::metrics::Metrics;
use crate::harness::recording::{plain, timestamp};
use crate::page::{VIEW, prepared};
use crate::page_scene::Scene;

const LINES: &str = "[...document.querySelectorAll('#alerts li')].filter((line) => line.textContent.includes('▲')) \
                     .map((line) => line.firstChild.textContent)";

/// The rows of the events, but for the time at which each began, which is written in the browser's time zone.
const EVENTS: &str = "[...document.getElementById('events')?.tBodies[0].rows ?? []].map((row) => \
                      [...row.cells].map((cell, index) => index ? cell.textContent : cell.textContent[0]))";

const HOSTS: &str = "[...document.getElementById('hosts').options].map((host) => host.textContent)";

/// Samples are rare, so that the page waits for what a test says next, however late that is.
const INTERVAL_MS: u64 = 600_000;

/// Stands in for the browser's notifications, which a browser without a window has none of.
const NOTIFICATIONS: &str = "
    window.asked = 0;
    window.notified = [];
    window.Notification = class {
        static permission = 'default';
        static requestPermission() {
            asked += 1;
            Notification.permission = 'granted';
            return Promise.resolve('granted');
        }
        constructor(title, { body, tag }) {
            notified.push([title, body, tag]);
            if (window.isTelephone) throw new TypeError('Illegal constructor');
        }
    };
";

/// A recording of 40 samples, a second apart, in which one alert fires and is resolved, and two fire and stay.
fn recording() -> String {
    let begin = 1_795_528_800_000;
    let mut csv = String::from(
        "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond,disk:/a < b,top,extra\n",
    );
    let mut seq = 0;
    let top = r#"[{"pid":7,"name":"sh","cpu":1,"memory":50},{"pid":8,"name":"rustc","cpu":61.4,"memory":3}]"#;
    for second in 1..=40_u64 {
        let cpu = if (5..30).contains(&second) {
            98.2
        } else {
            12.0
        };
        let top = if second == 10 { top } else { "" };
        let alert = |name: &str, rule: &str, state: &str, metric: &str, since: u64, more: &str| {
            let since = begin + since * 1000;
            format!(
                r#"alert {{"name":"{name}","rule":"{rule}","state":"{state}","metric":"{metric}"{more},"since":{since}}}"#
            )
        };
        let busy = |state, value| {
            let more = format!(r#","value":{value},"threshold":90"#);
            alert("cpu > 90 for 5s", "cpu > 90 for 5s", state, "cpu", 5, &more)
        };
        let event = match second {
            10 => busy("firing", 98.2),
            18 => {
                let rule = r#"\"disk:/a < b\" >= 95% clear < 90"#;
                let more = r#","value":97.44,"threshold":95"#;
                alert("hot disk", rule, "firing", "disk:/a < b", 18, more)
            }
            25 => {
                let rule = "absent(requestsPerSecond) for 5s";
                alert(rule, rule, "firing", "requestsPerSecond", 20, "")
            }
            30 => busy("resolved", 12.0),
            _ => String::new(),
        };
        for event in ["", &event].iter().take(1 + usize::from(!event.is_empty())) {
            seq += 1;
            let time = timestamp(begin + second * 1000);
            let [event, top] = [event, top].map(|text| text.replace('"', "\"\""));
            csv +=
                &format!("{time},web-1,k3v9q2,{seq},\"{event}\",{cpu},41.5,2,,97.44,\"{top}\",\n");
        }
    }
    csv
}

#[test]
fn what_fires_is_told_with_its_culprit_and_what_fired_is_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let files = [("web-1", recording()), ("web-2", plain("web-2", 40, 1000))].map(|(host, csv)| {
        let file = dir.path().join(format!("{host}.csv"));
        std::fs::write(&file, csv).unwrap();
        file
    });
    let replay = Metrics::replay(&files)
        .args(["--wait", "1", "--speed", "8"])
        .start();
    let mut browser = prepared(crate::harness::browser::Browser::blank());
    browser.go(&format!("http://127.0.0.1:{}/#host=web-1", replay.port()));
    let busy = format!(
        "/^▲ CPU 98\\.2\u{a0}% > 90 for \\d+\u{a0}s: rustc 61\\.4\u{a0}%/.test({LINES}[0])"
    );
    browser.wait_until(&busy, LINES);
    browser.wait_until("view().status === 'Ended'", VIEW);
    let resolved = format!("{EVENTS}.some(([mark, lasted]) => lasted === '25\u{a0}s')");
    browser.wait_until(&resolved, EVENTS);
    let lines = format!(
        "{LINES}[0].startsWith('▲ hot disk: disk /a < b 97.4\u{a0}% >= 95 for 22\u{a0}s') && {LINES}[1].includes('absent for 20\u{a0}s')"
    );
    browser.wait_until(&lines, LINES);
    let events = browser.eval(EVENTS);
    for (row, [mark, lasted, what]) in [
        (0, ["▲", "firing", "absent"]),
        (
            1,
            ["▲", "firing", "hot disk: disk /a < b 97.4\u{a0}% >= 95"],
        ),
        (2, ["△", "25\u{a0}s", ": rustc 61.4\u{a0}%"]),
    ] {
        assert_eq!(
            (&events[row][0], &events[row][1]),
            (&json!(mark), &json!(lasted)),
            "{events}"
        );
        assert!(events[row][2].as_str().unwrap().contains(what), "{events}");
    }
    let hosts = json!(["all", "▲ web-1, 2 firing", "web-2"]);
    assert_eq!(browser.eval(HOSTS), hosts);
    assert_eq!(browser.eval("document.title"), "▲ 2 (Ended) web-1");
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

fn hello(stream: &str, newest: u64, alerts: &[Value]) -> String {
    json!({
        "type": "hello", "host": "web-1", "protocol": 1, "server": "metrics/9", "stream": stream, "oldest": 1,
        "newest": newest, "interval": INTERVAL_MS, "heartbeat": 30000, "alerts": alerts, "unavailable": [],
        "metrics": [
            { "name": "cpu", "unit": "%", "label": "CPU", "section": "CPU" },
            { "name": "memory", "unit": "%", "label": "Memory", "section": "Memory" },
            { "name": "memoryUsed", "unit": "B", "label": "Memory used", "section": "Memory" },
        ],
    })
    .to_string()
}

const BEGIN: u64 = 1_795_528_800_000;

fn data(second: u64) -> Value {
    json!({
        "timestamp": BEGIN + second * 1000, "cpu": 95, "memory": 40, "activeUsers": 2, "requestsPerSecond": 3,
        "top": [{ "pid": 8, "name": "rustc", "cpu": 61.4, "memory": 3 }, { "pid": 7, "name": "java", "cpu": 1, "memory": 50 }],
    })
}

fn sample(seq: u64) -> String {
    json!({ "type": "metric", "host": "web-1", "seq": seq, "data": data(seq) }).to_string()
}

/// An alert of a rule about `metric` that is true since a second of the stream.
fn alert(name: &str, metric: &str, state: &str, since: u64) -> Value {
    json!({
        "name": name, "rule": format!("{metric} > 90"), "state": state, "metric": metric, "value": 95, "threshold": 90,
        "since": BEGIN + since * 1000,
    })
}

fn told(seq: u64, alert: &Value) -> String {
    json!({ "type": "alert", "host": "web-1", "seq": seq, "alert": alert, "data": data(seq) })
        .to_string()
}

/// Forty messages, of which the tenth tells of an alert that fires; it is in the hello too.
fn log() -> Vec<String> {
    let busy = alert("busy", "cpu", "firing", 4);
    let mut texts = vec![hello("k3", 40, std::slice::from_ref(&busy))];
    texts.extend((1..=40).map(|seq| match seq {
        10 => told(seq, &busy),
        _ => sample(seq),
    }));
    texts
}

/// Says a text that changes nothing, and waits until it was heard: then everything before it was.
macro_rules! settle {
    ($scene:ident, $stream:literal, $seq:literal) => {
        $scene.says.send(sample($seq)).unwrap();
        let heard = format!("view().stream === '{}' && view().seq === {}", $stream, $seq);
        $scene.browser.wait_until(&heard, VIEW);
        $scene.browser.eval(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))",
        );
    };
}

#[test]
fn whoever_joins_late_sees_what_fires_and_who_did_it() {
    let mut scene = Scene::new(NOTIFICATIONS, log(), 40);
    settle!(scene, "k3", 41);
    let line = json!(["▲ busy: CPU 95.0\u{a0}% > 90 for 37\u{a0}s: rustc 61.4\u{a0}%"]);
    assert_eq!(scene.browser.eval(LINES), line);
    let event = json!([[
        "▲",
        "firing",
        "busy: CPU 95.0\u{a0}% > 90 for 6\u{a0}s: rustc 61.4\u{a0}%"
    ]]);
    assert_eq!(scene.browser.eval(EVENTS), event);
    // A later hello lists the same alert: its culprit is still known. Another one replaces the list.
    let large = alert("large", "memory", "firing", 30);
    let both = [alert("busy", "cpu", "firing", 4), large.clone()];
    scene.says.send(hello("k3", 41, &both)).unwrap();
    settle!(scene, "k3", 42);
    let lines = json!([
        "▲ large: memory 40.0\u{a0}% for 12\u{a0}s: java 50.0\u{a0}%",
        "▲ busy: CPU 95.0\u{a0}% > 90 for 38\u{a0}s: rustc 61.4\u{a0}%",
    ]);
    assert_eq!(scene.browser.eval(LINES), lines);
    // A stream that begins has none but those that its hello lists.
    scene.says.send(hello("k4", 0, &[large])).unwrap();
    settle!(scene, "k4", 1);
    assert_eq!(scene.browser.eval(&format!("{LINES}.length")), 1);
    scene.says.send(hello("k5", 0, &[])).unwrap();
    settle!(scene, "k5", 1);
    assert_eq!(scene.browser.eval(LINES), json!([]));
    assert_eq!(scene.browser.take_errors(), Vec::<String>::new());
}

#[test]
fn the_same_rule_fires_for_each_metric_and_too_many_alerts_are_counted() {
    let mut scene = Scene::new("", log(), 40);
    for core in 0..30 {
        let fires = alert("hot", &format!("cpu:{core}"), "firing", 41);
        scene.says.send(told(41 + core, &fires)).unwrap();
    }
    settle!(scene, "k3", 71);
    let lines = scene.browser.eval(LINES);
    assert_eq!(lines.as_array().unwrap().len(), 8);
    let more = "document.querySelector('#alerts li:last-child button').textContent";
    assert_eq!(scene.browser.eval(more), "+ 23");
    let resolved = alert("hot", "cpu:7", "resolved", 41);
    scene.says.send(told(72, &resolved)).unwrap();
    settle!(scene, "k3", 73);
    assert_eq!(scene.browser.eval(more), "+ 22");
    assert_eq!(scene.browser.eval("document.title"), "▲ 30 web-1");
    // The ninth has the line in which one more would be counted.
    for core in 8..29 {
        let resolved = alert("hot", &format!("cpu:{core}"), "resolved", 41);
        scene.says.send(told(66 + core, &resolved)).unwrap();
    }
    settle!(scene, "k3", 95);
    assert_eq!(scene.browser.eval("document.title"), "▲ 9 web-1");
    let buttons = "document.querySelectorAll('#alerts .fold').length";
    assert_eq!(
        scene.browser.eval(&format!("[{LINES}.length, {buttons}]")),
        json!([9, 0])
    );
}

#[test]
fn a_notification_is_for_what_is_new_and_only_for_those_who_asked() {
    let mut scene = Scene::new(NOTIFICATIONS, log(), 40);
    let notified = "[asked, notified.map(([title, body]) => `${title}: ${body}`)]";
    let fires = |name: &str, since| alert(name, "memory", "firing", since);
    // Nobody was asked, so nobody is told.
    scene.says.send(told(41, &fires("first", 41))).unwrap();
    settle!(scene, "k3", 42);
    assert_eq!(scene.browser.eval(notified), json!([0, []]));
    let hidden = "document.getElementById('ask').hidden";
    assert_eq!(scene.browser.eval(hidden), false);
    scene.browser.eval("document.getElementById('ask').click()");
    scene.browser.wait_until(hidden, hidden);
    assert_eq!(scene.browser.eval(notified), json!([1, []]));

    // A new one is told once, whatever it is called; one that was told already is not.
    let hostile = "<b onclick=stung()>x</b>";
    scene.says.send(told(43, &fires(hostile, 43))).unwrap();
    scene.says.send(told(44, &fires(hostile, 43))).unwrap();
    settle!(scene, "k3", 45);
    let first = format!("▲ web-1: {hostile}: memory 40.0\u{a0}% for 0\u{a0}s: java 50.0\u{a0}%");
    assert_eq!(scene.browser.eval(notified), json!([1, [first]]));
    let read = "document.getElementById('fired').textContent";
    assert_eq!(scene.browser.eval(read), first.replace("▲ ", ""));
    assert_eq!(
        scene
            .browser
            .eval("document.querySelectorAll('main b[onclick]').length"),
        0
    );

    // After a cut, hello lists what fires: what began meanwhile is new, and its message that follows is not. What had
    // fired and was resolved by then is old.
    let listed = [fires("first", 41), fires("during the cut", 46)];
    scene.says.send(hello("k3", 48, &listed)).unwrap();
    scene.says.send(told(46, &fires("over", 45))).unwrap();
    scene
        .says
        .send(told(47, &alert("over", "memory", "resolved", 45)))
        .unwrap();
    scene.says.send(told(48, &listed[1])).unwrap();
    settle!(scene, "k3", 49);
    let told_so_far = scene
        .browser
        .eval("notified.slice(1).map(([, body]) => body)");
    assert_eq!(
        told_so_far,
        json!(["during the cut: memory 40.0\u{a0}% for 0\u{a0}s: java 50.0\u{a0}%"])
    );

    // Where only service workers may notify, the page goes on.
    scene.browser.eval("window.isTelephone = true");
    scene.says.send(told(50, &fires("second", 50))).unwrap();
    settle!(scene, "k3", 51);
    assert_eq!(scene.browser.eval("notified.length"), 3);
    assert_eq!(scene.browser.take_errors(), Vec::<String>::new());
}

#[test]
fn nobody_is_asked_where_the_browser_allows_no_notification() {
    let serve = Metrics::serve()
        .args(["--allow-host", "web.example"])
        .start();
    let mut browser = prepared(crate::harness::browser::Browser::among_examples());
    browser.go(&format!("http://web.example:{}/", serve.port()));
    browser.wait_until("view().filled && view().seq > 1", VIEW);
    let state = "[isSecureContext, document.getElementById('ask').hidden]";
    assert_eq!(browser.eval(state), json!([false, true]));
}
