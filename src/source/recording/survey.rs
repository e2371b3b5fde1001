//! What is in the recordings, found out before they are served.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::protocol::{HostName, Numbered, StreamId};
use crate::recording::{Columns, ReadError};

use super::merge::Merged;
use super::order::RowOrder;
use super::{Input, Window};

/// The number of steps that determine the interval.
const STEPS: usize = 10;

/// Assumed if a host has a single row: `serve`'s default interval.
pub const DEFAULT_INTERVAL_MS: u64 = 2000;

/// The results of a survey.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// The hosts.
    pub hosts: BTreeMap<HostName, HostSurvey>,
    /// Numbered rows in the window.
    pub rows: u64,
    /// The time of the very first row, in milliseconds since the epoch, inside the window or not.
    pub first: Option<u64>,
    /// Milliseconds from the first row in the window to the last, counting only steps forward.
    pub span: u64,
    /// The times in the window; `None` if it contains no row, or nothing was read from a pipe.
    pub times: Option<Times>,
    /// What was cut off, moved and omitted, one line each.
    pub warnings: Vec<String>,
    /// The names of all values.
    pub metrics: BTreeSet<Arc<str>>,
}

/// The times of rows, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// That of the first row.
    pub opening: u64,
    /// The smallest; differs from the first if the clock was set back.
    pub earliest: u64,
    /// The greatest.
    pub latest: u64,
}

impl Times {
    fn of(timestamp: u64) -> Self {
        Self {
            opening: timestamp,
            earliest: timestamp,
            latest: timestamp,
        }
    }

    fn and(self, timestamp: u64) -> Self {
        Self {
            earliest: self.earliest.min(timestamp),
            latest: self.latest.max(timestamp),
            ..self
        }
    }
}

/// The survey of one host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSurvey {
    /// Its streams, in order.
    pub streams: Vec<StreamId>,
    /// The columns of its first row.
    pub columns: Columns,
    /// Milliseconds between two samples: the median of the first 10 steps forward, at least 1.
    pub interval: u64,
    /// The columns whose names were noted last.
    noted: Columns,
    known: HashSet<StreamId>,
    last: u64,
    steps: Vec<u64>,
}

/// Reads through `inputs`, so that errors in them are reported before anything is served. If rows are out of order,
/// finds out where they belong.
///
/// # Errors
/// The first row or file that cannot be read.
pub fn survey(inputs: &[Input], window: Window) -> Result<(Survey, RowOrder), ReadError> {
    let mut merged = Merged::to_survey(inputs)?;
    let mut survey = Survey::of(&mut merged, window)?;
    let mut order = RowOrder::default();
    if merged.is_out_of_order() {
        order = RowOrder::of(inputs, &merged.into_runs())?;
        merged = Merged::new(inputs, &order)?;
        survey = Survey::of(&mut merged, window)?;
    }
    survey.warnings = merged.warnings().collect();
    Ok((survey, order))
}

impl Survey {
    /// Notes the time of a row in the window.
    pub(super) fn note_time(&mut self, timestamp: u64) {
        let times = self.times.map(|times| times.and(timestamp));
        self.times = Some(times.unwrap_or_else(|| Times::of(timestamp)));
    }

    fn of(merged: &mut Merged, window: Window) -> Result<Self, ReadError> {
        let mut survey = Self::default();
        let mut last = None;
        while let Some((message, columns)) = merged.next()? {
            let timestamp = message.sample.timestamp;
            let first = *survey.first.get_or_insert(timestamp);
            if window.contains(timestamp, first) {
                survey.rows += 1;
                survey.note_time(timestamp);
                let step = timestamp.saturating_sub(*last.get_or_insert(timestamp));
                survey.span = survey.span.saturating_add(step);
                last = Some(timestamp);
                survey.note(&message, columns);
            }
        }
        survey.settle();
        Ok(survey)
    }

    /// Takes in one message.
    pub(super) fn note(&mut self, message: &Numbered, columns: Columns) {
        let (host, stream) = (&message.host, message.stream);
        let timestamp = message.sample.timestamp;
        self.note_metrics(message, &columns);
        if let Some(known) = self.hosts.get_mut(host) {
            known.noted = columns;
            known.note(stream, timestamp);
        } else {
            let (streams, known) = (vec![stream], HashSet::from([stream]));
            let new = HostSurvey {
                streams,
                known,
                noted: columns.clone(),
                columns,
                interval: DEFAULT_INTERVAL_MS,
                last: timestamp,
                steps: Vec::new(),
            };
            self.hosts.insert(host.clone(), new);
        }
    }

    fn note_metrics(&mut self, message: &Numbered, columns: &Columns) {
        let names = columns.names();
        let host = self.hosts.get(&message.host);
        if host.is_none_or(|host| host.noted != *columns) {
            self.metrics.extend(names.iter().cloned());
        }
        // Values that have no column come last.
        let values = message.sample.values.iter().rev();
        let is_extra = |name: &str| {
            columns
                .index_of(name, names.len().saturating_sub(1))
                .is_none()
        };
        for (name, _) in values.take_while(|(name, _)| is_extra(name)) {
            if !self.metrics.contains(name) {
                self.metrics.insert(name.clone());
            }
        }
    }

    /// Works out the intervals.
    pub(super) fn settle(&mut self) {
        for host in self.hosts.values_mut() {
            host.steps.sort_unstable();
            if let Some(&median) = host.steps.get(host.steps.len() / 2) {
                host.interval = median;
            }
        }
    }
}

impl HostSurvey {
    fn note(&mut self, stream: StreamId, timestamp: u64) {
        if self.streams.last() != Some(&stream) && self.known.insert(stream) {
            self.streams.push(stream);
        }
        let step = timestamp.saturating_sub(self.last);
        if step > 0 && self.steps.len() < STEPS {
            self.steps.push(step);
        }
        self.last = timestamp;
    }
}
