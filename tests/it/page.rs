//! The page in a browser: it shows what the socket sends, and can do no more than it must.

use serde_json::{Value, json};

use crate::harness::browser::Browser;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::{timestamp, write_long, write_plain};
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;
use crate::harness::{PATIENCE, wait_for};

/// A view of the page's state for the tests.
const PROBE: &str = "
    window.view = () => {
        if (!window.metrics) return {};
        const { state, connection } = metrics;
        const { host } = state;
        return {
            status: document.getElementById('word').textContent, attempt: connection.attempt, host: state.selected,
            isLive: ['live', 'replay'].includes(document.body.dataset.state),
            isBlocked: connection.isBlocked, stream: host?.stream, seq: host?.newest?.seq, data: host?.newest?.data,
            filled: Boolean(host?.history && !host.waiting), gaps: state.gaps, unreadable: state.unreadable,
        };
    };
    window.series = (name) => {
        const { history } = metrics.state.host;
        return Array.from({ length: history.length }, (_, i) => [history.points[i].seq, history.time(i), history.value(name, i)]);
    };
";

pub(crate) const VIEW: &str = "JSON.stringify(view())";

/// Opens the page at a port of loopback.
#[track_caller]
pub(crate) fn open(port: u16) -> Browser {
    open_after("", port)
}

/// The same in a browser that runs a script before the page's own.
#[track_caller]
pub(crate) fn open_after(script: &str, port: u16) -> Browser {
    let mut browser = prepared(Browser::blank());
    browser.prepare(script);
    browser.go(&format!("http://127.0.0.1:{port}/"));
    browser
}

/// A browser whose pages will provide that view.
#[track_caller]
pub(crate) fn prepared(mut browser: Browser) -> Browser {
    browser.prepare(PROBE);
    browser
}

/// (seq, time, value) of the samples that the page keeps of a metric.
#[track_caller]
pub(crate) fn series(browser: &mut Browser, name: &str) -> Vec<(u64, u64, f64)> {
    let rows = browser.eval(&format!("series('{name}')"));
    serde_json::from_value(rows).unwrap()
}

/// Fails unless the page keeps every sample from its first to its last, once.
#[track_caller]
pub(crate) fn assert_unbroken(browser: &mut Browser) {
    let seqs: Vec<u64> = series(browser, "cpu").iter().map(|row| row.0).collect();
    let begin = *seqs.first().unwrap();
    let whole: Vec<u64> = (begin..begin + seqs.len() as u64).collect();
    assert_eq!(seqs, whole);
}

#[test]
fn its_values_are_those_of_the_socket() {
    let serve = Metrics::serve().start();
    let mut viewer = Viewer::connect(serve.url(), "last=1000");
    viewer.numbered(5);
    let mut browser = open(serve.port());
    // The frame in which cards show what the state holds.
    let drawn = "view().filled && view().seq >= 12 && \
                 Number(document.getElementById('cards').dataset.seq) === view().seq";
    // Read in the same turn as the condition, as the next sample may arrive at any time.
    let shown = format!(
        "(() => {{ if (!({drawn})) return null; \
         const card = (name) => document.querySelector(`[data-metric=${{name}}] b`).textContent; \
         const now = view(); return {{ seq: now.seq, data: now.data, stream: now.stream, \
         cpu: card('cpu'), memory: card('memory') }} }})()",
    );
    let shown = wait_for(
        PATIENCE,
        || Some(browser.eval(&shown)).filter(|shown| !shown.is_null()),
        || "the cards never showed the newest sample".to_owned(),
    );
    let rows = series(&mut browser, "cpu");
    let mut sent: Vec<(u64, u64, f64)> = Vec::new();
    let mut stream = String::new();
    let last = rows.last().unwrap().0;
    let mut viewer = Viewer::connect(serve.url(), "last=1000");
    while sent.last().is_none_or(|(seq, ..)| *seq < last) {
        match viewer.message() {
            Wire::Hello { stream: its, .. } => stream = its,
            Wire::Metric { seq, data, .. } => {
                if Some(seq) == shown["seq"].as_u64() {
                    assert_eq!(shown["data"]["timestamp"], data.timestamp);
                    for (name, value) in &data.values {
                        assert_eq!(shown["data"][name].as_f64(), Some(*value), "{name}");
                    }
                    let one_digit = |name: &str| json!(format!("{:.1}", data.values[name]));
                    assert_eq!(shown["cpu"], one_digit("cpu"));
                    assert_eq!(shown["memory"], one_digit("memory"));
                }
                sent.push((seq, data.timestamp, data.values["cpu"]));
            }
            _ => {}
        }
    }
    assert_eq!(shown["stream"], json!(stream));
    assert_eq!(rows, sent, "the chart has all samples that there are");

    let first = browser.eval("view().seq");
    browser.wait_until(&format!("view().seq > {first} + 3"), VIEW);
    assert_unbroken(&mut browser);
    assert_clean(&mut browser, &serve);
}

/// Nothing on the console, so no CSP report either, and no requests to other servers.
#[track_caller]
fn assert_clean(browser: &mut Browser, server: &Running) {
    assert_eq!(browser.take_errors(), Vec::<String>::new());
    let authority = format!("//127.0.0.1:{}/", server.port());
    for url in browser.requested() {
        assert!(
            url.contains(&authority) || url.starts_with("data:"),
            "{url}"
        );
    }
}

/// A recording of 40 samples in which an alert fires at the 10th and is resolved at the 30th.
pub(crate) fn with_alert() -> String {
    let mut csv = String::from(
        "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond,top,extra\n",
    );
    let mut seq = 0;
    for sample in 1..=40_u64 {
        let time = timestamp(1_795_528_800_000 + sample * 1000);
        let cpu = if (10..30).contains(&sample) { 97 } else { 12 };
        seq += 1;
        csv += &format!("{time},web-1,k3v9q2,{seq},,{cpu},41.5,2,,,\n");
        if let Some(state) = match sample {
            10 => Some("firing"),
            30 => Some("resolved"),
            _ => None,
        } {
            seq += 1;
            let alert = format!(
                r#"alert {{"name":"busy","rule":"cpu > 90","state":"{state}","metric":"cpu","value":{cpu},"threshold":90,"since":1795528810000}}"#
            );
            let alert = alert.replace('"', "\"\"");
            csv += &format!("{time},web-1,k3v9q2,{seq},\"{alert}\",{cpu},41.5,2,,,\n");
        }
    }
    csv
}

#[test]
fn an_alert_is_shown_and_cleared_and_the_end_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, with_alert()).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "8"])
        .start();
    let mut browser = open(replay.port());
    browser.wait_until("view().seq >= 13", VIEW);
    let look = "({ list: document.getElementById('alerts').textContent, title: document.title, \
                card: document.querySelector('[data-metric=cpu]').className })";
    browser.wait_until("document.getElementById('alerts').textContent !== ''", look);
    let seen = browser.eval(look);
    let list = seen["list"].as_str().unwrap();
    assert!(
        list.starts_with("▲ busy: CPU 97.0\u{a0}% > 90 for "),
        "{seen}"
    );
    assert_eq!(
        (&seen["title"], &seen["card"]),
        (&json!("▲ 1 ▷ web-1"), &json!("critical"))
    );
    browser.wait_until(
        "view().status === 'Ended' && document.getElementById('alerts').textContent === ''",
        VIEW,
    );
    assert_eq!(browser.eval("document.title"), "(Ended) web-1");
    // A value that could not be read is not shown as 0.
    let requests = "[...document.querySelectorAll('#values tr')].at(-1).textContent";
    browser.eval("document.getElementById('values').parentNode.open = true");
    browser.wait_until(&format!("{requests} === 'TCP accepts/s–'"), requests);
    // Nor is a metric that isn't in the recording.
    let shown = "[...document.querySelectorAll('figure:not([hidden])')].map(({ id }) => id)";
    assert_eq!(browser.eval(shown), json!(["chart-total", "chart-memory"]));
    let view = browser.eval("view()");
    assert_eq!((&view["attempt"], &view["seq"]), (&json!(0), &json!(42)));
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

#[test]
fn a_value_that_is_not_zero_is_not_shown_as_zero() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let csv = "timestamp,host,stream,seq,event,cpu,load1,cpu:0,cpu:1,oomKills,networkSent,top\n\
               2026-11-24T14:00:00.000Z,web-1,k3v9q2,1,,0.04,1.5,0.3,0,0.004,0.2,\
               \"[{\"\"pid\"\":7,\"\"name\"\":\"\"sh\"\",\"\"cpu\"\":0.0003,\"\"memory\"\":0.00002}]\"\n";
    std::fs::write(&file, csv).unwrap();
    let replay = Metrics::replay([&file]).args(["--wait", "1"]).start();
    let mut browser = open(replay.port());
    browser.wait_until(
        "view().seq >= 1 && document.getElementById('values') !== null",
        VIEW,
    );
    browser.eval("document.getElementById('values').parentNode.open = true");
    browser.wait_until(
        "view().filled && document.querySelector('#values tbody tr') !== null && \
         document.querySelector('#chart-cores li') !== null",
        VIEW,
    );
    let shown = browser.eval(
        "(() => {
            const rows = (id) => [...document.getElementById(id).tBodies[0].rows]
                .map((row) => [...row.cells].map((cell) => cell.textContent.trim()).join('|'));
            return {
                cpu: document.querySelector('[data-metric=cpu] b').textContent,
                cores: document.querySelector('#chart-cores ul').textContent,
                top: rows('processes'),
                values: rows('values').filter((row) => /OOM|Network/.test(row)),
                network: document.querySelector('#chart-network li:last-child b').textContent,
            };
        })()",
    );
    assert_eq!(
        shown,
        json!({
            "cpu": "0.04",
            "cores": "hottest: 0 (<1 %), 1",
            "top": ["sh|7|–|<0.1|<0.1"],
            "values": ["OOM kills|0.004\u{a0}/s", "Network out|0.2\u{a0}B/s"],
            "network": "<0.1",
        })
    );
    let zeros = in_format(
        "[[0, '%'], [0, 'B/s'], [0, '1/s'], [1e-12, '1/s'], [0.04, '°C']].map((p) => parts(...p)[0])",
    );
    assert_eq!(
        browser.eval(&zeros),
        json!(["0.0", "0", "0", "1e-12", "0.0"])
    );
}

/// An expression of the names in the page's `format.js`.
pub(crate) fn in_format(expression: &str) -> String {
    let source = include_str!("../../src/assets/format.js").replace("export ", "");
    format!("(() => {{ {source}; return {expression}; }})()")
}

#[test]
fn several_hosts_have_a_switch_and_each_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let files = write_plain(dir.path(), &["web-1", "web-2"], 3000);
    let replay = Metrics::replay(&files).args(["--speed", "20"]).start();
    let mut browser = open(replay.port());
    // First a table of all of them.
    let rows = "[...document.querySelectorAll('#hosts-table a')].map((link) => [link.textContent, link.hash])";
    let both = json!([["● web-1", "#host=web-1"], ["● web-2", "#host=web-2"]]);
    browser.wait_until(
        &format!("JSON.stringify({rows}) === JSON.stringify({both})"),
        rows,
    );
    // Then there is a switch, whose first choice is that table.
    let switch = "[document.getElementById('hosts').options.length, document.getElementById('switch').offsetParent !== null]";
    assert_eq!(browser.eval(switch), json!([0, false]));
    browser.eval("document.querySelector('#hosts-table a').click()");
    browser.wait_until(&format!("`${{{switch}}}` === '3,true'"), switch);
    for host in ["web-2", "web-1", "web-2"] {
        browser.eval(&format!(
            "{{ const hosts = document.getElementById('hosts'); hosts.value = '{host}'; \
             hosts.dispatchEvent(new Event('change')) }}"
        ));
        let shown = format!(
            "view().host === '{host}' && view().filled && view().seq > 20 && \
             document.getElementById('host').textContent === '{host}'"
        );
        browser.wait_until(&shown, VIEW);
        assert_unbroken(&mut browser);
        assert_eq!(series(&mut browser, "cpu")[0].0, 1);
        assert_eq!(
            browser.eval("location.hash"),
            json!(format!("#host={host}"))
        );
    }
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

#[test]
fn the_page_asks_for_the_token_and_keeps_it_until_the_tab_is_closed() {
    const TOKEN: &str = "a-token-for-the-tests";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let serve = Metrics::serve().arg("--token-file").arg(&file).start();
    let mut browser = open(serve.port());
    let type_in = |browser: &mut Browser, token: &str| {
        browser.wait_until("document.getElementById('dialog')?.open === true", VIEW);
        browser.eval(&format!(
            "{{ document.getElementById('token').value = '{token}'; document.querySelector('#dialog form').requestSubmit() }}"
        ));
    };
    type_in(&mut browser, "not-the-right-token");
    let wrong =
        "document.getElementById('wrong').textContent === 'This is not the server’s token.'";
    browser.wait_until(wrong, VIEW);
    type_in(&mut browser, TOKEN);
    let shown = "view().isLive && view().filled && view().seq > 1";
    browser.wait_until(shown, VIEW);
    assert_eq!(
        browser.eval("document.getElementById('banner').hidden"),
        true
    );

    browser.eval("document.getElementById('save').click()");
    browser.wait_until(
        "document.getElementById('saved').textContent === 'Saved.'",
        "document.getElementById('saved').textContent",
    );
    browser.reload();
    browser.wait_until(shown, VIEW);
    assert_eq!(
        browser.eval("document.getElementById('dialog').open"),
        false
    );
    let named = browser.requested().iter().any(|url| url.contains(TOKEN));
    assert!(!named, "the token is in no URL");
}

#[test]
fn hours_of_samples_do_not_make_it_grow() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hour.csv");
    write_long(&file, 3600, 20);
    let replay = Metrics::replay([&file])
        .args(["--loop", "--speed", "200", "--wait", "1"])
        .start();
    let mut browser = open(replay.port());
    let mut measure = |seq: u64| {
        browser.wait_until(&format!("view().seq > {seq}"), VIEW);
        let figures = (browser.figure("JSHeapUsedSize"), browser.figure("Nodes"));
        let kept = series(&mut browser, "cpu").len();
        assert!(kept <= 901, "{kept} samples of 15 minutes");
        figures
    };
    // The charts are full after 900.
    let (heap, nodes) = measure(1500);
    let (later_heap, later_nodes) = measure(5100);
    assert!(later_heap < heap * 1.2 + 500_000.0, "{heap} {later_heap}");
    assert!(later_nodes < nodes + 50.0, "{nodes} {later_nodes}");
    assert_eq!(browser.eval("view().unreadable"), Value::from(0));
}
