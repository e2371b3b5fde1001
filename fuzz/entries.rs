//! The entry points for bytes from outside. The fuzz targets and an ordinary test use the same functions.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use metrics_toolkit::alert::{Evaluator, KnownMetrics, RuleTexts, parse_rule, read_rules};
use metrics_toolkit::protocol::{Message, Query, Sample, may_report};
use metrics_toolkit::recording::{Encoder, Reader};
use metrics_toolkit::source::host::statsd::{ReportedValue, StatsdInbox};

/// A message of a peer: once decoded, it encodes and decodes to the same text for ever.
pub(crate) fn message(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let message = match Message::decode(text) {
        Ok(message) => message,
        Err(error) => return assert_harmless(&error.to_string()),
    };
    let once = message.encode();
    let text = std::str::from_utf8(&once).expect("a message is UTF-8");
    let again = Message::decode(text).expect("our own words are understood");
    assert_eq!(text.as_bytes(), again.encode(), "{text}");
}

/// A recording: what is read is written again, and that is read and written without changes.
pub(crate) fn recording(bytes: &[u8]) {
    let once = rewritten(bytes);
    assert!(
        once == rewritten(&once),
        "{}",
        String::from_utf8_lossy(&once)
    );
}

fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = match Reader::new(bytes, "fuzzed") {
        Ok(reader) => reader,
        Err(error) => {
            assert_harmless(&error.to_string());
            return out;
        }
    };
    let mut encoder: Option<Encoder> = None;
    while let Some(row) = reader.next() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                assert_harmless(&error.to_string());
                break;
            }
        };
        let columns = reader.columns();
        if encoder
            .as_ref()
            .is_none_or(|encoder| encoder.columns() != columns)
        {
            let new = Encoder::new(columns.clone());
            new.header(&mut out);
            encoder = Some(new);
        }
        if let Some(encoder) = &mut encoder {
            encoder.row(&row, &mut out);
        }
    }
    out
}

/// The query of a viewer: once parsed, it is written and parsed the same.
pub(crate) fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(error) => return assert_harmless(&error.to_string()),
    };
    let asked = query.to_string();
    let again = Query::parse(&asked).expect("our own words are understood");
    assert_eq!(asked, again.to_string());
}

/// A file of rules: what is understood says the same again, and takes any sample.
pub(crate) fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let known = KnownMetrics::catalogue();
    let texts = RuleTexts {
        flags: &[],
        file: Some(("rules.txt", text)),
    };
    let rules = match read_rules(texts, &known) {
        Ok(rules) => rules,
        Err(error) => return assert_harmless(&error.to_string()),
    };
    let mut sample = Sample::default();
    for rule in &rules {
        let again = parse_rule(&rule.text, &known).expect("our own words are understood");
        assert_eq!(rule.metric, again.metric);
        assert_eq!(rule.condition, again.condition);
        assert_eq!((rule.hold, rule.keep), (again.hold, again.keep));
        let metric = rule.metric.as_str().into();
        sample
            .values
            .push((metric, rule.threshold().unwrap_or(0.0)));
    }
    let mut evaluator = Evaluator::new(rules.into(), 1000);
    for timestamp in [u64::MAX, 0, 5, 1_000_000_000_000, 7] {
        sample.timestamp = timestamp;
        for (_, value) in &mut sample.values {
            *value += 1.0;
        }
        evaluator.judge(&sample, timestamp == 5);
        evaluator.judge(&Sample::default(), false);
    }
}

/// Packets of applications, one after each empty line: whatever they say, names and values are fit for a sample.
pub(crate) fn statsd(bytes: &[u8]) {
    let inbox = StatsdInbox::default();
    let mut now = Instant::now();
    let mut rest = Some(bytes);
    while let Some(packets) = rest {
        let end = packets.windows(2).position(|pair| pair == b"\n\n");
        let (packet, behind) = packets.split_at(end.unwrap_or(packets.len()));
        rest = end.map(|_| &behind[2..]);
        inbox.deliver(packet, packet.len() % 3 == 2, now);
        now += Duration::from_secs(packet.len() as u64 % 100);
        let seconds = (packet.len() % 5 != 4).then_some(0.25);
        let mut names = HashSet::new();
        for ReportedValue { name, value, .. } in inbox.collect(now, seconds) {
            assert!(value.is_none_or(f64::is_finite), "{name}: {value:?}");
            let written = name.strip_suffix(".p95").or(name.strip_suffix(".max"));
            assert!(
                may_report(written.unwrap_or(&name)) || may_report(&name),
                "{name}"
            );
            assert!(names.insert(name));
        }
        assert!(names.len() <= 600);
    }
}

/// A refusal is one line, and what it quotes is harmless to a terminal.
fn assert_harmless(refusal: &str) {
    assert!(!refusal.contains(char::is_control), "{refusal:?}");
}
