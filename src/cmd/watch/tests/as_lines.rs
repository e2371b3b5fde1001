//! Lines for other programs, and the messages beside them.

use std::io;

use super::super::columns::AskedColumns;
use super::super::line_output::{self, LineFormat};
use super::super::{End, Session};
use super::script::{
    Script, connected, hello, lost, message, metric, received, sample, session, stale,
};
use crate::client::ClientEvent;
use crate::cmd::Exit;
use crate::protocol::{Aggregate, Alert, AlertState, Gap, GapReason, Update};
use crate::signals::Asked;

/// Runs the lines over `script`; returns what was written and reported.
async fn print(
    script: Script,
    format: LineFormat,
    session: &mut Session,
) -> (io::Result<End>, String, Vec<String>) {
    let mut out = Vec::new();
    let mut said = Vec::new();
    let asked = Asked::default();
    let say = |line: &str| said.push(line.to_owned());
    let end = line_output::follow(script, format, session, &mut out, say, &asked).await;
    (end, String::from_utf8(out).unwrap(), said)
}

#[tokio::test(start_paused = true)]
async fn json_is_what_arrived() {
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
    let mut minute = Aggregate::default();
    minute.add(&sample(97.0));
    let summary = minute.summary(60_000, 120_000);
    let wanted = [
        metric(0, "web-1", 97.0),
        received(0, "web-1", message("web-1", 2, Some(alert), sample(97.0))),
        received(0, "web-1", Update::Gap(gap)),
        received(0, "web-1", Update::Summary(Box::new(summary))),
        received(0, "web-1", Update::End),
    ];
    let raw = |event: &ClientEvent| match event {
        ClientEvent::Message(received) => format!("{}\n", received.raw),
        _ => unreachable!("all are messages"),
    };
    let expected: String = wanted.iter().map(raw).collect();
    let mut events = vec![(0, connected(0)), (0, hello(0, "web-1"))];
    events.extend(wanted.map(|event| (0, event)));
    let heartbeat = Update::Heartbeat {
        seq: Some(2),
        sample: sample(1.0),
    };
    events.push((0, received(0, "web-1", heartbeat)));
    let (end, out, said) = print(
        Script::ending(events),
        LineFormat::Json,
        &mut session(&["web-1"], None, None),
    )
    .await;
    assert_eq!((end.unwrap(), out, said), (End::Over, expected, vec![]));
}

#[tokio::test(start_paused = true)]
async fn plain_lines_begin_with_what_says_most() {
    let events = vec![
        (0, hello(0, "web-1")),
        (0, metric(0, "web-1", 23.4)),
        (0, metric(0, "new", 1.0)),
    ];
    let (_, out, _) = print(
        Script::ending(events),
        LineFormat::Plain,
        &mut session(&["web-1"], None, None),
    )
    .await;
    assert_eq!(
        out,
        "2026-11-24T14:07:31.204Z web-1 cpu=23.4 memory=61.2\n\
         2026-11-24T14:07:31.204Z new cpu=1 memory=61.2\n"
    );
}

#[tokio::test(start_paused = true)]
async fn plain_follows_the_order_of_the_columns_that_were_asked_for() {
    let events = vec![(0, hello(0, "web-1")), (0, metric(0, "web-1", 23.4))];
    let names = ["memory", "swap", "cpuu", "cpu"].map(str::to_owned);
    let mut session = Session {
        columns: AskedColumns::new(names.to_vec()),
        ..session(&["web-1"], None, None)
    };
    let (_, out, said) = print(Script::ending(events), LineFormat::Plain, &mut session).await;
    let line = "2026-11-24T14:07:31.204Z web-1 memory=61.2 swap= cpuu= cpu=23.4\n";
    assert_eq!(out, line);
    let doubt = "no metric 'cpuu' is known; the nearest is cpu: write cpu";
    assert_eq!(said, [format!("warning: --columns: web-1: {doubt}")]);
}

#[tokio::test(start_paused = true)]
async fn changes_of_state_are_reported_once() {
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
        LineFormat::Plain,
        &mut session(&["web-1"], None, None),
    )
    .await;
    assert_eq!(out.lines().count(), 3);
    assert_eq!(
        said,
        [
            "web-1: cannot connect (connection refused); retrying",
            "web-1: connected after 2 s",
            "web-1: connection lost (connection refused); reconnecting",
            "web-1: reconnected after 14 s",
            "web-1: no sample for three intervals",
            "web-1: samples arrive again after 3 s",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_host_gets_its_samples() {
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
        LineFormat::Plain,
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
pub(super) struct Closed;

impl line_output::LineOutput for Closed {
    async fn write(&mut self, _: String) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

impl line_output::LineOutput for Vec<u8> {
    async fn write(&mut self, line: String) -> io::Result<()> {
        self.extend_from_slice(line.as_bytes());
        self.push(b'\n');
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_pipe_is_distinguished_from_other_errors() {
    let script = Script::new(vec![(0, metric(0, "web-1", 1.0))]);
    let asked = Asked::default();
    let mut session = session(&["web-1"], None, None);
    let end = line_output::follow(
        script,
        LineFormat::Json,
        &mut session,
        &mut Closed,
        |_| {},
        &asked,
    )
    .await;
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
async fn a_user_who_sees_nothing_learns_why() {
    let run = async |events| {
        let mut session = session(&["web-1"], None, None);
        let (end, ..) = print(Script::ending(events), LineFormat::Plain, &mut session).await;
        assert_eq!(end.unwrap(), End::Over);
        session
    };
    fails(run(vec![]).await, "nothing was observed: no sample arrived");
    fails(
        run(vec![(0, connected(0))]).await,
        "nothing was observed: no sample arrived",
    );
    fails(
        run(vec![(0, lost(0, 1, 0))]).await,
        "cannot connect to web-1: connection refused",
    );
    let refused = || ClientEvent::Refused {
        server: 0,
        reason: "404 no such host".into(),
    };
    fails(
        run(vec![(0, refused())]).await,
        "cannot connect to web-1: 404 no such host",
    );
    let seen = vec![(0, metric(0, "web-1", 1.0)), (0, lost(0, 1, 0))];
    assert_eq!(run(seen).await.news.exit().unwrap(), Exit::Done);
}
