//! The live table on the full screen.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::client::ClientEvent;
use crate::signals::{Asked, INTERRUPT};
use crate::terminal::{self, Screen, TerminalInput};

use super::super::clock::reached;
use super::archive::Archive;
use super::display::Size;
use super::{End, EventSource, Session};

/// A burst of events is drawn as one frame: nobody can read faster than this.
const FRAME_EVERY: Duration = Duration::from_millis(50);

/// How often ages and countdowns change: they are in seconds.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Where frames are drawn.
pub(super) trait Surface {
    /// Columns and lines.
    fn size(&self) -> Size;
    /// Shows a frame.
    fn draw(&mut self, frame: &[String]) -> io::Result<()>;
    /// Leaves the surface to others until we are continued.
    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Others may have used the surface.
    fn take(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Surface for Screen {
    fn size(&self) -> Size {
        terminal::size()
    }

    fn draw(&mut self, frame: &[String]) -> io::Result<()> {
        Screen::draw(self, frame)
    }

    fn suspend(&mut self) -> io::Result<()> {
        Screen::suspend(self)
    }

    fn take(&mut self) -> io::Result<()> {
        Screen::take(self)
    }
}

/// Takes the screen, follows the events, and restores the screen, leaving the last frame behind.
pub(super) async fn run(
    events: impl EventSource,
    archive: &impl Archive,
    session: &mut Session,
    has_mouse: bool,
    asked: &Asked,
) -> io::Result<End> {
    let mut screen = Screen::open(has_mouse)?;
    let mut keys = terminal::inputs();
    let end = follow(events, archive, session, &mut keys, &mut screen, asked).await;
    let (width, height) = terminal::size();
    let left_behind = if session.display.state().has_data() {
        let height = height.saturating_sub(lines_after(&session.columns.doubts, width));
        session
            .display
            .report(width, Some(height), session.clock.now())
    } else {
        Vec::new()
    };
    let closed = screen.close(&left_behind);
    let end = end?;
    closed.map(|()| end)
}

/// How many lines of a screen of this width follow the last frame, whose first line must stay in view: what could not be
/// said on the screen, what the command says at its end, and the prompt.
pub(super) fn lines_after(doubts: &[String], width: usize) -> usize {
    let lines = |text: &String| text.chars().count().div_ceil(width.max(1)).max(1);
    doubts.iter().map(lines).sum::<usize>() + 2
}

/// Updates and draws the display with events and keys, until one of them or a signal ends it.
pub(super) async fn follow<A: Archive>(
    mut events: impl EventSource,
    archive: &A,
    session: &mut Session,
    keys: &mut mpsc::Receiver<TerminalInput>,
    surface: &mut impl Surface,
    asked: &Asked,
) -> io::Result<End> {
    let mut timer = FrameTimer::new();
    let mut past: Option<A::Events> = None;
    session.display.set_size(surface.size());
    loop {
        let Session { display, clock, .. } = session;
        if let Some(ask) = display.next_ask() {
            past = Some(archive.open(ask));
        } else if !display.is_reading() {
            past = None;
        }
        if timer.is_due() {
            surface.draw(&display.frame(surface.size(), clock.now()))?;
            timer.drawn(display.is_counting());
        }
        tokio::select! {
            biased;
            () = asked.stop.cancelled() => return Ok(End::Stopped(asked.signal())),
            key = next_key(keys) => {
                match key {
                    TerminalInput::Suspend => surface.suspend()?,
                    TerminalInput::Continue => surface.take()?,
                    TerminalInput::Char('r') if !display.is_typing() => events.retry_now(),
                    _ => {}
                }
                if display.input(key, surface.size(), clock.now()) {
                    // A user who quits before there was any data learns why there was none.
                    let seen = display.state().has_data();
                    return Ok(if seen { End::Stopped(INTERRUPT) } else { End::Over });
                }
                timer.at_once();
            }
            () = reached(session.limits.until()) => return Ok(End::Over),
            () = reached(timer.next) => {}
            event = events.next() => {
                let Some(event) = event else { return Ok(End::Over) };
                session.take(&event);
                if session.is_over(&events) {
                    return Ok(End::Over);
                }
                timer.soon();
            }
            event = next_of(&mut past) => {
                display.take_past(event.as_ref(), clock.now());
                timer.soon();
            }
        }
    }
}

/// The next event, if a reading is in progress.
async fn next_of(events: &mut Option<impl EventSource>) -> Option<ClientEvent> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// The next key; never ready once there is no keyboard.
async fn next_key(keys: &mut mpsc::Receiver<TerminalInput>) -> TerminalInput {
    match keys.recv().await {
        Some(key) => key,
        None => std::future::pending().await,
    }
}

/// When the next frame is due.
struct FrameTimer {
    next: Option<Instant>,
    last: Option<Instant>,
}

impl FrameTimer {
    fn new() -> Self {
        Self {
            next: Some(Instant::now()),
            last: None,
        }
    }

    fn is_due(&self) -> bool {
        self.next.is_some_and(|next| next <= Instant::now())
    }

    /// Something changed because of a key: redraw at once.
    fn at_once(&mut self) {
        self.next = Some(Instant::now());
    }

    /// Something changed: redraw soon, because more may follow.
    fn soon(&mut self) {
        let at = self
            .last
            .map_or_else(Instant::now, |last| last + FRAME_EVERY);
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    fn drawn(&mut self, counting: bool) {
        let now = Instant::now();
        self.last = Some(now);
        self.next = counting.then(|| now + COUNT_EVERY);
    }
}
