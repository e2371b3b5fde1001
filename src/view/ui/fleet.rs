//! What the user chooses on the page of several hosts: a row, their order and a filter.

use super::super::fleet_page::FleetView;
use super::super::rows::{FleetRow, rows, subject_among};
use super::{HostName, Navigation, Now, Ui, ViewState};

impl Ui {
    /// Selects a row, opens it, or goes back to all; `room`: how many rows are visible at most.
    pub(super) fn step_in_fleet(
        &mut self,
        step: Navigation,
        rows: &[FleetRow<'_>],
        selected: Option<usize>,
        room: usize,
    ) {
        if step == Navigation::Back {
            self.selected = None;
            self.choice.filter.clear();
            return;
        }
        let Some(last) = rows.len().checked_sub(1) else {
            return;
        };
        let page = room.max(1);
        let wanted = match (step, selected) {
            (Navigation::First, _) => 0,
            (Navigation::Last, _) => last,
            (Navigation::PageDown, row) => row.unwrap_or(0) + page,
            (_, None) => 0,
            (Navigation::Up, Some(row)) => row.saturating_sub(1),
            (Navigation::Down, Some(row)) => row + 1,
            (Navigation::PageUp, Some(row)) => row.saturating_sub(page),
            (Navigation::Enter | Navigation::Back, Some(row)) => row,
        };
        let key = rows.get(wanted.min(last)).map(FleetRow::key);
        if step == Navigation::Enter {
            self.open.clone_from(&key);
            self.scroll = 0;
        }
        self.selected = key;
    }

    /// What the page of several hosts shows.
    pub(in crate::view) fn fleet_view<'a>(
        &'a self,
        state: &'a ViewState,
        rows: &'a [FleetRow<'a>],
        selected: Option<usize>,
    ) -> FleetView<'a> {
        FleetView {
            state,
            rows,
            choice: &self.choice,
            selected,
        }
    }

    /// The place of the selected row among `rows`.
    pub(super) fn selected_row(&self, rows: &[FleetRow<'_>]) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        rows.iter().position(|row| row.key() == *selected)
    }

    /// The host whose samples are the steps back in time: the open one, the selected one, or the first.
    #[must_use]
    pub fn subject(&self, state: &ViewState, now: Now) -> Option<HostName> {
        match self.opened(state) {
            Some(FleetRow::Host(host)) => return Some(host.name.clone()),
            Some(FleetRow::Server(..)) => return None,
            None => {}
        }
        let rows = rows(state, &self.choice, now);
        subject_among(&rows, self.selected_row(&rows)).map(|host| host.name.clone())
    }

    /// Whether several hosts are shown.
    #[must_use]
    pub fn is_at_fleet(&self, state: &ViewState) -> bool {
        self.opened(state).is_none()
    }

    /// Sorts hosts by the next criterion.
    pub fn sort(&mut self) {
        self.choice.order = self.choice.order.next();
        self.choice.is_reversed = false;
    }

    /// Sorts hosts the other way round.
    pub fn reverse(&mut self) {
        self.choice.is_reversed = !self.choice.is_reversed;
    }

    /// From now on, keys are letters of the filter.
    pub fn begin_filter(&mut self) {
        self.typing = true;
    }

    /// Whether keys are typed into the filter.
    #[must_use]
    pub fn is_typing(&self) -> bool {
        self.typing
    }

    /// Adds a letter to the filter.
    pub fn type_letter(&mut self, letter: char) {
        // No host name is longer.
        if self.choice.filter.chars().count() < 64 && letter.is_ascii_graphic() {
            self.choice.filter.push(letter);
        }
    }

    /// Removes the last letter of the filter; if there is none, stops typing.
    pub fn erase_letter(&mut self) {
        self.typing = self.choice.filter.pop().is_some();
    }

    /// Stops typing, and keeps the filter or drops it.
    pub fn end_filter(&mut self, keep: bool) {
        self.typing = false;
        if !keep {
            self.choice.filter.clear();
        }
    }

    /// The filter typed so far.
    pub(in crate::view) fn typing(&self) -> Option<&str> {
        self.typing.then_some(self.choice.filter.as_str())
    }
}
