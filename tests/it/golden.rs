//! The exact text of every message: what the crate writes, and what both it and an independent reader read.

use std::sync::Arc;

use metrics_toolkit::protocol::{
    Alert, AlertState, Body, Container, Gap, GapReason, Hello, Message, MetricInfo, Process,
    Sample, System, Unplaced,
};

use crate::harness::wire::Wire;

/// The message is written as `json`, is read back the same, and is strictly what the description allows.
#[track_caller]
fn check(body: Body, json: &str) -> Wire {
    let message = Message {
        host: Some("web-1".parse().unwrap()),
        body,
    };
    assert_eq!(String::from_utf8(message.encode()).unwrap(), json);
    assert_eq!(message.frame().json(), json.as_bytes());
    assert_eq!(Message::decode(json).unwrap(), message);
    Wire::read(json).unwrap()
}

fn sample(values: &[(&str, f64)]) -> Sample {
    let own = |&(name, value): &(&str, f64)| (Arc::from(name), value);
    Sample {
        timestamp: 1_795_529_251_204,
        values: values.iter().map(own).collect(),
        ..Sample::default()
    }
}

fn whole() -> Sample {
    sample(&[
        ("cpu", 31.2),
        ("memory", 58.4),
        ("activeUsers", 2.0),
        ("requestsPerSecond", 120.5),
        ("disk:/mnt/a b", 7.0),
    ])
}

const WHOLE: &str = r#"{"timestamp":1795529251204,"cpu":31.2,"memory":58.4,"activeUsers":2,"requestsPerSecond":120.5,"disk:/mnt/a b":7}"#;

fn alert(state: AlertState) -> Alert {
    Alert {
        name: "busy".into(),
        rule: "cpu > 90 for 30s".into(),
        state,
        metric: "cpu".into(),
        value: Some(97.1),
        threshold: Some(90.0),
        since: 1_795_529_221_204,
    }
}

const FIRING: &str = r#"{"name":"busy","rule":"cpu > 90 for 30s","state":"firing","metric":"cpu","value":97.1,"threshold":90,"since":1795529221204}"#;

#[test]
fn hello_in_full() {
    let info = |name: &str, unit: &str, label: &str, levels: Option<(f64, f64)>| MetricInfo {
        name: name.into(),
        unit: unit.into(),
        label: label.into(),
        section: if name == "uptime" { "System" } else { "CPU" }.into(),
        warn: levels.map(|l| l.0),
        critical: levels.map(|l| l.1),
    };
    let hello = Hello {
        server: "metrics/0.1.0".into(),
        stream: "k3v9q2".parse().unwrap(),
        oldest: 13,
        newest: 41,
        interval: 2000,
        heartbeat: 30_000,
        system: Some(System {
            os: "Debian 12".into(),
            kernel: "6.1.0".into(),
            cores: 8,
            memory: 17_179_869_184,
        }),
        metrics: Arc::new([
            info("cpu", "%", "CPU", Some((70.0, 90.0))),
            info("load1", "", "Load, 1 min", Some((5.6, 8.0))),
            info("uptime", "s", "Uptime", None),
        ]),
        alerts: vec![alert(AlertState::Firing)],
        unavailable: vec!["temperature".into()],
        ..Hello::default()
    };
    let read = check(
        Body::Hello(Box::new(hello)),
        &format!(
            r#"{{"type":"hello","host":"web-1","protocol":1,"server":"metrics/0.1.0","stream":"k3v9q2","oldest":13,"newest":41,"interval":2000,"heartbeat":30000,"system":{{"os":"Debian 12","kernel":"6.1.0","cores":8,"memory":17179869184}},"metrics":[{{"name":"cpu","unit":"%","label":"CPU","section":"CPU","warn":70,"critical":90}},{{"name":"load1","unit":"","label":"Load, 1 min","section":"CPU","warn":5.6,"critical":8}},{{"name":"uptime","unit":"s","label":"Uptime","section":"System"}}],"alerts":[{FIRING}],"unavailable":["temperature"]}}"#
        ),
    );
    assert!(matches!(read, Wire::Hello { stream, .. } if stream == "k3v9q2"));
}

#[test]
fn hello_of_a_replay() {
    let hello = Hello {
        server: "metrics/0.1.0".into(),
        stream: "1".parse().unwrap(),
        ..Hello::default()
    };
    check(
        Body::Hello(Box::new(hello)),
        r#"{"type":"hello","host":"web-1","protocol":1,"server":"metrics/0.1.0","stream":"1","oldest":0,"newest":0,"interval":2000,"heartbeat":30000,"metrics":[],"alerts":[],"unavailable":[]}"#,
    );
}

#[test]
fn metric() {
    let read = check(
        Body::Numbered(Unplaced {
            seq: Some(41),
            alert: None,
            sample: whole(),
        }),
        &format!(r#"{{"type":"metric","host":"web-1","seq":41,"data":{WHOLE}}}"#),
    );
    let Wire::Metric { data, .. } = read else {
        panic!("{read:?}");
    };
    assert_eq!(data.values["cpu"].to_bits(), 31.2_f64.to_bits());
}

#[test]
fn metric_with_processes() {
    let process = Process {
        pid: 812,
        name: "a \"b\"".into(),
        cpu: 12.5,
        memory: 3.0,
        ..Process::default()
    };
    let detailed = Process {
        pid: 813,
        rss: Some(4096),
        state: Some("D".into()),
        threads: Some(7),
        ..process.clone()
    };
    let sample = Sample {
        top: Some(vec![process, detailed]),
        ..whole()
    };
    let data = WHOLE.trim_end_matches('}');
    check(
        Body::Numbered(Unplaced {
            seq: Some(1),
            alert: None,
            sample,
        }),
        &format!(
            r#"{{"type":"metric","host":"web-1","seq":1,"data":{data},"top":[{{"pid":812,"name":"a \"b\"","cpu":12.5,"memory":3}},{{"pid":813,"name":"a \"b\"","cpu":12.5,"memory":3,"rss":4096,"state":"D","threads":7}}]}}}}"#
        ),
    );
}

#[test]
fn metric_with_containers() {
    let container = |name: &str, cpu| Container {
        name: name.into(),
        cpu,
        memory: Some(3.0),
    };
    let sample = Sample {
        containers: Some(vec![
            container("web", Some(12.5)),
            container("a.service", None),
        ]),
        ..whole()
    };
    let data = WHOLE.trim_end_matches('}');
    check(
        Body::Numbered(Unplaced {
            seq: Some(1),
            alert: None,
            sample,
        }),
        &format!(
            r#"{{"type":"metric","host":"web-1","seq":1,"data":{data},"containers":[{{"name":"web","cpu":12.5,"memory":3}},{{"name":"a.service","memory":3}}]}}}}"#
        ),
    );
}

#[test]
fn metric_with_absent_values() {
    check(
        Body::Numbered(Unplaced {
            seq: Some(42),
            alert: None,
            sample: sample(&[("cpu", 0.0), ("load1", 1.92)]),
        }),
        r#"{"type":"metric","host":"web-1","seq":42,"data":{"timestamp":1795529251204,"cpu":0,"load1":1.92,"memory":0,"activeUsers":0,"requestsPerSecond":0},"absent":["memory","activeUsers","requestsPerSecond"]}"#,
    );
}

#[test]
fn alert_with_the_sample_that_triggered_it() {
    check(
        Body::Numbered(Unplaced {
            seq: Some(43),
            alert: Some(Box::new(alert(AlertState::Firing))),
            sample: whole(),
        }),
        &format!(r#"{{"type":"alert","host":"web-1","seq":43,"alert":{FIRING},"data":{WHOLE}}}"#),
    );
}

#[test]
fn alert_without_a_level() {
    let alert = Alert {
        value: None,
        threshold: None,
        ..alert(AlertState::Resolved)
    };
    check(
        Body::Numbered(Unplaced {
            seq: Some(44),
            alert: Some(Box::new(alert)),
            sample: whole(),
        }),
        &format!(
            r#"{{"type":"alert","host":"web-1","seq":44,"alert":{{"name":"busy","rule":"cpu > 90 for 30s","state":"resolved","metric":"cpu","since":1795529221204}},"data":{WHOLE}}}"#
        ),
    );
}

#[test]
fn heartbeat() {
    check(
        Body::Heartbeat {
            seq: Some(44),
            sample: whole(),
        },
        &format!(r#"{{"type":"heartbeat","host":"web-1","seq":44,"data":{WHOLE}}}"#),
    );
}

#[test]
fn gap_with_numbers() {
    check(
        Body::Gap(Gap {
            from: Some(13),
            to: Some(57),
            reason: GapReason::Expired,
        }),
        r#"{"type":"gap","host":"web-1","from":13,"to":57,"reason":"expired"}"#,
    );
}

#[test]
fn gap_between_streams() {
    check(
        Body::Gap(Gap {
            from: None,
            to: None,
            reason: GapReason::Restarted,
        }),
        r#"{"type":"gap","host":"web-1","reason":"restarted"}"#,
    );
}

#[test]
fn end() {
    check(Body::End, r#"{"type":"end","host":"web-1"}"#);
}

#[test]
fn the_strict_reader_is_strict() {
    for wrong in [
        r#"{"type":"end","host":"web-1","more":1}"#,
        r#"{"type":"end"}"#,
        r#"{"type":"goodbye","host":"web-1"}"#,
        r#"{"type":"metric","host":"web-1","seq":1,"data":{"timestamp":1,"cpu":null,"memory":0,"activeUsers":0,"requestsPerSecond":0}}"#,
        r#"{"type":"metric","host":"web-1","seq":1,"data":{"timestamp":1,"cpu":0,"memory":0,"activeUsers":0}}"#,
        r#"{"type":"metric","host":"web-1","seq":1,"data":{"timestamp":1,"cpu":0,"cpu":0,"memory":0,"activeUsers":0,"requestsPerSecond":0}}"#,
        r#"{"type":"metric","host":"web-1","seq":1,"data":{"timestamp":1,"cpu":5,"memory":0,"activeUsers":0,"requestsPerSecond":0},"absent":["cpu"]}"#,
        r#"{"type":"metric","host":"web-1","data":{"timestamp":1,"cpu":0,"memory":0,"activeUsers":0,"requestsPerSecond":0}}"#,
        r#"{"type":"gap","host":"web-1","reason":"bored"}"#,
    ] {
        assert!(Wire::read(wrong).is_err(), "{wrong}");
    }
}
