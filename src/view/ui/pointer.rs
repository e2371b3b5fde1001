//! The mouse: what a click selects, and how far the wheel scrolls.

use super::super::head;
use super::super::host_screen::{ScreenSpot, spot};
use super::super::moment::Moment;
use super::super::page_parts::body_height;
use super::super::rows::FleetRow;
use super::{EventSpan, Navigation, Now, Page, Ui, ViewState, plain_canvas};

/// How many rows a notch of the wheel scrolls.
const NOTCH: usize = 3;

impl Ui {
    /// Selects the row at a place of the screen, or nothing. Returns the moment of `live`'s samples that a click in a
    /// chart means; `state` is what is shown.
    pub fn click(
        &mut self,
        (column, line): (usize, usize),
        (width, height): (usize, usize),
        (live, state): (&ViewState, &ViewState),
        now: Now,
    ) -> Option<Moment> {
        let canvas = plain_canvas(width, now);
        match self.page(state, now) {
            Page::Fleet { rows, selected } => {
                let view = self.fleet_view(state, &rows, selected);
                let row = view.row_at(line, body_height(height), canvas);
                if let Some(row) = row.and_then(|row| rows.get(row)) {
                    self.selected = Some(FleetRow::key(row));
                }
                None
            }
            Page::Host(host) if !self.shows_values(host) => {
                let above = head::lines_above(width, height);
                let height = height.saturating_sub(1 + above);
                let line = line.checked_sub(above)?;
                match spot(state, host, self.screen, height, canvas, (column, line))? {
                    ScreenSpot::Process(pid) => {
                        self.screen.process = Some(pid);
                        None
                    }
                    ScreenSpot::Time(time) => live.moment_at(&host.name, time),
                }
            }
            Page::Host(_) | Page::Server(_) => None,
        }
    }

    /// Selects the event at a line of the screen. Returns it if it was selected already.
    pub fn click_event(
        &mut self,
        line: usize,
        height: usize,
        state: &ViewState,
        now: Now,
    ) -> Option<EventSpan> {
        let list = self.event_list(state, now);
        let row = list.row_at(line, self.event(), body_height(height))?;
        if self.events.replace(row) == Some(row) {
            return self.selected_event(state, now);
        }
        None
    }

    /// Selects the event that is a notch of the wheel away.
    pub fn wheel_events(&mut self, is_up: bool, state: &ViewState, now: Now) {
        let by = isize::try_from(NOTCH).unwrap_or(1);
        self.step_events(if is_up { -by } else { by }, state, now);
    }

    /// Scrolls by a notch of the wheel.
    pub fn wheel(
        &mut self,
        is_up: bool,
        state: &ViewState,
        (width, height): (usize, usize),
        now: Now,
    ) {
        let step = if is_up {
            Navigation::Up
        } else {
            Navigation::Down
        };
        for _ in 0..NOTCH {
            self.step(step, state, width, height, now);
        }
    }
}
