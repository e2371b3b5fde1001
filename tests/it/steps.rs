//! `step=`: the past in summaries, then what is live.

use std::fs;
use std::path::Path;

use crate::harness::events::Events;
use crate::harness::http::get;
use crate::harness::metrics::Metrics;
use crate::harness::recording::plain;
use crate::harness::viewer::{Seen, Viewer};
use crate::harness::wire::Wire;
use crate::harness::{PATIENCE, wait_for};
use crate::spool::{serve, write_spool};

const TEN_MINUTES: u64 = 600_000;

/// The summaries up to the first sample, as text, and that sample.
fn summed_up(url: &str, query: &str) -> (Vec<(Wire, String)>, Wire) {
    let mut viewer = Viewer::connect(url, query);
    let mut summaries = Vec::new();
    loop {
        match viewer.next() {
            Seen::Message(message @ Wire::Summary { .. }, text) => summaries.push((message, text)),
            Seen::Message(message @ Wire::Metric { .. }, _) => return (summaries, message),
            Seen::Message(..) => {}
            Seen::Closed(code) => panic!("closed with {code:?}"),
        }
    }
}

/// Waits for a sample of this run, whose spool ends at `last`. Until then, the newest one is of the run before.
fn until_sampled(url: &str, last: u64) {
    let mut viewer = Viewer::connect(url, "");
    while !matches!(viewer.message(), Wire::Metric { data, .. } if data.timestamp > last) {}
}

/// How many files have this suffix.
fn files_with(suffix: &str, directory: &Path) -> usize {
    let files = fs::read_dir(directory).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(suffix)).count()
}

/// Checks each summary against the samples of the spool; returns how many samples they stand for.
fn check_summaries(summaries: &[(Wire, String)], times: &[u64]) -> u64 {
    let mut total = 0;
    let mut next = 0;
    for (summary, text) in summaries {
        let Wire::Summary {
            from,
            to,
            count,
            mean,
            min,
            max,
            ..
        } = summary
        else {
            panic!("{text}")
        };
        assert_eq!((from % TEN_MINUTES, to - from), (0, TEN_MINUTES), "{text}");
        assert!(next <= *from, "{text}");
        next = *to;
        total += count;
        let inside: Vec<_> = (1..)
            .zip(times)
            .filter(|(_, time)| (*from..*to).contains(time))
            .map(|(seq, _): (u64, _)| (seq % 100) as f64)
            .collect();
        if inside.len() as u64 == *count {
            let expected = inside.iter().sum::<f64>() / inside.len() as f64;
            let least = inside.iter().copied().fold(f64::MAX, f64::min);
            let greatest = inside.iter().copied().fold(f64::MIN, f64::max);
            assert!((mean["cpu"] - expected).abs() <= expected * 1e-4, "{text}");
            assert_eq!((min["cpu"], max["cpu"]), (least, greatest), "{text}");
            assert_eq!(mean["requestsPerSecond"], 120.25, "{text}");
        }
    }
    total
}

#[test]
fn a_day_is_read_in_steps_beyond_the_ring() {
    let dir = tempfile::tempdir().unwrap();
    let times = write_spool(dir.path(), 4);
    let server = serve(dir.path()).start();
    let host = dir.path().join("web-1");
    let closed = files_with(".csv.gz", &host);
    wait_for(
        PATIENCE,
        || (files_with(".minutes", &host) >= closed).then_some(()),
        || {
            format!(
                "{} of {closed}\n{}",
                files_with(".minutes", &host),
                server.story()
            )
        },
    );
    until_sampled(server.url(), *times.last().unwrap());
    let (summaries, live) = summed_up(server.url(), "since=5h&step=10m");
    let Wire::Metric { seq: live, .. } = live else {
        panic!("{live:?}")
    };
    // Each sample of the spool is in one summary; the rest are of this run.
    assert_eq!(
        check_summaries(&summaries, &times),
        times.len() as u64 + live - 1
    );
    assert!(summaries.len() >= 24, "{}", summaries.len());
    // A part of it, and the same over an event stream.
    let (some, _) = summed_up(server.url(), "last=700&step=10m");
    // Only what was there before this run is the same whenever it is asked for.
    let whole = |all: &[(Wire, String)]| -> Vec<String> {
        let is_old = |message: &Wire| matches!(message, Wire::Summary { to, .. } if to <= times.last().unwrap());
        let old = all.iter().filter(|(message, _)| is_old(message));
        old.map(|(_, text)| text.clone()).collect()
    };
    let (summaries, some) = (whole(&summaries), whole(&some));
    assert!(
        10 < some.len() && some.len() < summaries.len(),
        "{}",
        some.len()
    );
    assert_eq!(summaries[summaries.len() - some.len()..], some);
    let events = Events::open(server.port(), "/events?since=5h&step=10m", "");
    let events = events.map(|event| event.data);
    let events: Vec<_> = events
        .filter(|data| !data.contains(r#""type":"hello""#) && !data.contains(r#""type":"gap""#))
        .take(summaries.len())
        .collect();
    assert_eq!(events, summaries);
}

#[test]
fn a_replay_is_summed_up_as_far_as_it_was_played() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let mut csv = plain("web-1", 100, 1000);
    // A last row that is far from due.
    let last = csv.lines().last().unwrap();
    let mut cells: Vec<_> = last.split(',').collect();
    (cells[0], cells[3]) = ("2099-01-01T00:00:00.000Z", "101");
    csv = format!("{csv}{}\n", cells.join(","));
    fs::write(&file, csv).unwrap();
    let replay = Metrics::replay([&file]).args(["--speed", "1000"]).start();
    let mut first = Viewer::connect(replay.url(), "last=999");
    first.numbered(100);
    let (summaries, live) = summed_up(replay.url(), "last=999&step=30s");
    let counts = summaries.iter().map(|(summary, text)| match summary {
        Wire::Summary { count, .. } => *count,
        _ => panic!("{text}"),
    });
    assert_eq!(counts.sum::<u64>(), 99);
    assert_eq!(live.seq(), Some(100));
}

#[test]
fn a_browser_that_returns_resumes_without_steps() {
    let server = Metrics::serve().start();
    let mut events = Events::open(server.port(), "/events?since=1h&step=1m", "");
    let id = events.find_map(|event| event.id).unwrap();
    let seq: u64 = id.rsplit(':').next().unwrap().parse().unwrap();
    let header = format!("Last-Event-ID: {id}\r\n");
    let mut events = Events::open(server.port(), "/events?since=1h&step=1m", &header);
    let next = events.find_map(|event| event.id).unwrap();
    assert!(
        next.ends_with(&format!(":{}", seq + 1)),
        "{id}, then {next}"
    );
}

#[test]
fn wrong_steps_are_refused_with_advice() {
    let server = Metrics::serve().start();
    for (query, expected) in [
        (
            "since=1h&step=soon",
            "step: 'soon' is not a duration: write a number and a unit",
        ),
        (
            "since=1h&step=0s",
            "step: '0s' is too short: write 1s or more, such as step=1m",
        ),
        ("since=1h&step=100ms", "step: '100ms' is too short"),
        ("since=1h&step=-1m", "step: '-1m' is negative"),
        (
            "step=1m",
            "step= needs a beginning: add since=, such as since=24h, or last=",
        ),
        (
            "since=1h&step=1m&after=web-1:k3v9q2:1",
            "step= and after= exclude each other",
        ),
    ] {
        let (status, reason) = Viewer::refused(server.url(), query);
        assert_eq!(status, 400, "{query}");
        let (event_status, event_reason) = get(server.port(), &format!("/events?{query}"));
        assert_eq!(
            (event_status, event_reason.trim_end()),
            (400, reason.trim_end())
        );
        assert!(reason.starts_with(expected), "{query}: {reason}");
        assert_eq!(reason.trim_end().lines().count(), 1, "{reason}");
    }
    let (status, reason) = get(server.port(), "/recording.csv?since=1h&step=1m");
    assert_eq!(status, 400);
    assert!(reason.contains("step= is for /ws and /events"), "{reason}");
}
