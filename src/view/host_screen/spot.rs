//! What is at a place of the screen, for the mouse.

use super::super::page_parts::Canvas;
use super::super::state::{HostState, ViewState};
use super::picture::Picture;
use super::{ScreenChoice, plan, small, tables};

/// What a click means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::view) enum ScreenSpot {
    /// In a chart: a time, in milliseconds since the epoch.
    Time(u64),
    /// A row of the processes.
    Process(u32),
}

/// What is at a column and a line of the body, whose other arguments are those of [`super::body`].
pub(in crate::view) fn spot(
    state: &ViewState,
    host: &HostState,
    choice: ScreenChoice,
    height: usize,
    canvas: Canvas,
    (column, line): (usize, usize),
) -> Option<ScreenSpot> {
    let status = state.status(host, canvas.now);
    let cursor = state.back.map(|back| back.timestamp);
    let picture = Picture::new(host, status, choice, cursor, canvas);
    let widths = picture.widths;
    let charts = if widths.is_tiny() {
        small::chart_lines(&picture, height)
    } else if let Some((first, width)) = widths.beside {
        let plan = plan::beside(&picture, height);
        if first <= column {
            let height = height - plan.foot;
            return tables::process_beside(&picture, width, height, line).map(ScreenSpot::Process);
        }
        plan.lines(&picture).len() + 1
    } else {
        let plan = plan::above(&picture, height);
        let charts = plan.lines(&picture).len() + usize::from(plan.has_times);
        let tables = charts + usize::from(plan.has_loads);
        if let Some(line) = line.checked_sub(tables) {
            let pid = tables::process_below(&picture, plan.tables, (column, line));
            return pid.map(ScreenSpot::Process);
        }
        charts
    };
    let cell = column.checked_sub(widths.label + widths.axis)?;
    let is_charted = line < charts && cell < widths.cells;
    is_charted.then(|| {
        let cell = picture.axis.cell().saturating_mul(cell as u64);
        ScreenSpot::Time(picture.axis.begin().saturating_add(cell))
    })
}
