//! Several inputs as one: by time, and within a host by stream and number.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::protocol::{HostName, Numbered, StreamId};
use crate::recording::{Columns, ReadError, RowProblem};
use crate::wording::{self, one_or_more};

use super::Input;
use super::chain::RowRank;
use super::found_row::{FoundRow, Spot};
use super::order::{Ranks, RowOrder, Runs};
use super::ordered::RowSource;

/// The advice for files whose rows cannot be merged in sequence.
const JOIN_THEM: &str = "these files cannot be merged by time; replay one file with all their rows";

/// The numbered rows of all inputs, each message once.
pub(super) struct Merged {
    inputs: Vec<Opened>,
    ranks: Arc<Ranks>,
    last: HashMap<HostName, Last>,
    /// Whether late rows are only noted, not refused.
    is_lenient: bool,
    is_out_of_order: bool,
}

/// An input, and its next row.
struct Opened {
    source: RowSource,
    head: Option<FoundRow>,
    /// Displaced rows.
    moved: u64,
    /// Rows that repeat a message.
    repeated: u64,
}

/// The last row of a host.
struct Last {
    stream: StreamId,
    seq: u64,
    input: usize,
    at: Spot,
    /// The message itself, where it cannot be read again.
    message: Option<Numbered>,
    /// The earlier streams.
    over: HashSet<StreamId>,
}

impl Merged {
    /// Opens the inputs, to be read in `order`.
    pub(super) fn new(inputs: &[Input], order: &RowOrder) -> Result<Self, ReadError> {
        Self::open(inputs, order, false)
    }

    /// Opens the inputs to find out whether they are in order.
    pub(super) fn to_survey(inputs: &[Input]) -> Result<Self, ReadError> {
        Self::open(inputs, &RowOrder::default(), true)
    }

    fn open(inputs: &[Input], order: &RowOrder, is_lenient: bool) -> Result<Self, ReadError> {
        let open = |(at, input)| {
            let mut source = RowSource::open(input, order.plan(at), is_lenient)?;
            Ok(Opened {
                head: source.next()?,
                source,
                moved: 0,
                repeated: 0,
            })
        };
        Ok(Self {
            inputs: inputs
                .iter()
                .enumerate()
                .map(open)
                .collect::<Result<_, _>>()?,
            ranks: order.ranks.clone(),
            last: HashMap::new(),
            is_lenient,
            is_out_of_order: false,
        })
    }

    /// The next message, and the columns of its file.
    pub(super) fn next(&mut self) -> Result<Option<(Numbered, Columns)>, ReadError> {
        while let Some(input) = self.earliest() {
            let opened = &mut self.inputs[input];
            let Some(found) = std::mem::replace(&mut opened.head, opened.source.next()?) else {
                break;
            };
            if self.is_new(input, &found)? {
                let columns = found.columns().clone();
                return Ok(Some((found.message, columns)));
            }
        }
        Ok(None)
    }

    /// The input with the next row.
    fn earliest(&self) -> Option<usize> {
        if let [only] = &self.inputs[..] {
            return only.head.as_ref().map(|_| 0);
        }
        let heads = || {
            let heads = self.inputs.iter().enumerate();
            heads.filter_map(|(input, opened)| Some((input, opened.head.as_ref()?)))
        };
        // Ties go to the file named first.
        let time = |found: &FoundRow| (found.timestamp(), found.message.host.clone());
        let (input, earliest) = heads().min_by_key(|(_, found)| time(found))?;
        // A clock may have been set back: another file may have an earlier message.
        let host = &earliest.message.host;
        let mut first = (input, earliest);
        for (input, found) in heads().filter(|(_, found)| found.message.host == *host) {
            if self.key(found) < self.key(first.1) && self.is_ranked(found, first.1) {
                first = (input, found);
            }
        }
        Some(first.0)
    }

    fn key(&self, found: &FoundRow) -> RowRank {
        let ranks = self.ranks.get(&found.message.host);
        let rank = ranks.and_then(|ranks| ranks.get(&found.message.stream));
        (rank.copied().unwrap_or_default(), found.message.seq)
    }

    /// Whether the order of two rows of a host is known.
    fn is_ranked(&self, one: &FoundRow, other: &FoundRow) -> bool {
        one.message.stream == other.message.stream || self.ranks.contains_key(&one.message.host)
    }

    /// Whether a row is the next one of its host. A repeated one is counted.
    fn is_new(&mut self, input: usize, found: &FoundRow) -> Result<bool, ReadError> {
        let keeps = self.inputs[input].source.in_sequence_only().is_some();
        let keep = || keeps.then(|| found.message.clone());
        let Some(last) = self.last.get_mut(&found.message.host) else {
            let last = Last {
                stream: found.message.stream,
                seq: found.message.seq,
                input,
                at: found.at.clone(),
                message: keep(),
                over: HashSet::new(),
            };
            self.last.insert(found.message.host.clone(), last);
            self.inputs[input].moved += u64::from(found.is_moved);
            return Ok(true);
        };
        if last.stream == found.message.stream && last.seq == found.message.seq {
            self.check_same(input, found)?;
            self.inputs[input].repeated += 1;
            return Ok(false);
        }
        let is_late = if last.stream == found.message.stream {
            found.message.seq < last.seq
        } else {
            last.over.contains(&found.message.stream)
        };
        if is_late && self.is_lenient {
            self.is_out_of_order = true;
            return Ok(true);
        }
        if is_late {
            return Err(self.displaced(input, found));
        }
        if last.stream != found.message.stream {
            last.over.insert(last.stream);
        }
        last.stream = found.message.stream;
        last.seq = found.message.seq;
        last.input = input;
        last.at = found.at.clone();
        last.message = keep();
        self.inputs[input].moved += u64::from(found.is_moved);
        Ok(true)
    }

    /// Checks that a row equals the last one of its host, whose message it repeats.
    fn check_same(&mut self, input: usize, found: &FoundRow) -> Result<(), ReadError> {
        let Some(last) = self.last.get(&found.message.host) else {
            return Ok(());
        };
        let source = &mut self.inputs[last.input].source;
        let again = match &last.message {
            Some(_) => None,
            None => source.again(&last.at)?,
        };
        if (again.as_ref().or(last.message.as_ref())).is_none_or(|it| is_same(it, &found.message)) {
            return Ok(());
        }
        let problem = RowProblem::Differs {
            message: name(found.message.stream, found.message.seq),
            other: place(source, &last.at),
        };
        Err(self.error(input, found, problem))
    }

    fn displaced(&self, input: usize, found: &FoundRow) -> ReadError {
        let after = (self.last.get(&found.message.host))
            .map(|last| {
                let at = place(&self.inputs[last.input].source, &last.at);
                format!("{} ({at})", name(last.stream, last.seq))
            })
            .unwrap_or_default();
        let cure = self.inputs[input].source.in_sequence_only();
        let problem = RowProblem::Displaced {
            message: name(found.message.stream, found.message.seq),
            after,
            cure: cure.unwrap_or(JOIN_THEM),
        };
        self.error(input, found, problem)
    }

    fn error(&self, input: usize, found: &FoundRow, problem: RowProblem) -> ReadError {
        ReadError::Row {
            file: file(&self.inputs[input].source, &found.at).into(),
            line: found.at.line,
            problem,
        }
    }

    /// Whether any row was late.
    pub(super) fn is_out_of_order(&self) -> bool {
        self.is_out_of_order
    }

    /// The runs of each input, once it has been surveyed.
    pub(super) fn into_runs(self) -> Vec<Runs> {
        let runs = self.inputs.into_iter();
        runs.map(|opened| opened.source.into_runs()).collect()
    }

    /// Warnings about the inputs, one line each: rows cut off, and, for inputs read to the end, rows moved and
    /// repeated.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.inputs.iter().flat_map(|opened| {
            let file = opened.source.file();
            let of = |count: u64, one: &str, many: &str| {
                let rows = wording::counted(count, "row");
                let what = one_or_more(count, one, many);
                (count > 0).then(|| format!("{file}: {rows} {what}"))
            };
            let moved = of(
                opened.moved,
                "was out of order; it is replayed in order of stream and seq",
                "were out of order; they are replayed in order of stream and seq",
            );
            let repeated = of(
                opened.repeated,
                "repeats a message; it is omitted",
                "repeat a message; they are omitted",
            );
            let torn = opened.source.torn().into_iter();
            torn.chain([moved, repeated].into_iter().flatten())
        })
    }

    /// Only the warnings about rows that were cut off.
    pub(super) fn torn(&self) -> impl Iterator<Item = String> {
        (self.inputs.iter()).flat_map(|opened| opened.source.torn())
    }
}

/// The file of a row.
fn file<'a>(source: &'a RowSource, at: &'a Spot) -> &'a str {
    at.file.as_deref().unwrap_or_else(|| source.file())
}

/// Where a row is, as errors write it.
fn place(source: &RowSource, at: &Spot) -> String {
    format!("{}:{}", file(source, at), at.line)
}

/// What errors call a message.
fn name(stream: StreamId, seq: u64) -> String {
    format!("message {seq} of stream {stream}")
}

/// Whether two rows for a message are equal; their files may have their columns in different orders.
fn is_same(one: &Numbered, other: &Numbered) -> bool {
    let sorted = |values: &[(Arc<str>, f64)]| {
        let mut values = values.to_vec();
        values.sort_by(|(one, _), (other, _)| one.cmp(other));
        values
    };
    let (sample, other_sample) = (&one.sample, &other.sample);
    one.alert == other.alert
        && sample.timestamp == other_sample.timestamp
        && sample.top == other_sample.top
        && sample.containers == other_sample.containers
        && sorted(&sample.values) == sorted(&other_sample.values)
}
