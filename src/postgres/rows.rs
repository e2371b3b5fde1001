//! Messages as lines for COPY, in its text format.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

use super::tables::measured;
use crate::protocol::{
    AlertState, CONTAINERS, Gap, GapReason, Numbered, Sample, escape_unsafe, push_number, rfc3339,
};
use crate::recording::{Columns, is_field_of_data};

/// An absent value.
const NULL: &[u8] = b"\\N";

/// Writes the messages of one host as lines.
#[derive(Debug)]
pub(super) struct LineEncoder {
    columns: Columns,
    /// For each column of the recording, the metric's place in the table, if it has a column there.
    places: Vec<Option<usize>>,
    all_places: HashMap<&'static str, usize>,
    /// The values of the current row by their place in the table; NaN if absent.
    cells: Vec<f64>,
    /// Those of the columns without one.
    instances: Vec<f64>,
    /// Indexes of values without a column in the recording.
    others: Vec<usize>,
    json: Vec<u8>,
}

impl LineEncoder {
    pub(super) fn new(columns: Columns) -> Self {
        let all_places: HashMap<_, _> = measured().zip(0..).collect();
        let places = columns
            .names()
            .iter()
            .map(|name| all_places.get(&**name).copied());
        Self {
            places: places.collect(),
            cells: vec![f64::NAN; all_places.len()],
            instances: vec![f64::NAN; columns.names().len()],
            others: Vec::new(),
            json: Vec::new(),
            all_places,
            columns,
        }
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Appends the line of a sample.
    pub(super) fn sample(&mut self, message: &Numbered, out: &mut Vec<u8>) {
        self.place(&message.sample);
        push_head(message, out);
        for &value in &self.cells {
            out.push(b'\t');
            push_value(value, out);
        }
        out.push(b'\t');
        self.push_instances(out);
        let sample = &message.sample;
        out.push(b'\t');
        self.push_list(sample.containers.as_deref(), out);
        out.push(b'\t');
        self.push_list(sample.top.as_deref(), out);
        out.push(b'\t');
        self.push_extra(sample, out);
        out.push(b'\n');
    }

    /// Appends the line of an alert, which has its sample.
    pub(super) fn alert(&mut self, message: &Numbered, out: &mut Vec<u8>) {
        let Some(alert) = &message.alert else { return };
        push_head(message, out);
        out.extend_from_slice(match alert.state {
            AlertState::Firing => b"\tfiring\t",
            AlertState::Resolved => b"\tresolved\t",
        });
        self.json.clear();
        push_json(&mut self.json, alert);
        push_text(&self.json, out);
        out.push(b'\t');
        self.json.clear();
        push_data(&message.sample, &mut self.json);
        push_text(&self.json, out);
        out.extend_from_slice(b"\t\\N\t\\N\n");
    }

    /// Sorts the values as the recording has them: by column, or without one.
    fn place(&mut self, sample: &Sample) {
        self.cells.fill(f64::NAN);
        self.instances.fill(f64::NAN);
        self.others.clear();
        let mut expected = 0;
        for (index, (name, value)) in sample.values.iter().enumerate() {
            if !value.is_finite() {
                continue;
            }
            if let Some(column) = self.columns.index_of(name, expected) {
                let cell = match self.places[column] {
                    Some(place) => &mut self.cells[place],
                    None => &mut self.instances[column],
                };
                // The first counts.
                if cell.is_nan() {
                    *cell = *value;
                }
                expected = column + 1;
            } else if !is_field_of_data(name) {
                self.others.push(index);
                // A metric that appeared later can be queried like any other.
                if let Some(&place) = self.all_places.get(&**name)
                    && self.cells[place].is_nan()
                {
                    self.cells[place] = *value;
                }
            }
        }
    }

    fn push_instances(&mut self, out: &mut Vec<u8>) {
        self.json.clear();
        for (name, &value) in self.columns.names().iter().zip(&self.instances) {
            if !value.is_nan() {
                push_pair(&mut self.json, name, value);
            }
        }
        push_object(&mut self.json, out);
    }

    fn push_extra(&mut self, sample: &Sample, out: &mut Vec<u8>) {
        self.json.clear();
        for &index in &self.others {
            let (name, value) = &sample.values[index];
            push_pair(&mut self.json, name, *value);
        }
        push_object(&mut self.json, out);
    }

    fn push_list<T: Serialize>(&mut self, list: Option<&[T]>, out: &mut Vec<u8>) {
        let Some(list) = list else {
            return out.extend_from_slice(NULL);
        };
        self.json.clear();
        push_json(&mut self.json, list);
        push_text(&self.json, out);
    }
}

/// Appends the line of a gap before `next`.
pub(super) fn push_gap(gap: Gap, next: &Numbered, out: &mut Vec<u8>) {
    push_head(next, out);
    out.extend_from_slice(match gap.reason {
        GapReason::Expired => b"\texpired\t\\N\t\\N",
        GapReason::Restarted => b"\trestarted\t\\N\t\\N",
    });
    for number in [gap.from, gap.to] {
        out.push(b'\t');
        match number {
            Some(number) => push_plain(out, i64::try_from(number).unwrap_or(i64::MAX)),
            None => out.extend_from_slice(NULL),
        }
    }
    out.push(b'\n');
}

fn push_head(message: &Numbered, out: &mut Vec<u8>) {
    let (time, host) = (rfc3339(message.sample.timestamp), &message.host);
    push_plain(
        out,
        format_args!("{time}\t{host}\t{}\t{}", message.stream, message.seq),
    );
}

fn push_plain(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    if write!(out, "{value}").is_err() {
        unreachable!("a Vec takes every byte");
    }
}

fn push_value(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(NULL);
    } else {
        push_number(out, value);
    }
}

/// Appends JSON as a field: COPY gives a meaning to backslashes.
fn push_text(json: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(json);
    for (nth, part) in escape_unsafe(&text).split('\\').enumerate() {
        if nth > 0 {
            out.extend_from_slice(b"\\\\");
        }
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends the pairs as an object; nothing if there are none.
fn push_object(pairs: &mut Vec<u8>, out: &mut Vec<u8>) {
    if pairs.is_empty() {
        return out.extend_from_slice(NULL);
    }
    pairs.push(b'}');
    push_text(pairs, out);
}

fn push_pair(pairs: &mut Vec<u8>, name: &str, value: f64) {
    pairs.push(if pairs.is_empty() { b'{' } else { b',' });
    push_json(pairs, name);
    pairs.push(b':');
    push_number(pairs, value);
}

fn push_json<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    if serde_json::to_writer(json, value).is_err() {
        unreachable!("keys are strings and a Vec takes every byte");
    }
}

/// Appends a sample as the wire's `data`, but without zeros for what is absent.
fn push_data(sample: &Sample, json: &mut Vec<u8>) {
    push_plain(json, format_args!("{{\"timestamp\":{}", sample.timestamp));
    for (name, value) in &sample.values {
        if value.is_finite() && !is_field_of_data(name) {
            push_pair(json, name, *value);
        }
    }
    if let Some(containers) = &sample.containers {
        push_plain(json, format_args!(",\"{CONTAINERS}\":"));
        push_json(json, containers);
    }
    if let Some(top) = &sample.top {
        json.extend_from_slice(b",\"top\":");
        push_json(json, top);
    }
    json.push(b'}');
}

/// The columns of a recording as the table keeps them: a last one for the containers.
pub(super) fn names_of(columns: &Columns) -> Vec<String> {
    let names = columns
        .names()
        .iter()
        .map(|name: &Arc<str>| name.to_string());
    names
        .chain(columns.has_containers().then(|| CONTAINERS.to_owned()))
        .collect()
}

/// The columns that [`names_of`] gave.
pub(super) fn columns_of(names: &[String]) -> Columns {
    let has_containers = names.last().is_some_and(|name| name == CONTAINERS);
    Columns::new(names).with_containers(has_containers)
}
