//! Watching without a server and without a terminal, in time that stands still until somebody waits.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::display::{Display, Size};
use super::limits::Limits;
use super::lines::{self, Form};
use super::screen::{self, Surface};
use super::{Clock, End, Events, Session, once};
use crate::client::{Event, Received};
use crate::cmd::Exit;
use crate::cmd::news::{News, short_name};
use crate::protocol::{
    Alert, AlertState, Body, Gap, GapReason, Hello, HostName, Message, Sample, StreamId, describe,
};
use crate::terminal::Input;
use crate::view::Style;

/// Events and the pauses before them. After the last one the servers stay silent, or are over.
struct Script {
    events: VecDeque<(Duration, Event)>,
    over: bool,
    /// When the next event comes: kept here, so that a dropped future loses nothing.
    due: Option<Instant>,
}

impl Script {
    fn new(events: Vec<(u64, Event)>) -> Self {
        let pause = |(milliseconds, event)| (Duration::from_millis(milliseconds), event);
        Self {
            events: events.into_iter().map(pause).collect(),
            over: false,
            due: None,
        }
    }

    fn ending(events: Vec<(u64, Event)>) -> Self {
        Self {
            over: true,
            ..Self::new(events)
        }
    }
}

impl Events for Script {
    async fn next(&mut self) -> Option<Event> {
        let Some((pause, _)) = self.events.front() else {
            if self.over {
                return None;
            }
            return std::future::pending().await;
        };
        let due = *self.due.get_or_insert(Instant::now() + *pause);
        tokio::time::sleep_until(due).await;
        self.due = None;
        self.events.pop_front().map(|(_, event)| event)
    }
}

/// A screen that keeps its frames and when they were drawn.
struct Frames {
    start: Instant,
    drawn: Vec<(u128, Vec<String>)>,
}

impl Frames {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            drawn: Vec::new(),
        }
    }

    fn times(&self) -> Vec<u128> {
        self.drawn.iter().map(|(at, _)| *at).collect()
    }

    fn last(&self) -> String {
        self.drawn.last().unwrap().1.join("\n")
    }
}

impl Surface for Frames {
    fn size(&self) -> Size {
        (80, 24)
    }

    fn draw(&mut self, frame: &[String]) -> io::Result<()> {
        self.drawn
            .push((self.start.elapsed().as_millis(), frame.to_vec()));
        Ok(())
    }
}

fn session(servers: &[&str], samples: Option<u64>, duration: Option<Duration>) -> Session {
    let names: Vec<String> = servers.iter().map(|&name| name.to_owned()).collect();
    let style = Style {
        colour: false,
        unicode: true,
    };
    Session {
        display: Display::new(&names, 30, style),
        limits: Limits::new(samples, duration),
        news: News::new("watch", names),
        clock: Clock::start(),
    }
}

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn received(server: usize, name: &str, body: Body) -> Event {
    let message = Message {
        host: Some(host(name)),
        body,
    };
    let raw = String::from_utf8(message.encode()).unwrap();
    Event::Message(Received {
        server,
        host: host(name),
        stream: StreamId(1),
        message,
        raw: raw.into(),
    })
}

fn sample(cpu: f64) -> Sample {
    Sample {
        timestamp: 1_795_529_251_204,
        values: vec![("cpu".into(), cpu), ("memory".into(), 61.2)],
        top: None,
    }
}

fn metric(server: usize, name: &str, cpu: f64) -> Event {
    let sample = sample(cpu);
    received(
        server,
        name,
        Body::Metric {
            seq: Some(1),
            sample,
        },
    )
}

fn hello(server: usize, name: &str) -> Event {
    let hello = Hello {
        metrics: ["memory", "cpu"].map(|name| describe(name, 1)).into(),
        ..Hello::default()
    };
    received(server, name, Body::Hello(Box::new(hello)))
}

fn connected(server: usize) -> Event {
    Event::Connected { server }
}

fn lost(server: usize, attempt: u32, retry_in: u64) -> Event {
    Event::Lost {
        server,
        reason: "connection refused".into(),
        attempt,
        retry_in: Duration::from_millis(retry_in),
    }
}

fn stale(name: &str) -> Event {
    Event::Stale { host: host(name) }
}

/// Runs the screen over `script` with keys at their times, for at most a minute.
async fn watch(script: Script, session: &mut Session, keys: &[(u64, Input)]) -> (End, Frames) {
    let (sender, mut receiver) = mpsc::channel(8);
    let keys = keys.to_vec();
    let typist = tokio::spawn(async move {
        let start = Instant::now();
        for (at, key) in keys {
            tokio::time::sleep_until(start + Duration::from_millis(at)).await;
            sender.send(key).await.unwrap();
        }
        // Nobody closes the keyboard by not typing.
        std::future::pending::<()>().await;
    });
    let stop = CancellationToken::new();
    let mut frames = Frames::new();
    let end = screen::follow(script, session, &mut receiver, &mut frames, &stop);
    let end = tokio::time::timeout(Duration::from_secs(60), end).await;
    typist.abort();
    (end.map_or(End::Done, Result::unwrap), frames)
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
        frames.last().contains("● live") && frames.last().contains("55.0 %"),
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
        at(1500).contains("○ STALE 1 s") && at(1500).contains("attempt 1 in 2 s."),
        "{}",
        at(1500)
    );
    assert!(
        at(2500).contains("○ STALE 2 s") && at(2500).contains("attempt 1 in 1 s."),
        "{}",
        at(2500)
    );
    assert!(at(3600).contains("● live"), "{}", at(3600));
}

#[tokio::test(start_paused = true)]
async fn q_leaves() {
    let script = Script::new(vec![(0, metric(0, "web-1", 1.0))]);
    let mut session = session(&["web-1"], None, None);
    let (end, frames) = watch(script, &mut session, &[(700, Input::Quit)]).await;
    assert_eq!((end, frames.start.elapsed().as_millis()), (End::Done, 700));
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_the_display_while_data_are_taken() {
    let script = Script::new(vec![
        (0, connected(0)),
        (0, metric(0, "web-1", 11.0)),
        (1000, metric(0, "web-1", 22.0)),
        (1000, metric(0, "web-1", 33.0)),
    ]);
    let keys = [
        (500, Input::Pause),
        (1500, Input::Other),
        (2500, Input::Pause),
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
    // The maximum tells that the one in between was taken, and the minimum the first.
    assert!(at(2500).contains("11.0     33.0"), "{}", at(2500));
}

#[tokio::test(start_paused = true)]
async fn keys_and_sizes_are_answered_at_once() {
    let script = Script::new(vec![(0, connected(0)), (0, metric(0, "web-1", 1.0))]);
    let keys = [
        (100, Input::Help),
        (101, Input::Other),
        (102, Input::Resize),
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
        (100, Input::Down),
        (200, Input::Down),
        (300, Input::Enter),
        (400, Input::Back),
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
    assert!(at(100).contains("> ● a") && at(200).contains("> ● b"));
    assert!(at(300).starts_with(" b   ● live"), "{}", at(300));
    assert!(at(400).contains("> ● b"));
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

    let stop = CancellationToken::new();
    stop.cancel();
    let (_keyboard, mut keys) = mpsc::channel(1);
    let mut frames = Frames::new();
    let mut stopped = session(&["web-1"], None, None);
    let end = screen::follow(
        Script::new(one()),
        &mut stopped,
        &mut keys,
        &mut frames,
        &stop,
    );
    assert_eq!(end.await.unwrap(), End::Done);
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_without_a_keyboard() {
    let (keyboard, mut keys) = mpsc::channel(1);
    drop(keyboard);
    let script = Script::ending(vec![(1000, metric(0, "web-1", 1.0))]);
    let mut session = session(&["web-1"], None, None);
    let mut frames = Frames::new();
    let stop = CancellationToken::new();
    let end = screen::follow(script, &mut session, &mut keys, &mut frames, &stop);
    assert_eq!(end.await.unwrap(), End::Over);
    assert_eq!(frames.start.elapsed().as_millis(), 1000);
}

/// Runs the lines over `script`; what was written and said.
async fn print(
    script: Script,
    form: Form,
    session: &mut Session,
) -> (io::Result<End>, String, Vec<String>) {
    let mut out = Vec::new();
    let mut said = Vec::new();
    let stop = CancellationToken::new();
    let say = |line: &str| said.push(line.to_owned());
    let end = lines::follow(script, form, session, &mut out, say, &stop).await;
    (end, String::from_utf8(out).unwrap(), said)
}

#[tokio::test(start_paused = true)]
async fn json_is_what_came() {
    let alert = Alert {
        name: "busy".into(),
        rule: "cpu > 90".into(),
        state: AlertState::Firing,
        metric: "cpu".into(),
        value: Some(97.0),
        threshold: Some(90.0),
        since: 5,
    };
    let gap = Gap {
        from: Some(2),
        to: Some(3),
        reason: GapReason::Expired,
    };
    let wanted = [
        metric(0, "web-1", 97.0),
        received(
            0,
            "web-1",
            Body::Alert {
                seq: Some(2),
                alert: Box::new(alert),
                sample: sample(97.0),
            },
        ),
        received(0, "web-1", Body::Gap(gap)),
        received(0, "web-1", Body::End),
    ];
    let raw = |event: &Event| match event {
        Event::Message(received) => format!("{}\n", received.raw),
        _ => unreachable!("all are messages"),
    };
    let expected: String = wanted.iter().map(raw).collect();
    let mut events = vec![(0, connected(0)), (0, hello(0, "web-1"))];
    events.extend(wanted.map(|event| (0, event)));
    let heartbeat = Body::Heartbeat {
        seq: Some(2),
        sample: sample(1.0),
    };
    events.push((0, received(0, "web-1", heartbeat)));
    let (end, out, said) = print(
        Script::ending(events),
        Form::Json,
        &mut session(&["web-1"], None, None),
    )
    .await;
    assert_eq!((end.unwrap(), out, said), (End::Over, expected, vec![]));
}

#[tokio::test(start_paused = true)]
async fn plain_has_the_order_of_the_columns() {
    let events = vec![
        (0, hello(0, "web-1")),
        (0, metric(0, "web-1", 23.4)),
        (0, metric(0, "new", 1.0)),
    ];
    let (_, out, _) = print(
        Script::ending(events),
        Form::Plain,
        &mut session(&["web-1"], None, None),
    )
    .await;
    assert_eq!(
        out,
        "2026-11-24T14:07:31.204Z web-1 memory=61.2 cpu=23.4\n\
         2026-11-24T14:07:31.204Z new cpu=1 memory=61.2\n"
    );
}

#[tokio::test(start_paused = true)]
async fn changes_of_state_are_said_once() {
    let events = vec![
        (0, lost(0, 1, 1000)),
        (1000, lost(0, 2, 1000)),
        (1000, connected(0)),
        (0, metric(0, "web-1", 1.0)),
        (500, lost(0, 1, 1000)),
        (7000, lost(0, 2, 7000)),
        (7000, connected(0)),
        (10, stale("web-1")),
        (3000, metric(0, "web-1", 1.0)),
        (10, metric(0, "web-1", 1.0)),
    ];
    let (_, out, said) = print(
        Script::ending(events),
        Form::Plain,
        &mut session(&["web-1"], None, None),
    )
    .await;
    assert_eq!(out.lines().count(), 3);
    assert_eq!(
        said,
        [
            "web-1: cannot connect (connection refused); trying again",
            "web-1: connected after 2 s",
            "web-1: connection lost (connection refused); reconnecting",
            "web-1: connected again after 14 s",
            "web-1: no sample for three intervals",
            "web-1: samples again after 3 s",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_host_has_its_samples() {
    let events = vec![
        (0, hello(0, "a")),
        (0, hello(0, "b")),
        (0, metric(0, "a", 1.0)),
        (0, metric(0, "a", 2.0)),
        (0, metric(0, "b", 3.0)),
        (0, metric(0, "a", 4.0)),
        (0, metric(0, "b", 5.0)),
        (0, metric(0, "a", 6.0)),
    ];
    let (end, out, _) = print(
        Script::new(events),
        Form::Plain,
        &mut session(&["relay"], Some(2), None),
    )
    .await;
    assert_eq!(end.unwrap(), End::Over);
    let hosts: Vec<&str> = out
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(hosts, ["a", "a", "b", "b"]);
}

/// A pipe that somebody closed.
struct Closed;

impl io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_pipe_is_told_from_other_errors() {
    let script = Script::new(vec![(0, metric(0, "web-1", 1.0))]);
    let stop = CancellationToken::new();
    let mut session = session(&["web-1"], None, None);
    let end = lines::follow(script, Form::Json, &mut session, &mut Closed, |_| {}, &stop).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[track_caller]
fn fails(session: Session, expected: &str) {
    let failure = session.news.exit().unwrap_err();
    assert_eq!(
        (failure.exit, failure.error.to_string().as_str()),
        (Exit::NoConnection, expected)
    );
}

#[tokio::test(start_paused = true)]
async fn who_sees_nothing_is_told_why() {
    let run = async |events| {
        let mut session = session(&["web-1"], None, None);
        let (end, ..) = print(Script::ending(events), Form::Plain, &mut session).await;
        assert_eq!(end.unwrap(), End::Over);
        session
    };
    fails(run(vec![]).await, "nothing was observed: no sample came");
    fails(
        run(vec![(0, connected(0))]).await,
        "nothing was observed: no sample came",
    );
    fails(
        run(vec![(0, lost(0, 1, 0))]).await,
        "cannot watch web-1: connection refused",
    );
    let refused = || Event::Refused {
        server: 0,
        reason: "404 no such host".into(),
    };
    fails(
        run(vec![(0, refused())]).await,
        "cannot watch web-1: 404 no such host",
    );
    let seen = vec![(0, metric(0, "web-1", 1.0)), (0, lost(0, 1, 0))];
    assert_eq!(run(seen).await.news.exit().unwrap(), Exit::Done);
}

/// Runs `--once` over `script`: when it ended, and what it would print.
async fn once(servers: &[&str], events: Vec<(u64, Event)>) -> (u128, String) {
    let start = Instant::now();
    let mut session = session(servers, None, None);
    let stop = CancellationToken::new();
    let end = once::gather(Script::new(events), &mut session, &stop).await;
    assert_eq!(end, End::Over);
    let took = start.elapsed().as_millis();
    (
        took,
        session
            .display
            .report(80, None, session.clock.now())
            .join("\n"),
    )
}

#[tokio::test(start_paused = true)]
async fn once_waits_until_all_that_is_there_has_come() {
    let (took, shown) = once(
        &["web-1"],
        vec![
            (0, connected(0)),
            (0, metric(0, "web-1", 23.4)),
            (20, metric(0, "web-1", 23.5)),
        ],
    )
    .await;
    assert_eq!(took, 170);
    assert!(shown.contains("23.5 %"), "{shown}");

    let late = vec![
        (0, connected(0)),
        (0, hello(0, "a")),
        (0, hello(0, "b")),
        (0, metric(0, "a", 1.0)),
        (900, metric(0, "b", 2.0)),
    ];
    let (took, shown) = once(&["relay"], late).await;
    assert_eq!(took, 1050);
    assert!(shown.contains("● b") && shown.contains(" 2.0 "), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn once_does_not_wait_for_who_is_not_there() {
    let silent = vec![
        (0, connected(0)),
        (0, hello(0, "a")),
        (0, hello(0, "b")),
        (0, metric(0, "a", 1.0)),
    ];
    let (took, shown) = once(&["relay"], silent).await;
    assert_eq!(took, 3000);
    assert!(shown.contains("✕ b"), "{shown}");

    let down = vec![
        (0, connected(0)),
        (0, metric(0, "a", 1.0)),
        (
            40,
            Event::Refused {
                server: 1,
                reason: "refused".into(),
            },
        ),
    ];
    let (took, shown) = once(&["a", "b"], down).await;
    assert_eq!(took, 190);
    assert!(
        shown.contains("✕ DOWN b  refused; not trying again."),
        "{shown}"
    );
}

#[test]
fn servers_have_short_names() {
    for (url, expected) in [
        ("ws://web-1:8080/ws", "web-1"),
        ("ws://127.0.0.1:9000/ws", "127.0.0.1:9000"),
        ("ws://[::1]:8080/ws", "[::1]"),
        ("ws://web-1:80/live", "web-1:80/live"),
        ("ws://a:8080/ws,ws://b:8080/ws", "a,b"),
    ] {
        assert_eq!(short_name(url), expected);
    }
}
