//! The rows as messages: which number, which stream, which time.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use crate::hub::Numbered;
use crate::protocol::{HostName, LAST_TIMESTAMP, StreamId};
use crate::recording::{Columns, ReadError, Row, RowKind};

use super::merge::Merged;
use super::survey::Survey;
use super::{Input, Window};

/// How messages are numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbering {
    /// As recorded: the same messages.
    Kept,
    /// Afresh: other messages. Holes keep their size.
    Fresh {
        /// The stream of every host.
        stream: StreamId,
        /// What the one host is called, if not as recorded.
        name: Option<HostName>,
    },
}

/// How the recordings are played.
#[derive(Debug, Clone)]
pub struct Run {
    /// The recordings.
    pub inputs: Vec<Input>,
    /// Which part of them.
    pub window: Window,
    /// How messages are numbered.
    pub numbering: Numbering,
    /// Whether to begin again at the end.
    pub again: bool,
    /// Shift time so that the first message is of this time, in milliseconds since the epoch.
    pub rebase_to: Option<u64>,
    /// Milliseconds between the last message of a pass and the first of the next.
    pub interval: u64,
}

/// One message of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// Whose.
    pub host: HostName,
    /// The stream that the number belongs to.
    pub stream: StreamId,
    /// The columns of its file.
    pub columns: Columns,
    /// The message.
    pub message: Numbered,
    /// Milliseconds since the first message, by steps forward: when it is due at speed 1.
    pub due: u64,
}

/// The messages of a [`Run`], in their order.
pub struct Playback {
    run: Run,
    rows: Merged<Box<dyn Read + Send>>,
    /// Rows that were read ahead, in reverse.
    ahead: Vec<(Row, Columns)>,
    first: Option<u64>,
    clock: Clock,
    hosts: HashMap<HostName, Progress>,
    /// Rows of a stream that another had followed already.
    left_out: u64,
    /// Why no more messages can be made of what is left.
    exhausted: Option<&'static str>,
}

/// How far a host's messages have come.
#[derive(Debug, Default)]
struct Progress {
    /// The last message as recorded; `None` before the first of a pass.
    last: Option<(StreamId, u64)>,
    /// Streams that are over: those before the last message's.
    over: HashSet<StreamId>,
    /// The last number given.
    given: u64,
}

/// Recorded time, made into time that never goes back, not within a pass and not from one to the next.
#[derive(Debug, Default)]
struct Clock {
    /// The time of the first message.
    base: Option<u64>,
    /// Milliseconds since then, by steps forward.
    due: u64,
    /// The recorded time of the message before.
    last: Option<u64>,
}

impl Playback {
    /// Opens the recordings.
    ///
    /// # Errors
    /// When one cannot be opened, or its first row not be read.
    pub fn new(run: Run) -> Result<Self, ReadError> {
        let rows = open(&run.inputs)?;
        let clock = Clock::default();
        Ok(Self {
            run,
            rows,
            ahead: Vec::new(),
            first: None,
            clock,
            hosts: HashMap::new(),
            left_out: 0,
            exhausted: None,
        })
    }

    /// Reads up to `count` rows ahead and says what they show: the survey of an input that can be read only once.
    ///
    /// # Errors
    /// The first row that cannot be read.
    pub fn look_ahead(&mut self, count: usize) -> Result<Survey, ReadError> {
        let mut survey = Survey::default();
        let mut rows = Vec::new();
        while rows.len() < count
            && let Some((row, columns)) = self.rows.next()?
        {
            let first = *survey.first.get_or_insert(row.timestamp());
            if self.run.window.contains(row.timestamp(), first) {
                survey.note_time(row.timestamp());
            }
            survey.note(&row.host, row.stream, row.timestamp(), columns.clone());
            rows.push((row, columns));
        }
        survey.settle();
        rows.reverse();
        self.ahead = rows;
        Ok(survey)
    }

    /// What was cut off and left out, in a line each. Complete after the last message.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let rows = if self.left_out == 1 {
            "row was"
        } else {
            "rows were"
        };
        let left_out = format!(
            "{} {rows} left out: a stream came back after another had begun, so these recordings overlap in a way that \
             cannot be played as one",
            self.left_out
        );
        let exhausted = self
            .exhausted
            .map(|why| format!("the replay ends early: {why}"));
        self.rows
            .warnings()
            .chain((self.left_out > 0).then_some(left_out))
            .chain(exhausted)
    }

    /// How messages are numbered.
    #[must_use]
    pub fn numbering(&self) -> &Numbering {
        &self.run.numbering
    }

    /// Whether rows come from a pipe, one at a time, so that the next may be long in coming.
    #[must_use]
    pub fn is_piped(&self) -> bool {
        self.run.inputs == [Input::Stdin]
    }

    /// Changes where a rebased replay begins, before its first message. Whether it is one.
    pub fn rebase_to(&mut self, now: u64) -> bool {
        let is_rebased = self.run.rebase_to.is_some();
        if is_rebased {
            self.run.rebase_to = Some(now);
        }
        is_rebased
    }

    fn play(&mut self) -> Result<Option<Play>, ReadError> {
        while self.exhausted.is_none() {
            let next = match self.ahead.pop() {
                Some(ahead) => Some(ahead),
                None => self.rows.next()?,
            };
            let Some((row, columns)) = next else {
                if !self.run.again || self.hosts.is_empty() {
                    return Ok(None);
                }
                self.begin_again()?;
                continue;
            };
            let first = *self.first.get_or_insert(row.timestamp());
            if self.run.window.contains(row.timestamp(), first)
                && let Some(play) = self.number(row, columns)
            {
                return Ok(Some(play));
            }
        }
        Ok(None)
    }

    fn begin_again(&mut self) -> Result<(), ReadError> {
        self.rows = open(&self.run.inputs)?;
        self.clock.next_pass(self.run.interval);
        for progress in self.hosts.values_mut() {
            // No message is missing between two passes.
            progress.last = None;
            progress.over.clear();
        }
        Ok(())
    }

    /// The message in `row`; `None` where it came already, as in overlapping files.
    fn number(&mut self, row: Row, columns: Columns) -> Option<Play> {
        let (seq, alert, mut sample) = match row.kind {
            RowKind::Sample { seq, sample } => (seq, None, sample),
            RowKind::Alert { seq, alert, sample } => (seq, Some(alert), sample),
            RowKind::Gap { .. } => return None,
        };
        let progress = self.hosts.entry(row.host.clone()).or_default();
        match progress.last {
            Some((stream, last)) if stream == row.stream && seq <= last => return None,
            // The hole keeps its size.
            Some((stream, last)) if stream == row.stream => {
                progress.given = progress.given.saturating_add(seq - last);
            }
            _ if progress.over.contains(&row.stream) => {
                self.left_out += 1;
                return None;
            }
            before => {
                progress.over.extend(before.map(|(stream, _)| stream));
                progress.given = progress.given.saturating_add(1);
            }
        }
        progress.last = Some((row.stream, seq));
        let given = progress.given;
        if given == u64::MAX && self.run.numbering != Numbering::Kept {
            self.exhausted = Some("the numbers run out");
            return None;
        }
        let (due, timestamp) = self.clock.tick(sample.timestamp, self.run.rebase_to);
        let (host, stream, seq) = match &self.run.numbering {
            Numbering::Kept => (row.host, row.stream, seq),
            Numbering::Fresh { stream, name } => {
                if timestamp > LAST_TIMESTAMP {
                    self.exhausted = Some("time runs past the year 9999");
                    return None;
                }
                sample.timestamp = timestamp;
                (name.clone().unwrap_or(row.host), *stream, given)
            }
        };
        Some(Play {
            host,
            stream,
            columns,
            message: Numbered { seq, alert, sample },
            due,
        })
    }
}

impl Iterator for Playback {
    type Item = Result<Play, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.play().transpose()
    }
}

fn open(inputs: &[Input]) -> Result<Merged<Box<dyn Read + Send>>, ReadError> {
    Merged::new(inputs.iter().map(Input::open).collect::<Result<_, _>>()?)
}

impl Clock {
    /// When the message of a recorded time is due, and the time that it gets.
    fn tick(&mut self, recorded: u64, rebase_to: Option<u64>) -> (u64, u64) {
        let step = recorded.saturating_sub(self.last.unwrap_or(recorded));
        self.due = self.due.saturating_add(step);
        self.last = Some(recorded);
        let base = *self.base.get_or_insert(rebase_to.unwrap_or(recorded));
        (self.due, base.saturating_add(self.due))
    }

    /// The next pass begins `interval` after the end of this one.
    fn next_pass(&mut self, interval: u64) {
        self.due = self.due.saturating_add(interval);
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "timestamp,host,stream,seq,event,cpu,top,extra\n";

    fn row(second: u64, stream: &str, seq: u64) -> String {
        format!("2026-11-24T14:00:{second:02}.000Z,a,{stream},{seq},,{seq},,\n")
    }

    fn play(
        files: &[String],
        change: impl FnOnce(&mut Run),
    ) -> (Vec<(String, u64, u64)>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let inputs = files.iter().enumerate().map(|(index, rows)| {
            let path = directory.path().join(format!("{index}.csv"));
            std::fs::write(&path, format!("{HEADER}{rows}")).unwrap();
            Input::File(path)
        });
        let mut run = Run {
            inputs: inputs.collect(),
            window: Window::default(),
            numbering: Numbering::Kept,
            again: false,
            rebase_to: None,
            interval: 1000,
        };
        change(&mut run);
        let mut playback = Playback::new(run).unwrap();
        let plays = playback.by_ref().take(12).map(|play| {
            let play = play.unwrap();
            (
                format!("{}:{}", play.stream, play.message.seq),
                play.due,
                play.message.sample.timestamp % 60_000,
            )
        });
        let plays = plays.collect();
        (plays, playback.warnings().collect())
    }

    fn names(plays: &[(String, u64, u64)]) -> Vec<&str> {
        plays.iter().map(|(name, ..)| name.as_str()).collect()
    }

    #[test]
    fn kept_numbers_are_those_of_the_recording() {
        let rows = [row(1, "s1", 7), row(2, "s1", 9), row(4, "s2", 1)].concat();
        let (plays, _) = play(&[rows], |_| {});
        assert_eq!(
            plays,
            [
                ("s1:7".into(), 0, 1000),
                ("s1:9".into(), 1000, 2000),
                ("s2:1".into(), 3000, 4000)
            ]
        );
    }

    #[test]
    fn fresh_numbers_rise_over_passes_and_keep_holes() {
        let rows = [row(1, "s1", 7), row(2, "s1", 9)].concat();
        let (plays, _) = play(&[rows], |run| {
            run.again = true;
            run.numbering = Numbering::Fresh {
                stream: StreamId(36),
                name: None,
            };
        });
        assert_eq!(names(&plays[..4]), ["10:1", "10:3", "10:4", "10:6"]);
        let times: Vec<_> = plays[..4]
            .iter()
            .map(|&(_, due, timestamp)| (due, timestamp))
            .collect();
        assert_eq!(times, [(0, 1000), (1000, 2000), (2000, 3000), (3000, 4000)]);
    }

    #[test]
    fn fresh_time_never_goes_back() {
        let rows = [row(9, "s1", 1), row(3, "s1", 2), row(4, "s1", 3)].concat();
        let (plays, _) = play(&[rows], |run| {
            run.numbering = Numbering::Fresh {
                stream: StreamId(36),
                name: None,
            };
            run.rebase_to = Some(120_000);
        });
        let times: Vec<_> = plays
            .iter()
            .map(|&(_, due, timestamp)| (due, timestamp))
            .collect();
        assert_eq!(times, [(0, 0), (0, 0), (1000, 1000)]);
    }

    #[test]
    fn overlapping_files_bring_each_message_once() {
        let first = [row(1, "s1", 1), row(2, "s1", 2)].concat();
        let second = [row(2, "s1", 2), row(3, "s1", 3)].concat();
        let (plays, warnings) = play(&[first, second], |_| {});
        assert_eq!(names(&plays), ["s1:1", "s1:2", "s1:3"]);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn a_stream_that_comes_back_is_told() {
        let first = [row(1, "s1", 1), row(3, "s1", 2)].concat();
        let (plays, warnings) = play(&[first, row(2, "s2", 1)], |_| {});
        assert_eq!(names(&plays), ["s1:1", "s2:1"]);
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with("1 row was left out"),
            "{warnings:?}"
        );
    }

    #[test]
    fn time_and_numbers_that_run_out_end_the_replay() {
        let fresh = |run: &mut Run| {
            run.again = true;
            run.numbering = Numbering::Fresh {
                stream: StreamId(36),
                name: None,
            };
        };
        let rows = [row(1, "s1", 1), row(2, "s1", u64::MAX)].concat();
        let (plays, warnings) = play(&[rows], fresh);
        assert_eq!(names(&plays), ["10:1"]);
        assert_eq!(warnings, ["the replay ends early: the numbers run out"]);
        let (plays, warnings) = play(&[[row(1, "s1", 1), row(2, "s1", 2)].concat()], |run| {
            fresh(run);
            run.rebase_to = Some(LAST_TIMESTAMP);
        });
        assert_eq!(plays.len(), 1);
        assert_eq!(
            warnings,
            ["the replay ends early: time runs past the year 9999"]
        );
    }
}
