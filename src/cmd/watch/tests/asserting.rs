//! What becomes of assertions, by the messages that arrive.

use std::time::Duration;

use super::super::assertions::{AssertionArgs, Assertions};
use super::super::line_output::{self, LineFormat, LineOutput};
use super::super::{End, Session};
use super::as_lines::Closed;
use super::script::{Script, alert, connected, host, metric, numbered, received, sample, session};
use crate::cli::GlobalArgs;
use crate::client::ClientEvent;
use crate::cmd::Exit;
use crate::protocol::{
    Alert, AlertState, Gap, GapReason, Hello, Numbered, Replay, Sample, StreamId, Update,
};
use crate::signals::{Asked, INTERRUPT};

fn asserting(until: Option<&str>, alerts: Option<Option<&str>>) -> Session {
    asserting_within(until, alerts, None, None)
}

fn asserting_within(
    until: Option<&str>,
    alerts: Option<Option<&str>>,
    samples: Option<u64>,
    duration: Option<Duration>,
) -> Session {
    let args = AssertionArgs {
        until: until.map(str::to_owned),
        fail_on_alert: alerts.map(|name| name.map(str::to_owned)),
    };
    Session {
        assertions: Assertions::new(&args).unwrap(),
        ..session(&["web-1"], samples, duration)
    }
}

/// The exit status of a session, and its line.
fn concluded(session: Session, end: End) -> (Exit, String) {
    let global = GlobalArgs {
        color: crate::terminal::Colour::Never,
        verbose: 0,
        quiet: true,
    };
    match session.conclude(end, &global) {
        Ok(exit) => (exit, String::new()),
        Err(failure) => (failure.exit, failure.to_string()),
    }
}

async fn run(
    events: Vec<ClientEvent>,
    mut session: Session,
    out: &mut impl LineOutput,
) -> (Exit, String) {
    let script = Script::ending(events.into_iter().map(|event| (0, event)).collect());
    let asked = Asked::default();
    let end =
        line_output::follow(script, LineFormat::Json, &mut session, out, |_| {}, &asked).await;
    concluded(session, end.unwrap_or(End::Stopped(13)))
}

/// The exit status after `events` and the end of the stream, and how many messages were printed.
async fn after(events: Vec<ClientEvent>, session: Session) -> (u8, usize) {
    let mut out = Vec::new();
    let (exit, _) = run(events, session, &mut out).await;
    let lines = out.iter().filter(|byte| **byte == b'\n').count();
    (exit.code(), lines)
}

/// Samples of `web-1`, a second apart, whose `cpu` is their number.
fn samples(numbers: impl IntoIterator<Item = u64>) -> Vec<ClientEvent> {
    let samples = numbers.into_iter().map(|seq| numbered("web-1", seq));
    [connected(0), greeting(vec![], 0)]
        .into_iter()
        .chain(samples)
        .collect()
}

fn greeting(alerts: Vec<Alert>, newest: u64) -> ClientEvent {
    greeting_of(alerts, newest, None)
}

fn greeting_of(alerts: Vec<Alert>, newest: u64, replay: Option<Replay>) -> ClientEvent {
    let hello = Hello {
        stream: StreamId(1),
        interval: 1000,
        alerts,
        newest,
        replay,
        ..Hello::default()
    };
    received(0, "web-1", Update::Hello(Box::new(hello)))
}

fn gap() -> ClientEvent {
    let gap = Gap {
        from: None,
        to: None,
        reason: GapReason::Expired,
    };
    received(0, "web-1", Update::Gap(gap))
}

/// A sample of another stream.
fn in_stream(stream: u64, seq: u64, second: u64, cpu: f64) -> ClientEvent {
    let start = sample(0.0).timestamp;
    let message = Numbered {
        host: host("web-1"),
        stream: StreamId(stream),
        seq,
        alert: None,
        sample: Sample {
            timestamp: start + second * 1000,
            ..sample(cpu)
        },
    };
    received(0, "web-1", Update::Numbered(message))
}

const RULE: &str = "cpu > 4 for 2s";

#[tokio::test(start_paused = true)]
async fn a_rule_comes_true_at_the_sample_at_which_it_fires() {
    for (numbers, expected) in [
        (vec![1, 2, 3, 4, 5, 6, 7, 8], (0, 7)),
        (vec![1, 2, 3, 4, 5, 6], (5, 6)),
        (vec![1, 2], (5, 2)),
        // The clock decides, not the count.
        (vec![5, 7], (0, 2)),
        // A restarted replay.
        (vec![5, 6, 1, 2, 5, 6, 7, 8], (0, 7)),
    ] {
        let found = after(samples(numbers.clone()), asserting(Some(RULE), None)).await;
        assert_eq!(found, expected, "{numbers:?}");
    }
    let nothing = after(vec![connected(0)], asserting(Some(RULE), None)).await;
    assert_eq!(nothing, (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_neither_true_nor_false() {
    let with = |hole: ClientEvent, rest: &[u64]| {
        let mut events = samples([4, 5]);
        events.push(hole);
        events.extend(rest.iter().map(|&seq| numbered("web-1", seq)));
        events
    };
    // As long as `for`, and longer.
    let short = after(with(gap(), &[7, 8]), asserting(Some(RULE), None)).await;
    assert_eq!(short, (0, 4));
    let long = after(with(gap(), &[8, 9, 10]), asserting(Some(RULE), None)).await;
    assert_eq!(long, (0, 6));
    // A server that restarts.
    let mut events = samples([4, 5]);
    events.extend([in_stream(2, 1, 6, 9.0), in_stream(2, 2, 7, 9.0)]);
    assert_eq!(after(events, asserting(Some(RULE), None)).await, (0, 4));
    let mut events = samples([4, 5]);
    events.extend([8, 9, 10].map(|second| in_stream(2, second, second, 9.0)));
    assert_eq!(after(events, asserting(Some(RULE), None)).await, (0, 5));
}

#[tokio::test(start_paused = true)]
async fn the_speed_of_a_replay_decides_nothing() {
    for interval in [1, 100, 1000] {
        let hello = Hello {
            stream: StreamId(1),
            interval,
            replay: Some(Replay::default()),
            ..Hello::default()
        };
        let mut events = samples([5, 6]);
        events[1] = received(0, "web-1", Update::Hello(Box::new(hello)));
        // A step that is longer than `for`: it would be a hole if an interval of 1 ms were believed.
        let found = after(events, asserting(Some("cpu > 4 for 500ms"), None)).await;
        assert_eq!(found, (0, 2), "{interval}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_host_and_nothing_beyond_the_limits_counts() {
    let both = || {
        let mut events = samples([1, 2]);
        events.extend([5, 7].map(|seq| numbered("web-2", seq)));
        events
    };
    assert_eq!(after(both(), asserting(Some(RULE), None)).await, (0, 4));
    let counted = |count| asserting_within(Some(RULE), None, Some(count), None);
    assert_eq!(after(samples(1..9), counted(6)).await, (5, 6));
    assert_eq!(after(samples(1..9), counted(7)).await, (0, 7));
    // The one with its samples is not judged while the other lacks some.
    let mut events = samples([4, 5, 6, 7]);
    events.insert(2, metric(0, "web-2", 1.0));
    assert_eq!(after(events, counted(2)).await, (5, 3));

    let mut timed = asserting_within(Some(RULE), None, None, Some(Duration::from_secs(3)));
    let script = Script::new(samples([1, 2]).into_iter().map(|it| (0, it)).collect());
    let mut out = Vec::new();
    let asked = Asked::default();
    let end = line_output::follow(
        script,
        LineFormat::Json,
        &mut timed,
        &mut out,
        |_| {},
        &asked,
    );
    let end = end.await.unwrap();
    let (exit, line) = concluded(timed, end);
    assert_eq!(exit, Exit::NotMet);
    assert_eq!(line, "--until 'cpu > 4 for 2s' did not come true");
}

const ANY: Option<Option<&str>> = Some(None);

fn firing(began: u64) -> Alert {
    match alert("web-1", began, AlertState::Firing, began) {
        ClientEvent::Message(received) => match received.update {
            Update::Numbered(message) => *message.alert.unwrap(),
            _ => unreachable!("it is an alert"),
        },
        _ => unreachable!("it is a message"),
    }
}

/// What arrives, in words: `1` is a sample, `+3/2` an alert with the number 3 that has been true since the sample 2, `-`
/// its end, and `h5!2` a hello with the newest number 5 that says the same; `r5` is one of a replay. What begins with `b`
/// is of another host.
fn arriving(words: &str) -> Vec<ClientEvent> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    let event = |word: &str| {
        let host = if word.starts_with('b') {
            "web-2"
        } else {
            "web-1"
        };
        let word = word.trim_start_matches('b');
        let (first, rest) = word.split_at(1);
        match first {
            "+" | "-" => {
                let (seq, began) = rest.split_once('/').unwrap();
                let states = [AlertState::Resolved, AlertState::Firing];
                alert(
                    host,
                    number(seq),
                    states[usize::from(first == "+")],
                    number(began),
                )
            }
            "h" | "r" => {
                let (newest, began) = rest.split_once('!').unwrap_or((rest, ""));
                let alerts = began.parse().ok().map(firing).into_iter().collect();
                greeting_of(alerts, number(newest), (first == "r").then(Replay::default))
            }
            _ => numbered(host, number(word)),
        }
    };
    words.split(' ').map(event).collect()
}

#[tokio::test(start_paused = true)]
async fn an_alert_counts_if_it_fires_after_the_first_hello() {
    for (name, words, expected) in [
        ("none", "h0 1", 0),
        ("one", "h0 1 +2/1", 4),
        ("one of another host", "h0 1 b+2/1", 4),
        ("what was resolved", "h0 1 -2/1", 0),
        ("what fires already", "h5!3 6", 0),
        ("what fires already, behind its sample", "h5!4 4 +5/4", 0),
        ("what is past", "h9 4 +5/4 6 -7/4", 0),
        ("what fires again", "h5!4 -6/4 7 +8/7", 4),
        ("a later hello without news", "h5!3 6 h9!3 10", 0),
        ("what fired in a gap", "h5!3 6 h9!7 10", 4),
        ("what is still to arrive after a hello", "h0 1 h9!7 2", 0),
        ("a replay that has read ahead", "r9!4 4 +5/4", 4),
        ("what fires already in a replay", "r9!4 9 -10/4", 0),
    ] {
        let found = after(arriving(words), asserting(None, ANY)).await;
        assert_eq!(found.0, expected, "{name}");
    }
    assert_eq!(after(vec![], asserting(None, ANY)).await, (3, 0));
}

#[tokio::test(start_paused = true)]
async fn only_the_named_alert_counts_where_one_is_named() {
    let events = || {
        let mut events = samples([1]);
        events.push(alert("web-1", 2, AlertState::Firing, 1));
        events
    };
    let named = |name| asserting(None, Some(Some(name)));
    assert_eq!(after(events(), named("cpu > 90")).await.0, 4);
    assert_eq!(after(events(), named("cpu > 9")).await.0, 0);
    let mut session = named("hot");
    for event in events() {
        session.take(&event);
    }
    let remark = session.assertions.remark().unwrap();
    assert_eq!(remark, "'cpu > 90' fired, but no alert named 'hot' did");
    let args = AssertionArgs {
        until: None,
        fail_on_alert: Some(Some(" ".into())),
    };
    assert_eq!(Assertions::new(&args).unwrap_err().exit, Exit::Usage);
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_assertions_decides() {
    let with_alert = |seq: u64| {
        let mut events = samples(1..8);
        let place = usize::try_from(seq).unwrap() + 2;
        events.insert(place, alert("web-1", seq, AlertState::Firing, seq));
        events
    };
    let both = |rule| asserting(Some(rule), ANY);
    assert_eq!(after(with_alert(5), both("cpu > 3")).await, (0, 4));
    assert_eq!(after(with_alert(2), both("cpu > 3")).await, (4, 3));
    // They come with the same sample: the rule is judged by the sample, and the alert comes behind it.
    assert_eq!(after(with_alert(4), both("cpu > 3")).await, (0, 4));
    assert_eq!(after(samples(1..8), both("cpu > 9")).await, (5, 7));
}

#[tokio::test(start_paused = true)]
async fn an_interruption_is_no_answer() {
    for (until, alerts) in [(Some(RULE), None), (None, ANY), (Some(RULE), ANY)] {
        for signal in [INTERRUPT, 15] {
            let open = asserting(until, alerts);
            let exit = concluded(open, End::Stopped(signal)).0;
            assert_eq!(exit, Exit::Interrupted(signal));
        }
        let closed = run(samples([1]), asserting(until, alerts), &mut Closed)
            .await
            .0;
        assert_eq!(closed, Exit::Interrupted(13));
    }
    let none = concluded(asserting(None, None), End::Stopped(INTERRUPT)).0;
    assert_eq!(none, Exit::Done);
    // The message that decides is judged whether or not anybody reads it.
    let met = run(samples([5]), asserting(Some("cpu > 4"), None), &mut Closed)
        .await
        .0;
    assert_eq!(met, Exit::Done);
    let fires = vec![alert("web-1", 2, AlertState::Firing, 1)];
    let (exit, line) = run(fires, asserting(None, ANY), &mut Closed).await;
    assert_eq!(exit, Exit::AlertFired);
    assert_eq!(
        line,
        "alert 'cpu > 90' fired on web-1 at 2026-11-24T14:07:33.204Z: cpu is 95.0 %"
    );
}

#[tokio::test(start_paused = true)]
async fn a_metric_that_nobody_announces_is_doubted_once() {
    let mut session = asserting(Some("cpuu > 90"), None);
    let mut said = Vec::new();
    for event in samples([1, 2]).into_iter().chain(samples([3])) {
        said.extend(session.take(&event));
    }
    let doubt = "no metric 'cpuu' is known; the nearest is cpu: write cpu";
    assert_eq!(said, [format!("warning: --until: {doubt}")]);
    let (exit, line) = concluded(session, End::Over);
    assert_eq!(exit, Exit::NotMet);
    assert_eq!(
        line,
        format!("--until 'cpuu > 90' did not come true: {doubt}")
    );
}
