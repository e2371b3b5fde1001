//! The page's table of many hosts: its order, and what is said of all of them.

use serde_json::{Value, json};

use crate::harness::metrics::Metrics;
use crate::page::open;
use crate::page_fleet::{Fleet, HOSTS, IN_VIEW, NOW, sample};

const WORD: &str = "document.getElementById('word').textContent";
const COUNTS: &str = "document.getElementById('counts').textContent";
const TROUBLE: &str = "document.getElementById('trouble').textContent";
const IS_TABLE: &str = "!document.getElementById('fleet').hidden";

impl Fleet {
    /// Sends a sample of each host, by whose CPU those with the greatest numbers come first if it is `rising`.
    fn send_all(&self, seq: u64, rising: bool) {
        for host in 1..=HOSTS as u64 {
            let cpu = if rising { host } else { 1000 - host };
            let text = sample(&format!("web-{host}"), seq, NOW + seq, cpu);
            self.says.send(text).unwrap();
        }
    }

    fn end(&self, host: usize) {
        let end = json!({ "type": "end", "host": format!("web-{host}") });
        self.says.send(end.to_string()).unwrap();
    }

    /// Waits until the rows in view show the values of the newest samples.
    #[track_caller]
    fn wait_for_values(&mut self, is_expected: &str) {
        let shown = "[...document.querySelectorAll('#hosts-table tr[data-key]')].map((row) => +row.cells[2].textContent)";
        let are_expected = format!("{shown}.every({is_expected})");
        self.browser.wait_until(&are_expected, shown);
    }
}

#[test]
fn rows_stay_where_they_are_under_the_pointer() {
    let mut fleet = Fleet::open();
    fleet
        .browser
        .click("[...document.querySelectorAll('#hosts-table th button')].find((head) => head.textContent === 'CPU %')");
    fleet.send_all(301, true);
    fleet.wait_for_values("(cpu, nth, all) => !nth || cpu === all[nth - 1] - 1");
    fleet.scroll(0.5);
    let are_there = format!("{IN_VIEW}.length > 8");
    fleet.browser.wait_until(&are_there, IN_VIEW);
    let before = fleet.browser.eval(IN_VIEW);
    fleet
        .browser
        .point_at("[...document.querySelectorAll('#hosts-table tr[data-key]')].at(-8)");
    fleet.send_all(302, false);
    fleet.wait_for_values("(cpu) => cpu > 700");
    assert_eq!(fleet.browser.eval(IN_VIEW), before);
    fleet.browser.point_at("document.querySelector('header')");
    fleet.wait_for_values("(cpu, nth, all) => !nth || cpu === all[nth - 1] - 1");
    assert_ne!(fleet.browser.eval(IN_VIEW), before);
    assert_eq!(fleet.browser.take_errors(), Vec::<String>::new());
}

#[test]
fn a_host_that_is_over_says_nothing_of_the_others() {
    let mut fleet = Fleet::open();
    let word = fleet.browser.eval(WORD);
    fleet.end(1);
    let is_counted = format!(
        "{COUNTS}.includes('{} well') && {COUNTS}.includes('□ 1 over')",
        HOSTS - 1
    );
    fleet.browser.wait_until(&is_counted, COUNTS);
    assert_eq!(fleet.browser.eval(WORD), word);
    // The time is that of the newest sample of any.
    let newest = sample("web-7", 301, NOW + 61_000, 30);
    fleet.says.send(newest).unwrap();
    let time = format!(
        "document.getElementById('clock').textContent.includes(metrics.state.hosts.get('web-7').moment({}))",
        NOW + 61_000
    );
    fleet
        .browser
        .wait_until(&time, "document.getElementById('clock').textContent");
    (2..=HOSTS).for_each(|host| fleet.end(host));
    fleet
        .browser
        .wait_until(&format!("{WORD} === 'Ended'"), WORD);
}

#[test]
fn two_alerts_of_a_host_are_counted() {
    let mut fleet = Fleet::open();
    for (seq, rule) in [(301, "cpu > 10"), (302, "memory > 10")] {
        let mut alert: Value =
            serde_json::from_str(&sample("web-150", seq, NOW + seq, 30)).unwrap();
        alert["type"] = json!("alert");
        alert["alert"] = json!({
            "name": rule, "state": "firing", "rule": rule, "metric": rule.split(' ').next(), "value": 30, "since": NOW,
        });
        fleet.says.send(alert.to_string()).unwrap();
    }
    let first = "document.querySelector('#hosts-table tr[data-key]').textContent";
    let is_first = format!("{first}.includes('web-150') && {first}.includes(', 2 alerts')");
    fleet.browser.wait_until(&is_first, first);
}

#[test]
fn an_address_that_names_no_host_is_explained() {
    let told = format!("{TROUBLE}.includes('There is no host \"nobody\" yet')");
    let mut fleet = Fleet::open();
    let go = |fleet: &mut Fleet, host: &str| {
        fleet
            .browser
            .eval(&format!("location.hash = '#host={host}'"));
    };
    go(&mut fleet, "web-2");
    fleet.browser.wait_until(&format!("!({IS_TABLE})"), TROUBLE);
    go(&mut fleet, "nobody");
    fleet
        .browser
        .wait_until(&format!("{told} && {IS_TABLE}"), TROUBLE);
    go(&mut fleet, "");
    fleet.browser.wait_until(&format!("!{told}"), TROUBLE);
    // Of a server with one host, there is no table.
    let serve = Metrics::serve().start();
    let mut browser = open(serve.port());
    browser.wait_until(
        "window.metrics?.state.selected === 'web-1' && !document.querySelector('main').hidden",
        WORD,
    );
    browser.eval("location.hash = '#host=nobody'");
    browser.wait_until(
        &format!("{told} && document.querySelector('main').hidden"),
        TROUBLE,
    );
    browser.eval("location.hash = ''");
    browser.wait_until(
        &format!("!{told} && !document.querySelector('main').hidden"),
        TROUBLE,
    );
}
