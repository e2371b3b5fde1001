//! The page of a small screen, of a large host, and of one that does nothing.

use serde_json::{Value, json};

use crate::harness::browser::Browser;
use crate::page::VIEW;
use crate::page_looks::assert_accessible;
use crate::page_scene::Scene;

const BEGIN: u64 = 1_795_528_800_000;
/// Samples in the history.
const SEQS: u64 = 300;
/// Those that an idle host lacks.
const GAP: std::ops::Range<u64> = 230..260;

/// A host, and what it does.
#[derive(Clone, Copy)]
struct Host {
    cores: u64,
    disks: u64,
    is_idle: bool,
}

const PLAIN: Host = Host {
    cores: 2,
    disks: 1,
    is_idle: false,
};

impl Host {
    fn hello(self) -> String {
        let single = [
            ("cpu", "%", "CPU"),
            ("cpuUser", "%", "CPU"),
            ("cpuSystem", "%", "CPU"),
            ("iowait", "%", "CPU"),
            ("steal", "%", "CPU"),
            ("load1", "", "CPU"),
            ("pressureCpu", "%", "CPU"),
            ("memory", "%", "Memory"),
            ("memoryUsed", "B", "Memory"),
            ("memoryAvailable", "B", "Memory"),
            ("networkReceived", "B/s", "Network"),
            ("networkSent", "B/s", "Network"),
            ("diskRead", "B/s", "Disks"),
            ("diskWritten", "B/s", "Disks"),
            ("activeUsers", "users", "System"),
            ("forks", "1/s", "System"),
        ];
        let metric = |name: &str, unit: &str, section: &str| json!({ "name": name, "unit": unit, "label": name, "section": section });
        let mut metrics: Vec<Value> = single
            .map(|(name, unit, section)| metric(name, unit, section))
            .into();
        metrics.extend((0..self.cores).map(|core| metric(&format!("cpu:{core}"), "%", "CPU")));
        for disk in 0..self.disks {
            metrics.push(metric(&format!("diskBusy:sd{disk}"), "%", "Disks"));
            metrics.push(metric(&format!("diskRead:sd{disk}"), "B/s", "Disks"));
        }
        json!({
            "type": "hello", "host": "web-1", "protocol": 1, "server": "metrics/9", "stream": "k3", "oldest": 1,
            "newest": SEQS, "interval": 600_000, "heartbeat": 30000, "metrics": metrics, "unavailable": [],
            "alerts": [],
        })
        .to_string()
    }

    /// The sample with `seq`, a second after the previous one. Cores 4, 17 and 93 are the hottest, and every other disk
    /// does nothing. Some time of an idle host was stolen once, in its first minute; later it is wholly idle.
    fn sample(self, seq: u64) -> String {
        let scale = if self.is_idle { 0 } else { 1 };
        let user = if self.is_idle && seq >= 200 {
            0
        } else {
            1 + scale * 30 + seq % 3
        };
        let stolen = if self.is_idle && seq == 20 { 3 } else { 0 };
        let mut data = json!({
            "timestamp": BEGIN + seq * 1000, "cpu": user + scale * 9, "cpuUser": user,
            "cpuSystem": scale * 9, "iowait": 0, "steal": stolen, "load1": scale * 3, "pressureCpu": scale * 71, "memory": 40,
            "memoryUsed": 10_200_547_328_u64, "memoryAvailable": 6_549_825_127_u64,
            "networkReceived": scale * 2_000_000, "networkSent": scale * 90_000, "diskRead": 0, "diskWritten": scale * 50_000,
            "activeUsers": 0, "requestsPerSecond": 0, "forks": if seq == 7 { 1 } else { 0 },
            "top": [{ "pid": seq, "name": format!("job-{seq}"), "cpu": 1, "memory": 3 }],
        });
        for core in 0..self.cores {
            data[format!("cpu:{core}")] = json!(match core {
                4 => 98,
                17 => 100,
                93 => 97,
                _ => (core * 7 + seq) % 50,
            });
        }
        for disk in 0..self.disks {
            // Less than a percent is nothing to speak of.
            data[format!("diskBusy:sd{disk}")] = match (self.is_idle, disk % 2) {
                (true, _) => json!(0.4),
                (_, 0) => json!(1 + disk),
                _ => json!(0),
            };
            data[format!("diskRead:sd{disk}")] = json!(0);
        }
        json!({ "type": "metric", "host": "web-1", "seq": seq, "data": data }).to_string()
    }

    #[track_caller]
    fn scene(self) -> Scene {
        let seqs = (1..=SEQS).filter(|seq| !self.is_idle || !GAP.contains(seq));
        let texts = std::iter::once(self.hello()).chain(seqs.map(|seq| self.sample(seq)));
        let mut scene = Scene::new("", texts.collect(), SEQS);
        settle(&mut scene.browser);
        scene
    }
}

/// Waits until a frame has drawn what was asked for.
#[track_caller]
fn settle(browser: &mut Browser) {
    browser.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
}

/// The place at a share of the width and of the height of a chart.
#[track_caller]
fn place(browser: &mut Browser, chart: &str, (across, down): (f64, f64)) -> (f64, f64) {
    let place = browser.eval(&format!(
        "(() => {{
            const {{ x, y, width, height }} = document.querySelector('#chart-{chart} canvas').getBoundingClientRect();
            return [x + {across} * width, y + {down} * height];
        }})()"
    ));
    (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
}

const ALERTS: &str = "({
    lines: [...document.querySelectorAll('#alerts li')].map((line) => line.innerText.trim()),
    height: Math.round(document.getElementById('alerts').getBoundingClientRect().height),
    bottom: document.querySelector('#chart-cpu canvas').getBoundingClientRect().bottom,
})";

#[test]
fn on_a_telephone_a_whole_chart_is_in_view_below_four_problems() {
    let mut scene = PLAIN.scene();
    let browser = &mut scene.browser;
    let data: Value = serde_json::from_str(&PLAIN.sample(SEQS)).unwrap();
    for (seq, name) in (SEQS + 1..).zip(["cpu", "load1", "pressureCpu", "memory"]) {
        let alert = json!({
            "name": name, "rule": format!("{name} > 1"), "state": "firing", "metric": name, "value": 98, "threshold": 1,
            "since": BEGIN + (SEQS - 100) * 1000,
        });
        let message = json!({ "type": "alert", "host": "web-1", "seq": seq, "alert": alert, "data": data["data"] });
        scene.says.send(message.to_string()).unwrap();
    }
    browser.wait_until("metrics.state.host.alerts.size === 4", VIEW);
    browser.be_telephone((390, 844));
    settle(browser);
    let seen = browser.eval(ALERTS);
    assert_eq!(seen["lines"].as_array().unwrap().len(), 3, "{seen}");
    assert_eq!(seen["lines"][2], "+ 2", "{seen}");
    // Three lines of text.
    assert!(seen["height"].as_u64().unwrap() < 90, "{seen}");
    assert!(seen["bottom"].as_f64().unwrap() <= 844.0, "{seen}");
    // Nothing is said of a mouse and of keys.
    let hint = "document.querySelector('footer p').checkVisibility()";
    assert_eq!(browser.eval(hint), false);
    // Also while the page is paused.
    browser.eval("pause.click()");
    settle(browser);
    for (lines, last) in [(5, "fewer"), (3, "+ 2")] {
        browser.eval("document.querySelector('#alerts li:last-child button').click()");
        settle(browser);
        let seen = browser.eval(ALERTS);
        assert_eq!(seen["lines"].as_array().unwrap().len(), lines, "{seen}");
        assert_eq!(seen["lines"][lines - 1], last, "{seen}");
        // The last problem has its time, unless its line is the button's too.
        let since = seen["lines"][lines - 2].as_str().unwrap();
        assert_eq!(since.contains("since "), lines == 5, "{seen}");
    }
    browser.eval("pause.click()");
    settle(browser);
    // Looking back, what is wrong now is not among what is folded.
    browser.eval("dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))");
    settle(browser);
    let seen = browser.eval(ALERTS);
    assert!(
        seen["lines"][1].as_str().unwrap().contains("now: "),
        "{seen}"
    );
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

/// What the crosshair says, in the first chart, in the tables and by itself.
const CROSS: &str = "({
    hidden: cross.hidden, isBelow: cross.firstChild.offsetTop > document.querySelector('#chart-cpu canvas').offsetTop + 100,
    share: cross.offsetLeft / document.getElementById('charts').clientWidth,
    job: document.querySelector('#processes tbody th').textContent, scrolled: Math.round(scrollY),
    memory: document.querySelector('#chart-memory b').textContent, user: document.querySelector('#chart-cpu b').textContent,
})";

#[test]
fn a_finger_sets_and_moves_the_crosshair_and_still_scrolls_and_zooms() {
    let mut scene = PLAIN.scene();
    let browser = &mut scene.browser;
    browser.be_telephone((390, 844));
    settle(browser);
    let at = place(browser, "cpu", (0.5, 0.5));
    browser.swipe(&[[at, at]]);
    browser.wait_until(&format!("!{CROSS}.hidden"), CROSS);
    settle(browser);
    let tapped = browser.eval(CROSS);
    assert!(
        (0.4..0.6).contains(&tapped["share"].as_f64().unwrap()),
        "{tapped}"
    );
    // All charts and the tables are of that moment.
    let job: u64 = tapped["job"].as_str().unwrap()["job-".len()..]
        .parse()
        .unwrap();
    assert!((100..200).contains(&job), "{tapped}");
    assert_eq!(tapped["user"], format!("{}.0", 31 + job % 3), "{tapped}");
    assert_eq!(tapped["memory"], "40.0", "{tapped}");
    // The values can be read: the time is not over them.
    assert_eq!(tapped["isBelow"], true, "{tapped}");

    let [from, to] = [0.5, 0.8].map(|across| place(browser, "memory", (across, 0.5)));
    browser.swipe(&[[from, to]]);
    browser.wait_until(&format!("{CROSS}.share > 0.7"), CROSS);
    settle(browser);
    let dragged = browser.eval(CROSS);
    let job: u64 = dragged["job"].as_str().unwrap()["job-".len()..]
        .parse()
        .unwrap();
    assert!(job > 200, "{dragged}");
    assert_eq!(dragged["user"], format!("{}.0", 31 + job % 3), "{dragged}");
    assert_eq!(dragged["scrolled"], tapped["scrolled"], "{dragged}");

    // What the browser takes for its own leaves the crosshair where it is.
    let from = place(browser, "cpu", (0.3, 0.9));
    browser.swipe(&[[from, (from.0 + 10.0, from.1 - 300.0)]]);
    browser.wait_until(&format!("{CROSS}.scrolled > 100"), CROSS);
    settle(browser);
    let scrolled = browser.eval(CROSS);
    assert_eq!(
        (&scrolled["job"], &scrolled["share"]),
        (&dragged["job"], &dragged["share"])
    );
    let (x, y) = place(browser, "memory", (0.4, 0.5));
    browser.swipe(&[[(x, y), (x - 100.0, y)], [(x + 30.0, y), (x + 150.0, y)]]);
    browser.wait_until("visualViewport.scale > 1.2", "visualViewport.scale");
    settle(browser);
    let pinched = browser.eval(CROSS);
    assert_eq!(
        (&pinched["job"], &pinched["share"]),
        (&dragged["job"], &dragged["share"])
    );
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

#[test]
fn two_hundred_cores_and_sixty_disks_are_readable() {
    let host = Host {
        cores: 200,
        disks: 120,
        ..PLAIN
    };
    let mut scene = host.scene();
    let browser = &mut scene.browser;
    browser.look((1280, 900), "light");
    settle(browser);
    let strip = "({ height: document.querySelector('#chart-cores canvas').clientHeight,
                    said: document.querySelector('#chart-cores ul').textContent })";
    let seen = browser.eval(strip);
    assert!(
        (400..420).contains(&seen["height"].as_u64().unwrap()),
        "{seen}"
    );
    assert_eq!(seen["said"], "hottest: 17 (100 %), 4, 93");
    // The row under a mouse.
    let whole = "document.documentElement.scrollHeight";
    let before = browser.eval(whole);
    browser.click("document.querySelector('#chart-cores canvas')");
    settle(browser);
    let said = browser.eval(strip)["said"].as_str().unwrap().to_owned();
    let core = said
        .strip_prefix("core ")
        .and_then(|said| said.split_once(": "));
    let core: u64 = core.unwrap().0.parse().unwrap();
    assert!((95..105).contains(&core), "{said}");
    assert!(said.ends_with("; hottest: 17, 4, 93"), "{said}");
    assert_eq!(browser.eval(whole), before, "the page has moved");
    // Of 120 disks, 60 do nothing.
    let rows = "[document.getElementById('section Disks').tBodies[0].rows.length, \
                document.getElementById('section Disks').parentNode.querySelector('.unfold').textContent]";
    assert_eq!(browser.eval(rows), json!([10, "50 more"]));
    assert_accessible(browser);
    for width in [320, 390, 1920, 3840] {
        browser.look((width, 900), "dark");
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        browser.wait_until(fits, "document.documentElement.scrollWidth");
    }
    // A sample is drawn in less time than the browser takes to notice. It takes 40 ms, without others at work.
    let busy = browser.figure("TaskDuration");
    for seq in SEQS + 1..=SEQS + 20 {
        scene.says.send(host.sample(seq)).unwrap();
        browser.wait_until(&format!("view().seq === {seq}"), VIEW);
        settle(browser);
    }
    let each = (browser.figure("TaskDuration") - busy) / 20.0;
    println!("{:.0} ms a sample", each * 1000.0);
    assert!(each < 0.4, "{each} s a sample");
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

const SAID: &str = "({
    cards: [...document.querySelectorAll('article:not([hidden]) h2')].map((card) => card.textContent),
    charts: [...document.querySelectorAll('figure:not([hidden]) h2')].map((chart) => chart.textContent),
    legend: [...document.querySelectorAll('#chart-cpu li:not([hidden]) span')].map((item) => item.textContent),
    counters: [...document.querySelectorAll('#counters tbody th')].map((row) => row.textContent),
    disks: document.getElementById('section Disks') !== null, height: document.documentElement.scrollHeight,
})";

/// How blue the lowest pixel above the axis of the chart of the CPU is at a sample.
fn blue_at(seq: u64) -> String {
    format!(
        "(() => {{
            const canvas = document.querySelector('#chart-cpu canvas');
            const em = parseFloat(getComputedStyle(canvas).fontSize);
            const x = 2.6 * em + ({seq} / {SEQS}) * (canvas.width - 3 * em);
            const [red, , blue] = canvas.getContext('2d').getImageData(x, canvas.height - 1.5 * em - 1, 1, 1).data;
            return blue - red;
        }})()"
    )
}

#[test]
fn of_an_idle_host_only_what_says_anything_is_there() {
    let host = Host {
        is_idle: true,
        ..PLAIN
    };
    let mut scene = host.scene();
    let browser = &mut scene.browser;
    let seen = browser.eval(SAID);
    let expected = json!({
        "cards": ["CPU", "Memory", "Load"], "charts": ["CPU, %", "Cores", "Memory, %", "Load"], "legend": ["user", "stolen"],
        "counters": ["forks"], "disks": false, "height": seen["height"],
    });
    assert_eq!(seen, expected);
    // The CPU has a line even at 0, and none in a gap.
    let [zero, gap] = [215, 245].map(|seq| browser.eval(&blue_at(seq)).as_i64().unwrap());
    assert!(zero > 60 && gap < 30, "{zero} {gap}");
    // What was stolen has left the window, and the page hasn't moved.
    for seq in SEQS + 1..=SEQS + 30 {
        scene.says.send(host.sample(seq)).unwrap();
    }
    browser.wait_until(&format!("view().seq === {SEQS} + 30"), VIEW);
    settle(browser);
    let mut expected = expected;
    expected["legend"] = json!(["user"]);
    assert_eq!(browser.eval(SAID), expected);
    // What is new is noticed although the clock was set back.
    let mut sample: Value = serde_json::from_str(&host.sample(SEQS + 31)).unwrap();
    sample["data"]["timestamp"] = json!(BEGIN + (SEQS - 10) * 1000);
    sample["data"]["diskBusy:sd0"] = json!(50);
    scene.says.send(sample.to_string()).unwrap();
    browser.wait_until(&format!("{SAID}.disks"), SAID);
}

/// No note of a card is cut, on any screen.
#[test]
fn what_a_card_says_fits() {
    let mut scene = PLAIN.scene();
    let browser = &mut scene.browser;
    let cut = "[...document.querySelectorAll('article:not([hidden]) .note')] \
               .filter((note) => note.scrollWidth > note.clientWidth).map((note) => note.textContent)";
    for width in [320, 390, 1000, 1280, 1920, 3840] {
        browser.look((width, 900), "light");
        settle(browser);
        assert_eq!(browser.eval(cut), json!([]), "{width}");
    }
    let memory = browser.eval("document.querySelector('[data-metric=memory] .note').textContent");
    assert_eq!(memory, "9.5\u{a0}GiB\u{a0}of\u{a0}15.6\u{a0}GiB");
}

#[test]
fn what_is_below_the_processes_does_not_move_when_there_are_fewer() {
    let mut scene = PLAIN.scene();
    let browser = &mut scene.browser;
    let height = "document.getElementById('processes').parentNode.getBoundingClientRect().height";
    let mut heights = Vec::new();
    for (seq, count) in (SEQS + 1..).zip([1, 10, 7, 10]) {
        let mut sample: Value = serde_json::from_str(&PLAIN.sample(seq)).unwrap();
        sample["data"]["top"] = (0..count)
            .map(|pid| json!({ "pid": pid, "name": "sh", "cpu": 1, "memory": 3 }))
            .collect();
        scene.says.send(sample.to_string()).unwrap();
        browser.wait_until(&format!("view().seq === {seq}"), VIEW);
        settle(browser);
        let rows = browser.eval("document.getElementById('processes').tBodies[0].rows.length");
        assert_eq!(rows, count);
        heights.push(browser.eval(height).as_f64().unwrap());
    }
    assert!(heights[0] + 200.0 < heights[1], "{heights:?}");
    assert!((heights[2] - heights[1]).abs() < 2.0, "{heights:?}");
    assert!((heights[3] - heights[1]).abs() < 2.0, "{heights:?}");
}
