//! Which alerts fire at the end of the spool.

use std::io::Cursor;

use super::options::SPARED;
use super::spans::open;
use super::state::SpoolState;
use crate::millis::in_millis;
use crate::protocol::{Alert, AlertState};
use crate::recording::{ReadError, Reader, RotatedFile, Row, files_in};

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

/// Notes the alerts in a file. Only their rows are read as such.
fn note(state: &SpoolState, file: &RotatedFile, firing: &mut Vec<Alert>) -> Result<(), ReadError> {
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
        return Ok(());
    }
    for row in Reader::new(Cursor::new(alerts), file.stem.clone())? {
        let Some(alert) = row_alert(row?) else {
            continue;
        };
        firing.retain(|it: &Alert| (&it.name, &it.metric) != (&alert.name, &alert.metric));
        if alert.state == AlertState::Firing {
            firing.push(alert);
        }
    }
    Ok(())
}

fn row_alert(row: Row) -> Option<Alert> {
    row.into_numbered()?.alert.map(|alert| *alert)
}
