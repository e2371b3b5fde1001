//! What the person at the screen has chosen.

use super::Canvas;
use super::fleet::{self, Key, Row};
use super::host;
use super::state::{Host, Now, Server, State};

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
                let end = host::scroll_end(state, host, super::body_height(height), canvas);
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
        let rows = fleet::rows(state, now);
        let Some(last) = rows.len().checked_sub(1) else {
            return;
        };
        let wanted = match (step, selected) {
            (Step::Up, Some(row)) => row.saturating_sub(1),
            (Step::Down, Some(row)) => (row + 1).min(last),
            (Step::Up | Step::Down | Step::Enter, None) => 0,
            (Step::Enter, Some(row)) => row,
            (Step::Back, _) => {
                self.selected = None;
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
        let rows = fleet::rows(state, now);
        let find = |key: &Option<Key>| {
            let key = key.as_ref()?;
            rows.iter().position(|row| row.key() == *key)
        };
        let open = if rows.len() == 1 {
            Some(0)
        } else {
            find(&self.open)
        };
        match open.map(|index| &rows[index]) {
            Some(Row::Host(host)) => Page::Host(host),
            Some(Row::Server(_, server)) => Page::Server(server),
            None => Page::Fleet {
                selected: find(&self.selected),
            },
        }
    }

    /// Whether Esc leads back to other hosts.
    pub(super) fn is_open(&self, state: &State, now: Now) -> bool {
        self.open.is_some() && fleet::rows(state, now).len() > 1
    }

    pub(super) fn scroll(&self) -> usize {
        self.scroll
    }
}
