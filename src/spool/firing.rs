//! Which alerts fire at the end of the spool.

use std::io::Cursor;

use super::options::SPARED;
use super::spans::open;
use super::state::SpoolState;
use crate::millis::in_millis;
use crate::protocol::{Alert, AlertState};
use crate::recording::{
    MinutesEntry, MinutesReader, ReadError, Reader, RotatedFile, Row, files_in,
};

/// The alerts that fire at the end, judging by the last 6 hours, in the order in which they began.
pub(super) fn at_the_end(state: &SpoolState) -> Vec<Alert> {
    let files = files_in(state.disk(), state.directory()).unwrap_or_default();
    let from = files.last().map(|newest| {
        let begin = newest.period.start.saturating_sub(in_millis(SPARED));
        files.partition_point(|file| file.period.start < begin)
    });
    let mut firing = Vec::new();
    for file in &files[from.unwrap_or_default()..] {
        if let Err(error) = note(state, file, &mut firing) {
            tracing::warn!(%error, "cannot read the alerts in the spool");
        }
    }
    firing
}

/// Notes the alerts in a file.
fn note(state: &SpoolState, file: &RotatedFile, firing: &mut Vec<Alert>) -> Result<(), ReadError> {
    let alerts = match from_minutes(state, file) {
        Some(alerts) => alerts,
        None => from_rows(state, file)?,
    };
    for alert in alerts {
        firing.retain(|it: &Alert| (&it.name, &it.metric) != (&alert.name, &alert.metric));
        if alert.state == AlertState::Firing {
            firing.push(alert);
        }
    }
    Ok(())
}

/// The alerts in a file, from the one that sums it up, if there is one that can be read.
fn from_minutes(state: &SpoolState, file: &RotatedFile) -> Option<Vec<Alert>> {
    let file = file.has_minutes.then_some(file)?;
    let mut minutes = MinutesReader::open(state.directory(), &file.stem).ok()?;
    let mut alerts = Vec::new();
    while let Some(entry) = minutes.next_entry().ok()? {
        if let MinutesEntry::Alert(message) = entry {
            alerts.extend(message.alert.map(|alert| *alert));
        }
    }
    Some(alerts)
}

/// The alerts in a file. Only their rows are read as such.
fn from_rows(state: &SpoolState, file: &RotatedFile) -> Result<Vec<Alert>, ReadError> {
    let mut rows = open(state, file)?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next_row()? {
        if row.is_alert {
            let (header, line) = rows.lines();
            if alerts.is_empty() {
                alerts.extend_from_slice(header);
            }
            alerts.extend_from_slice(line);
        }
    }
    if alerts.is_empty() {
        return Ok(Vec::new());
    }
    let alerts = Reader::new(Cursor::new(alerts), file.stem.clone())?;
    alerts
        .filter_map(|row| row.map(row_alert).transpose())
        .collect()
}

fn row_alert(row: Row) -> Option<Alert> {
    row.into_numbered()?.alert.map(|alert| *alert)
}
