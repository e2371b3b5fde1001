//! Rows for tests: plain ones and random ones.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::protocol::{
    Alert, AlertState, Container, Gap, GapReason, Numbered, Process, Sample, StreamId,
};
use crate::recording::{Columns, Encoder, ReadError, Reader, Row};

/// 2026-11-24T14:07:31.204Z
pub(super) const NOON: u64 = 1_795_529_251_204;

pub(super) fn sample_row(seq: u64, values: &[(&str, f64)]) -> Row {
    let values = values.iter().map(|&(name, value)| (name.into(), value));
    Row::Numbered(Numbered {
        host: "web-1".parse().unwrap(),
        stream: "k3v9q2".parse().unwrap(),
        seq,
        alert: None,
        sample: Sample {
            timestamp: NOON,
            values: values.collect(),
            ..Sample::default()
        },
    })
}

/// The message in a row; a gap has none.
pub(super) fn message(row: &mut Row) -> Option<&mut Numbered> {
    match row {
        Row::Numbered(message) => Some(message),
        Row::Gap { .. } => None,
    }
}

pub(super) fn gap_row(gap: Gap) -> Row {
    Row::Gap {
        host: "web-1".parse().unwrap(),
        stream: "k3v9q2".parse().unwrap(),
        timestamp: NOON,
        gap,
    }
}

pub(super) fn encode(columns: &Columns, rows: &[Row]) -> Vec<u8> {
    let mut encoder = Encoder::new(columns.clone());
    let mut file = Vec::new();
    encoder.header(&mut file);
    for row in rows {
        encoder.row(row, &mut file);
    }
    file
}

pub(super) fn read(file: &[u8]) -> Result<(Columns, Vec<Row>), ReadError> {
    let mut reader = Reader::new(file, "x.csv")?;
    let rows = reader.by_ref().collect::<Result<_, _>>()?;
    Ok((reader.columns().clone(), rows))
}

/// Columns, and rows of several hosts and streams, with their values in the order in which they are read.
pub(super) fn any_file() -> impl Strategy<Value = (Columns, Vec<Row>)> {
    let names = (vec(any_name(), 0..8), vec(any_name(), 0..4), any::<bool>());
    names.prop_flat_map(|(names, others, has_containers)| {
        let columns = Columns::new(&names).with_containers(has_containers);
        let mut seen: HashSet<String> =
            ["timestamp", "top", "containers"].map(str::to_owned).into();
        let ordered: Vec<Arc<str>> = (columns.names().iter().map(|name| name.to_string()))
            .chain(names.into_iter().chain(others))
            .filter(|name| seen.insert(name.clone()))
            .map(Into::into)
            .collect();
        (Just(columns), vec(any_row(ordered), 0..6))
    })
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,6}(:[a-z0-9/]{1,4})?",
        1 => Just("seq".to_owned()),
        2 => "[=,\"\n\r a\u{feff}é\u{2028}\\\\-]{0,5}",
        1 => any::<String>(),
    ]
}

fn any_row(names: Vec<Arc<str>>) -> impl Strategy<Value = Row> {
    let host = "[a-z0-9][A-Za-z0-9._-]{0,12}".prop_map(|name| name.parse().unwrap());
    let stream = (0..36_u64.pow(12)).prop_map(StreamId);
    let alert = option::weighted(0.3, any_alert().prop_map(Box::new));
    let source = (host, stream).boxed();
    let message = (source.clone(), 1..=u64::MAX, alert, any_sample(names));
    prop_oneof![
        6 => message.prop_map(|((host, stream), seq, alert, sample)| {
            Row::Numbered(Numbered { host, stream, seq, alert, sample })
        }),
        1 => (source, any_timestamp(), any_gap())
            .prop_map(|((host, stream), timestamp, gap)| Row::Gap { host, stream, timestamp, gap }),
    ]
}

fn any_sample(names: Vec<Arc<str>>) -> impl Strategy<Value = Sample> {
    let values = vec(option::weighted(0.8, any_value()), names.len());
    let top = option::of(vec(any_process(), 0..4));
    let containers = option::of(vec(any_container(), 0..4));
    let lists = (top, containers);
    (any_timestamp(), values, lists).prop_map(move |(timestamp, values, (top, containers))| {
        Sample {
            timestamp,
            values: (names.iter().zip(values))
                .filter_map(|(name, value)| Some((name.clone(), value?)))
                .collect(),
            top,
            containers,
        }
    })
}

fn any_container() -> impl Strategy<Value = Container> {
    let shares = (option::of(any_value()), option::of(any_value()));
    (any::<String>(), shares).prop_map(|(name, (cpu, memory))| Container { name, cpu, memory })
}

fn any_process() -> impl Strategy<Value = Process> {
    (any::<u32>(), any::<String>(), any_value(), any_value()).prop_map(
        |(pid, name, cpu, memory)| Process {
            pid,
            cpu,
            memory,
            rss: pid.is_multiple_of(2).then_some(pid.into()),
            state: pid
                .is_multiple_of(3)
                .then(|| name.chars().take(1).collect()),
            threads: pid.is_multiple_of(5).then_some(pid.into()),
            name,
        },
    )
}

fn any_alert() -> impl Strategy<Value = Alert> {
    let texts = (any::<String>(), any::<String>(), any_name());
    let numbers = (
        option::of(any_value()),
        option::of(any_value()),
        any::<u64>(),
    );
    let state = prop_oneof![Just(AlertState::Firing), Just(AlertState::Resolved)];
    (texts, state, numbers).prop_map(|((name, rule, metric), state, (value, threshold, since))| {
        Alert {
            name,
            rule,
            state,
            metric,
            value,
            threshold,
            since,
        }
    })
}

fn any_gap() -> impl Strategy<Value = Gap> {
    let reason = prop_oneof![Just(GapReason::Expired), Just(GapReason::Restarted)];
    let number = || option::of(any::<u64>());
    (number(), number(), reason).prop_map(|(from, to, reason)| Gap { from, to, reason })
}

fn any_timestamp() -> impl Strategy<Value = u64> {
    0..=253_402_300_799_999_u64
}

fn any_value() -> impl Strategy<Value = f64> {
    use proptest::num::f64;
    prop_oneof![
        f64::NORMAL | f64::ZERO | f64::SUBNORMAL,
        (0..10_000_u32).prop_map(|hundredths| f64::from(hundredths) / 100.0),
        (0..1_u64 << 50).prop_map(|bytes| {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let bytes = bytes as f64;
            bytes
        }),
    ]
}
