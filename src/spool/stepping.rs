//! Reads the spool for viewers that want it in steps: closed files by the minute, where no bucket ends within one.

use std::io;
use std::sync::Arc;

use super::beginning::{Skip, time_of};
use super::reading::Messages;
use super::state::SpoolState;
use crate::hub::{PastFrom, PastMinute, PastPart, PastRequest};
use crate::protocol::Numbered;
use crate::recording::{
    Columns, MINUTE_MS, MinuteOfRows, MinutesEntry, MinutesReader, RotatedFile, files_in,
};
use crate::wording::cause;

/// The messages from some point on, up to the current end of the spool.
pub(super) struct SpoolParts {
    messages: Messages,
    /// Whether whole minutes will do.
    takes_minutes: bool,
    minutes: Option<(MinutesReader, RotatedFile)>,
    /// Whether the last minute was skipped, with its alerts.
    is_skipped: bool,
    is_over: bool,
}

impl SpoolParts {
    pub(super) fn begin(
        state: Arc<SpoolState>,
        wanted: &PastRequest,
        step: u64,
    ) -> io::Result<Self> {
        let from = match wanted.from {
            PastFrom::Last(_) => {
                let files = files_in(state.disk(), state.directory())?;
                let time = time_of(&state, &files, wanted.from, wanted.before);
                PastFrom::Since(time.map_or(0, |time| time - time % step))
            }
            from => from,
        };
        Ok(Self {
            messages: Messages::begin(state, from, wanted.before)?,
            takes_minutes: step.is_multiple_of(MINUTE_MS),
            minutes: None,
            is_skipped: false,
            is_over: false,
        })
    }

    fn next_part(&mut self) -> io::Result<Option<PastPart>> {
        loop {
            if let Some((minutes, file)) = &mut self.minutes {
                let columns = minutes.columns().clone();
                match minutes.next_entry() {
                    Ok(Some(entry)) => {
                        if let Some(part) = self.part(entry, columns) {
                            return Ok(Some(part));
                        }
                    }
                    Ok(None) => self.minutes = None,
                    Err(error) => {
                        // What was read of it is recognised by its numbers.
                        let file = file.clone();
                        self.report(&file, &error);
                        self.minutes = None;
                        self.messages.open(file);
                    }
                }
            } else if let Some(message) = self.messages.next_in_file() {
                return Ok(Some(PastPart::Message(message)));
            } else if !self.open_next()? {
                return Ok(None);
            }
        }
    }

    fn report(&self, file: &RotatedFile, error: &io::Error) {
        let (name, cause) = (format!("{}.minutes", file.stem), cause(error));
        let failure = format!("cannot read '{name}', its rows are read instead: {cause}");
        self.messages.state().report_once(&name, &failure);
    }

    /// Opens the next file. Returns whether there is one.
    fn open_next(&mut self) -> io::Result<bool> {
        let Some((file, is_closed)) = self.messages.next_file()? else {
            return Ok(false);
        };
        let begins_by_time = matches!(self.messages.skipped(), Skip::Nothing | Skip::Until(_));
        if self.takes_minutes && is_closed && file.has_minutes && begins_by_time {
            let directory = self.messages.state().directory();
            if let Ok(minutes) = MinutesReader::open(directory, &file.stem) {
                self.messages.pass(file.clone());
                self.minutes = Some((minutes, file));
                return Ok(true);
            }
        }
        self.messages.open(file);
        Ok(true)
    }

    fn part(&mut self, entry: MinutesEntry, columns: Columns) -> Option<PastPart> {
        match entry {
            MinutesEntry::Rows(rows) => {
                self.is_skipped =
                    matches!(self.messages.skipped(), Skip::Until(time) if rows.from < time);
                (!self.is_skipped).then(|| self.minute(rows, columns))
            }
            MinutesEntry::Alert(alert) => (!self.is_skipped).then(|| self.alert(alert, columns)),
        }
    }

    fn minute(&mut self, rows: MinuteOfRows, columns: Columns) -> PastPart {
        self.messages.end_skip();
        PastPart::Minute(PastMinute {
            announcement: self.messages.announcement(rows.stream, columns),
            from: rows.from,
            first: rows.first,
            last: rows.last,
            values: rows.values,
        })
    }

    fn alert(&mut self, alert: Numbered, columns: Columns) -> PastPart {
        PastPart::Alert(self.messages.announced(alert, columns))
    }
}

impl Iterator for SpoolParts {
    type Item = io::Result<PastPart>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.next_part();
        self.is_over = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}
