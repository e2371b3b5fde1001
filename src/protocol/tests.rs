//! Properties of the wire: every message survives it, and nothing that arrives over it causes a panic.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    Alert, AlertState, Body, CONTRACT, Container, Gap, GapReason, Hello, HostName, Message,
    MetricInfo, Process, Sample, StreamId, Summary, System, Unplaced, Values,
};

fn any_text() -> impl Strategy<Value = String> {
    ".{0,20}"
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1e9..1e9_f64),
        (0..10_000_u32).prop_map(|hundredths| f64::from(hundredths) / 100.0),
        prop::num::f64::NORMAL,
        Just(0.0),
    ]
}

fn any_host() -> impl Strategy<Value = Option<HostName>> {
    prop::option::of("[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}".prop_map(|name| name.parse().unwrap()))
}

fn any_stream() -> impl Strategy<Value = StreamId> {
    (0..4_000_000_000_000_000_000_u64).prop_map(StreamId)
}

fn any_process() -> impl Strategy<Value = Process> {
    (any::<u32>(), any_text(), any_number(), any_number()).prop_map(|(pid, name, cpu, memory)| {
        Process {
            pid,
            name,
            cpu,
            memory,
            ..Process::default()
        }
    })
}

prop_compose! {
    /// Any of the four of the contract, then others.
    fn any_sample()(
        timestamp in 0..253_402_300_799_999_u64,
        contract in prop::collection::vec(prop::option::of(any_number()), 4),
        others in prop::collection::btree_map("[a-z]{1,6}:[^\u{0}]{0,6}", any_number(), 0..6),
        top in prop::option::of(prop::collection::vec(any_process(), 0..3)),
        containers in prop::option::of(prop::collection::vec(any_container(), 0..3)),
    ) -> Sample {
        let contract = CONTRACT.into_iter().zip(contract).filter_map(|(name, value)| Some((name.into(), value?)));
        let values = contract.chain(others.into_iter().map(|(name, value)| (name.into(), value))).collect();
        Sample { timestamp, values, top, containers }
    }
}

prop_compose! {
    fn any_container()(
        name in any_text(), cpu in prop::option::of(any_number()), memory in prop::option::of(any_number()),
    ) -> Container {
        Container { name, cpu, memory }
    }
}

prop_compose! {
    fn any_alert()(
        name in any_text(), rule in any_text(), firing: bool, metric in any_text(),
        value in prop::option::of(any_number()), threshold in prop::option::of(any_number()), since: u32,
    ) -> Alert {
        let state = if firing { AlertState::Firing } else { AlertState::Resolved };
        Alert { name, rule, state, metric, value, threshold, since: u64::from(since) }
    }
}

prop_compose! {
    fn any_metric()(
        name in any_text(), unit in any_text(), label in any_text(), section in any_text(),
        warn in prop::option::of(any_number()), critical in prop::option::of(any_number()),
    ) -> MetricInfo {
        MetricInfo { name, unit, label, section, warn, critical }
    }
}

prop_compose! {
    fn any_hello()(
        stream in any_stream(), oldest: u32, newest: u32, interval in 1..u64::from(u32::MAX),
        system in prop::option::of((any_text(), any_text(), any::<u32>(), any::<u64>())),
        metrics in prop::collection::vec(any_metric(), 0..4),
        alerts in prop::collection::vec(any_alert(), 0..3),
        unavailable in prop::collection::vec(any_text(), 0..3),
    ) -> Hello {
        let system = system.map(|(os, kernel, cores, memory)| System { os, kernel, cores, memory });
        Hello {
            stream, oldest: oldest.into(), newest: newest.into(), interval, system, alerts, unavailable,
            metrics: Arc::from(metrics), server: super::SERVER.into(), ..Hello::default()
        }
    }
}

fn any_gap() -> impl Strategy<Value = Gap> {
    (any::<Option<u64>>(), any::<Option<u64>>(), any::<bool>()).prop_map(|(from, to, expired)| {
        Gap {
            from,
            to,
            reason: if expired {
                GapReason::Expired
            } else {
                GapReason::Restarted
            },
        }
    })
}

fn any_unplaced() -> impl Strategy<Value = Unplaced> {
    let alert = prop::option::of(any_alert().prop_map(Box::new));
    (any::<Option<u64>>(), alert, any_sample()).prop_map(|(seq, alert, sample)| Unplaced {
        seq,
        alert,
        sample,
    })
}

prop_compose! {
    fn any_summary()(
        from: u64, to: u64, count: u64,
        values in prop::collection::btree_map("[a-z]{1,6}:[^\u{0}]{0,6}", prop::array::uniform3(any_number()), 0..6),
    ) -> Summary {
        let nth = |nth: usize| Values(values.iter().map(|(name, it)| (name.as_str().into(), it[nth])).collect());
        Summary { from, to, count, mean: nth(0), min: nth(1), max: nth(2) }
    }
}

fn any_body() -> impl Strategy<Value = Body> {
    let seq = || any::<Option<u64>>();
    prop_oneof![
        any_hello().prop_map(|hello| Body::Hello(Box::new(hello))),
        any_unplaced().prop_map(Body::Numbered),
        any_unplaced().prop_map(Body::Numbered),
        (seq(), any_sample()).prop_map(|(seq, sample)| Body::Heartbeat { seq, sample }),
        any_gap().prop_map(Body::Gap),
        any_summary().prop_map(|summary| Body::Summary(Box::new(summary))),
        Just(Body::End),
    ]
}

proptest! {
    #[test]
    fn every_message_survives_the_wire(host in any_host(), body in any_body()) {
        let message = Message { host, body };
        let text = String::from_utf8(message.encode()).unwrap();
        let decoded = Message::decode(&text).unwrap();
        prop_assert_eq!(&decoded, &message, "{}", text);
        prop_assert_eq!(String::from_utf8(decoded.encode()).unwrap(), text, "one written form");
    }

    #[test]
    fn a_dashboard_finds_five_numbers_in_every_sample(seq: u64, sample in any_sample()) {
        let message = Message { host: None, body: Body::Numbered(Unplaced { seq: Some(seq), alert: None, sample: sample.clone() }) };
        let wire: serde_json::Value = serde_json::from_slice(&message.encode()).unwrap();
        prop_assert!(wire["data"]["timestamp"].is_u64());
        for name in CONTRACT {
            prop_assert!(wire["data"][name].is_number());
            let named = wire["absent"].as_array().is_some_and(|absent| absent.contains(&name.into()));
            prop_assert_eq!(named, sample.get(name).is_none());
        }
    }

    #[test]
    fn no_text_makes_decoding_panic(text in ".{0,300}") {
        let _ = Message::decode(&text);
    }

    /// Text that is almost a message gets further into the decoder than noise.
    #[test]
    fn no_mutation_makes_decoding_panic(body in any_body(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = Message { host: None, body }.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _ = Message::decode(&String::from_utf8_lossy(&bytes));
    }
}

#[track_caller]
fn decoded(text: &str) -> Body {
    Message::decode(text).unwrap().body
}

#[test]
fn unknown_types_and_fields_are_ignored() {
    assert_eq!(
        decoded(r#"{"type":"weather","data":"sunny","host":7}"#),
        Body::Unknown
    );
    let text = r#"{"type":"metric","new":{"a":[1]},"seq":1,"data":{"timestamp":5,"cpu":2,"note":"x","list":[1],"o":{"a":1},"n":null,"b":true}}"#;
    let Body::Numbered(Unplaced {
        alert: None,
        sample,
        ..
    }) = decoded(text)
    else {
        panic!("{text}")
    };
    assert_eq!(sample.values, [("cpu".into(), 2.0)]);
}

#[test]
fn the_fields_of_a_summary_may_mean_anything_elsewhere() {
    let fields = r#""count":"x","mean":7,"min":[],"max":null"#;
    let metric = format!(r#"{{"type":"metric",{fields},"data":{{"timestamp":5}}}}"#);
    assert!(matches!(decoded(&metric), Body::Numbered(_)));
    let summary = r#"{"type":"summary","from":1,"to":2,"count":3,"mean":{"a":1,"new":"x"},"min":{},"max":{}}"#;
    let Body::Summary(summary) = decoded(summary) else {
        panic!("{summary}")
    };
    assert_eq!(summary.mean.0, [("a".into(), 1.0)]);
    assert!(Message::decode(&format!(r#"{{"type":"summary",{fields}}}"#)).is_err());
}

#[test]
fn a_bare_message_is_enough() {
    let text = r#"{"type":"alert","data":{"timestamp":5.9,"cpu":97,"memory":1,"activeUsers":2,"requestsPerSecond":3}}"#;
    let Body::Numbered(Unplaced {
        seq: None,
        alert: Some(alert),
        sample,
    }) = decoded(text)
    else {
        panic!("{text}")
    };
    assert_eq!(
        (sample.timestamp, alert.name.as_str(), alert.since),
        (5, "alert", 5)
    );
}

#[test]
fn values_listed_as_absent_are_absent() {
    let text = r#"{"type":"metric","data":{"timestamp":1,"cpu":0,"memory":5},"absent":["cpu"]}"#;
    let Body::Numbered(Unplaced {
        alert: None,
        sample,
        ..
    }) = decoded(text)
    else {
        panic!("{text}")
    };
    assert_eq!(sample.values, [("memory".into(), 5.0)]);
}

#[test]
fn an_invalid_message_is_refused() {
    for (text, expected) in [
        ("", "not a message of the protocol"),
        ("[]", "not a message of the protocol"),
        (r#"{"data":{}}"#, "not a message of the protocol"),
        (r#"{"type":"metric"}"#, "a metric message without 'data'"),
        (
            r#"{"type":"metric","data":{"cpu":1}}"#,
            "not a message of the protocol",
        ),
        (
            r#"{"type":"metric","data":{"timestamp":-1}}"#,
            "not a message of the protocol",
        ),
        (
            r#"{"type":"metric","data":{"timestamp":1,"cpu":1e999}}"#,
            "not a message of the protocol",
        ),
        (
            r#"{"type":"hello","metrics":[]}"#,
            "a hello message without 'stream'",
        ),
        (r#"{"type":"gap"}"#, "a gap message without 'reason'"),
        (r#"{"type":"end","host":"a b"}"#, "'a b' is not a host name"),
    ] {
        let error = Message::decode(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
