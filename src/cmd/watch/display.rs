//! What the screen shows: events and keys in, frames out.

mod travel;

use crate::client::{ClientEvent, Warning};
use crate::terminal::TerminalInput;
use crate::view::{
    ColumnChoice, Moment, Navigation, Now, Style, Ui, ViewState, Zoom, frame, report,
};

use super::apply::apply;
use super::archive::{Lookback, LookbackRequest};

/// Columns and lines.
pub(super) type Size = (usize, usize);

/// How many dots an arrow with Shift skips.
const FAR: isize = 10;

/// The data, the user's choices, and the picture that is held.
#[derive(Debug)]
pub(super) struct Display {
    live: ViewState,
    ui: Ui,
    held: Option<Box<HeldPicture>>,
    reading: Option<Lookback>,
    /// Samples that are older than those that are kept, while one of them is looked at.
    stretch: Option<Box<ViewState>>,
    style: Style,
    /// The screen's, when the last key was pressed.
    size: Size,
}

/// A picture that stands still while new data arrives.
#[derive(Debug)]
struct HeldPicture {
    state: ViewState,
    now: Now,
    subject: Subject,
}

/// What a held picture shows.
#[derive(Debug)]
enum Subject {
    /// What was newest when the user paused.
    Pause,
    /// The sample that the user went back to.
    Sample(Moment),
    /// The oldest sample, whichever that turns out to be; this one so far.
    Oldest(Moment),
    /// A sample that is older than those that are kept, and the time that was asked for, in milliseconds since the epoch.
    Old(Moment, u64),
}

impl Subject {
    /// The sample that is looked back at.
    fn moment(&self) -> Option<&Moment> {
        match self {
            Self::Pause => None,
            Self::Sample(moment) | Self::Oldest(moment) | Self::Old(moment, _) => Some(moment),
        }
    }
}

impl Display {
    pub(super) fn new(servers: &[String], window: usize, style: Style) -> Self {
        Self {
            live: ViewState::new(window, servers),
            ui: Ui::default(),
            held: None,
            reading: None,
            stretch: None,
            style,
            size: (80, 24),
        }
    }

    /// The size of the screen, as long as no key was pressed.
    pub(super) fn set_size(&mut self, size: Size) {
        self.size = size;
    }

    /// Begins with charts of this length of time.
    pub(super) fn set_zoom(&mut self, zoom: Zoom) {
        self.ui.set_zoom(zoom);
    }

    /// Shows only some of the metrics.
    pub(super) fn choose(&mut self, columns: ColumnChoice) {
        self.live.choose(columns);
    }

    pub(super) fn state(&self) -> &ViewState {
        &self.live
    }

    /// Handles an event that arrived at `now`.
    pub(super) fn take(&mut self, event: &ClientEvent, now: Now) {
        match event {
            ClientEvent::Connected { server } => self.live.connected(*server),
            ClientEvent::Lost {
                server,
                reason,
                attempt,
                retry_in,
            } => {
                let retry_at = now.elapsed.saturating_add(*retry_in);
                self.live.lost(*server, reason, *attempt, retry_at);
            }
            ClientEvent::Refused { server, reason } => self.live.refused(*server, reason),
            ClientEvent::Ended { server } => self.live.ended(*server),
            ClientEvent::Stale { host } => self.live.stale(host),
            ClientEvent::Message(received) => apply(&mut self.live, received, now),
            ClientEvent::Warning {
                server,
                warning: Warning::SameName { host, other },
            } => self.live.same_name(*server, *other, host),
            ClientEvent::Warning {
                server,
                warning: Warning::SameSources { .. },
            } => self.live.same_source(*server),
            ClientEvent::Warning { .. } => {}
        }
        self.follow(now);
        self.mark_back(now);
        self.read_for_charts(now);
    }

    /// What to request of the past; once per lookback.
    pub(super) fn next_ask(&mut self) -> Option<&LookbackRequest> {
        self.reading.as_mut()?.begin()
    }

    /// Whether keys are letters of a filter.
    pub(super) fn is_typing(&self) -> bool {
        self.ui.is_typing()
    }

    /// Whether the past is being read.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Takes an event of the past; `None` when there is no more.
    pub(super) fn take_past(&mut self, event: Option<&ClientEvent>, now: Now) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        let more = match event {
            Some(ClientEvent::Message(received)) => reading.take(received, &mut self.live, now),
            Some(_) => false,
            None => true,
        };
        if (event.is_none() || reading.is_done())
            && let Some(reading) = self.reading.take()
        {
            if reading.old_time().is_some() {
                return self.arrive(reading, now);
            }
            reading.end(&mut self.live);
        }
        self.ui.reading = self.is_reading();
        if more && let Some(held) = &self.held {
            let subject = match &held.subject {
                Subject::Pause => return,
                Subject::Sample(moment) => Subject::Sample(moment.clone()),
                Subject::Old(moment, time) => Subject::Old(moment.clone(), *time),
                Subject::Oldest(moment) => {
                    let oldest = self.live.oldest(&moment.host);
                    Subject::Oldest(oldest.unwrap_or_else(|| moment.clone()))
                }
            };
            self.look_at(subject, self.size, now);
        }
    }

    /// Keeps the selection and the open page with their host.
    fn follow(&mut self, now: Now) {
        self.ui.reading = self.is_reading();
        let (state, _) = shown(&self.live, self.held.as_deref(), now);
        self.ui.follow(state);
    }

    /// Takes a key. Returns whether to quit.
    pub(super) fn input(&mut self, input: TerminalInput, size: Size, now: Now) -> bool {
        let leaves = self.take_input(input, size, now);
        // The key may have changed which state is shown.
        self.follow(now);
        leaves
    }

    fn take_input(&mut self, input: TerminalInput, size: Size, now: Now) -> bool {
        self.size = size;
        self.ui.notice = None;
        match input {
            TerminalInput::Interrupt => return true,
            TerminalInput::Resize | TerminalInput::Suspend | TerminalInput::Continue => {}
            TerminalInput::Click(column, row) => self.click((column, row), size, now),
            TerminalInput::WheelUp => self.wheel(true, size, now),
            TerminalInput::WheelDown => self.wheel(false, size, now),
            _ if self.ui.is_typing() => self.type_filter(input),
            TerminalInput::Char('q') => return true,
            _ if std::mem::take(&mut self.ui.help) => {} // any key closes the help
            TerminalInput::Char('?') => self.ui.help = true,
            _ if self.ui.shows_events() => self.step_in_events(input, size, now),
            // Among several hosts, these select rows. `End` leads back to live all the same.
            TerminalInput::PageUp if self.is_at_fleet() => {
                self.step(Navigation::PageUp, size, now);
            }
            TerminalInput::PageDown if self.is_at_fleet() => {
                self.step(Navigation::PageDown, size, now);
            }
            TerminalInput::Home if self.is_at_fleet() && !self.is_back() => {
                self.step(Navigation::First, size, now);
            }
            TerminalInput::End if self.is_at_fleet() && !self.is_back() => {
                self.step(Navigation::Last, size, now);
            }
            TerminalInput::Char('e') => self.open_events(now),
            TerminalInput::Char('v') if !self.is_at_fleet() => self.ui.toggle_values(),
            TerminalInput::Char('c') => self.ui.sort_processes(false),
            TerminalInput::Char('m') => self.ui.sort_processes(true),
            TerminalInput::Char('+' | '=') => self.zoom(true, size, now),
            TerminalInput::Char('-') => self.zoom(false, size, now),
            TerminalInput::Char('[') => self.jump(false, size, now),
            TerminalInput::Char(']') => self.jump(true, size, now),
            TerminalInput::Char('p' | ' ') => self.pause(now),
            TerminalInput::Char('s') if self.is_at_fleet() => self.ui.sort(),
            TerminalInput::Char('S') if self.is_at_fleet() => self.ui.reverse(),
            TerminalInput::Char('/') if self.is_at_fleet() => self.ui.begin_filter(),
            TerminalInput::Left | TerminalInput::Char('h') => self.travel(-1, size, now),
            TerminalInput::Right | TerminalInput::Char('l') => self.travel(1, size, now),
            TerminalInput::FarLeft => self.travel(-FAR, size, now),
            TerminalInput::FarRight => self.travel(FAR, size, now),
            TerminalInput::PageUp => self.travel(-self.window(size, now), size, now),
            TerminalInput::PageDown => self.travel(self.window(size, now), size, now),
            TerminalInput::Home => self.go_to_oldest(size, now),
            TerminalInput::End => self.go_live(),
            TerminalInput::Back if self.is_back() => self.go_live(),
            TerminalInput::Up | TerminalInput::Char('k') => self.step(Navigation::Up, size, now),
            TerminalInput::Down | TerminalInput::Char('j') => {
                self.step(Navigation::Down, size, now)
            }
            TerminalInput::Enter => self.step(Navigation::Enter, size, now),
            TerminalInput::Back => {
                self.stay();
                self.step(Navigation::Back, size, now);
            }
            TerminalInput::Char(_) | TerminalInput::Erase | TerminalInput::Other => {}
        }
        false
    }

    /// Selects what is there, or looks at the moment that is there in a chart.
    fn click(&mut self, (column, row): (u16, u16), size: Size, now: Now) {
        let place = (usize::from(column), usize::from(row));
        if self.ui.help {
            return;
        }
        if self.ui.shows_events() {
            let event = self.ui.click_event(place.1, size.1, &self.live, now);
            return self.leave_events_for(event, size, now);
        }
        let (state, then) = shown(&self.live, self.held.as_deref(), now);
        if let Some(moment) = self.ui.click(place, size, (&self.live, state), then) {
            self.go_to(moment, size, now);
        }
    }

    fn wheel(&mut self, is_up: bool, size: Size, now: Now) {
        if self.ui.shows_events() {
            self.ui.wheel_events(is_up, &self.live, now);
        } else if !self.ui.help {
            let (state, then) = shown(&self.live, self.held.as_deref(), now);
            self.ui.wheel(is_up, state, size, then);
        }
    }

    /// Shows what fired and was resolved, in all that the server holds. The list is live, whatever the page shows.
    fn open_events(&mut self, now: Now) {
        self.stay();
        let (state, then) = shown(&self.live, self.held.as_deref(), now);
        let host = self.ui.subject(state, then);
        self.read_past_of(host.as_ref());
        self.ui.open_events();
    }

    fn step_in_events(&mut self, input: TerminalInput, size: Size, now: Now) {
        let page = isize::try_from(size.1 / 2).unwrap_or(FAR);
        let by = match input {
            TerminalInput::Back | TerminalInput::Char('e') => {
                self.stay();
                self.ui.close_events();
                return;
            }
            TerminalInput::Enter => {
                let event = self.ui.selected_event(&self.live, now);
                return self.leave_events_for(event, size, now);
            }
            TerminalInput::Up | TerminalInput::Char('k' | '[') => -1,
            TerminalInput::Down | TerminalInput::Char('j' | ']') => 1,
            TerminalInput::FarLeft | TerminalInput::PageUp => -page,
            TerminalInput::FarRight | TerminalInput::PageDown => page,
            TerminalInput::Home => isize::MIN,
            TerminalInput::End => isize::MAX,
            _ => return,
        };
        self.ui.step_events(by, &self.live, now);
    }

    fn type_filter(&mut self, input: TerminalInput) {
        match input {
            TerminalInput::Char(letter) => self.ui.type_letter(letter),
            TerminalInput::Erase => self.ui.erase_letter(),
            TerminalInput::Enter => self.ui.end_filter(true),
            TerminalInput::Back => self.ui.end_filter(false),
            _ => {}
        }
    }

    fn step(&mut self, step: Navigation, size: Size, now: Now) {
        let (state, now) = shown(&self.live, self.held.as_deref(), now);
        self.ui.step(step, state, size.0, size.1, now);
    }

    fn is_at_fleet(&self) -> bool {
        let state = self.held.as_ref().map_or(&self.live, |held| &held.state);
        self.ui.is_at_fleet(state)
    }

    /// Pauses, or ends the pause. While looking back, the picture is held anyway.
    fn pause(&mut self, now: Now) {
        if self.is_back() {
            return;
        }
        self.stay();
        self.held = match self.held.take() {
            Some(_) => None,
            None => Some(Box::new(HeldPicture {
                state: self.live.snapshot(),
                now,
                subject: Subject::Pause,
            })),
        };
        self.ui.paused = self.held.is_some();
    }

    fn is_back(&self) -> bool {
        (self.held.as_ref()).is_some_and(|held| held.subject.moment().is_some())
    }

    /// Whether the frame changes without an event.
    pub(super) fn is_counting(&self) -> bool {
        self.held.is_none() && self.live.is_counting()
    }

    /// The screen.
    pub(super) fn frame(&self, size: Size, now: Now) -> Vec<String> {
        let held = self.held.as_deref().filter(|_| !self.ui.shows_events());
        let (state, now) = shown(&self.live, held, now);
        frame(state, &self.ui, size.0, size.1, self.style, now)
    }

    /// What to print once: everything, or as many lines as the screen has.
    pub(super) fn report(&self, width: usize, height: Option<usize>, now: Now) -> Vec<String> {
        report(&self.live, &self.ui, width, height, self.style, now)
    }
}

/// The state on the screen, frozen or live.
fn shown<'a>(live: &'a ViewState, held: Option<&'a HeldPicture>, now: Now) -> (&'a ViewState, Now) {
    held.map_or((live, now), |held| (&held.state, held.now))
}
