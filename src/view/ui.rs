//! What the user has chosen.

mod fleet;
mod lacking;
mod marked;
mod pointer;

use std::time::Duration;

use super::Canvas;
use super::events_page::{EventList, EventSpan};
use super::head;
use super::host_screen::{ProcessOrder, ScreenChoice, axis_of, in_order};
use super::moment::Moment;
use super::page_parts::body_height;
use super::rows::{Choice, FleetRow, RowKey, all, rows};
use super::sentence::{Situation, Trouble, problems};
use super::state::{HostState, Now, ServerState, ViewState};
use super::values_page;
use super::zoom::Zoom;
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
    /// Why the last key did nothing, until the next one.
    pub notice: Option<&'static str>,
    /// The selected event, if the list of them is shown.
    events: Option<usize>,
    /// Whether all values are shown instead of charts.
    values: bool,
    screen: ScreenChoice,
    /// What is wrong now, while something else is shown.
    wrong_now: Option<Trouble>,
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
    /// As many rows up as are visible.
    PageUp,
    /// As many rows down as are visible.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// Open the selected row.
    Enter,
    /// Back to the page before.
    Back,
}

/// What is shown.
pub(super) enum Page<'a> {
    Fleet {
        rows: Vec<FleetRow<'a>>,
        selected: Option<usize>,
    },
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
            Page::Fleet { rows, selected } => {
                let view = self.fleet_view(state, &rows, selected);
                let room = view.room(body_height(height), plain_canvas(width, now));
                self.step_in_fleet(step, &rows, selected, room);
            }
            Page::Host(host) if self.shows_values(host) => {
                let canvas = plain_canvas(width, now);
                let height = height.saturating_sub(1 + head::lines_above(width, height));
                let end = values_page::scroll_end(host, height, canvas);
                // The page may have grown since then.
                let scroll = self.scroll.min(end);
                match step {
                    Navigation::Up => self.scroll = scroll.saturating_sub(1),
                    Navigation::Down => self.scroll = scroll + 1,
                    Navigation::Back if self.values => self.toggle_values(),
                    Navigation::Back => self.close(),
                    _ => {}
                }
            }
            Page::Host(host) => match step {
                Navigation::Up => self.select_process(host, -1),
                Navigation::Down => self.select_process(host, 1),
                Navigation::Back if self.screen.process.is_some() => self.screen.process = None,
                Navigation::Back => self.close(),
                _ => {}
            },
            Page::Server(_) => {
                if step == Navigation::Back {
                    self.close();
                }
            }
        }
    }

    /// Opens the page of `host`.
    pub fn open_host(&mut self, host: &HostName) {
        self.close();
        let key = Some(RowKey::Host(host.clone()));
        self.selected.clone_from(&key);
        self.open = key;
    }

    fn close(&mut self) {
        self.open = None;
        self.scroll = 0;
        self.values = false;
        self.screen.process = None;
    }

    /// Moves the selection in the list of processes.
    fn select_process(&mut self, host: &HostState, by: isize) {
        let listed = in_order(host.top(), self.screen.order);
        let here = self
            .screen
            .process
            .and_then(|pid| listed.iter().position(|process| process.pid == pid));
        let there = match here {
            Some(here) => here
                .saturating_add_signed(by)
                .min(listed.len().saturating_sub(1)),
            None => 0,
        };
        self.screen.process = listed.get(there).map(|process| process.pid);
    }

    /// Sorts processes by CPU or by memory.
    pub fn sort_processes(&mut self, by_memory: bool) {
        self.screen.order = if by_memory {
            ProcessOrder::Memory
        } else {
            ProcessOrder::Cpu
        };
    }

    /// Shows all values of a host, or its charts again.
    pub fn toggle_values(&mut self) {
        self.values = !self.values;
        self.scroll = 0;
    }

    /// Whether the page of `host` shows all its values: it also does if there is nothing to draw.
    pub(super) fn shows_values(&self, host: &HostState) -> bool {
        let is_known = |name| host.find(name).is_some();
        self.values || host.columns.is_made() || !(is_known("cpu") || is_known("memory"))
    }

    /// The length of time that charts show from now on.
    pub fn set_zoom(&mut self, zoom: Zoom) {
        self.screen.zoom = zoom;
    }

    /// Shows less time, or more. Returns how far back the charts reach then.
    pub fn zoom(&mut self, closer: bool, state: &ViewState) -> Option<Duration> {
        let host = self.opened_host(state)?;
        let held = host.newest_time().saturating_sub(host.oldest_time());
        self.screen.zoom = if closer {
            self.screen.zoom.closer()
        } else {
            self.screen.zoom.farther(held)
        };
        Some(Duration::from_millis(self.screen.zoom.length(held)))
    }

    /// How many samples a dot of the charts of the open host has, and how many dots there are, on a screen of this
    /// width.
    #[must_use]
    pub fn dots(&self, state: &ViewState, width: usize, now: Now) -> (usize, usize) {
        let Some(host) = self.opened_host(state) else {
            return (1, 30);
        };
        let (axis, step) = axis_of(host, self.screen, width, now);
        let each = usize::try_from(axis.dot / step.max(1)).unwrap_or(1);
        let dots = axis.length() / axis.dot.max(step);
        (each.max(1), usize::try_from(dots).unwrap_or(1))
    }

    /// The time that a dot of the charts of the open host stands for, in milliseconds, on a screen of this width.
    #[must_use]
    pub fn dot(&self, state: &ViewState, width: usize, now: Now) -> u64 {
        let Some(host) = self.opened_host(state) else {
            return 1000;
        };
        let (axis, step) = axis_of(host, self.screen, width, now);
        axis.dot.max(step)
    }

    /// Keeps the charts where they are while `moment` is looked at, on a screen of this width; when it leaves them, they
    /// move by half their length.
    pub fn keep_in_view(&mut self, moment: &Moment, state: &ViewState, width: usize, now: Now) {
        let Some(host) = state.hosts.get(&moment.host) else {
            return;
        };
        let newest = host.history.newest().unwrap_or(moment.timestamp);
        if self.screen.until.is_none() {
            self.screen.until = Some(newest);
        }
        let (axis, _) = axis_of(host, self.screen, width, now);
        if axis.place(moment.timestamp).is_none() {
            let half = axis.length() / 2;
            self.screen.until = Some(newest.min(moment.timestamp.saturating_add(half)));
        }
    }

    /// Lets the charts go on with the newest samples.
    pub fn follow_live(&mut self) {
        self.screen.until = None;
        self.wrong_now = None;
    }

    /// Notes what is wrong with `host` now, while another moment of it is shown.
    pub fn note_live(&mut self, live: &ViewState, host: &HostName, now: Now) {
        let host = live.hosts.get(host);
        let found = host.map(|host| {
            problems(&Situation {
                state: live,
                host,
                now,
            })
        });
        self.wrong_now = found.and_then(|found| found.into_iter().next());
    }

    pub(super) fn wrong_now(&self) -> Option<&Trouble> {
        self.wrong_now.as_ref()
    }

    pub(super) fn screen_choice(&self) -> ScreenChoice {
        self.screen
    }

    /// The page that these choices lead to.
    pub(super) fn page<'a>(&self, state: &'a ViewState, now: Now) -> Page<'a> {
        match self.opened(state) {
            Some(FleetRow::Host(host)) => Page::Host(host),
            Some(FleetRow::Server(_, server)) => Page::Server(server),
            None => {
                let rows = rows(state, &self.choice, now);
                let selected = self.selected_row(&rows);
                Page::Fleet { rows, selected }
            }
        }
    }

    /// The row whose page is shown, unless that of all hosts is. A single one is always open.
    fn opened<'a>(&self, state: &'a ViewState) -> Option<FleetRow<'a>> {
        let open = match &self.open {
            Some(RowKey::Host(name)) => state.hosts.get(name).map(FleetRow::Host),
            Some(RowKey::Server(index)) => {
                let mut servers = state.silent_servers();
                let server = servers.find(|(other, _)| other == index);
                server.map(|(index, server)| FleetRow::Server(index, server))
            }
            None => None,
        };
        open.or_else(|| only(state))
    }

    /// The host whose page is shown.
    fn opened_host<'a>(&self, state: &'a ViewState) -> Option<&'a HostState> {
        match self.opened(state)? {
            FleetRow::Host(host) => Some(host),
            FleetRow::Server(..) => None,
        }
    }

    /// Whether Esc leads back to other hosts.
    pub(super) fn is_open(&self, state: &ViewState) -> bool {
        self.open.is_some() && all(state).count() > 1
    }

    /// Shows the list of events.
    pub fn open_events(&mut self) {
        self.events = Some(0);
    }

    /// Shows the page again instead of the list of events.
    pub fn close_events(&mut self) {
        self.events = None;
    }

    /// Whether the list of events is shown.
    #[must_use]
    pub fn shows_events(&self) -> bool {
        self.events.is_some()
    }

    /// Selects the event that is so many rows below.
    pub fn step_events(&mut self, by: isize, state: &ViewState, now: Now) {
        let Some(selected) = self.events else {
            return;
        };
        let last = self.event_list(state, now).len().saturating_sub(1);
        self.events = Some(selected.min(last).saturating_add_signed(by).min(last));
    }

    /// The selected event.
    #[must_use]
    pub fn selected_event(&self, state: &ViewState, now: Now) -> Option<EventSpan> {
        self.event_list(state, now).span(self.events?)
    }

    /// The events of the open host, or of all.
    pub(super) fn event_list<'a>(&self, state: &'a ViewState, now: Now) -> EventList<'a> {
        match self.page(state, now) {
            Page::Host(host) => EventList::of(state, Some(host)),
            Page::Fleet { .. } | Page::Server(_) => EventList::of(state, None),
        }
    }

    /// The place of the selected event.
    pub(super) fn event(&self) -> usize {
        self.events.unwrap_or(0)
    }

    pub(super) fn scroll(&self) -> usize {
        self.scroll
    }
}

/// The row of `state`, if there is exactly one.
fn only(state: &ViewState) -> Option<FleetRow<'_>> {
    if state.hosts.len() > 1 {
        return None; // without a look at all servers
    }
    let mut rows = all(state);
    let first = rows.next()?;
    rows.next().is_none().then_some(first)
}

/// For layouts: their style doesn't matter.
fn plain_canvas(width: usize, now: Now) -> Canvas {
    let style = super::Style {
        colour: false,
        unicode: true,
    };
    Canvas::new(width, style, now)
}
