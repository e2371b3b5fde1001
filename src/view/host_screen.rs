//! The screen of one host: charts on one time axis, and the tables beside or below them.
//!
//! Rows and columns depend on the size of the screen and on what the host has, never on what it measures.

mod blocks;
mod cores;
mod counters;
mod devices;
mod facts;
mod fields;
mod foot;
mod order;
mod picture;
mod plan;
mod processes;
mod ranges;
mod small;
mod spot;
mod tables;
mod widths;

use super::page_parts::{Canvas, side_by_side};
use super::state::{HostState, Status, ViewState};
use super::styled_line::StyledLine;
use super::zoom::Zoom;

pub(super) use facts::{named_rule, rule_of};
pub(super) use picture::axis_of;

pub(super) use order::ProcessOrder;
use picture::Picture;
pub(super) use processes::in_order;
pub(super) use spot::{ScreenSpot, spot};
pub(super) use widths::ScreenWidths;

/// What the user has chosen for the screen of a host.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScreenChoice {
    pub zoom: Zoom,
    pub order: ProcessOrder,
    /// When the charts end, while they stand still; in milliseconds since the epoch.
    pub until: Option<u64>,
    /// The selected process.
    pub process: Option<u32>,
}

/// The lines between the head of the screen and its last line.
pub(super) fn body(
    state: &ViewState,
    host: &HostState,
    choice: ScreenChoice,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let status = state.status(host, canvas.now);
    let cursor = state.back.map(|back| back.timestamp);
    let picture = Picture::new(host, status, choice, cursor, canvas);
    let mut lines = if picture.widths.is_tiny() {
        small::lines(&picture, height)
    } else if let Some(tables) = picture.widths.beside {
        wide(&picture, tables, height)
    } else {
        narrow(&picture, height)
    };
    if matches!(status, Status::Stale | Status::Down) {
        lines = lines.into_iter().map(StyledLine::dimmed).collect();
    }
    lines
}

/// Charts at the left, tables at the right.
fn wide(picture: &Picture<'_>, tables: (usize, usize), height: usize) -> Vec<StyledLine> {
    let plan = plan::beside(picture, height);
    let mut lines = plan.lines(picture);
    lines.push(foot::time_row(picture));
    let room = height - plan.foot;
    let right = tables::column(picture, tables.1, room);
    let mut lines = side_by_side(lines, right, tables.0, room);
    lines.resize(
        height.saturating_sub(usize::from(plan.foot > 0)),
        StyledLine::default(),
    );
    if plan.foot > 0 {
        lines.push(foot::timeline(picture));
    }
    lines
}

/// Charts above tables.
fn narrow(picture: &Picture<'_>, height: usize) -> Vec<StyledLine> {
    let plan = plan::above(picture, height);
    let mut lines = plan.lines(picture);
    if plan.has_times {
        lines.push(foot::time_row(picture));
    }
    if plan.has_loads {
        lines.push(cores::load_line(picture));
    }
    lines.append(&mut tables::below(picture, plan.tables));
    lines.resize(
        height.saturating_sub(usize::from(plan.foot > 0)),
        StyledLine::default(),
    );
    if plan.foot > 0 {
        lines.push(foot::timeline(picture));
    }
    lines
}
