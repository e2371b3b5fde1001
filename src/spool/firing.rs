//! Which alerts fire at the end of the spool.

use std::io::Cursor;

use super::options::SPARED;
use super::spans::{each_entry, open};
use super::state::SpoolState;
use crate::millis::in_millis;
use crate::protocol::{Alert, AlertState};
use crate::recording::{MinutesEntry, ReadError, Reader, RotatedFile, Row, files_in};

/// The alerts that fire at the end, judging by the last 6 hours, in the order in which they began.
pub(super) fn at_the_end(state: &SpoolState) -> Vec<Alert> {
    let files = files_in(state.disk(), state.directory()).unwrap_or_default();
    let from = files.last().map(|newest| {
        let begin = newest.period.start.saturating_sub(in_millis(SPARED));
        files.partition_point(|file| file.period.start < begin)
    });
    let mut firing = Vec::new();
    for file in &files[from.unwrap_or_default()..] {
        let alerts = alerts_from_minutes(state, file);
        for alert in alerts.unwrap_or_else(|| from_rows(state, file)) {
            firing.retain(|it: &Alert| (&it.name, &it.metric) != (&alert.name, &alert.metric));
            if alert.state == AlertState::Firing {
                firing.push(alert);
            }
        }
    }
    firing
}

/// The alerts in a file, from the one that sums it up.
fn alerts_from_minutes(state: &SpoolState, file: &RotatedFile) -> Option<Vec<Alert>> {
    let mut alerts = Vec::new();
    each_entry(state, file, |entry| {
        if let MinutesEntry::Alert(message) = entry {
            alerts.extend(message.alert.map(|alert| *alert));
        }
    })?;
    Some(alerts)
}

/// The alerts in a file, as far as it can be read. Only their rows are read as such.
fn from_rows(state: &SpoolState, file: &RotatedFile) -> Vec<Alert> {
    let mut alerts = Vec::new();
    if let Err(error) = copy_alerts(state, file, &mut alerts) {
        state.report_unread(file, &error);
    }
    if alerts.is_empty() {
        return Vec::new();
    }
    let rows = Reader::new(Cursor::new(alerts), file.stem.clone());
    let rows = rows.into_iter().flatten().filter_map(Result::ok);
    rows.filter_map(row_alert).collect()
}

/// Copies the header and the rows of alerts.
fn copy_alerts(
    state: &SpoolState,
    file: &RotatedFile,
    alerts: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let mut rows = open(state, file)?;
    while let Some(row) = rows.next_row()? {
        if row.is_alert {
            let (header, line) = rows.lines();
            if alerts.is_empty() {
                alerts.extend_from_slice(header);
            }
            alerts.extend_from_slice(line);
        }
    }
    Ok(())
}

fn row_alert(row: Row) -> Option<Alert> {
    row.into_numbered()?.alert.map(|alert| *alert)
}
