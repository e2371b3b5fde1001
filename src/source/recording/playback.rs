//! Turns rows into messages, with their stream, time and number.

use std::collections::HashMap;

use crate::protocol::{HostName, LAST_TIMESTAMP, Numbered, StreamId};
use crate::recording::{Columns, ReadError};

use super::super::{Seq, Unnumbered};
use super::merge::Merged;
use super::order::RowOrder;
use super::survey::Survey;
use super::{Input, Window};

/// How messages are numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbering {
    /// As recorded: the same messages.
    Kept,
    /// Renumbered: different messages. Holes keep their size.
    Fresh {
        /// The stream of every host.
        stream: StreamId,
        /// The new name of the only host, if any.
        name: Option<HostName>,
    },
}

/// How the recordings are played.
#[derive(Debug, Clone)]
pub struct PlaybackOptions {
    /// The recordings.
    pub inputs: Vec<Input>,
    /// How their rows are ordered, according to the survey.
    pub order: RowOrder,
    /// Which part of them is played.
    pub window: Window,
    /// How messages are numbered.
    pub numbering: Numbering,
    /// Whether to start over at the end.
    pub again: bool,
    /// Shifts time so that the first message has this time, in milliseconds since the epoch.
    pub rebase_to: Option<u64>,
    /// Milliseconds between the last message of a pass and the first of the next.
    pub interval: u64,
}

/// One message of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// Whose.
    pub host: HostName,
    /// The columns of its file.
    pub columns: Columns,
    /// The message.
    pub message: Unnumbered,
    /// Milliseconds since the first message, counting only steps forward: when it is due at speed 1.
    pub due: u64,
    /// Messages before it are missing, or another recorded stream begins with it.
    pub is_after_gap: bool,
}

/// The messages of a [`PlaybackOptions`], in their order.
pub struct Playback {
    run: PlaybackOptions,
    rows: Merged,
    /// Messages that were read ahead, in reverse.
    ahead: Vec<(Numbered, Columns)>,
    first: Option<u64>,
    clock: RecordedClock,
    /// Each host's last message as recorded; `None` before the first of a pass.
    hosts: HashMap<HostName, Option<(StreamId, u64)>>,
    /// Why the remaining rows cannot become messages.
    exhausted: Option<&'static str>,
}

/// Turns recorded time into time that never goes back, within a pass or from one to the next.
#[derive(Debug, Default)]
struct RecordedClock {
    /// The time of the first message.
    base: Option<u64>,
    /// Milliseconds since then, counting only steps forward.
    due: u64,
    /// The recorded time of the previous message.
    last: Option<u64>,
}

impl Playback {
    /// Opens the recordings.
    ///
    /// # Errors
    /// When one cannot be opened, or its first row cannot be read.
    pub fn new(run: PlaybackOptions) -> Result<Self, ReadError> {
        let rows = Merged::new(&run.inputs, &run.order)?;
        let clock = RecordedClock::default();
        Ok(Self {
            run,
            rows,
            ahead: Vec::new(),
            first: None,
            clock,
            hosts: HashMap::new(),
            exhausted: None,
        })
    }

    /// Reads up to `count` rows ahead and surveys them, for an input that can be read only once.
    ///
    /// # Errors
    /// The first row that cannot be read.
    pub fn look_ahead(&mut self, count: usize) -> Result<Survey, ReadError> {
        let mut survey = Survey::default();
        let mut rows = Vec::new();
        while rows.len() < count
            && let Some((message, columns)) = self.rows.next()?
        {
            let timestamp = message.sample.timestamp;
            let first = *survey.first.get_or_insert(timestamp);
            if self.run.window.contains(timestamp, first) {
                survey.note_time(timestamp);
            }
            survey.note(&message, columns.clone());
            rows.push((message, columns));
        }
        survey.settle();
        rows.reverse();
        self.ahead = rows;
        Ok(survey)
    }

    /// What was cut off and omitted, one line each. Complete after the last message. The survey's warnings about moved
    /// and repeated rows are not repeated.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let exhausted = self
            .exhausted
            .map(|why| format!("the replay ends early: {why}"));
        let mut warnings: Vec<_> = if self.is_piped() {
            self.rows.warnings().collect()
        } else {
            self.rows.torn().collect()
        };
        warnings.extend(exhausted);
        warnings
    }

    /// Which part of the recordings is played.
    #[must_use]
    pub fn window(&self) -> Window {
        self.run.window
    }

    /// How messages are numbered.
    #[must_use]
    pub fn numbering(&self) -> &Numbering {
        &self.run.numbering
    }

    /// Whether rows come from a pipe, so that the next one may take long.
    #[must_use]
    pub fn is_piped(&self) -> bool {
        self.run.inputs.iter().any(Input::is_piped)
    }

    /// Changes the start of a rebased replay, before its first message. Returns whether it is rebased.
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
            let Some((message, columns)) = next else {
                if !self.run.again || self.hosts.is_empty() {
                    return Ok(None);
                }
                self.begin_again()?;
                continue;
            };
            let timestamp = message.sample.timestamp;
            let first = *self.first.get_or_insert(timestamp);
            if self.run.window.contains(timestamp, first)
                && let Some(play) = self.made_of(message, columns)
            {
                return Ok(Some(play));
            }
        }
        Ok(None)
    }

    fn begin_again(&mut self) -> Result<(), ReadError> {
        self.rows = Merged::new(&self.run.inputs, &self.run.order)?;
        self.clock.next_pass(self.run.interval);
        for last in self.hosts.values_mut() {
            // No message is missing between two passes.
            *last = None;
        }
        Ok(())
    }

    /// What is played of a recorded message; `None` where no more can be played.
    fn made_of(&mut self, recorded: Numbered, columns: Columns) -> Option<Play> {
        let Numbered {
            host,
            stream,
            seq,
            mut alert,
            mut sample,
        } = recorded;
        let last = self.hosts.entry(host.clone()).or_default();
        let last = last.replace((stream, seq));
        let missing = match last {
            // The hole keeps its size.
            Some((before, last)) if before == stream => seq.saturating_sub(last).saturating_sub(1),
            _ => 0,
        };
        let is_after_gap = missing > 0 || last.is_some_and(|(before, _)| before != stream);
        let (due, timestamp) = self.clock.tick(sample.timestamp, self.run.rebase_to);
        let (host, stream, seq) = match &self.run.numbering {
            Numbering::Kept => (host, stream, Seq::Kept(seq)),
            Numbering::Fresh { stream, name } => {
                if timestamp > LAST_TIMESTAMP {
                    self.exhausted = Some("time runs past the year 9999");
                    return None;
                }
                let recorded = std::mem::replace(&mut sample.timestamp, timestamp);
                if let Some(alert) = &mut alert {
                    alert.since = shifted(alert.since, recorded, timestamp);
                }
                let host = name.clone().unwrap_or(host);
                (host, *stream, Seq::Next { missing })
            }
        };
        Some(Play {
            host,
            columns,
            message: Unnumbered {
                stream,
                seq,
                alert,
                sample,
            },
            due,
            is_after_gap,
        })
    }
}

impl Iterator for Playback {
    type Item = Result<Play, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.play().transpose()
    }
}

/// Another time in a message whose own time was changed.
fn shifted(time: u64, from: u64, to: u64) -> u64 {
    if to >= from {
        time.saturating_add(to - from).min(LAST_TIMESTAMP)
    } else {
        time.saturating_sub(from - to)
    }
}

impl RecordedClock {
    /// When the message of a recorded time is due, and its new time.
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
    use super::super::super::Numbers;
    use super::super::survey::survey;
    use super::*;

    const HEADER: &str = "timestamp,host,stream,seq,event,cpu,top,extra\n";

    fn row(second: u64, stream: &str, seq: u64) -> String {
        format!("2026-11-24T14:00:{second:02}.000Z,a,{stream},{seq},,{seq},,\n")
    }

    /// The messages of recordings with these rows, and the warnings about them.
    fn played(
        files: &[String],
        change: impl FnOnce(&mut PlaybackOptions),
    ) -> (Vec<Play>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let path = |index: usize| directory.path().join(format!("{index}.csv"));
        for (index, rows) in files.iter().enumerate() {
            std::fs::write(path(index), format!("{HEADER}{rows}")).unwrap();
        }
        let inputs: Vec<_> = (0..files.len())
            .map(|index| Input::File(path(index)))
            .collect();
        let (survey, order) = survey(&inputs, Window::default()).unwrap();
        let mut run = PlaybackOptions {
            inputs,
            order,
            window: Window::default(),
            numbering: Numbering::Kept,
            again: false,
            rebase_to: None,
            interval: 1000,
        };
        change(&mut run);
        let mut playback = Playback::new(run).unwrap();
        let plays = playback.by_ref().take(12).map(Result::unwrap).collect();
        let in_directory = format!("{}/", directory.path().display());
        let said = survey.warnings.into_iter().chain(playback.warnings());
        (
            plays,
            said.map(|line| line.replace(&in_directory, "")).collect(),
        )
    }

    fn plays(files: &[String], change: impl FnOnce(&mut PlaybackOptions)) -> Vec<Play> {
        played(files, change).0
    }

    fn play(
        files: &[String],
        change: impl FnOnce(&mut PlaybackOptions),
    ) -> (Vec<(String, u64, u64)>, Vec<String>) {
        let (plays, mut warnings) = played(files, change);
        let (mut numbers, mut numbered) = (Numbers::default(), Vec::new());
        for play in plays {
            match numbers.give(play.message.seq) {
                Ok(seq) => numbered.push((
                    format!("{}:{seq}", play.message.stream),
                    play.due,
                    play.message.sample.timestamp % 60_000,
                )),
                Err(error) => {
                    warnings.push(format!("the replay ends early: {error}"));
                    break;
                }
            }
        }
        (numbered, warnings)
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
        assert_eq!(warnings, ["1.csv: 1 row repeats a message; it is omitted"]);
    }

    #[test]
    fn streams_of_two_files_are_played_one_after_the_other() {
        let first = [row(1, "s1", 1), row(3, "s1", 2)].concat();
        let (plays, warnings) = play(&[first, row(2, "s2", 1)], |_| {});
        assert_eq!(names(&plays), ["s1:1", "s1:2", "s2:1"]);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn the_time_of_an_alert_moves_with_its_message() {
        let alert = r#""alert {""name"":""n"",""rule"":""r"",""state"":""firing"",""metric"":""cpu"",""since"":1795528801500}""#;
        let rows = [
            row(1, "s1", 1),
            row(2, "s1", 2).replace(",2,,", &format!(",2,{alert},")),
        ]
        .concat();
        let since = |change: &dyn Fn(&mut PlaybackOptions)| {
            let plays = plays(std::slice::from_ref(&rows), change);
            plays[1].message.alert.as_ref().unwrap().since
        };
        let fresh = Numbering::Fresh {
            stream: StreamId(36),
            name: None,
        };
        assert_eq!(since(&|_| {}), 1_795_528_801_500);
        assert_eq!(
            since(&|run| run.numbering = fresh.clone()),
            1_795_528_801_500
        );
        for now in [5_000, 2_000_000_000_000] {
            let rebased = since(&|run| {
                run.numbering = fresh.clone();
                run.rebase_to = Some(now);
            });
            // Half a second before its message, which is a second after the first.
            assert_eq!(rebased, now + 500);
        }
    }

    #[test]
    fn running_out_of_time_or_numbers_ends_the_replay() {
        let fresh = |run: &mut PlaybackOptions| {
            run.again = true;
            run.numbering = Numbering::Fresh {
                stream: StreamId(36),
                name: None,
            };
        };
        let rows = [row(1, "s1", 1), row(2, "s1", u64::MAX)].concat();
        let (plays, warnings) = play(&[rows], fresh);
        assert_eq!(names(&plays), ["10:1"]);
        assert_eq!(
            warnings,
            ["the replay ends early: there are no numbers left"]
        );
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
