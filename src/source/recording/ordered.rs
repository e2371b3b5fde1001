//! One input, its rows in order.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::postgres::{HostInDatabase, StoredRows};
use crate::protocol::{HostName, Numbered};
use crate::recording::{ReadError, Reader, unpacked};

use super::found_row::{FoundRow, Spot, numbered};
use super::order::{Displaced, HostPlan, ReorderPlan, RunCounter, Runs};
use super::series::{self, Bytes, Series};
use super::{Input, demo};

/// The advice for a displaced row in an input that can be read only once.
const SAVE_IT: &str = "save the input to a file and replay that, which puts its rows in order";

/// The advice for a displaced row in compressed files, or in one of several that follow each other.
const UNPACK_IT: &str = "write all rows to one file, such as with `zcat -f FILE… > all.csv`, and replay that, which \
                         puts them in order";

/// An open input. Gap rows are skipped: the numbers show the hole.
pub(super) enum RowSource {
    /// Its rows can be read once, in sequence.
    Pipe(Reader<Bytes>),
    /// Its rows can be read in sequence only, because it is compressed or consists of several files.
    Series(Series),
    /// Its rows are in order, as far as is known. To find that out, they are counted.
    File(Reader<File>, Option<Runs>),
    /// Some of its rows are displaced.
    Displaced(Box<InOrder>),
}

impl RowSource {
    /// Opens an input. With `count`, its runs are counted while it is read.
    pub(super) fn open(
        input: &Input,
        plan: Option<Arc<ReorderPlan>>,
        count: bool,
    ) -> Result<Self, ReadError> {
        Ok(match (input, plan) {
            (Input::File(path), Some(plan)) => Self::Displaced(Box::new(InOrder {
                in_file: Reader::open(path)?,
                by_place: Reader::open_for_rows(path)?,
                hosts: plan
                    .hosts
                    .keys()
                    .map(|host| (host.clone(), HostProgress::default()))
                    .collect(),
                is_over: !plan.any_in_place,
                head: None,
                plan,
            })),
            (Input::File(path), None) => Self::File(Reader::open(path)?, count.then(Runs::default)),
            (Input::Packed(path), _) => {
                Self::Series(Series::open(std::slice::from_ref(path), false, count)?)
            }
            (Input::Rotated(files), _) => Self::Series(Series::open(files, true, count)?),
            (Input::Pipe(path), _) => Self::Pipe(series::open(path)?),
            (Input::Stdin, _) => Self::Pipe(open_stdin()?),
            (Input::Database(wanted), _) => Self::Pipe(open_database(wanted)?),
            (Input::Demo, _) => Self::Pipe(demo::open()?),
        })
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<FoundRow>, ReadError> {
        match self {
            Self::Pipe(reader) => numbered(reader),
            Self::Series(series) => series.next(),
            Self::File(reader, runs) => {
                let found = numbered(reader)?;
                if let (Some(runs), Some(found)) = (runs, &found) {
                    runs.note(&found.message);
                }
                Ok(found)
            }
            Self::Displaced(rows) => rows.next(),
        }
    }

    /// Reads a row again. `None` if that is impossible.
    pub(super) fn again(&mut self, at: &Spot) -> Result<Option<Numbered>, ReadError> {
        match self {
            Self::Displaced(rows) => (rows.by_place).message_at(at.place, &at.heading).map(Some),
            Self::File(reader, _) => {
                let mut by_place = Reader::open_for_rows(reader.file().as_ref())?;
                by_place.message_at(at.place, &at.heading).map(Some)
            }
            Self::Pipe(_) | Self::Series(_) => Ok(None),
        }
    }

    /// Its name in errors.
    pub(super) fn file(&self) -> &str {
        match self {
            Self::Pipe(reader) => reader.file(),
            Self::Series(series) => series.file(),
            Self::File(reader, _) => reader.file(),
            Self::Displaced(rows) => rows.in_file.file(),
        }
    }

    /// Why a displaced row cannot be put in order, if it can't: its input is only read in sequence.
    pub(super) fn in_sequence_only(&self) -> Option<&'static str> {
        match self {
            Self::Pipe(_) => Some(SAVE_IT),
            Self::Series(_) => Some(UNPACK_IT),
            Self::File(..) | Self::Displaced(_) => None,
        }
    }

    /// The warnings about rows that were cut off.
    pub(super) fn torn(&self) -> Vec<String> {
        let torn = match self {
            Self::Pipe(reader) => reader.torn(),
            Self::Series(series) => return series.torn.clone(),
            Self::File(reader, _) => reader.torn(),
            Self::Displaced(rows) => rows.in_file.torn(),
        };
        torn.map(ToString::to_string).into_iter().collect()
    }

    /// The runs that were counted.
    pub(super) fn into_runs(self) -> Runs {
        match self {
            Self::File(_, Some(runs)) => runs,
            Self::Series(series) => series.runs.unwrap_or_default(),
            _ => Runs::default(),
        }
    }
}

fn open_database(wanted: &HostInDatabase) -> Result<Reader<Bytes>, ReadError> {
    let file = wanted.address.to_string();
    match StoredRows::open(wanted.clone()) {
        Ok(rows) => Reader::new(Box::new(rows), file),
        Err(source) => Err(ReadError::Io { file, source }),
    }
}

fn open_stdin() -> Result<Reader<Bytes>, ReadError> {
    let file = "standard input";
    match unpacked(io::stdin()) {
        Ok(input) => Reader::new(input, file),
        Err(source) => Err(ReadError::Io {
            file: file.into(),
            source,
        }),
    }
}

/// A file with displaced rows: yields those in place in sequence, and each of the others where it belongs.
pub(super) struct InOrder {
    in_file: Reader<File>,
    by_place: Reader<File>,
    plan: Arc<ReorderPlan>,
    hosts: HashMap<HostName, HostProgress>,
    /// The next of the rows in place.
    head: Option<FoundRow>,
    is_over: bool,
}

/// How far a host with displaced rows has been read.
#[derive(Debug, Default)]
struct HostProgress {
    counter: RunCounter,
    /// Displaced rows already yielded.
    given: usize,
    /// Whether any row in place has been yielded.
    has_begun: bool,
}

impl InOrder {
    fn next(&mut self) -> Result<Option<FoundRow>, ReadError> {
        while self.head.is_none() && !self.is_over {
            self.head = self.next_in_place()?;
            self.is_over = self.head.is_none();
        }
        let Some(host) = self.earliest_displaced() else {
            let head = self.head.take();
            if let Some(progress) = head
                .as_ref()
                .and_then(|head| self.hosts.get_mut(&head.message.host))
            {
                progress.has_begun = true;
            }
            return Ok(head);
        };
        self.take_displaced(&host)
    }

    fn next_in_place(&mut self) -> Result<Option<FoundRow>, ReadError> {
        while let Some(found) = numbered(&mut self.in_file)? {
            let host = &found.message.host;
            let (Some(plan), Some(progress)) =
                (self.plan.hosts.get(host), self.hosts.get_mut(host))
            else {
                return Ok(Some(found));
            };
            // Rows appended since the survey are at the end.
            if (progress.counter.next(plan)).is_none_or(|run| run.is_in_place) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The host whose displaced row is next; `None` if a row in place is next.
    fn earliest_displaced(&self) -> Option<HostName> {
        let mut earliest = None;
        // A row in place waits for displaced rows of its host that belong before it.
        let mut head = (self.head.as_ref()).map(|head| (head.timestamp(), &head.message.host));
        for (host, progress) in &self.hosts {
            let Some(plan) = self.plan.hosts.get(host) else {
                continue;
            };
            let next = plan.displaced.get(progress.given);
            let Some(row) = next.filter(|row| self.is_due(host, plan, progress, row)) else {
                continue;
            };
            head = head.filter(|(_, of_head)| *of_head != host);
            let candidate = (row.timestamp, host);
            if earliest.is_none_or(|earliest| candidate < earliest) {
                earliest = Some(candidate);
            }
        }
        let (timestamp, host) = earliest?;
        head.is_none_or(|head| (timestamp, host) < head)
            .then(|| host.clone())
    }

    /// Whether a displaced row may precede the next row in place.
    fn is_due(
        &self,
        host: &HostName,
        plan: &HostPlan,
        so_far: &HostProgress,
        row: &Displaced,
    ) -> bool {
        match &self.head {
            None => true,
            Some(FoundRow { message, .. }) if message.host == *host => {
                row.key() < plan.key(message.stream, message.seq)
            }
            // Where this host's next row in place is, isn't known yet, except for the first.
            Some(_) => plan
                .first_in_place
                .is_none_or(|first| !so_far.has_begun && row.key() < first),
        }
    }

    fn take_displaced(&mut self, host: &HostName) -> Result<Option<FoundRow>, ReadError> {
        let next = self.hosts.get_mut(host).and_then(|progress| {
            progress.given += 1;
            self.plan.hosts.get(host)?.displaced.get(progress.given - 1)
        });
        let Some((next, heading)) =
            next.and_then(|next| Some((next, self.plan.headings.get(next.heading())?)))
        else {
            return Ok(None);
        };
        Ok(Some(FoundRow {
            message: self.by_place.message_at(next.place, heading)?,
            at: Spot {
                heading: heading.clone(),
                place: next.place,
                line: self.by_place.line(),
                file: None,
            },
            is_moved: next.is_moved(),
        }))
    }
}
