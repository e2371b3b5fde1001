//! The live table.

use std::time::Duration;

use tokio::sync::mpsc;

use super::super::{End, Session, live_table};
use super::script::{Frames, Nothing, Script, connected, hello, keyboard, lost, metric, session};
use crate::cmd::Exit;
use crate::signals::{Asked, INTERRUPT};
use crate::terminal::TerminalInput;

/// Runs the screen over `script` with keys at their times, for at most a minute.
async fn watch(
    script: Script,
    session: &mut Session,
    keys: &[(u64, TerminalInput)],
) -> (End, Frames) {
    let mut receiver = keyboard(keys);
    let asked = Asked::default();
    let mut frames = Frames::new();
    let end = live_table::follow(
        script,
        &Nothing,
        session,
        &mut receiver,
        &mut frames,
        &asked,
    );
    let end = tokio::time::timeout(Duration::from_secs(60), end).await;
    (end.map_or(End::Stopped(INTERRUPT), Result::unwrap), frames)
}

#[tokio::test(start_paused = true)]
async fn a_burst_makes_one_frame_and_silence_none() {
    let mut events = vec![(0, connected(0)), (0, hello(0, "web-1"))];
    events.extend((0..30).map(|n| (0, metric(0, "web-1", f64::from(n)))));
    events.push((2000, metric(0, "web-1", 55.0)));
    let (_, frames) = watch(
        Script::new(events),
        &mut session(&["web-1"], None, None),
        &[],
    )
    .await;
    assert_eq!(frames.times(), [0, 50, 2000]);
    assert!(
        frames.last().contains("● LIVE") && frames.last().contains("55.0 %"),
        "{}",
        frames.last()
    );
}

#[tokio::test(start_paused = true)]
async fn ages_and_countdowns_are_drawn_every_second() {
    let events = vec![
        (0, connected(0)),
        (0, metric(0, "web-1", 1.0)),
        (500, lost(0, 1, 3000)),
        (3000, connected(0)),
        (100, metric(0, "web-1", 2.0)),
    ];
    let (_, frames) = watch(
        Script::new(events),
        &mut session(&["web-1"], None, None),
        &[],
    )
    .await;
    assert_eq!(frames.times(), [0, 50, 500, 1500, 2500, 3500, 3550, 3600]);
    let at = |time| {
        frames
            .drawn
            .iter()
            .find(|(at, _)| *at == time)
            .unwrap()
            .1
            .join(" ")
    };
    assert!(
        at(1500).contains("no data for 1 s") && at(1500).contains(" in 2 s"),
        "{}",
        at(1500)
    );
    assert!(
        at(2500).contains("no data for 2 s") && at(2500).contains(" in 1 s"),
        "{}",
        at(2500)
    );
    assert!(at(3600).contains("● LIVE"), "{}", at(3600));
}

#[tokio::test(start_paused = true)]
async fn q_quits() {
    let script = Script::new(vec![(0, metric(0, "web-1", 1.0))]);
    let mut session = session(&["web-1"], None, None);
    let (end, frames) = watch(script, &mut session, &[(700, TerminalInput::Char('q'))]).await;
    assert_eq!(
        (end, frames.start.elapsed().as_millis()),
        (End::Stopped(INTERRUPT), 700)
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_who_quits_before_any_data_learns_why_there_was_none() {
    let script = Script::new(vec![(0, lost(0, 1, 5000))]);
    let mut session = session(&["web-1"], None, None);
    let (end, _) = watch(script, &mut session, &[(700, TerminalInput::Char('q'))]).await;
    assert_eq!(end, End::Over);
    let failure = session.news.exit().unwrap_err();
    assert_eq!(
        (failure.exit, failure.error.to_string().as_str()),
        (
            Exit::NoConnection,
            "cannot connect to web-1: connection refused"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_the_display_while_data_arrives() {
    let script = Script::new(vec![
        (0, connected(0)),
        (0, metric(0, "web-1", 11.0)),
        (1000, metric(0, "web-1", 22.0)),
        (1000, metric(0, "web-1", 33.0)),
    ]);
    let keys = [
        (500, TerminalInput::Char('p')),
        (1500, TerminalInput::Other),
        (2500, TerminalInput::Char('p')),
    ];
    let (_, frames) = watch(script, &mut session(&["web-1"], None, None), &keys).await;
    let at = |time| {
        frames
            .drawn
            .iter()
            .find(|(at, _)| *at == time)
            .unwrap()
            .1
            .join("\n")
    };
    for time in [500, 1000, 1500, 2000] {
        assert!(
            at(time).contains("PAUSED") && at(time).contains("11.0 %"),
            "{}",
            at(time)
        );
    }
    assert!(
        !at(2500).contains("PAUSED") && at(2500).contains("33.0 %"),
        "{}",
        at(2500)
    );
}

#[tokio::test(start_paused = true)]
async fn keys_and_sizes_are_answered_at_once() {
    let script = Script::new(vec![(0, connected(0)), (0, metric(0, "web-1", 1.0))]);
    let keys = [
        (100, TerminalInput::Char('?')),
        (101, TerminalInput::Other),
        (102, TerminalInput::Resize),
    ];
    let (_, frames) = watch(script, &mut session(&["web-1"], None, None), &keys).await;
    assert_eq!(frames.times(), [0, 50, 100, 101, 102]);
    assert!(frames.drawn[2].1[0].contains("help"));
    assert!(frames.drawn[3].1[0].contains("web-1"));
}

#[tokio::test(start_paused = true)]
async fn keys_select_and_open_hosts() {
    let script = Script::new(vec![
        (0, connected(0)),
        (0, metric(0, "a", 1.0)),
        (0, metric(0, "b", 1.0)),
    ]);
    let keys = [
        (100, TerminalInput::Down),
        (200, TerminalInput::Down),
        (300, TerminalInput::Enter),
        (400, TerminalInput::Back),
    ];
    let (_, frames) = watch(script, &mut session(&["relay"], None, None), &keys).await;
    let at = |time| {
        frames
            .drawn
            .iter()
            .find(|(at, _)| *at == time)
            .unwrap()
            .1
            .join("\n")
    };
    assert!(at(100).contains(">●  a") && at(200).contains(">●  b"));
    assert!(
        at(300).starts_with(" ✓  b  nothing is wrong"),
        "{}",
        at(300)
    );
    assert!(at(400).contains(">●  b"));
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_servers_the_samples_the_time_or_a_signal() {
    let one = || {
        vec![
            (0, metric(0, "web-1", 1.0)),
            (1000, metric(0, "web-1", 1.0)),
        ]
    };
    let mut ended = session(&["web-1"], None, None);
    assert_eq!(
        watch(Script::ending(one()), &mut ended, &[]).await.0,
        End::Over
    );
    assert_eq!(ended.news.exit().unwrap(), Exit::Done);

    let mut counted = session(&["web-1"], Some(2), None);
    let (end, frames) = watch(Script::new(one()), &mut counted, &[]).await;
    assert_eq!((end, frames.start.elapsed().as_millis()), (End::Over, 1000));

    let mut timed = session(&["web-1"], None, Some(Duration::from_millis(300)));
    let (end, frames) = watch(Script::new(one()), &mut timed, &[]).await;
    assert_eq!((end, frames.start.elapsed().as_millis()), (End::Over, 300));

    let asked = Asked::default();
    asked.stop.cancel();
    let (_keyboard, mut keys) = mpsc::channel(1);
    let mut frames = Frames::new();
    let mut stopped = session(&["web-1"], None, None);
    let end = live_table::follow(
        Script::new(one()),
        &Nothing,
        &mut stopped,
        &mut keys,
        &mut frames,
        &asked,
    );
    assert_eq!(end.await.unwrap(), End::Stopped(INTERRUPT));
}

#[tokio::test(start_paused = true)]
async fn it_works_without_a_keyboard() {
    let (keyboard, mut keys) = mpsc::channel(1);
    drop(keyboard);
    let script = Script::ending(vec![(1000, metric(0, "web-1", 1.0))]);
    let mut session = session(&["web-1"], None, None);
    let mut frames = Frames::new();
    let asked = Asked::default();
    let end = live_table::follow(
        script,
        &Nothing,
        &mut session,
        &mut keys,
        &mut frames,
        &asked,
    );
    assert_eq!(end.await.unwrap(), End::Over);
    assert_eq!(frames.start.elapsed().as_millis(), 1000);
}

#[test]
fn lines_that_follow_the_last_frame_have_their_room() {
    let doubt = "warning: --columns: web-1: no metric cpus".to_owned();
    for (doubts, width, expected) in [
        (&[][..], 80, 2),
        (std::slice::from_ref(&doubt), 80, 3),
        (&[doubt.clone(), doubt.clone()], 80, 4),
        (std::slice::from_ref(&doubt), 20, 5),
    ] {
        assert_eq!(live_table::lines_after(doubts, width), expected, "{width}");
    }
}
