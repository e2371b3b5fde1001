//! One input, its rows in order.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use crate::protocol::{HostName, Numbered};
use crate::recording::{Columns, Heading, ReadError, Reader, Row, RowPlace};

use super::Input;
use super::order::{Displaced, HostPlan, ReorderPlan, RunCounter, Runs};

/// A numbered row, and where it was read.
#[derive(Debug)]
pub(super) struct FoundRow {
    pub(super) message: Numbered,
    pub(super) at: Spot,
    /// Whether it was displaced in its file.
    pub(super) is_moved: bool,
}

/// Where a row is in its file.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) heading: Heading,
    pub(super) place: RowPlace,
    /// The line on which it starts, from 1.
    pub(super) line: u64,
}

impl FoundRow {
    /// When its sample was taken, in milliseconds since the epoch.
    pub(super) fn timestamp(&self) -> u64 {
        self.message.sample.timestamp
    }

    pub(super) fn columns(&self) -> &Columns {
        self.at.heading.columns()
    }
}

/// An open input. Gap rows are skipped: the numbers show the hole.
pub(super) enum RowSource {
    /// Its rows can be read once, in sequence.
    Pipe(Reader<Box<dyn Read + Send>>),
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
            (Input::Pipe(path), _) => Self::Pipe(open_pipe(path)?),
            (Input::Stdin, _) => Self::Pipe({
                let input: Box<dyn Read + Send> = Box::new(std::io::stdin());
                Reader::new(input, "standard input")?
            }),
        })
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<FoundRow>, ReadError> {
        match self {
            Self::Pipe(reader) => numbered(reader),
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
            Self::Pipe(_) => Ok(None),
        }
    }

    /// Its name in errors.
    pub(super) fn file(&self) -> &str {
        match self {
            Self::Pipe(reader) => reader.file(),
            Self::File(reader, _) => reader.file(),
            Self::Displaced(rows) => rows.in_file.file(),
        }
    }

    pub(super) fn is_pipe(&self) -> bool {
        matches!(self, Self::Pipe(_))
    }

    /// The warning about a last row that was cut off.
    pub(super) fn torn(&self) -> Option<String> {
        let torn = match self {
            Self::Pipe(reader) => reader.torn(),
            Self::File(reader, _) => reader.torn(),
            Self::Displaced(rows) => rows.in_file.torn(),
        };
        torn.map(ToString::to_string)
    }

    /// The runs that were counted.
    pub(super) fn into_runs(self) -> Runs {
        match self {
            Self::File(_, Some(runs)) => runs,
            _ => Runs::default(),
        }
    }
}

fn open_pipe(path: &std::path::Path) -> Result<Reader<Box<dyn Read + Send>>, ReadError> {
    let file = path.display().to_string();
    let opened = File::open(path).map_err(|source| ReadError::Io {
        file: file.clone(),
        source,
    })?;
    let input: Box<dyn Read + Send> = Box::new(opened);
    Reader::new(input, file)
}

fn numbered<R: Read>(reader: &mut Reader<R>) -> Result<Option<FoundRow>, ReadError> {
    while let Some(row) = reader.next().transpose()? {
        if let Row::Numbered(message) = row {
            return Ok(Some(FoundRow {
                at: Spot {
                    heading: reader.heading().clone(),
                    place: reader.place(),
                    line: reader.line(),
                },
                message,
                is_moved: false,
            }));
        }
    }
    Ok(None)
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
            },
            is_moved: next.is_moved(),
        }))
    }
}
