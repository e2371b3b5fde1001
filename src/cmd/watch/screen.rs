//! The live table on the full screen.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::ClientEvent;
use crate::terminal::{self, Input, Screen};

use super::super::clock::reached;
use super::display::Size;
use super::past::Archive;
use super::{End, Events, Session};

/// A burst of events makes one frame: more often than this nobody can read.
const FRAME_EVERY: Duration = Duration::from_millis(50);

/// Ages and countdowns are in seconds.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Where frames are drawn.
pub(super) trait Surface {
    /// Columns and lines.
    fn size(&self) -> Size;
    /// Shows a frame.
    fn draw(&mut self, frame: &[String]) -> io::Result<()>;
}

impl Surface for Screen {
    fn size(&self) -> Size {
        terminal::size()
    }

    fn draw(&mut self, frame: &[String]) -> io::Result<()> {
        Screen::draw(self, frame)
    }
}

/// Takes the screen, follows the events, and gives the screen back with the last frame left behind.
pub(super) async fn run(
    events: impl Events,
    archive: &impl Archive,
    session: &mut Session,
    stop: &CancellationToken,
) -> io::Result<End> {
    let mut screen = Screen::open()?;
    let mut keys = terminal::inputs();
    let end = follow(events, archive, session, &mut keys, &mut screen, stop).await;
    let (width, height) = terminal::size();
    let left_behind = if session.display.state().has_data() {
        // One line stays for the prompt.
        let height = height.saturating_sub(1);
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

/// Draws what events and keys make of the display, until one of them or `stop` ends it.
pub(super) async fn follow<A: Archive>(
    mut events: impl Events,
    archive: &A,
    session: &mut Session,
    keys: &mut mpsc::Receiver<Input>,
    surface: &mut impl Surface,
    stop: &CancellationToken,
) -> io::Result<End> {
    let mut pace = Pace::new();
    let mut past: Option<A::Events> = None;
    loop {
        let Session { display, clock, .. } = session;
        if let Some(ask) = display.next_ask() {
            past = Some(archive.open(ask));
        } else if !display.is_reading() {
            past = None;
        }
        if pace.is_due() {
            surface.draw(&display.frame(surface.size(), clock.now()))?;
            pace.drawn(display.is_counting());
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(End::Done),
            key = next_key(keys) => {
                if display.input(key, surface.size(), clock.now()) {
                    // Who leaves before anything was there learns why it was not.
                    let seen = display.state().has_data();
                    return Ok(if seen { End::Done } else { End::Over });
                }
                pace.at_once();
            }
            () = reached(session.limits.until()) => return Ok(End::Over),
            () = reached(pace.next) => {}
            event = events.next() => {
                let Some(event) = event else { return Ok(End::Over) };
                session.take(&event);
                if session.limits.reached() && events.is_settled() {
                    return Ok(End::Over);
                }
                pace.soon();
            }
            event = next_of(&mut past) => {
                display.take_past(event.as_ref(), clock.now());
                pace.soon();
            }
        }
    }
}

/// The next event, if there is anything to read.
async fn next_of(events: &mut Option<impl Events>) -> Option<ClientEvent> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

/// The next key; without an end once there is no keyboard.
async fn next_key(keys: &mut mpsc::Receiver<Input>) -> Input {
    match keys.recv().await {
        Some(key) => key,
        None => std::future::pending().await,
    }
}

/// When the next frame is due.
struct Pace {
    next: Option<Instant>,
    last: Option<Instant>,
}

impl Pace {
    fn new() -> Self {
        Self {
            next: Some(Instant::now()),
            last: None,
        }
    }

    fn is_due(&self) -> bool {
        self.next.is_some_and(|next| next <= Instant::now())
    }

    /// Something changed: a key is answered at once.
    fn at_once(&mut self) {
        self.next = Some(Instant::now());
    }

    /// Something changed: more may follow.
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
