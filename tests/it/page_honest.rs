//! The page never looks live when it is not: it says what it shows, of when, wherever it is scrolled to.

use serde_json::json;

use crate::harness::browser::Browser;
use crate::harness::metrics::Metrics;
use crate::harness::proxy::Proxy;
use crate::harness::recording::plain;
use crate::harness::viewer::Viewer;
use crate::page::{VIEW, in_format, open, with_alert};

/// What the header says, whether all of it is within the window, and whether what is below is dimmed.
const HEADER: &str = "(() => {
    const inside = (id) => {
        const { top, bottom, height } = document.getElementById(id).getBoundingClientRect();
        return height > 0 && top >= 0 && bottom <= innerHeight;
    };
    const main = document.querySelector('main');
    return {
        state: document.body.dataset.state, word: word.textContent, clock: clock.textContent,
        status: inside('status'), banner: inside('banner'), scrolled: scrollY > 300,
        dimmed: getComputedStyle(main).filter !== 'none', bar: getComputedStyle(word).filter,
    };
})()";

#[track_caller]
fn scroll_down(browser: &mut Browser) {
    // The page grows while the first samples arrive.
    browser.wait_until(
        "scrollTo(0, document.body.scrollHeight), scrollY > 300",
        "scrollY",
    );
}

#[test]
fn a_page_that_is_scrolled_down_still_says_that_it_is_stale() {
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let mut browser = open(proxy.port());
    browser.look((390, 844), "light");
    browser.wait_until("view().isLive && view().filled && view().seq > 3", VIEW);
    scroll_down(&mut browser);
    let live = browser.eval(HEADER);
    assert_eq!(
        (&live["state"], &live["word"], &live["status"]),
        (&json!("live"), &json!("Live"), &json!(true))
    );
    assert_eq!(live["dimmed"], false);
    let clock = live["clock"].as_str().unwrap();
    assert!(clock.len() == 8 && clock.contains(':'), "{clock}");

    proxy.freeze();
    browser.wait_until("document.body.dataset.state === 'stale'", HEADER);
    let stale = browser.eval(HEADER);
    let expected =
        json!({ "status": true, "banner": true, "scrolled": true, "dimmed": true, "bar": "none" });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&stale[name], value, "{name}: {stale}");
    }
    let clock = stale["clock"].as_str().unwrap();
    assert!(clock.contains("s old, of "), "{clock}");
}

#[test]
fn a_replay_says_so_with_its_speed_and_its_date() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    // Of another year than any in which this runs.
    std::fs::write(
        &file,
        with_alert()
            .replace("2026-", "2019-")
            .replace("17955288", "15746040"),
    )
    .unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "2", "--speed", "2.5"])
        .start();
    let mut browser = open(replay.port());
    let waiting = "Replay: waiting for 2 viewers";
    browser.wait_until(&format!("view().status === '{waiting}'"), VIEW);
    let before = browser.eval(
        "({ main: document.querySelector('main').hidden, clock: clock.textContent, title: document.title, \
           host: host.textContent, state: document.body.dataset.state })",
    );
    let expected = json!({
        "main": true, "clock": "", "title": format!("({waiting}) web-1"), "host": "web-1", "state": "waiting",
    });
    assert_eq!(before, expected);

    let _second = Viewer::connect(replay.url(), "");
    browser.wait_until("view().status === 'Replay ×2.5' && view().seq > 15", VIEW);
    let playing = browser.eval(HEADER);
    let clock = playing["clock"].as_str().unwrap();
    let dated = "24\u{a0}Nov\u{a0}2019\u{a0}";
    assert!(clock.starts_with(dated), "{clock}");
    assert!(clock.ends_with(" % played"), "{clock}");
    assert_eq!(playing["dimmed"], false);
    let times = "[...document.querySelectorAll('#timeline time, #alerts button'), document.getElementById('events').rows[1].cells[0], \
                 document.getElementById('about')].map((node) => node.textContent)";
    browser.wait_until("document.getElementById('events') !== null", VIEW);
    let times: Vec<String> = serde_json::from_value(browser.eval(times)).unwrap();
    assert!(times.iter().all(|time| time.contains(dated)), "{times:?}");
}

#[test]
fn a_value_of_another_day_has_its_date() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, plain("web-1", 3, 1000)).unwrap();
    let replay = Metrics::replay([&file]).args(["--wait", "1"]).start();
    let mut browser = open(replay.port());
    let shown = browser.eval(
        &in_format("(() => {
            const now = new Date();
            const day = (days) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 4, 5, 6).getTime();
            const year = new Date(now.getFullYear() - 1, 0, 9, 4, 5, 6);
            return [moment(day(0)), moment(day(0), true).split('\\u00a0').length, moment(day(-1)).split('\\u00a0').length,
                    moment(day(1), false, false).slice(-5), moment(year.getTime()).replace(`${year.getFullYear()}`, 'YEAR')];
        })()"),
    );
    let nb = "\u{a0}";
    assert_eq!(
        shown,
        json!([
            "04:05:06",
            3,
            3,
            "04:05",
            format!("9{nb}Jan{nb}YEAR{nb}04:05:06")
        ])
    );
}
