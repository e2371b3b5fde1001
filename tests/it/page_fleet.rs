//! The page's table of many hosts: the rows in view have their past, and nothing is fetched for the others.

use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::WebSocket;

use crate::harness::PATIENCE;
use crate::harness::browser::Browser;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::recording::{BEGIN_MS, write_plain};
use crate::harness::server::{page_with_stream, say};
use crate::harness::viewer::Viewer;
use crate::page::open;

pub(crate) const HOSTS: usize = 200;
/// Samples are rare, so that nothing is stale while a test looks at it. A step of a line is as long.
const STEP_MS: u64 = 600_000;
/// A step of hosts whose samples are a second apart.
const LIVE_STEP_MS: u64 = 10_000;
/// A multiple of both.
pub(crate) const NOW: u64 = 1_795_528_800_000;
/// What a line has room for.
const POINTS: u64 = 30;

/// The names of the rows in view, in order.
pub(crate) const IN_VIEW: &str =
    "[...document.querySelectorAll('#hosts-table tr')].filter((row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return row.dataset.key && bottom > 0 && top < innerHeight;
}).map((row) => row.dataset.key)";

/// How many points the line of each of them has.
const POINTS_IN_VIEW: &str = "[...document.querySelectorAll('#hosts-table tr')].filter((row) => {
    const { top, bottom } = row.getBoundingClientRect();
    return row.dataset.key && bottom > 0 && top < innerHeight;
}).map((row) => row.querySelector('path').getAttribute('d').split('h').length - 1)";

fn hello(host: &str) -> String {
    json!({
        "type": "hello", "host": host, "protocol": 1, "server": "metrics/9", "stream": "k3", "oldest": 1, "newest": 300,
        "interval": STEP_MS, "heartbeat": 30000, "alerts": [], "unavailable": [],
        "metrics": [{ "name": "cpu", "unit": "%", "label": "CPU", "section": "CPU" }],
    })
    .to_string()
}

pub(crate) fn sample(host: &str, seq: u64, timestamp: u64, cpu: u64) -> String {
    let data = json!({ "timestamp": timestamp, "cpu": cpu, "memory": 40, "activeUsers": 2, "requestsPerSecond": 3 });
    json!({ "type": "metric", "host": host, "seq": seq, "data": data }).to_string()
}

/// The bucket so many steps ago.
fn summary(host: &str, ago: u64) -> String {
    let (from, cpu) = (NOW - ago * STEP_MS, json!({ "cpu": ago }));
    json!({
        "type": "summary", "host": host, "from": from, "to": from + STEP_MS, "count": 3, "mean": cpu, "min": cpu, "max": cpu,
    })
    .to_string()
}

/// A request for the past of some hosts.
struct Asked {
    query: String,
    hosts: Vec<String>,
    /// The answer is sent once this is told whether there is one, or the connection is cut.
    answer: Sender<bool>,
    /// Told when the page has closed the connection.
    closed: Receiver<()>,
}

impl Asked {
    fn of(query: &str) -> (Self, Receiver<bool>, Sender<()>) {
        let (answer, answered) = channel();
        let (close, closed) = channel();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut hosts: Vec<String> = pairs
            .filter(|(key, _)| *key == "host")
            .map(|(_, host)| host.to_owned())
            .collect();
        hosts.sort();
        let asked = Self {
            query: query.to_owned(),
            hosts,
            answer,
            closed,
        };
        (asked, answered, close)
    }

    /// Sends what was asked for, and waits until the page needs no more.
    #[track_caller]
    fn answer(self) -> Vec<String> {
        self.answer.send(true).unwrap();
        self.closed.recv_timeout(PATIENCE).expect("it stays open");
        self.hosts
    }
}

/// A browser on the page of many hosts.
pub(crate) struct Fleet {
    pub browser: Browser,
    asked: Receiver<Asked>,
    /// What is sent here is said to the page.
    pub says: Sender<String>,
    _page: Running,
}

impl Fleet {
    #[track_caller]
    pub(crate) fn open() -> Self {
        let page = Metrics::serve().start();
        let (ask, asked) = channel();
        let (says, said) = channel::<String>();
        let (ask, said) = (Mutex::new(ask), Arc::new(Mutex::new(said)));
        let port = page_with_stream(page.port(), move |query, socket| {
            if query.contains("step=") {
                let (asked, answered, close) = Asked::of(query);
                let hosts = asked.hosts.clone();
                ask.lock().unwrap().send(asked).unwrap();
                attend(socket, &hosts, &answered);
                let _ = close.send(());
                return;
            }
            // Before a second host appears, the first one is shown.
            if query.contains("since=") {
                while socket.read().is_ok() {}
                return;
            }
            for name in (1..=HOSTS).map(|host| format!("web-{host}")) {
                say(socket, &[&hello(&name), &sample(&name, 300, NOW, 30)]);
            }
            let said = said.lock().unwrap();
            said.iter().for_each(|text| say(socket, &[&text]));
        });
        let mut browser = open(port);
        let counts = "(document.getElementById('counts')?.textContent ?? '')";
        let are_all = format!("{counts}.includes('{HOSTS} well')");
        browser.wait_until(&are_all, counts);
        Self {
            browser,
            asked,
            says,
            _page: page,
        }
    }

    /// The request for the past of the hosts in view. While they arrive, there may be one for fewer of them.
    #[track_caller]
    fn asked(&mut self) -> Asked {
        loop {
            let asked = self.asked.recv_timeout(PATIENCE).expect("nothing is asked");
            let shown = self.in_view();
            // At an edge, there may be half a row more or less.
            if shown
                .iter()
                .filter(|name| !asked.hosts.contains(name))
                .count()
                <= 1
            {
                let spare = asked.hosts.iter().filter(|name| !shown.contains(name));
                assert!(spare.count() <= 1, "{:?} are not {shown:?}", asked.hosts);
                return asked;
            }
            println!("{:?} are not {shown:?}", asked.hosts);
        }
    }

    /// Scrolls to a share of the whole table.
    #[track_caller]
    pub(crate) fn scroll(&mut self, share: f64) {
        let before = self.browser.eval(IN_VIEW);
        let scroll = format!("scrollTo(0, document.body.scrollHeight * {share})");
        self.browser.eval(&scroll);
        let changed = format!("JSON.stringify({IN_VIEW}) !== `{before}`");
        self.browser.wait_until(&changed, IN_VIEW);
    }

    #[track_caller]
    fn in_view(&mut self) -> Vec<String> {
        let mut names: Vec<String> = serde_json::from_value(self.browser.eval(IN_VIEW)).unwrap();
        names.sort();
        names
    }

    #[track_caller]
    fn values(&mut self, host: &str) -> Value {
        let values = format!("metrics.state.hosts.get('{host}').line.values");
        self.browser.eval(&values)
    }
}

/// Answers one request for the past.
fn attend(socket: &mut WebSocket<TcpStream>, hosts: &[String], answered: &Receiver<bool>) {
    socket.get_ref().set_nonblocking(true).unwrap();
    let answer = loop {
        match answered.try_recv() {
            Ok(answer) => break answer,
            Err(_) if is_closed(socket) => return,
            Err(_) => std::thread::yield_now(),
        }
    };
    socket.get_ref().set_nonblocking(false).unwrap();
    if !answer {
        return;
    }
    for host in hosts {
        say(socket, &[&hello(host)]);
        // The bucket of the newest sample is whole here: it is not to be counted twice.
        (0..=POINTS)
            .rev()
            .for_each(|ago| say(socket, &[&summary(host, ago)]));
        say(socket, &[&sample(host, 300, NOW, 30)]);
    }
    while socket.read().is_ok() {}
}

/// Whether the page has closed the connection.
fn is_closed(socket: &mut WebSocket<TcpStream>) -> bool {
    use std::io::ErrorKind::WouldBlock;
    use tokio_tungstenite::tungstenite::Error::Io;
    match socket.read() {
        Err(Io(error)) => error.kind() != WouldBlock,
        Err(_) => true,
        Ok(message) => message.is_close(),
    }
}

#[test]
fn the_past_of_the_rows_in_view_is_fetched_and_of_no_others() {
    let mut fleet = Fleet::open();
    let first = fleet.asked();
    let since = format!(
        "since={}s&step={}s",
        POINTS * STEP_MS / 1000,
        STEP_MS / 1000
    );
    assert!(first.query.contains(&since), "{}", first.query);
    let top = first.answer();
    assert!((5..HOSTS / 4).contains(&top.len()), "{top:?}");
    let are_full = format!(
        "{POINTS_IN_VIEW}.filter((points) => points === {POINTS}).length >= {}",
        top.len() - 1
    );
    fleet.browser.wait_until(&are_full, POINTS_IN_VIEW);
    // The newest value is what the page saw itself.
    let values: Vec<u64> = (1..POINTS).rev().chain([30]).collect();
    assert_eq!(fleet.values(&top[0]), json!(values));
    assert_eq!(fleet.values("web-200"), json!([30]));

    fleet.scroll(0.5);
    let middle = fleet.asked().answer();
    fleet.browser.wait_until(&are_full, POINTS_IN_VIEW);
    // What is there is not fetched again.
    fleet.scroll(0.0);
    fleet.browser.wait_until(&are_full, POINTS_IN_VIEW);
    fleet.scroll(1.0);
    let bottom = fleet.asked().answer();
    assert!(bottom.contains(&format!("web-{HOSTS}")), "{bottom:?}");
    let mut all = [top, middle, bottom].concat();
    let asked = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), asked, "each is asked for once");
    assert!(asked < HOSTS / 2, "{asked}");
    assert!(fleet.asked.try_recv().is_err());
    assert_eq!(fleet.browser.take_errors(), Vec::<String>::new());
}

#[test]
fn what_has_left_the_view_is_no_longer_asked_for() {
    let mut fleet = Fleet::open();
    let first = fleet.asked();
    fleet.scroll(0.5);
    first.closed.recv_timeout(PATIENCE).expect("it is dropped");
    let second = fleet.asked();
    let is_asked_again = first.hosts.iter().any(|host| second.hosts.contains(host));
    assert!(!is_asked_again, "{:?}", second.hosts);
    // A server that answers later is asked again.
    second.answer.send(false).unwrap();
    let third = fleet.asked();
    assert_eq!(third.hosts, second.hosts);
    third.answer();
    fleet.scroll(0.0);
    let fourth = fleet.asked();
    assert_eq!(fourth.hosts, first.hosts);
    // Nor is any of them while a host is shown.
    fleet.browser.eval("location.hash = '#host=web-1'");
    fourth.closed.recv_timeout(PATIENCE).expect("it is dropped");
}

#[test]
fn a_line_grows_with_the_samples_and_is_fetched_again_after_a_hole() {
    let mut fleet = Fleet::open();
    let shown = fleet.asked().answer();
    let host = shown[0].clone();
    let says = fleet.says.clone();
    let wait_for_newest = |fleet: &mut Fleet, seq: u64| {
        let newest = format!("metrics.state.hosts.get('{host}').newest.seq");
        fleet
            .browser
            .wait_until(&format!("{newest} === {seq}"), &newest);
    };
    let newest_values = |fleet: &mut Fleet| {
        let values = fleet.values(&host);
        values.as_array().unwrap()[27..].to_vec()
    };
    // Its samples of one step are one value.
    says.send(sample(&host, 301, NOW + 1000, 50)).unwrap();
    wait_for_newest(&mut fleet, 301);
    assert_eq!(newest_values(&mut fleet), [json!(2), json!(1), json!(40)]);
    says.send(sample(&host, 302, NOW + STEP_MS, 60)).unwrap();
    wait_for_newest(&mut fleet, 302);
    assert_eq!(newest_values(&mut fleet), [json!(1), json!(40), json!(60)]);
    says.send(sample(&host, 303, NOW + 9 * STEP_MS, 70))
        .unwrap();
    let again = fleet
        .asked
        .recv_timeout(PATIENCE)
        .expect("nothing is asked");
    assert_eq!(again.answer(), [&*host]);
    // The server has nothing of that time either: a gap, which JSON has no number for.
    wait_for_newest(&mut fleet, 303);
    let count = format!("metrics.state.hosts.get('{host}').line.values.length");
    fleet
        .browser
        .wait_until(&format!("{count} === {POINTS}"), &count);
    assert_eq!(
        newest_values(&mut fleet),
        [json!(0), Value::Null, json!(70)]
    );
}

/// Against the real server: each value is the mean of what was recorded in its step.
#[test]
fn the_lines_are_those_of_the_recording() {
    const SPEED: u64 = 50;
    let dir = tempfile::tempdir().unwrap();
    let files = write_plain(dir.path(), &["web-1", "web-2", "web-3"], 9000);
    let replay = Metrics::replay(&files)
        .args(["--speed", &SPEED.to_string()])
        .start();
    // Five minutes pass in six seconds.
    Viewer::connect(replay.url(), "host=web-3&last=1").numbered(400);
    let mut browser = open(replay.port());
    let lines = "[...metrics.state.hosts.values()].map(({ line, newest }) => [newest?.data.timestamp, line.isFilled, line.values])";
    let are_filled = format!(
        "window.metrics && {lines}.length === 3 && {lines}.every(([, isFilled]) => isFilled)"
    );
    browser.wait_until(
        &are_filled,
        "window.metrics && [...metrics.state.hosts.keys()]",
    );
    let seen: Vec<(u64, bool, Vec<f64>)> = serde_json::from_value(browser.eval(lines)).unwrap();
    for (newest, _, values) in seen {
        assert_eq!(values.len() as u64, POINTS);
        // The steps of the first sample that the page saw and of the last one are incomplete.
        let wrong = values.iter().rev().enumerate().filter(|(ago, value)| {
            let begin = newest / LIVE_STEP_MS * LIVE_STEP_MS - *ago as u64 * LIVE_STEP_MS;
            (**value - mean(begin)).abs() > 1e-3
        });
        let wrong: Vec<_> = wrong.collect();
        assert!(wrong.len() <= 2, "{wrong:?} in {values:?}");
    }
    assert_eq!(browser.take_errors(), Vec::<String>::new());
}

/// The mean of `cpu` in the step from `begin` on: that of a sample is its number modulo 100.
fn mean(begin: u64) -> f64 {
    let first = begin.saturating_sub(BEGIN_MS).div_ceil(1000);
    (first..first + 10)
        .map(|seq| (seq % 100) as f64)
        .sum::<f64>()
        / 10.0
}
