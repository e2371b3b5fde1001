//! The page lays out metrics that it has never heard of: a box for each section that the server announces.

use serde_json::{Value, json};

use crate::page_scene::Scene;

/// What the boxes say: title, heads, and rows below them.
const BOXES: &str = "[...document.querySelectorAll('details')].map((box) => {
    const text = (rows) => [...rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
    const table = box.querySelector('table');
    return [box.querySelector('summary').textContent, ...text(table.tHead.rows), text(table.tBodies[0].rows)];
})";

const HOSTILE: &str = "<img src=x onerror=window.stung=1>";

fn hello(metrics: &Value) -> String {
    json!({
        "type": "hello", "host": "web-1", "protocol": 1, "server": "metrics/9", "stream": "k3", "oldest": 1, "newest": 40,
        "interval": 600_000, "heartbeat": 30000, "metrics": metrics, "alerts": [], "unavailable": [],
    })
    .to_string()
}

fn metric(name: &str, unit: &str, label: &str, section: &str) -> Value {
    json!({ "name": name, "unit": unit, "label": label, "section": section })
}

/// The sample with `seq`, a second after the previous one.
fn sample(seq: u64) -> String {
    let mut data = json!({
        "timestamp": 1_795_528_800_000 + seq * 1000, "cpu": 12, "memory": 40, "activeUsers": 2, "requestsPerSecond": 3,
        "cpu:0": 12, "queue.depth": if seq < 36 { 100 } else { 150 }, "queue.wait": 7.3, "jobs:mail": 3, "jobs:print": 0,
        "gpu": 60, "gpu:0": 90, "gpu:1": 30, "gpuMemory:0": 95, "gpuPower:1": 312.5, "plain": 1, "oomKills": 0.004,
        "networkErrors": 0, "networkErrors:eth0": 0, "networkReceived:eth0": 1500,
    });
    data[HOSTILE] = json!(5);
    json!({ "type": "metric", "host": "web-1", "seq": seq, "data": data }).to_string()
}

/// The metrics of a later version, of an application, and of a malicious server.
fn unheard_of() -> Value {
    let mut metrics = vec![
        metric("cpu", "%", "CPU", "CPU"),
        metric("cpu:0", "%", "CPU 0", "CPU"),
        metric("memory", "%", "Memory", "Memory"),
        metric("oomKills", "1/s", "OOM kills", "Memory"),
        metric("networkErrors", "1/s", "Network errors", "Network"),
        metric("networkReceived:eth0", "B/s", "Network in eth0", "Network"),
        metric(
            "networkErrors:eth0",
            "1/s",
            "Network errors eth0",
            "Network",
        ),
        metric("queue.depth", "", "Queue depth", "Application"),
        metric("queue.wait", "ms", "Queue wait", "Application"),
        metric("jobs:mail", "", "jobs:mail", "Application"),
        metric("jobs:print", "", "jobs:print", "Application"),
        metric("gpu", "%", "GPU", "GPU"),
        metric("gpu:0", "%", "GPU 0", "GPU"),
        metric("gpu:1", "%", "GPU 1", "GPU"),
        metric("gpuMemory:0", "%", "GPU memory 0", "GPU"),
        metric("gpuPower:1", "W", "GPU power 1", "GPU"),
        metric(HOSTILE, "", HOSTILE, HOSTILE),
        metric("plain", "", "", ""),
        metric("never", "", "Never read", "All values"),
    ];
    metrics[7]["warn"] = json!(120);
    metrics[14]["critical"] = json!(90);
    json!(metrics)
}

fn scene(metrics: &Value) -> Scene {
    let texts = std::iter::once(hello(metrics)).chain((1..=40).map(sample));
    Scene::new("", texts.collect(), 40)
}

#[test]
fn metrics_that_it_has_never_heard_of_have_a_box_for_each_section() {
    // Its server has to last as long as its browser.
    let mut scene = scene(&unheard_of());
    let browser = &mut scene.browser;
    browser.wait_until(&format!("{BOXES}.length > 5"), BOXES);
    let boxes = browser.eval(BOXES);
    // Of known sections, single values are among the counters; what never said anything is nowhere.
    let expected = json!([
        [
            "Counters",
            ["Name", "Now"],
            [["OOM kills", "0.004\u{a0}/s"]]
        ],
        ["Network", ["Name", "in"], [["eth0", "1.5\u{a0}kB/s"]],],
        [
            "Application",
            ["Name", "Now"],
            [["Queue depth", "150"], ["Queue wait", "7.3\u{a0}ms"]],
        ],
        [
            "Application",
            ["Name", "jobs"],
            [["mail", "3"], ["print", "0"]]
        ],
        [
            "GPU",
            ["Name", "GPU", "memory", "power"],
            [
                ["0", "90.0\u{a0}%", "95.0\u{a0}%", "–"],
                ["1", "30.0\u{a0}%", "–", "312.5\u{a0}W"],
            ],
        ],
        [HOSTILE, ["Name", "Now"], [[HOSTILE, "5"]]],
        ["Other", ["Name", "Now"], [["plain", "1"]]],
        ["All values", ["Name", "Now"], [["Never read", "–"]]],
        ["All values", [], []],
    ]);
    let seen: Vec<&Value> = boxes.as_array().unwrap().iter().collect();
    let expected: Vec<&Value> = expected.as_array().unwrap().iter().collect();
    assert_eq!(
        seen.iter().filter(|it| it[0] != "Events").count(),
        expected.len(),
        "{boxes}"
    );
    for (seen, expected) in seen.iter().filter(|it| it[0] != "Events").zip(expected) {
        assert_eq!(*seen, expected);
    }
    let marks = browser.eval(
        "({ levels: [...document.querySelectorAll('td.warn, td.critical')].map((cell) => [cell.className, getComputedStyle(cell, '::before').content[1] + cell.textContent.trim()]),
            lines: [...document.querySelectorAll('td path')].filter((path) => path.getAttribute('d').length > 100).length,
            images: document.images.length, stung: window.stung ?? 0 })",
    );
    let levels = [["warn", "◆150"], ["critical", "■95.0\u{a0}%"]];
    let expected = json!({ "levels": levels, "lines": 5, "images": 0, "stung": 0 });
    assert_eq!(marks, expected);
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

#[test]
fn boxes_follow_what_the_host_announces_and_stay_as_they_were_left() {
    let all = json!([
        metric("queue.depth", "", "Queue depth", "Application"),
        metric("gpu:0", "%", "GPU 0", "GPU"),
        metric("plain", "", "Plain", "Other"),
    ]);
    let mut scene = scene(&all);
    let (browser, says) = (&mut scene.browser, &scene.says);
    let titles = "[...document.querySelectorAll('#more details')].map((box) => \
                  box.firstElementChild.textContent + (box.open ? '' : ' closed')).join()";
    let begun = "Application,GPU,Other,All values closed";
    browser.wait_until(&format!("{titles} === '{begun}'"), titles);
    for (change, expected) in [
        (
            json!([all[0], all[2]]),
            "Application closed,Other,All values closed",
        ),
        (
            json!([all[2], all[1], all[0]]),
            "Other,GPU,Application closed,All values closed",
        ),
    ] {
        browser.eval("document.querySelector('#more details').open = false");
        says.send(hello(&change)).unwrap();
        browser.wait_until(&format!("{titles} === '{expected}'"), titles);
    }
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

/// The pictures are for people; the test looks for what does not fit.
#[test]
fn a_table_of_many_columns_makes_no_screen_wider() {
    let mut metrics: Vec<Value> = Vec::new();
    for card in 0..4 {
        for what in [
            "use",
            "memory",
            "memory used",
            "power",
            "temperature",
            "clock",
            "throttled",
        ] {
            let name = format!("gpu {what}:{card}");
            let label = format!("GPU {what} {card}");
            metrics.push(metric(&name, "MHz", &label, "GPU"));
        }
    }
    let name = "name".repeat(40);
    metrics.push(metric(&name, "", &name, &name));
    metrics.push(metric(&format!("jobs:{name}"), "", &name, "Application"));
    let mut scene = scene(&json!(metrics));
    let browser = &mut scene.browser;
    browser.wait_until(
        "document.querySelectorAll('#more details').length >= 3",
        BOXES,
    );
    for width in [320, 390, 1280, 3840] {
        for scheme in ["light", "dark"] {
            browser.look((width, 900), scheme);
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            browser.wait_until(fits, "document.documentElement.scrollWidth");
        }
    }
    // None of its letters is on a line of its own.
    browser.look((390, 900), "light");
    let names = "[...document.querySelectorAll('#more tbody th')].map((name) => name.clientWidth)";
    let names: Vec<u64> = serde_json::from_value(browser.eval(names)).unwrap();
    assert!(names.iter().all(|width| *width >= 80), "{names:?}");
}
