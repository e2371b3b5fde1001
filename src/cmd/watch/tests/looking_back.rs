//! Looking back from the live table.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use super::super::Session;
use super::super::archive::{Archive, LookbackRequest};
use super::super::live_table;
use super::script::{
    Frames, Script, alert, connected, hello, keyboard, numbered, refused, session,
};
use crate::client::ClientEvent;
use crate::protocol::AlertState;
use crate::signals::Asked;
use crate::terminal::TerminalInput;
use crate::view::{MOST_KEPT, StepSpan, Zoom};

/// An archive that has each of some `events` once, and remembers the requests.
pub(super) struct Shelf {
    events: RefCell<VecDeque<Script>>,
    asked: RefCell<Vec<(Option<String>, usize)>>,
    pub(super) steps: RefCell<Vec<StepSpan>>,
    /// How long ago, in milliseconds.
    pub(super) around: RefCell<Vec<u64>>,
}

impl Shelf {
    pub(super) fn of(events: Script) -> Self {
        Self::of_all([events])
    }

    pub(super) fn of_all(events: impl Into<VecDeque<Script>>) -> Self {
        Self {
            events: RefCell::new(events.into()),
            asked: RefCell::default(),
            steps: RefCell::default(),
            around: RefCell::default(),
        }
    }
}

impl Archive for Shelf {
    type Events = Script;

    fn open(&self, ask: &LookbackRequest) -> Script {
        let host = ask.host.as_ref().map(|(_, host)| host.to_string());
        self.asked.borrow_mut().push((host, ask.last));
        self.steps.borrow_mut().extend(ask.steps);
        let ago = ask.around.map(|old| old.ago);
        self.around.borrow_mut().extend(ago);
        let events = self.events.borrow_mut().pop_front();
        events.unwrap_or_else(|| Script::ending(Vec::new()))
    }
}

/// A host whose samples 101 to 110 arrive at once, and three more a second apart.
fn live() -> Script {
    let mut events = vec![(0, connected(0))];
    events.extend((101..=110).map(|seq| (0, numbered("web-1", seq))));
    events.extend((111..=113).map(|seq| (1000, numbered("web-1", seq))));
    Script::new(events)
}

/// What the server of [`live`] held: from sample 11 on, `pause` later.
fn held(pause: u64) -> Script {
    let mut events = vec![(pause, connected(0))];
    events.extend((11..=112).map(|seq| (0, numbered("web-1", seq))));
    Script::new(events)
}

async fn watch(script: Script, shelf: &Shelf, keys: &[(u64, TerminalInput)]) -> Frames {
    let mut keys = keyboard(keys);
    let mut session: Session = session(&["web-1"], None, None);
    // So short that every sample has a dot of its own.
    session
        .display
        .set_zoom(Zoom::covering(Duration::from_secs(60)));
    let mut frames = Frames::new();
    let asked = Asked::default();
    let end = live_table::follow(script, shelf, &mut session, &mut keys, &mut frames, &asked);
    let _ = tokio::time::timeout(Duration::from_secs(60), end).await;
    frames
}

#[track_caller]
pub(super) fn check(frames: &Frames, time: u128, expected: &[&str]) {
    let frame = frames.at(time);
    for expected in expected {
        assert!(
            frame.contains(expected),
            "no '{expected}' at {time}:\n{frame}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_back_shows_the_previous_sample_and_reads_what_the_server_holds() {
    let shelf = Shelf::of(held(200));
    let keys = [
        (500, TerminalInput::Left),
        (800, TerminalInput::Left),
        (900, TerminalInput::FarLeft),
        (950, TerminalInput::Right),
    ];
    let frames = watch(live(), &shelf, &keys).await;
    check(
        &frames,
        500,
        &["◀ BACK 1 s", " 9.0 %", "reading older  9 of 10"],
    );
    check(&frames, 750, &["◀ BACK 1 s", " 9.0 %", "99 of 100"]);
    check(&frames, 800, &["◀ BACK 2 s", " 8.0 %", "98 of 100"]);
    check(&frames, 900, &["◀ BACK 12 s", " 98.0 %", "88 of 100"]);
    check(&frames, 950, &["◀ BACK 11 s", " 99.0 %", "89 of 100"]);
    // Live data continued, but isn't shown.
    check(&frames, 3000, &["◀ BACK 14 s", " 99.0 %", "89 of 103"]);
    let asked = shelf.asked.borrow();
    assert_eq!(
        *asked,
        [(Some("web-1".to_owned()), MOST_KEPT)],
        "asked once"
    );
}

#[tokio::test(start_paused = true)]
async fn end_escape_and_a_step_beyond_the_newest_return_to_live() {
    for (back, key) in [
        (TerminalInput::Left, TerminalInput::End),
        (TerminalInput::Left, TerminalInput::Back),
        (TerminalInput::FarLeft, TerminalInput::End),
    ] {
        let frames = watch(live(), &Shelf::of(held(0)), &[(500, back), (2500, key)]).await;
        check(&frames, 2000, &["◀"]);
        check(&frames, 2500, &["● LIVE", " 12.0 %"]);
        assert!(!frames.at(2500).contains('◀'), "{key:?}");
    }
    let keys = [
        (500, TerminalInput::Left),
        (600, TerminalInput::Right),
        (700, TerminalInput::Right),
        (800, TerminalInput::Right),
    ];
    let frames = watch(live(), &Shelf::of(held(0)), &keys).await;
    check(&frames, 600, &["◀ BACK 0 s", " 10.0 %", "100 of 100"]);
    check(&frames, 700, &["● LIVE"]);
    check(&frames, 800, &["● LIVE"]);
}

#[tokio::test(start_paused = true)]
async fn home_waits_for_the_oldest_sample() {
    let frames = watch(live(), &Shelf::of(held(300)), &[(500, TerminalInput::Home)]).await;
    check(&frames, 500, &["◀ BACK 9 s", " 1.0 %", "1 of 10"]);
    check(&frames, 850, &["◀ BACK 1 m 39 s", " 11.0 %", "1 of 100"]);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_lookback_starts_again_and_a_failed_one_ends() {
    let shelf = Shelf::of(held(60_000));
    let keys = [
        (500, TerminalInput::Left),
        (600, TerminalInput::End),
        (700, TerminalInput::Left),
        (800, TerminalInput::Left),
    ];
    let frames = watch(live(), &shelf, &keys).await;
    check(&frames, 500, &["reading older  9 of 10"]);
    // Later readings of this archive end at once without events, so the next step asks again.
    check(&frames, 850, &["◀ BACK 2 s", "  8 of 10"]);
    assert!(!frames.at(850).contains("reading"), "{}", frames.at(850));
    assert_eq!(shelf.asked.borrow().len(), 3);

    let failing = Script::ending(vec![(100, refused(0))]);
    let frames = watch(live(), &Shelf::of(failing), &[(500, TerminalInput::Left)]).await;
    assert!(!frames.at(650).contains("reading"), "{}", frames.at(650));
}

#[tokio::test(start_paused = true)]
async fn a_step_back_starts_from_the_pause() {
    let keys = [
        (500, TerminalInput::Char('p')),
        (2500, TerminalInput::Left),
        (2600, TerminalInput::Char('p')),
        (2700, TerminalInput::Char('l')),
    ];
    let frames = watch(live(), &Shelf::of(held(0)), &keys).await;
    check(&frames, 500, &["PAUSED", " 10.0 %"]);
    check(&frames, 2500, &["◀ BACK 3 s", " 9.0 %"]);
    check(&frames, 2600, &["◀ BACK 3 s", " 9.0 %"]);
    check(&frames, 2700, &["◀ BACK 2 s", " 10.0 %"]);
    assert!(!frames.at(2500).contains("PAUSED"));
}

#[tokio::test(start_paused = true)]
async fn all_hosts_go_back_together_and_only_their_share_is_read() {
    let mut events = vec![(0, connected(0))];
    for seq in 101..=110 {
        events.extend(["a", "b", "c"].map(|host| (0, numbered(host, seq))));
    }
    let mut past = Vec::new();
    for seq in 51..=110 {
        past.extend(["a", "b", "c"].map(|host| (0, numbered(host, seq))));
    }
    let shelf = Shelf::of(Script::new(past));
    let keys = [
        (400, TerminalInput::Left),
        (500, TerminalInput::Home),
        (600, TerminalInput::Char('j')),
        (700, TerminalInput::Enter),
        (800, TerminalInput::Left),
        (900, TerminalInput::Back),
    ];
    let frames = watch(Script::new(events), &shelf, &keys).await;
    check(&frames, 550, &["◀ 59 s ago", "1 of 60"]);
    let frame = frames.at(550);
    let rows = frame.lines().filter(|line| line.starts_with(" ●"));
    assert_eq!(
        rows.filter(|row| row.contains(" 51.0 ")).count(),
        3,
        "{frame}"
    );
    check(&frames, 700, &["a  then: ", "◀ BACK 59 s"]);
    check(&frames, 900, &["a  nothing is wrong", "● LIVE"]);
    assert_eq!(*shelf.asked.borrow(), [(None, MOST_KEPT)]);
}

#[tokio::test(start_paused = true)]
async fn a_filter_takes_letters_that_are_keys_elsewhere() {
    let mut events = vec![(0, connected(0))];
    events.extend(["quartz", "pearl"].map(|host| (0, numbered(host, 1))));
    let keys = [
        (100, TerminalInput::Char('/')),
        (200, TerminalInput::Char('q')),
        (300, TerminalInput::Char('p')),
        (400, TerminalInput::Erase),
        (500, TerminalInput::Enter),
        (600, TerminalInput::Char('s')),
        (700, TerminalInput::Back),
    ];
    let frames = watch(Script::new(events), &Shelf::of(held(0)), &keys).await;
    check(
        &frames,
        200,
        &["/q   ● 2 well   1 of 2 hosts", "/q_", "quartz"],
    );
    check(&frames, 300, &["/qp   ● 2 well   0 of 2 hosts"]);
    check(&frames, 500, &["/q   ● 2 well   1 of 2 hosts", "q quit"]);
    check(&frames, 600, &["s sort: name"]);
    check(&frames, 700, &["of 2 ", "pearl", "quartz"]);
}

/// The samples of `numbers`, and alerts that fire with the 20th, are resolved with the 50th, and fire with the 105th.
fn with_alerts(numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, ClientEvent)> {
    let mut events = vec![(0, connected(0)), (0, hello(0, "web-1"))];
    for seq in numbers {
        events.push((0, numbered("web-1", seq)));
        let (state, began) = match seq {
            20 => (AlertState::Firing, 11),
            50 => (AlertState::Resolved, 11),
            105 => (AlertState::Firing, 101),
            _ => continue,
        };
        events.push((0, alert("web-1", seq, state, began)));
    }
    events
}

#[tokio::test(start_paused = true)]
async fn the_list_of_events_reaches_as_far_back_as_the_server_does() {
    let shelf = Shelf::of(Script::new(with_alerts(11..=110)));
    let keys = [
        (500, TerminalInput::Char('e')),
        (600, TerminalInput::Left),
        (700, TerminalInput::Back),
        (800, TerminalInput::Char('e')),
        (900, TerminalInput::Char('e')),
    ];
    let frames = watch(Script::new(with_alerts(101..=110)), &shelf, &keys).await;
    check(&frames, 400, &["▲  web-1  CPU "]);
    check(
        &frames,
        500,
        &["events", "▲ 1 firing", "reading older", "Esc back"],
    );
    check(&frames, 650, &["▲ 1 firing   △ 1 over", "39 s"]);
    assert!(!frames.at(650).contains("reading"), "{}", frames.at(650));
    for (at, is_list) in [(650, true), (750, false), (850, true), (950, false)] {
        assert_eq!(
            !frames.at(at).contains("● LIVE"),
            is_list,
            "{}",
            frames.at(at)
        );
    }
    assert_eq!(
        shelf.asked.borrow().len(),
        1,
        "what is known is not read again"
    );
}

#[tokio::test(start_paused = true)]
async fn the_list_of_events_is_live_whatever_the_page_shows() {
    let mut events = with_alerts(101..=104);
    events.extend(
        with_alerts(105..=105)
            .into_iter()
            .skip(2)
            .map(|(_, event)| (1000, event)),
    );
    let keys = [
        (100, TerminalInput::FarLeft),
        (200, TerminalInput::Char('e')),
        (3000, TerminalInput::Char('e')),
    ];
    let shelf = Shelf::of(Script::new(with_alerts(101..=104)));
    let frames = watch(Script::new(events), &shelf, &keys).await;
    check(&frames, 900, &["Nothing has happened since"]);
    check(&frames, 2900, &["▲ 1 firing"]);
    check(&frames, 3000, &["◀ BACK 4 s", "▲  now: CPU "]);
}
