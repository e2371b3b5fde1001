//! What the user has chosen.

use super::Canvas;
use super::events_page::EventList;
use super::host_page;
use super::page_parts::body_height;
use super::rows::{Choice, FleetRow, RowKey, all, rows};
use super::state::{HostState, Now, ServerState, ViewState};
use crate::protocol::HostName;

/// The user's choices: the selected and the open row, and the scroll position.
#[derive(Debug, Clone, Default)]
pub struct Ui {
    /// Whether the display is paused.
    pub paused: bool,
    /// Whether the help is shown.
    pub help: bool,
    /// Whether older samples are on their way.
    pub reading: bool,
    /// How far the list of events is scrolled, if it is shown.
    events: Option<usize>,
    selected: Option<RowKey>,
    open: Option<RowKey>,
    scroll: usize,
    choice: Choice,
    /// Whether keys are typed into the filter.
    typing: bool,
}

/// A step through the pages, as a key requests it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Navigation {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// Open the selected row.
    Enter,
    /// Back to the page before.
    Back,
}

/// What is shown.
pub(super) enum Page<'a> {
    Fleet { selected: Option<usize> },
    Host(&'a HostState),
    Server(&'a ServerState),
}

impl Ui {
    /// Keeps the choices up to date: once a chosen server names its host, that host is chosen instead. Call it whenever
    /// `state` has changed, and before taking a key.
    pub fn follow(&mut self, state: &ViewState) {
        for chosen in [&mut self.selected, &mut self.open] {
            if let Some(RowKey::Server(server)) = chosen
                && let Some(host) = state.hosts.values().find(|host| host.server == *server)
            {
                *chosen = Some(RowKey::Host(host.name.clone()));
            }
        }
    }

    /// Performs a step on a screen of this size.
    pub fn step(
        &mut self,
        step: Navigation,
        state: &ViewState,
        width: usize,
        height: usize,
        now: Now,
    ) {
        if std::mem::take(&mut self.help) {
            return;
        }
        match self.page(state, now) {
            Page::Fleet { selected } => self.step_in_fleet(step, selected, state, now),
            Page::Host(host) => {
                let canvas = Canvas::new(
                    width,
                    super::Style {
                        colour: false,
                        unicode: true,
                    },
                    now,
                );
                let end = host_page::scroll_end(state, host, body_height(height), canvas);
                // The page may have grown since then.
                let scroll = self.scroll.min(end);
                match step {
                    Navigation::Up => self.scroll = scroll.saturating_sub(1),
                    Navigation::Down => self.scroll = scroll + 1,
                    Navigation::Enter => {}
                    Navigation::Back => self.close(),
                }
            }
            Page::Server(_) => {
                if step == Navigation::Back {
                    self.close();
                }
            }
        }
    }

    fn close(&mut self) {
        self.open = None;
        self.scroll = 0;
    }

    fn step_in_fleet(
        &mut self,
        step: Navigation,
        selected: Option<usize>,
        state: &ViewState,
        now: Now,
    ) {
        let rows = rows(state, &self.choice, now);
        let Some(last) = rows.len().checked_sub(1) else {
            if step == Navigation::Back {
                self.choice.filter.clear();
            }
            return;
        };
        let wanted = match (step, selected) {
            (Navigation::Up, Some(row)) => row.saturating_sub(1),
            (Navigation::Down, Some(row)) => (row + 1).min(last),
            (Navigation::Up | Navigation::Down | Navigation::Enter, None) => 0,
            (Navigation::Enter, Some(row)) => row,
            (Navigation::Back, _) => {
                self.selected = None;
                self.choice.filter.clear();
                return;
            }
        };
        let key = rows.get(wanted).map(FleetRow::key);
        if step == Navigation::Enter {
            self.open.clone_from(&key);
            self.scroll = 0;
        }
        self.selected = key;
    }

    /// The page that these choices lead to. A single host is always open.
    pub(super) fn page<'a>(&self, state: &'a ViewState, now: Now) -> Page<'a> {
        let is_open = |row: &FleetRow<'_>| Some(row.key()) == self.open;
        let open = if all(state).count() == 1 {
            all(state).next()
        } else {
            all(state).find(is_open)
        };
        match open {
            Some(FleetRow::Host(host)) => Page::Host(host),
            Some(FleetRow::Server(_, server)) => Page::Server(server),
            None => {
                let is_selected = |row: &FleetRow<'_>| Some(row.key()) == self.selected;
                let rows = rows(state, &self.choice, now);
                Page::Fleet {
                    selected: rows.iter().position(is_selected),
                }
            }
        }
    }

    /// The host whose samples are the steps back in time: the open one, the selected one, or the first.
    #[must_use]
    pub fn subject(&self, state: &ViewState, now: Now) -> Option<HostName> {
        let selected = match self.page(state, now) {
            Page::Host(host) => return Some(host.name.clone()),
            Page::Server(_) => return None,
            Page::Fleet { selected } => selected,
        };
        let rows = rows(state, &self.choice, now);
        let hosts = rows[selected.unwrap_or(0).min(rows.len())..]
            .iter()
            .chain(&rows);
        hosts
            .filter_map(|row| match row {
                FleetRow::Host(host) if !host.history.is_empty() => Some(host.name.clone()),
                _ => None,
            })
            .next()
    }

    /// Whether several hosts are shown.
    #[must_use]
    pub fn is_at_fleet(&self, state: &ViewState, now: Now) -> bool {
        matches!(self.page(state, now), Page::Fleet { .. })
    }

    /// Whether Esc leads back to other hosts.
    pub(super) fn is_open(&self, state: &ViewState) -> bool {
        self.open.is_some() && all(state).count() > 1
    }

    /// Shows the list of events, or the page again.
    pub fn toggle_events(&mut self) {
        self.events = match self.events {
            Some(_) => None,
            None => Some(0),
        };
    }

    /// Whether the list of events is shown.
    #[must_use]
    pub fn shows_events(&self) -> bool {
        self.events.is_some()
    }

    /// Scrolls the list of events by so many rows on a screen of this height.
    pub fn scroll_events(&mut self, by: isize, state: &ViewState, height: usize, now: Now) {
        let Some(scroll) = self.events else {
            return;
        };
        let end = self.event_list(state, now).scroll_end(body_height(height));
        self.events = Some(scroll.min(end).saturating_add_signed(by).min(end));
    }

    /// The events of the open host, or of all.
    pub(super) fn event_list<'a>(&self, state: &'a ViewState, now: Now) -> EventList<'a> {
        match self.page(state, now) {
            Page::Host(host) => EventList::of(state, Some(host)),
            Page::Fleet { .. } | Page::Server(_) => EventList::of(state, None),
        }
    }

    /// How far the list of events is scrolled, if it is shown.
    pub(super) fn events(&self) -> Option<usize> {
        self.events
    }

    /// Sorts hosts by the next criterion.
    pub fn sort(&mut self) {
        self.choice.order = self.choice.order.next();
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

    pub(super) fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The filter typed so far.
    pub(super) fn typing(&self) -> Option<&str> {
        self.typing.then_some(self.choice.filter.as_str())
    }

    pub(super) fn scroll(&self) -> usize {
        self.scroll
    }
}
