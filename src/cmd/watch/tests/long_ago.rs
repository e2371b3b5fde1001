//! What is longer ago than samples are kept.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::live_table;
use super::looking_back::{Shelf, check};
use super::script::{
    Frames, Script, connected, host, keyboard, message, numbered, received, sample, session,
};
use crate::client::ClientEvent;
use crate::protocol::{
    Alert, AlertState, Hello, Numbered, Sample, StreamId, Summary, Update, Values, describe,
};
use crate::signals::Asked;
use crate::terminal::TerminalInput;
use crate::view::Zoom;

const MINUTE: u64 = 60_000;

/// Buckets of 3 minutes up to `newest`, of which one has a peak of one sample.
fn in_steps(newest: u64) -> Vec<(u64, ClientEvent)> {
    let last = newest / (3 * MINUTE);
    let values = |cpu| Values(vec![("cpu".into(), cpu), ("memory".into(), 61.0)]);
    let bucket = |n: u64| Summary {
        from: n * 3 * MINUTE,
        to: (n + 1) * 3 * MINUTE,
        count: 180,
        mean: values(10.0),
        min: values(5.0),
        max: values(if n == last - 60 { 99.0 } else { 12.0 }),
    };
    (last - 120..=last)
        .map(|n| {
            let update = Update::Summary(Box::new(bucket(n)));
            (0, received(0, "web-1", update))
        })
        .collect()
}

const NEWEST: u64 = 1_795_529_251_204 + 20_000;

/// A host whose server holds a day, and whose last 20 samples arrive at once.
fn with_a_day() -> Vec<(u64, ClientEvent)> {
    let hello = Hello {
        stream: StreamId(1),
        held: Some(NEWEST - 1440 * MINUTE),
        interval: 1000,
        metrics: ["cpu", "memory"].map(|name| describe(name, 1)).into(),
        ..Hello::default()
    };
    let hello = received(0, "web-1", Update::Hello(Box::new(hello)));
    let mut events = vec![(0, connected(0)), (0, hello)];
    events.extend((1..=20).map(|seq| (0, numbered("web-1", seq))));
    events
}

/// Shows six hours of [`with_a_day`].
async fn watch_hours(shelf: &Shelf, keys: &[(u64, TerminalInput)]) -> Frames {
    watch_zoomed(6 * 3600, shelf, keys).await
}

/// Shows so many seconds of [`with_a_day`].
async fn watch_zoomed(seconds: u64, shelf: &Shelf, keys: &[(u64, TerminalInput)]) -> Frames {
    let mut events = with_a_day();
    events.push((5000, numbered("web-1", 21)));
    watch_events(events, seconds, shelf, keys).await
}

/// Shows so many seconds of `events`.
async fn watch_events(
    events: Vec<(u64, ClientEvent)>,
    seconds: u64,
    shelf: &Shelf,
    keys: &[(u64, TerminalInput)],
) -> Frames {
    let mut session = session(&["web-1"], None, None);
    session
        .display
        .set_zoom(Zoom::covering(Duration::from_secs(seconds)));
    let mut keys = keyboard(keys);
    let mut frames = Frames::new();
    live_table::follow(
        Script::new(events),
        shelf,
        &mut session,
        &mut keys,
        &mut frames,
        &Asked::default(),
    )
    .await
    .unwrap();
    frames
}

#[tokio::test(start_paused = true)]
async fn steps_that_arrive_while_looking_back_are_drawn() {
    let mut past = in_steps(NEWEST);
    past.insert(0, (1000, connected(0)));
    past.push((0, numbered("web-1", 20)));
    let keys = [(500, TerminalInput::Left), (3000, TerminalInput::Char('q'))];
    let frames = watch_hours(&Shelf::of(Script::new(past)), &keys).await;
    let floor = |time| {
        let frame = frames.at(time);
        let row = frame.lines().find(|row| row.contains("  0┤"));
        row.map(|row| row.chars().skip(22).filter(|c| *c != ' ').count())
    };
    check(&frames, 2000, &["◀ BACK"]);
    assert!(floor(900) < Some(5), "{}", frames.at(900));
    assert!(floor(2000) > Some(50), "{}", frames.at(2000));
}

/// The samples of two minutes around `time`, which have this `cpu`, in an earlier stream.
fn old_samples(time: u64, cpu: f64) -> Vec<(u64, ClientEvent)> {
    let update = |seq: u64| {
        Update::Numbered(Numbered {
            host: host("web-1"),
            stream: StreamId(0),
            seq,
            alert: None,
            sample: Sample {
                timestamp: time - 60_000 + seq * 1000,
                ..sample(cpu)
            },
        })
    };
    let mut events = vec![(0, connected(0))];
    events.extend((0..=130).map(|seq| (0, received(0, "web-1", update(seq)))));
    events
}

#[tokio::test(start_paused = true)]
async fn marks_that_are_older_than_the_samples_that_are_kept_are_reached() {
    let times = [NEWEST - 200 * MINUTE, NEWEST - 80 * MINUTE];
    let mut past = in_steps(NEWEST);
    for time in times {
        let update = message_at(time);
        let after = past.iter().position(|(_, event)| begins_after(event, time));
        past.insert(after.unwrap(), (0, received(0, "web-1", update)));
    }
    past.push((0, numbered("web-1", 20)));
    let scripts = [
        Script::new(past),
        Script::new(old_samples(times[1], 77.0)),
        Script::new(old_samples(times[0], 66.0)),
        Script::new(old_samples(times[1], 77.0)),
    ];
    let shelf = Shelf::of_all(scripts);
    let keys = [
        (1000, TerminalInput::Char('[')),
        (2000, TerminalInput::Char('[')),
        (3000, TerminalInput::Char(']')),
        (4000, TerminalInput::Char(']')),
        (6000, TerminalInput::Char('q')),
    ];
    let frames = watch_hours(&shelf, &keys).await;
    check(&frames, 1500, &["◀ BACK 1 h 20 m", " 77.0 %", "◀"]);
    check(&frames, 2500, &["◀ BACK 3 h 20 m", " 66.0 %"]);
    check(&frames, 3500, &["◀ BACK 1 h 20 m", " 77.0 %"]);
    check(&frames, 4500, &["● LIVE"]);
    let around = shelf.around.borrow();
    assert_eq!(*around, [80 * MINUTE, 200 * MINUTE, 80 * MINUTE]);
    // The charts show all that is known meanwhile.
    let frame = frames.at(2500);
    let floor = frame.lines().find(|row| row.contains("  0┤")).unwrap();
    let cells = floor.chars().skip(22).filter(|c| *c != ' ').count();
    assert!(cells >= 56, "{frame}");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_or_pauses_does_not_go_to_an_old_mark_that_arrives_later() {
    for (key, shown) in [
        (TerminalInput::Back, "● LIVE"),
        (TerminalInput::End, "● LIVE"),
        (TerminalInput::Char('p'), "PAUSED"),
    ] {
        let time = NEWEST - 80 * MINUTE;
        let mut past = in_steps(NEWEST);
        let after = past.iter().position(|(_, event)| begins_after(event, time));
        past.insert(after.unwrap(), (0, received(0, "web-1", message_at(time))));
        past.push((0, numbered("web-1", 20)));
        let mut late = old_samples(time, 77.0);
        late[0].0 = 2000;
        let shelf = Shelf::of_all([Script::new(past), Script::new(late)]);
        let keys = [
            (1000, TerminalInput::Char('[')),
            (1500, key),
            (4500, TerminalInput::Char('q')),
        ];
        let frames = watch_hours(&shelf, &keys).await;
        check(&frames, 4000, &[shown]);
        assert_eq!(shelf.around.borrow().len(), 1);
    }
}

/// When an alert fired, longer ago than samples are kept.
const OLD: u64 = NEWEST - 200 * MINUTE;

/// What is read for the list of events of [`with_a_day`]: the samples of the chart, those that can be kept, and what is
/// longer ago, of which [`OLD`] is one.
fn readings_for_events() -> [Script; 3] {
    let mut past = in_steps(NEWEST);
    let after = past
        .iter()
        .position(|(_, event)| begins_after(event, OLD))
        .unwrap();
    past.insert(after, (0, received(0, "web-1", message_at(OLD))));
    past.push((0, numbered("web-1", 20)));
    let known = || Script::new(vec![(0, connected(0)), (0, numbered("web-1", 20))]);
    [known(), known(), Script::new(past)]
}

/// A shelf for the list of events, and then for these.
fn shelf_of_events(then: impl IntoIterator<Item = Script>) -> Shelf {
    let scripts = readings_for_events().into_iter().chain(then);
    Shelf::of_all(scripts.collect::<VecDeque<_>>())
}

#[tokio::test(start_paused = true)]
async fn the_list_of_events_has_those_of_all_that_is_held() {
    let shelf = shelf_of_events([Script::new(old_samples(OLD, 66.0))]);
    let keys = [
        (1000, TerminalInput::Char('e')),
        (6000, TerminalInput::Enter),
        (8000, TerminalInput::Char('q')),
    ];
    let frames = watch_zoomed(300, &shelf, &keys).await;
    check(&frames, 1500, &["Nothing has happened"]);
    check(&frames, 5500, &["△ 1 over", "cpu > 90", "95.0 %", "1 of 1"]);
    check(&frames, 7000, &["◀ BACK 3 h 20 m", " 66.0 %"]);
    let asked = shelf.steps.borrow().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(1440 * MINUTE <= asked[0].until - asked[0].from);
}

#[tokio::test(start_paused = true)]
async fn an_old_event_of_one_of_several_hosts_opens_that_host() {
    let silent = Script::new(vec![(0, connected(0))]);
    // The past of all hosts never arrives.
    let shelf = shelf_of_events([silent, Script::new(old_samples(OLD, 66.0))]);
    let mut events = with_a_day();
    events.push((0, numbered("web-2", 20)));
    events.push((5000, numbered("web-1", 21)));
    let keys = [
        (500, TerminalInput::Down),
        (1000, TerminalInput::Enter),
        (2000, TerminalInput::Char('e')),
        (6000, TerminalInput::Back),
        (6100, TerminalInput::Back),
        (7000, TerminalInput::Char('e')),
        (8000, TerminalInput::Enter),
        (9000, TerminalInput::Back),
        (10_000, TerminalInput::Back),
        (11_000, TerminalInput::Char('q')),
    ];
    let frames = watch_events(events, 300, &shelf, &keys).await;
    check(&frames, 6500, &["of 2 ", "web-1", "web-2"]);
    check(&frames, 7500, &["2 hosts   events", "95.0 %", "reading"]);
    check(&frames, 8500, &["web-1 ", "◀ BACK 3 h 20 m", " 66.0 %"]);
    check(&frames, 9500, &["web-1 ", "● LIVE"]);
    check(&frames, 10_500, &["of 2 ", "web-1", "web-2"]);
    assert_eq!(*shelf.around.borrow(), [200 * MINUTE + 1000]);
}

#[tokio::test(start_paused = true)]
async fn the_list_of_events_stays_until_there_is_something_to_show() {
    let late = |pause| {
        let mut events = old_samples(OLD, 66.0);
        events[0].0 = pause;
        Script::new(events)
    };
    let shelf = shelf_of_events([Script::ending(Vec::new()), late(2000), late(600)]);
    let keys = [
        (1000, TerminalInput::Char('e')),
        (6000, TerminalInput::Enter),
        (7000, TerminalInput::Enter),
        (8000, TerminalInput::Back),
        (10_000, TerminalInput::Char('e')),
        (11_000, TerminalInput::Enter),
        // What is being read is not read again from its beginning.
        (11_500, TerminalInput::Enter),
        (13_000, TerminalInput::Char('q')),
    ];
    let frames = watch_zoomed(300, &shelf, &keys).await;
    check(&frames, 6500, &["events", "its samples are no longer held"]);
    check(&frames, 7500, &["events", "reading older", "1 of 1"]);
    check(&frames, 8500, &["● LIVE"]);
    check(&frames, 9800, &["● LIVE"]);
    check(&frames, 11_550, &["events", "reading older"]);
    check(&frames, 11_900, &["◀ BACK 3 h 20 m", " 66.0 %"]);
    assert_eq!(shelf.around.borrow().len(), 3);
}

/// An alert that fires at `time`.
fn message_at(time: u64) -> Update {
    let alert = Alert {
        name: "cpu > 90".into(),
        rule: "cpu > 90".into(),
        state: AlertState::Firing,
        metric: "cpu".into(),
        value: Some(95.0),
        threshold: Some(90.0),
        since: time,
    };
    let sample = Sample {
        timestamp: time,
        ..sample(95.0)
    };
    message("web-1", time / 1000, Some(alert), sample)
}

/// Whether an event is a summary that begins after `time`.
fn begins_after(event: &ClientEvent, time: u64) -> bool {
    let ClientEvent::Message(received) = event else {
        return false;
    };
    matches!(&received.update, Update::Summary(summary) if time < summary.from)
}

#[tokio::test(start_paused = true)]
async fn a_long_time_is_read_in_steps_whose_peaks_are_visible() {
    let mut past = in_steps(NEWEST);
    past.push((0, numbered("web-1", 20)));
    let shelf = Shelf::of(Script::new(past));
    let frames = watch_hours(&shelf, &[(9000, TerminalInput::Char('q'))]).await;
    let asked = shelf.steps.borrow().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].step, 3 * MINUTE);
    assert_eq!(asked[0].until - asked[0].from, 360 * MINUTE);
    let frame = frames.last();
    let rows: Vec<&str> = frame.lines().collect();
    let cpu = rows.iter().position(|row| row.starts_with(" CPU")).unwrap();
    let cells = |row: &str| row.chars().skip(22).filter(|c| *c != ' ').count();
    assert_eq!(cells(rows[cpu]), 1, "the peak: {frame}");
    let floor = rows[cpu..].iter().find(|row| row.contains("  0┤")).unwrap();
    assert!(cells(floor) >= 56, "{frame}");
    assert!(frame.contains("6 h  (3 m a dot)"), "{frame}");
}
