//! What the screen shows: events and keys in, frames out.

use crate::client::{Event, Received};
use crate::protocol::Body;
use crate::terminal::Input;
use crate::view::{Now, State, Step, Style, Ui, frame, report};

/// Columns and lines.
pub(super) type Size = (usize, usize);

/// The data, what the person at the screen chose, and what a pause holds still.
#[derive(Debug)]
pub(super) struct Display {
    live: State,
    ui: Ui,
    held: Option<Box<(State, Now)>>,
    style: Style,
}

impl Display {
    pub(super) fn new(servers: &[String], window: usize, style: Style) -> Self {
        Self {
            live: State::new(window, servers),
            ui: Ui::default(),
            held: None,
            style,
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.live
    }

    /// Takes an event that came at `now`.
    pub(super) fn take(&mut self, event: &Event, now: Now) {
        match event {
            Event::Connected { server } => self.live.connected(*server),
            Event::Lost {
                server,
                reason,
                attempt,
                retry_in,
            } => {
                let retry_at = now.elapsed.saturating_add(*retry_in);
                self.live.lost(*server, reason, *attempt, retry_at);
            }
            Event::Refused { server, reason } => self.live.refused(*server, reason),
            Event::Ended { server } => self.live.ended(*server),
            Event::Stale { host } => self.live.stale(host),
            Event::Message(received) => self.message(received, now),
            Event::Malformed { .. } => {}
        }
    }

    fn message(&mut self, received: &Received, now: Now) {
        let (server, host) = (received.server, &received.host);
        match &received.message.body {
            Body::Hello(hello) => self.live.hello(server, host, hello),
            Body::Metric { sample, .. } => self.live.sample(server, host, sample, now),
            Body::Alert { alert, sample, .. } => self.live.alert(server, host, alert, sample, now),
            Body::Gap(gap) => self.live.gap(server, host, *gap, now),
            Body::End => self.live.host_ended(host),
            Body::Heartbeat { .. } | Body::Unknown => {}
        }
    }

    /// Takes a key; whether to leave.
    pub(super) fn input(&mut self, input: Input, size: Size, now: Now) -> bool {
        let step = match input {
            Input::Quit => return true,
            Input::Pause => {
                self.pause(now);
                return false;
            }
            Input::Help => {
                self.ui.help = !self.ui.help;
                return false;
            }
            Input::Resize => return false,
            Input::Up => Some(Step::Up),
            Input::Down => Some(Step::Down),
            Input::Enter => Some(Step::Enter),
            Input::Back => Some(Step::Back),
            Input::Other => None,
        };
        if std::mem::take(&mut self.ui.help) {
            return false; // any key closes the help
        }
        if let Some(step) = step {
            let (state, now) = shown(&self.live, self.held.as_deref(), now);
            self.ui.step(step, state, size.0, size.1, now);
        }
        false
    }

    fn pause(&mut self, now: Now) {
        self.held = match self.held.take() {
            Some(_) => None,
            None => Some(Box::new((self.live.clone(), now))),
        };
        self.ui.paused = self.held.is_some();
    }

    /// Whether the frame changes without an event.
    pub(super) fn is_counting(&self) -> bool {
        self.held.is_none() && self.live.is_counting()
    }

    /// The screen.
    pub(super) fn frame(&self, size: Size, now: Now) -> Vec<String> {
        let (state, now) = shown(&self.live, self.held.as_deref(), now);
        frame(state, &self.ui, size.0, size.1, self.style, now)
    }

    /// What to print once: all of it, or as many lines as the screen has.
    pub(super) fn report(&self, width: usize, height: Option<usize>, now: Now) -> Vec<String> {
        report(&self.live, &self.ui, width, height, self.style, now)
    }
}

/// What is on the screen while the display is held, or not.
fn shown<'a>(live: &'a State, held: Option<&'a (State, Now)>, now: Now) -> (&'a State, Now) {
    held.map_or((live, now), |(state, at)| (state, *at))
}
