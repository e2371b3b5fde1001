//! Metrics that this program doesn't know.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{Hello, MetricInfo, Sample, describe};

use super::fixture::{Fixture, PLAIN};

fn info(name: &str, unit: &str, label: &str, section: &str) -> MetricInfo {
    MetricInfo {
        name: name.into(),
        unit: unit.into(),
        label: label.into(),
        section: section.into(),
        ..MetricInfo::default()
    }
}

/// The text of a frame of a host that announces `metrics`, the `n`th of which has the value `n` + 1.
fn shown(metrics: Vec<MetricInfo>, width: usize) -> String {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let host = Fixture::name("web-1");
    let values = metrics.iter().zip(1_u32..);
    let values = values.map(|(info, n)| (Arc::from(&*info.name), f64::from(n)));
    let sample = Sample {
        timestamp: fixture.now.wall,
        values: values.collect(),
        ..Sample::default()
    };
    let hello = Hello {
        metrics: metrics.into(),
        ..Hello::default()
    };
    fixture.state.hello(0, &host, &hello);
    let place = fixture.position();
    fixture.state.sample(0, &host, place, &sample, fixture.now);
    fixture.now.elapsed += Duration::from_millis(300);
    fixture.ui.toggle_values();
    let lines = fixture.frame(width, 50, PLAIN);
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// Checks that `texts` are in `frame`, one below the other.
#[track_caller]
fn check_order(frame: &str, texts: &[&str]) {
    let mut rest = frame;
    for text in texts {
        let at = rest.find(text);
        let at = at.unwrap_or_else(|| panic!("no {text:?} where it should be:\n{frame}"));
        rest = &rest[at + text.len()..];
    }
}

#[test]
fn instances_are_a_table_for_each_section() {
    let frame = shown(
        vec![
            describe("cpu", 1),
            info("npu:0", "%", "NPU 0", "NPU"),
            info("npuMemory:0", "%", "NPU memory 0", "NPU"),
            info("queue:mail", "", "Queue mail", "Shop"),
            info("npu:1", "%", "NPU 1", "NPU"),
            info("npuPower:1", "W", "NPU power 1", "NPU"),
        ],
        80,
    );
    check_order(
        &frame,
        &[
            "NPU ", "NPU ", "memory", "power", "\n 0 ", "2.0 %", "3.0 %", "-\n 1 ", "5.0 %", "-",
            "6 W", "SHOP", "Queue", "\n mail", "4",
        ],
    );
}

#[test]
fn a_table_that_is_too_wide_continues_below() {
    let names = ["npu", "npuMemory", "npuPower", "npuClock", "npuThrottled"];
    let metrics = names.map(|name| info(&format!("{name}:0"), "W", &format!("{name} 0"), "NPU"));
    let frame = shown(metrics.into(), 44);
    check_order(&frame, &names);
    assert_eq!(frame.matches("\n NPU ").count(), 2, "{frame}");
}

#[test]
fn other_metrics_are_rows_by_section_below_those_of_the_catalogue() {
    let frame = shown(
        vec![
            info("orders", "1/s", "Orders", "Shop"),
            info("fanSpeed", "rpm", "Fan speed", "Fans"),
            info("carts", "", "Carts", "Shop"),
            describe("processCount", 1),
            describe("cpu", 1),
            info("late", "", "", ""),
            describe("swap", 1),
        ],
        80,
    );
    let order = [
        "CPU",
        "Swap",
        "Processes",
        "Orders",
        "Carts",
        "Fan speed",
        "late",
    ];
    check_order(&frame, &order);
}

#[test]
fn a_server_without_sections_is_laid_out_by_the_catalogue() {
    let names = [
        "cpu",
        "cpu:0",
        "disk:/",
        "networkSent:eth0",
        "networkReceived:eth0",
        "queue:mail",
    ];
    let old = |name: &str| MetricInfo {
        section: String::new(),
        ..describe(name, 1)
    };
    let (new, old) = (names.map(|name| describe(name, 1)), names.map(old));
    let frame = shown(old.into(), 100);
    assert_eq!(frame, shown(new.into(), 100));
    check_order(
        &frame,
        &[
            "CORES",
            "FILESYSTEM",
            "NETWORK",
            "in",
            "out",
            "eth0",
            "OTHER",
            "queue",
            "mail",
        ],
    );
}

#[test]
fn a_new_metric_of_a_known_section_is_a_column_of_its_table() {
    let frame = shown(
        vec![
            describe("diskRead:sda", 1),
            info("diskTrimmed:sda", "B/s", "Disk trimmed sda", "Disks"),
            info("quota:/", "%", "Quota /", "Filesystems"),
        ],
        100,
    );
    check_order(
        &frame,
        &[
            "DISK",
            "read",
            "Disk trimmed",
            "sda",
            "1 B/s",
            "2 B/s",
            "FILESYSTEMS",
            "Quota",
            "/",
            "3.0 %",
        ],
    );
}

#[test]
fn thousands_of_sections_and_instances_do_not_stop_the_screen() {
    let metrics = (0..4000).map(|n| {
        let section = if n % 2 == 0 {
            format!("S{n}")
        } else {
            "S".into()
        };
        info(&format!("m{n}:{n}"), "", &format!("M{n}"), &section)
    });
    let frame = shown(metrics.collect(), 80);
    assert_eq!(frame.lines().count(), 50);
}
