//! The charts and tables of the page: windows of any length, looking back, pausing, sorting, and what survives a reload.

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::WebSocket;

use crate::harness::browser::Browser;
use crate::harness::metrics::Metrics;
use crate::harness::server::{page_with_stream, say};
use crate::page::{VIEW, open, open_after};
use crate::page_scene::Scene;

const BEGIN: u64 = 1_795_528_800_000;
const MINUTE: u64 = 60_000;
/// Samples are rare, so that nothing is stale while a test looks at it.
const INTERVAL_MS: u64 = 600_000;
/// Cuts off the first connection that fetches buckets, as where too many read old messages.
const CUT_BUCKETS: &str = "window.cuts = 0; window.WebSocket = class extends WebSocket { \
                           constructor(url, more) { super(url, more); \
                           if (url.includes('step=') && !window.cuts) { window.cuts += 1; this.close(); } } };";

fn hello(host: &str, held: u64, disks: usize) -> String {
    let metric = |name: &str, unit: &str, section: &str| json!({ "name": name, "unit": unit, "label": name, "section": section });
    let mut metrics = vec![
        metric("cpu", "%", "CPU"),
        metric("memory", "%", "Memory"),
        metric("networkReceived", "B/s", "Network"),
        metric("networkSent", "B/s", "Network"),
    ];
    metrics.extend((0..disks).map(|disk| metric(&format!("diskBusy:sd{disk}"), "%", "Disks")));
    json!({
        "type": "hello", "host": host, "protocol": 1, "server": "metrics/9", "stream": "k3", "oldest": 1, "newest": 300,
        "held": held, "interval": INTERVAL_MS, "heartbeat": 30000, "alerts": [], "unavailable": [], "metrics": metrics,
    })
    .to_string()
}

/// The sample with `seq`, a second after the previous one: the network is steady.
fn sample(host: &str, seq: u64, disks: usize) -> String {
    let mut data = json!({
        "timestamp": BEGIN + seq * 1000, "cpu": 10 + seq % 7, "memory": 40, "activeUsers": 2, "requestsPerSecond": 3,
        "networkReceived": 2_000_000, "networkSent": 5_000,
        "top": [{ "pid": seq, "name": format!("job-{seq}"), "cpu": 5, "memory": 3 }],
    });
    for disk in 0..disks {
        data[format!("diskBusy:sd{disk}")] = json!(1 + (disk * 37) % 60);
    }
    json!({ "type": "metric", "host": host, "seq": seq, "data": data }).to_string()
}

fn scene(disks: usize) -> Scene {
    let texts = std::iter::once(hello("web-1", BEGIN, disks));
    let samples = (1..=300).map(|seq| sample("web-1", seq, disks));
    Scene::new("", texts.chain(samples).collect(), 300)
}

/// Waits until a frame has drawn what was asked for.
#[track_caller]
fn settle(browser: &mut Browser) {
    browser.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
}

/// Presses at one share of the charts' width, and lets go at another.
#[track_caller]
fn drag(browser: &mut Browser, from: f64, to: f64) {
    browser.eval(&format!(
        "{{
            const area = document.getElementById('charts');
            const canvas = document.querySelector('figure:not([hidden]) canvas');
            const {{ left, width, top }} = canvas.getBoundingClientRect();
            area.setPointerCapture = () => {{}};
            const send = (type, share) => canvas.dispatchEvent(new PointerEvent(type, {{
                bubbles: true, pointerType: 'mouse', isPrimary: true, button: 0, clientX: left + share * width, clientY: top + 20,
            }}));
            send('pointerdown', {from});
            send('pointermove', {to});
            send('pointerup', {to});
        }}"
    ));
    settle(browser);
}

#[track_caller]
fn press(browser: &mut Browser, key: &str) {
    browser.eval(&format!(
        "dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))"
    ));
    settle(browser);
}

const STATE: &str = "({ state: document.body.dataset.state, minutes: Math.round(metrics.minutes * 10) / 10, \
                     clock: clock.textContent, hash: location.hash, \
                     top: document.getElementById('processes').tBodies[0].rows[0].cells[0].textContent })";

#[test]
fn dragging_zooms_and_a_click_looks_at_a_moment() {
    let mut scene = scene(2);
    let browser = &mut scene.browser;
    drag(browser, 0.5, 0.75);
    let zoomed = browser.eval(STATE);
    assert_eq!(zoomed["state"], "back", "{zoomed}");
    let minutes = zoomed["minutes"].as_f64().unwrap();
    assert!((1.0..1.8).contains(&minutes), "{zoomed}");
    assert!(
        zoomed["hash"].as_str().unwrap().contains("to=2026-11-24T"),
        "{zoomed}"
    );
    // The address shows the same to others.
    browser.reload();
    browser.wait_until(&format!("view().filled && {STATE}.state === 'back'"), VIEW);
    assert_eq!(browser.eval(STATE)["minutes"], zoomed["minutes"]);

    // A click looks at a moment: the processes are those of then.
    press(browser, "End");
    assert_eq!(browser.eval(STATE)["state"], "live");
    assert_eq!(browser.eval(STATE)["top"], "job-300");
    drag(browser, 0.5, 0.5);
    let then = browser.eval(STATE);
    assert_eq!(then["state"], "back");
    assert!(then["clock"].as_str().unwrap().ends_with(" back"), "{then}");
    let job: u64 = then["top"].as_str().unwrap()["job-".len()..]
        .parse()
        .unwrap();
    assert!((100..200).contains(&job), "{then}");
    assert_eq!(
        browser.eval("document.getElementById('cross').hidden"),
        false
    );
    press(browser, "ArrowLeft");
    assert_eq!(browser.eval(STATE)["top"], format!("job-{}", job - 1));
    let read = browser.eval("document.getElementById('reading').textContent");
    assert!(read.as_str().unwrap().contains("busy"), "{read}");
    press(browser, "Home");
    assert_eq!(browser.eval(STATE)["top"], "job-1");
    browser.eval("document.getElementById('live').click()");
    settle(browser);
    assert_eq!(browser.eval(STATE)["state"], "live");
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

#[test]
fn pause_freezes_the_whole_page_and_says_so() {
    let mut scene = scene(2);
    let look = "({ word: word.textContent, button: pause.textContent, clock: clock.textContent.slice(-16), \
                top: document.getElementById('processes').tBodies[0].rows[0].cells[0].textContent, title: document.title })";
    press(&mut scene.browser, "p");
    for seq in 301..=303 {
        scene.says.send(sample("web-1", seq, 2)).unwrap();
    }
    scene.browser.wait_until("view().seq === 303", VIEW);
    settle(&mut scene.browser);
    let paused = json!({
        "word": "Paused", "button": "Resume", "clock": ", 3 new messages", "top": "job-300", "title": "‖ web-1",
    });
    assert_eq!(scene.browser.eval(look), paused);
    // A table that is opened meanwhile has the values of then.
    scene
        .browser
        .eval("document.getElementById('values').parentNode.open = true");
    settle(&mut scene.browser);
    let cpu = "document.querySelector('#values tbody tr').textContent.trim()";
    let cpu = scene.browser.eval(cpu);
    assert!(cpu.as_str().unwrap().ends_with("16.0\u{a0}%"), "{cpu}");
    scene.browser.eval("pause.click()");
    settle(&mut scene.browser);
    let now = scene.browser.eval(look);
    assert_eq!(
        (&now["word"], &now["top"], &now["button"]),
        (&json!("Live"), &json!("job-303"), &json!("Pause"))
    );
}

/// The rows of the disks, the sorted column, and what the button says.
const DISKS: &str = "(() => {
    const table = document.getElementById('section Disks');
    const sorted = table.querySelector('[aria-sort]');
    return {
        rows: [...table.tBodies[0].rows].slice(0, 2).map((row) => row.cells[0].textContent), count: table.tBodies[0].rows.length,
        sorted: [sorted.textContent, sorted.ariaSort], button: table.parentNode.querySelector('.unfold').textContent,
    };
})()";

#[test]
fn sixty_disks_are_sorted_and_folded_and_choices_survive_a_reload() {
    let mut scene = scene(60);
    let browser = &mut scene.browser;
    let busiest = json!({ "rows": ["sd8", "sd47"], "count": 10, "sorted": ["diskBusy", "descending"], "button": "50 more" });
    let shown = browser.eval(DISKS);
    assert_eq!(
        (&shown["count"], &shown["sorted"], &shown["button"]),
        (&busiest["count"], &busiest["sorted"], &busiest["button"])
    );
    let shares = "[...document.getElementById('section Disks').tBodies[0].rows].map((row) => parseFloat(row.cells[1].textContent))";
    let highest: Vec<u64> = (51..=60).rev().collect();
    assert_eq!(browser.eval(shares), json!(highest));
    // The column that it is sorted by anyway: a click leaves it so, another reverses it, and a third ends that.
    let lowest: Vec<u64> = (1..=10).collect();
    for (direction, expected) in [
        ("descending", &highest),
        ("ascending", &lowest),
        ("descending", &highest),
    ] {
        browser.click("document.getElementById('section Disks').querySelectorAll('th button')[1]");
        settle(browser);
        let sorted = &browser.eval(DISKS)["sorted"];
        assert_eq!(*sorted, json!(["diskBusy", direction]));
        assert_eq!(browser.eval(shares), json!(expected), "{direction}");
    }
    browser.eval(
        "{
        const table = document.getElementById('section Disks');
        table.querySelector('th button').click();
        table.parentNode.querySelector('.unfold').click();
        document.querySelector('[data-series=networkSent]').click();
        document.querySelector('#windows [value=\"15\"]').click();
    }",
    );
    settle(browser);
    let named = json!({ "rows": ["sd0", "sd1"], "count": 60, "sorted": ["Name", "ascending"], "button": "fewer" });
    let chosen = "[document.querySelector('#windows :checked').value, document.querySelector('[data-series=networkSent]').ariaPressed]";
    assert_eq!(browser.eval(DISKS), named);
    assert_eq!(browser.eval(chosen), json!(["15", "false"]));
    browser.reload();
    browser.wait_until(
        "view().filled && document.getElementById('section Disks') !== null",
        VIEW,
    );
    settle(browser);
    assert_eq!(browser.eval(DISKS), named);
    assert_eq!(browser.eval(chosen), json!(["15", "false"]));
    assert_eq!(browser.eval("location.hash"), "#last=15m");
    // Another host's table of this name may have had more columns.
    browser.eval("localStorage.setItem('metrics-choices', JSON.stringify({ sorts: { 'section Disks': [9, false] } }))");
    browser.reload();
    browser.wait_until(
        "view().filled && document.getElementById('section Disks') !== null",
        VIEW,
    );
    settle(browser);
    let names = "[...document.getElementById('section Disks').tBodies[0].rows].slice(0, 2).map((row) => row.cells[0].textContent)";
    assert_eq!(browser.eval(names), json!(["sd0", "sd1"]));
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

/// The height of the topmost pixel of a chart's ink at a share of its width, as a share of the plot from below.
fn height(chart: &str, share: f64) -> String {
    format!(
        "(() => {{
            const canvas = document.querySelector('#{chart} canvas');
            const x = Math.round(canvas.width * {share});
            const {{ data }} = canvas.getContext('2d').getImageData(x - 3, 0, 7, canvas.height);
            const em = parseFloat(getComputedStyle(canvas).fontSize);
            const plot = {{ top: 0.4 * em, bottom: canvas.height - 1.5 * em }};
            const isInk = (at) => data[at + 3] > 60 && Math.abs(data[at] - data[at + 2]) > 40;
            const first = [...Array(data.length / 4).keys()].find((pixel) => isInk(4 * pixel));
            return first === undefined ? 0 : (plot.bottom - Math.floor(first / 7)) / (plot.bottom - plot.top);
        }})()"
    )
}

#[test]
fn a_constant_rate_is_not_drawn_along_an_edge() {
    let mut scene = scene(2);
    settle(&mut scene.browser);
    let share = scene.browser.eval(&height("chart-network", 0.8));
    let share = share.as_f64().unwrap();
    // Of a mirror: 2 MB/s of 5 above the line, 5 kB/s of 10 below it.
    assert!((0.36..0.91).contains(&share), "{share}");
}

/// The summary of two minutes, `bucket` of them before `now` in milliseconds. One of them has a peak.
fn summary(now: u64, bucket: u64) -> String {
    let from = (now / (2 * MINUTE) - 4 - bucket) * 2 * MINUTE;
    let most = if bucket == 30 { 99 } else { 13 };
    let values = |cpu: u64| json!({ "cpu": cpu, "memory": 40 });
    let summary = json!({
        "type": "summary", "host": "web-1", "from": from, "to": from + 2 * MINUTE, "count": 120,
        "mean": values(12), "min": values(11), "max": values(most),
    });
    summary.to_string()
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}

/// A server that holds seven hours: an hour ago, one sample in a bucket was a peak.
#[test]
fn a_long_window_is_fetched_in_buckets_and_a_peak_of_one_sample_stays_visible() {
    let page = Metrics::serve().start();
    let (asked, queries) = channel::<String>();
    let asked = Mutex::new(asked);
    let now = now_ms();
    let port = page_with_stream(
        page.port(),
        move |query, socket: &mut WebSocket<TcpStream>| {
            let shifted = |seq: u64| {
                let mut sample: Value = serde_json::from_str(&sample("web-1", seq, 0)).unwrap();
                sample["data"]["timestamp"] = json!(now - (300 - seq) * 1000);
                sample.to_string()
            };
            asked.lock().unwrap().send(query.to_owned()).unwrap();
            say(socket, &[&hello("web-1", now - 7 * 60 * MINUTE, 0)]);
            if query.contains("step=") {
                (0..7 * 30)
                    .rev()
                    .for_each(|bucket| say(socket, &[&summary(now, bucket)]));
            } else if query.contains("since=") {
                (1..300).for_each(|seq| say(socket, &[&shifted(seq)]));
            }
            say(socket, &[&shifted(300)]);
            while socket.read().is_ok() {}
        },
    );
    let mut browser = open_after(CUT_BUCKETS, port);
    browser.wait_until("view().filled && view().seq === 300", VIEW);
    settle(&mut browser);
    let windows = "[...document.querySelectorAll('#windows label:not([hidden])')].map((label) => label.textContent)";
    assert_eq!(
        browser.eval(windows),
        json!(["1 m", "5 m", "15 m", "1 h", "6 h", "24 h"])
    );
    // Nothing has happened in what is there, so the mark before is looked for in a longer window.
    press(&mut browser, "[");
    assert_eq!(browser.eval("metrics.minutes"), 15);
    browser.eval("document.querySelector('#windows [value=\"360\"]').click()");
    browser.wait_until(
        "metrics.state.host.history.buckets > 200",
        "metrics.state.host.history.buckets",
    );
    settle(&mut browser);
    let query = queries
        .iter()
        .find(|query| query.contains("step=120s"))
        .unwrap();
    assert!(query.contains("since=21"), "{query}");
    // 62 to 70 minutes ago, of six hours.
    let everywhere =
        height("chart-total", 0.0).replace("canvas.width * 0)", "canvas.width * share)");
    let peak = format!(
        "Math.max(...[...Array(40).keys()].map((step) => 0.75 + step / 400).map((share) => {everywhere}))"
    );
    let peak = browser.eval(&peak).as_f64().unwrap();
    assert!(0.9 < peak, "{peak}");
    let usual = browser.eval(&height("chart-total", 0.5)).as_f64().unwrap();
    assert!(usual < 0.2, "{usual}");
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

/// As the fullest disk's, where a filesystem answers late.
#[test]
fn a_card_keeps_a_value_that_one_sample_lacks() {
    let mut scene = scene(0);
    let (browser, says) = (&mut scene.browser, &scene.says);
    let shown = "document.querySelector('[data-metric=memory] .numbers').textContent";
    for (seq, expected) in [(301, "40.0%"), (302, "40.0%"), (303, "–no reading")] {
        let mut lacking: Value = serde_json::from_str(&sample("web-1", seq, 0)).unwrap();
        lacking["data"]["memory"] = json!(0);
        lacking["absent"] = json!(["memory"]);
        says.send(lacking.to_string()).unwrap();
        let is_drawn = format!("document.getElementById('cards').dataset.seq === '{seq}'");
        browser.wait_until(&is_drawn, shown);
        assert_eq!(browser.eval(shown), expected);
    }
}

/// A thousand hosts, of which an alert fires on one, one is full, and one is nearly so.
fn say_a_thousand_hosts(socket: &mut WebSocket<TcpStream>) {
    for host in 1..=1000 {
        let name = format!("web-{host}");
        let mut hello: Value = serde_json::from_str(&hello(&name, BEGIN, 0)).unwrap();
        hello["metrics"][1]["warn"] = json!(70);
        hello["metrics"][1]["critical"] = json!(90);
        if host == 900 {
            hello["alerts"] = json!([{
                "name": "quiet", "rule": "cpu < 20", "state": "firing", "metric": "cpu", "value": 10, "threshold": 20,
                "since": BEGIN,
            }]);
        }
        say(socket, &[&hello.to_string()]);
        for seq in 298..=300 {
            let mut sample: Value = serde_json::from_str(&sample(&name, seq, 0)).unwrap();
            sample["data"]["memory"] = json!(match host {
                777 => 95,
                30 => 75,
                _ => 40,
            });
            say(socket, &[&sample.to_string()]);
        }
    }
    while socket.read().is_ok() {}
}

#[test]
fn of_a_thousand_hosts_those_in_view_are_rows_and_trouble_is_first() {
    let page = Metrics::serve().start();
    let port = page_with_stream(page.port(), |_, socket| say_a_thousand_hosts(socket));
    let mut browser = open(port);
    let counts = "(document.getElementById('counts')?.textContent ?? '')";
    let expected = "1000 hosts   ▲ 1 firing   ■ 1 critical   ◆ 1 warning   ● 997 well";
    browser.wait_until(&format!("{counts} === '{expected}'"), counts);
    let rows = "[...document.querySelectorAll('#hosts-table a')].map((link) => link.textContent)";
    let shown: Vec<String> = serde_json::from_value(browser.eval(rows)).unwrap();
    let first = ["■ web-777", "▲ web-900", "◆ web-30", "● web-1"];
    assert_eq!(shown[..4], first);
    assert!(shown.len() < 100, "{}", shown.len());
    // A click sorts by a column, the first one too, another reverses that, and a third leads back to what is in trouble.
    for (column, order) in [
        (0, ["● web-1", "● web-1000", "■ web-777"]),
        (3, ["■ web-777", "● web-1", "■ web-777"]),
    ] {
        for first in order {
            browser.eval(&format!(
                "document.querySelectorAll('#hosts-table th button')[{column}].click()"
            ));
            settle(&mut browser);
            assert_eq!(browser.eval(&format!("{rows}[0]")), first, "{column}");
        }
    }
    browser.eval("scrollTo(0, document.body.scrollHeight)");
    browser.wait_until(&format!("{rows}.includes('● web-1000')"), rows);
    assert_eq!(browser.eval(&format!("{rows}.length < 100")), true);
    // It stays there, as rows are exchanged.
    settle(&mut browser);
    let end = "[Math.round(scrollY + innerHeight), document.body.scrollHeight]";
    let [reached, height]: [u64; 2] = serde_json::from_value(browser.eval(end)).unwrap();
    assert!(height <= reached + 1, "{reached} of {height}");
    // A row leads to its host, and back leads to the table.
    browser.eval("location.hash = '#host=web-30'");
    browser.wait_until(
        "view().host === 'web-30' && document.body.dataset.view === 'host'",
        VIEW,
    );
    browser.eval("history.back()");
    browser.wait_until("document.body.dataset.view === 'fleet'", VIEW);
    browser.eval(
        "{ filter.value = 'web-77'; filter.dispatchEvent(new Event('input')); scrollTo(0, 0); }",
    );
    browser.wait_until(&format!("{rows}.length === 11"), rows);
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}
