//! Prometheus' text format.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::protocol::HostName;
use crate::view::is_visible;

/// The labels of a value: its host, and optionally one more.
pub(super) fn labels(host: &HostName, instance: Option<(&str, &str)>) -> String {
    match instance {
        None => format!("host=\"{host}\""),
        Some((label, value)) => format!("host=\"{host}\",{label}=\"{}\"", escaped(value)),
    }
}

/// Escaped as the format requires, and with invisible or deceptive characters as `\u{1b}`.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => escaped.push_str(r"\\"),
            '"' => escaped.push_str(r#"\""#),
            '\n' => escaped.push_str(r"\n"),
            c if is_visible(c) => escaped.push(c),
            c => {
                escaped.push('\\');
                escaped.extend(c.escape_unicode());
            }
        }
    }
    escaped
}

/// One family of gauges; nothing at all if there are no values.
pub(super) fn gauge(
    text: &mut String,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (String, f64)>,
) {
    family_of(text, (name, "gauge", help), values);
}

/// One family with a single value.
pub(super) fn single(text: &mut String, family: (&str, &str, &str), value: f64) {
    family_of(text, family, std::iter::once((String::new(), value)));
}

/// One family of the text format.
pub(super) fn family_of(
    text: &mut String,
    (name, kind, help): (&str, &str, &str),
    values: impl Iterator<Item = (String, f64)>,
) {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    // A repeated series would make Prometheus reject everything.
    let mut told = HashSet::new();
    for (labels, value) in values {
        if told.contains(&labels) {
            continue;
        }
        let _ = match labels.as_str() {
            "" => writeln!(text, "{name} {value}"),
            labels => writeln!(text, "{name}{{{labels}}} {value}"),
        };
        told.insert(labels);
    }
}
