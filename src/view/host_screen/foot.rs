//! The row of times below the charts, and the timeline of all that is held.

use super::super::style::{MarkKind, Tone};
use super::super::styled_line::StyledLine;
use super::super::units::{DAY_MS, day};
use super::super::zoom::round_times;
use super::picture::Picture;

/// Cells between two times, and between two that have their days.
const APART: [usize; 2] = [10, 18];

/// What stands in a cell of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FootCell {
    Free,
    Letter(char),
    Mark(MarkKind),
    Cursor,
}

/// Round times and the marks, each in its cell.
pub(super) fn time_row(picture: &Picture<'_>) -> StyledLine {
    let axis = &picture.axis;
    let glyphs = picture.canvas.style.glyphs();
    let mut cells = vec![FootCell::Free; axis.cells];
    for &(at, kind) in &picture.marks {
        if let Some(cell) = axis.cell_of(at) {
            set_mark(&mut cells[cell], kind);
        }
    }
    if let Some(cursor) = picture.look.cursor {
        cells[cursor] = FootCell::Cursor;
    }
    let is_dated = picture.host.is_dated(axis.begin(), picture.canvas.now);
    for (cell, time) in round_times(axis, APART[usize::from(is_dated)]) {
        let label = format!("{}{}", glyphs.time, time_label(picture, time));
        let end = cell + label.chars().count();
        let is_free = |cells: &[FootCell]| cells.iter().all(|cell| *cell == FootCell::Free);
        if end <= cells.len() && is_free(&cells[cell..end]) {
            for (place, letter) in std::iter::zip(cell.., label.chars()) {
                cells[place] = FootCell::Letter(letter);
            }
        }
    }
    let mut line = StyledLine::default();
    line.pad(picture.widths.label + picture.widths.axis);
    for cell in cells {
        let (tone, text) = match cell {
            FootCell::Free => (Tone::Plain, " "),
            FootCell::Letter(letter) => {
                line.push_char(Tone::Dim, letter);
                continue;
            }
            FootCell::Mark(kind) => (kind.tone(), kind.shape(glyphs)),
            FootCell::Cursor => (Tone::Past, glyphs.cursor_mark),
        };
        line.push(tone, text);
    }
    line
}

fn set_mark(cell: &mut FootCell, kind: MarkKind) {
    *cell = match *cell {
        FootCell::Mark(other) => FootCell::Mark(other.max(kind)),
        _ => FootCell::Mark(kind),
    };
}

/// `14:05`, with seconds if they matter, and with the day where that is needed.
fn time_label(picture: &Picture<'_>, time: u64) -> String {
    // Midnight names its day.
    if time.is_multiple_of(DAY_MS) || picture.axis.cell() > 3_600_000 {
        return day(time);
    }
    let clock = picture.host.clock(time, picture.canvas.now);
    match clock.rsplit_once(':') {
        Some((short, "00")) => short.to_owned(),
        _ => clock,
    }
}

/// ` held              13:52 ├┈┈┈R┈┈━━▲━━┤`.
pub(super) fn timeline(picture: &Picture<'_>) -> StyledLine {
    let host = picture.host;
    let glyphs = picture.canvas.style.glyphs();
    let (oldest, newest) = (host.oldest_time(), host.newest_time());
    let left = picture.widths.label + picture.widths.axis;
    let mut line = StyledLine::new(Tone::Dim, " held");
    if newest == 0 {
        return line;
    }
    let begin = held_since(picture, oldest);
    line.pad(left.saturating_sub(begin.len() + 2));
    line.push(Tone::Dim, begin);
    line.pad(left - 1);
    let is_unicode = picture.canvas.style.unicode;
    line.push(Tone::Dim, if is_unicode { "├" } else { "|" });
    let cells = picture.widths.cells.saturating_sub(1).max(1);
    let span = (newest - oldest).max(1);
    let place = |time: u64| {
        let share = time.saturating_sub(oldest).min(span);
        usize::try_from(u128::from(share) * (cells as u128 - 1) / u128::from(span)).unwrap_or(0)
    };
    let shown = place(picture.axis.begin())..=place(picture.axis.end().min(newest));
    let mut row: Vec<(Tone, &str)> = (0..cells)
        .map(|cell| {
            if shown.contains(&cell) {
                (Tone::Past, glyphs.shown)
            } else {
                (Tone::Dim, glyphs.held)
            }
        })
        .collect();
    let mut kinds: Vec<Option<MarkKind>> = vec![None; cells];
    for &(at, kind) in &picture.marks {
        let cell = &mut kinds[place(at)];
        *cell = (*cell).max(Some(kind));
    }
    for (cell, kind) in std::iter::zip(&mut row, kinds) {
        if let Some(kind) = kind {
            *cell = (kind.tone(), kind.shape(glyphs));
        }
    }
    if let Some(cursor) = picture.cursor {
        row[place(cursor)] = (Tone::Past, glyphs.cursor_mark);
    }
    for (tone, text) in row {
        line.push(tone, text);
    }
    line.push(Tone::Dim, if is_unicode { "┤" } else { "|" });
    line
}

/// The time of the oldest sample, with its day where that is needed.
fn held_since(picture: &Picture<'_>, oldest: u64) -> String {
    let clock = picture.host.clock(oldest, picture.canvas.now);
    clock
        .rsplit_once(':')
        .map_or_else(String::new, |(time, _)| time.to_owned())
}
