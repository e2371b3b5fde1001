//! What the person at the screen has chosen.

use super::Canvas;
use super::host;
use super::page::body_height;
use super::rows::{Choice, Key, Row, all, rows};
use super::state::{Host, Now, Server, State};
use crate::protocol::HostName;

/// The choices: what is selected, what is open, how far it is scrolled.
#[derive(Debug, Clone, Default)]
pub struct Ui {
    /// Whether the display stands still.
    pub paused: bool,
    /// Whether the help is shown.
    pub help: bool,
    selected: Option<Key>,
    open: Option<Key>,
    scroll: usize,
    choice: Choice,
    /// Whether keys are letters of the filter.
    typing: bool,
}

/// A step that a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// Open what is selected.
    Enter,
    /// Back to where one came from.
    Back,
}

/// What is shown.
pub(super) enum Page<'a> {
    Fleet { selected: Option<usize> },
    Host(&'a Host),
    Server(&'a Server),
}

impl Ui {
    /// Follows what was chosen: once a chosen server names its host, that host is the chosen one. To be called whenever
    /// `state` has changed, and before a key is taken.
    pub fn follow(&mut self, state: &State) {
        for chosen in [&mut self.selected, &mut self.open] {
            if let Some(Key::Server(server)) = chosen
                && let Some(host) = state.hosts.values().find(|host| host.server == *server)
            {
                *chosen = Some(Key::Host(host.name.clone()));
            }
        }
    }

    /// Takes a step on a screen of this size.
    pub fn step(&mut self, step: Step, state: &State, width: usize, height: usize, now: Now) {
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
                let end = host::scroll_end(state, host, body_height(height), canvas);
                // The page may have become longer since.
                let scroll = self.scroll.min(end);
                match step {
                    Step::Up => self.scroll = scroll.saturating_sub(1),
                    Step::Down => self.scroll = scroll + 1,
                    Step::Enter => {}
                    Step::Back => self.close(),
                }
            }
            Page::Server(_) => {
                if step == Step::Back {
                    self.close();
                }
            }
        }
    }

    fn close(&mut self) {
        self.open = None;
        self.scroll = 0;
    }

    fn step_in_fleet(&mut self, step: Step, selected: Option<usize>, state: &State, now: Now) {
        let rows = rows(state, &self.choice, now);
        let Some(last) = rows.len().checked_sub(1) else {
            if step == Step::Back {
                self.choice.filter.clear();
            }
            return;
        };
        let wanted = match (step, selected) {
            (Step::Up, Some(row)) => row.saturating_sub(1),
            (Step::Down, Some(row)) => (row + 1).min(last),
            (Step::Up | Step::Down | Step::Enter, None) => 0,
            (Step::Enter, Some(row)) => row,
            (Step::Back, _) => {
                self.selected = None;
                self.choice.filter.clear();
                return;
            }
        };
        let key = rows.get(wanted).map(Row::key);
        if step == Step::Enter {
            self.open.clone_from(&key);
            self.scroll = 0;
        }
        self.selected = key;
    }

    /// The page that these choices lead to; a single host needs none.
    pub(super) fn page<'a>(&self, state: &'a State, now: Now) -> Page<'a> {
        let is_open = |row: &Row<'_>| Some(row.key()) == self.open;
        let open = if all(state).count() == 1 {
            all(state).next()
        } else {
            all(state).find(is_open)
        };
        match open {
            Some(Row::Host(host)) => Page::Host(host),
            Some(Row::Server(_, server)) => Page::Server(server),
            None => {
                let is_selected = |row: &Row<'_>| Some(row.key()) == self.selected;
                let rows = rows(state, &self.choice, now);
                Page::Fleet {
                    selected: rows.iter().position(is_selected),
                }
            }
        }
    }

    /// The host whose samples are the steps in time: the open one, the selected one, or the first.
    #[must_use]
    pub fn subject(&self, state: &State, now: Now) -> Option<HostName> {
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
                Row::Host(host) if !host.history.is_empty() => Some(host.name.clone()),
                _ => None,
            })
            .next()
    }

    /// Whether several hosts are shown.
    #[must_use]
    pub fn is_at_fleet(&self, state: &State, now: Now) -> bool {
        matches!(self.page(state, now), Page::Fleet { .. })
    }

    /// Whether Esc leads back to other hosts.
    pub(super) fn is_open(&self, state: &State) -> bool {
        self.open.is_some() && all(state).count() > 1
    }

    /// Sorts hosts by what comes next.
    pub fn sort(&mut self) {
        self.choice.order = self.choice.order.next();
    }

    /// Takes the next keys as letters of the filter.
    pub fn begin_filter(&mut self) {
        self.typing = true;
    }

    /// Whether keys are letters of the filter.
    #[must_use]
    pub fn is_typing(&self) -> bool {
        self.typing
    }

    /// Adds a letter to the filter.
    pub fn type_letter(&mut self, letter: char) {
        // No name of a host is longer.
        if self.choice.filter.chars().count() < 64 && letter.is_ascii_graphic() {
            self.choice.filter.push(letter);
        }
    }

    /// Takes the last letter of the filter back; without one, the filter.
    pub fn erase_letter(&mut self) {
        self.typing = self.choice.filter.pop().is_some();
    }

    /// The filter is as it should be, or is not wanted.
    pub fn end_filter(&mut self, keep: bool) {
        self.typing = false;
        if !keep {
            self.choice.filter.clear();
        }
    }

    pub(super) fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The filter as far as it is typed.
    pub(super) fn typing(&self) -> Option<&str> {
        self.typing.then_some(self.choice.filter.as_str())
    }

    pub(super) fn scroll(&self) -> usize {
        self.scroll
    }
}
