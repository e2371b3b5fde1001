//! What a viewer gets, in short words: `hello s1`, `1`, `gap 2-4`, `gap restarted`, `heartbeat 4`, `end`.

mod hello;
mod memory;
mod moved;
mod past;
mod relayed;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Announcement, Batch, HostPublisher, Hub, Retention, Subscription, Timeline};
use crate::protocol::{
    Alert, AlertState, Body, Gap, HostName, Message, Numbered, Query, Sample, StreamId,
};

const KEEP_ALL: Retention = Retention {
    duration: Duration::from_secs(1_000_000),
    lossless: false,
};

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

fn announcement(stream: &str) -> Announcement {
    Announcement {
        stream: stream.parse().unwrap(),
        interval: 2000,
        heartbeat: 30_000,
        system: None,
        replay: None,
        metrics: Arc::new([]),
        containers: false,
        unavailable: Arc::new([]),
    }
}

fn sample(stream: &str, seq: u64) -> Numbered {
    let sample = Sample {
        timestamp: seq * 1000,
        values: vec![("cpu".into(), 1.0)],
        ..Sample::default()
    };
    Numbered {
        host: host("a"),
        stream: stream.parse().unwrap(),
        seq,
        alert: None,
        sample,
    }
}

fn alert(seq: u64, state: AlertState) -> Numbered {
    let alert = Alert {
        name: "busy".into(),
        rule: "cpu > 90".into(),
        state,
        metric: "cpu".into(),
        value: Some(97.0),
        threshold: Some(90.0),
        since: 1,
    };
    Numbered {
        alert: Some(Box::new(alert)),
        ..sample("s1", seq)
    }
}

/// A hub with the host `a`, timed by its messages: one a second.
fn hub(retention: Retention) -> (Hub, HostPublisher) {
    let hub = Hub::new(retention);
    let publisher = hub.publisher(Timeline::Recorded).host(&host("a"));
    (hub, publisher)
}

fn push(publisher: &HostPublisher, stream: &str, seqs: impl IntoIterator<Item = u64>) {
    publisher.announce(announcement(stream));
    for seq in seqs {
        let host = publisher.host().clone();
        publisher.push(Numbered {
            host,
            ..sample(stream, seq)
        });
    }
}

fn subscribe(hub: &Hub, query: &str) -> Subscription {
    hub.subscribe(Query::parse(query).unwrap()).unwrap()
}

fn read(subscription: &mut Subscription) -> Vec<String> {
    let mut frames = Vec::new();
    while subscription.read(&mut frames, 1000) == Batch::More {}
    frames
        .iter()
        .map(|frame| short(&Message::decode(std::str::from_utf8(frame.json()).unwrap()).unwrap()))
        .collect()
}

fn short(message: &Message) -> String {
    match &message.body {
        Body::Hello(hello) => format!("hello {}", hello.stream),
        Body::Numbered(message) => {
            let kind = message.alert.as_ref().map_or("", |_| "alert ");
            format!("{kind}{}", message.seq.unwrap())
        }
        Body::Heartbeat { seq, .. } => format!("heartbeat {}", seq.unwrap()),
        Body::Gap(Gap {
            from: Some(from),
            to: Some(to),
            ..
        }) => format!("gap {from}-{to}"),
        Body::Gap(gap) => format!("gap {:?}", gap.reason).to_lowercase(),
        Body::Summary(it) => format!("{}x {}-{}", it.count, it.from / 1000, it.to / 1000),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[track_caller]
fn check(hub: &Hub, query: &str, expected: &str) {
    assert_eq!(
        read(&mut subscribe(hub, query)).join(", "),
        expected,
        "{query}"
    );
}

#[test]
fn a_viewer_starts_where_its_query_says() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=5);
    check(&hub, "", "hello s1, 5");
    check(&hub, "last=2", "hello s1, 4, 5");
    check(&hub, "last=0", "hello s1");
    check(&hub, "last=99", "hello s1, 1, 2, 3, 4, 5");
    check(&hub, "since=2s", "hello s1, 3, 4, 5");
    check(&hub, "after=a:s1:3&last=1", "hello s1, 4, 5");
    check(&hub, "after=b:s1:3&last=1", "hello s1, 5");
}

#[test]
fn the_newest_sample_brings_its_alert() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=2);
    publisher.push(alert(3, AlertState::Firing));
    check(&hub, "", "hello s1, 2, alert 3");
}

#[test]
fn live_and_catching_up_are_the_same_read() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=1);
    let mut viewer = subscribe(&hub, "");
    assert_eq!(read(&mut viewer), ["hello s1", "1"]);
    assert_eq!(read(&mut viewer), [""; 0]);
    push(&publisher, "s1", 2..=4);
    assert_eq!(
        read(&mut viewer),
        ["2", "3", "4"],
        "an announcement that says nothing new is none"
    );
}

#[test]
fn resuming_is_all_or_nothing() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s2", (1..=3).chain(7..=8));
    check(&hub, "after=a:s2:8", "hello s2");
    check(&hub, "after=a:s2:2", "hello s2, 3, gap 4-6, 7, 8");
    check(&hub, "after=a:s2:5", "hello s2, gap 6-6, 7, 8");
    check(
        &hub,
        "after=a:s1:5",
        "hello s2, gap restarted, 1, 2, 3, gap 4-6, 7, 8",
    );
}

#[test]
fn ahead_of_the_newest_only_later_messages_are_sent() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=3);
    let mut viewer = subscribe(&hub, "after=a:s1:5");
    push(&publisher, "s1", 4..=7);
    assert_eq!(read(&mut viewer), ["hello s1", "6", "7"]);
}

#[test]
fn an_expected_stream_is_waited_for() {
    let (hub, publisher) = hub(KEEP_ALL);
    publisher.expect_streams(&["s1".parse().unwrap(), "s2".parse().unwrap()]);
    push(&publisher, "s1", 1..=2);
    let mut viewer = subscribe(&hub, "after=a:s2:1");
    push(&publisher, "s2", 1..=3);
    assert_eq!(read(&mut viewer), ["hello s2", "2", "3"]);
}

#[test]
fn another_stream_is_reported_as_restarted() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=2);
    push(&publisher, "s2", 1..=2);
    check(
        &hub,
        "after=a:s1:1",
        "hello s1, 2, hello s2, gap restarted, 1, 2",
    );
    check(&hub, "after=a:s2:1", "hello s2, 2");
}

#[test]
fn old_messages_are_dropped_and_reported() {
    let retention = Retention {
        duration: Duration::from_secs(40),
        lossless: false,
    };
    let (hub, publisher) = hub(retention);
    push(&publisher, "s1", 1..=3);
    let mut viewer = subscribe(&hub, "");
    assert_eq!(read(&mut viewer), ["hello s1", "3"]);
    push(&publisher, "s1", 4..=100);
    let seen = read(&mut viewer);
    assert_eq!(viewer.overruns(), 1);
    assert_eq!(seen[..2], ["gap 4-59", "60"]);
    assert_eq!(seen.len(), 1 + 41);
}

#[test]
fn thirty_samples_stay_however_old() {
    let retention = Retention {
        duration: Duration::from_secs(1),
        lossless: false,
    };
    let (hub, publisher) = hub(retention);
    push(&publisher, "s1", 1..=100);
    assert_eq!(read(&mut subscribe(&hub, "last=99")).len(), 1 + 30);
}

#[test]
fn a_ring_has_a_bound_in_bytes() {
    let (hub, publisher) = hub(KEEP_ALL);
    publisher.announce(announcement("s1"));
    for seq in 1..=40 {
        let mut big = sample("s1", seq);
        big.sample.values = vec![("x".repeat(1024 * 1024).into(), 1.0)];
        publisher.push(big);
    }
    let kept = read(&mut subscribe(&hub, "last=99"));
    assert_eq!(
        (kept.len(), kept[1].as_str()),
        (1 + 15, "26"),
        "15 MiB and a little fit into 16 MiB"
    );
}

#[test]
fn a_heartbeat_goes_to_viewers_at_the_head() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=2);
    let mut viewer = subscribe(&hub, "");
    assert_eq!(read(&mut viewer), ["hello s1", "2"]);
    hub.beat();
    assert_eq!(read(&mut viewer), ["heartbeat 2"]);
    assert_eq!(read(&mut viewer), [""; 0]);
    hub.beat();
    publisher.push(sample("s1", 3));
    assert_eq!(
        read(&mut viewer),
        ["3"],
        "news are a sign of life themselves"
    );
    check(&hub, "", "hello s1, 3");
}

#[test]
fn a_heartbeat_carries_the_newest_sample() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=2);
    let mut viewer = subscribe(&hub, "last=0");
    hub.beat();
    let mut frames = Vec::new();
    viewer.read(&mut frames, 1000);
    let heartbeat = Message::decode(std::str::from_utf8(frames[1].json()).unwrap()).unwrap();
    assert_eq!(
        heartbeat.body,
        Body::Heartbeat {
            seq: Some(2),
            sample: sample("s1", 2).sample
        }
    );
}

#[test]
fn the_end_comes_once_and_last() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=2);
    let mut viewer = subscribe(&hub, "last=2");
    hub.end();
    let mut frames = Vec::new();
    assert_eq!(viewer.read(&mut frames, 1), Batch::More);
    assert_eq!(viewer.read(&mut frames, 10_000), Batch::End);
    assert_eq!(frames.len(), 4);
    assert_eq!(viewer.read(&mut frames, 10_000), Batch::End);
    assert_eq!(frames.len(), 4, "nothing behind the end");
}

#[test]
fn hello_contains_firing_alerts_and_what_is_kept() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=2);
    publisher.push(alert(3, AlertState::Firing));
    let said = || {
        let mut frames = Vec::new();
        subscribe(&hub, "").read(&mut frames, 1000);
        let hello = Message::decode(std::str::from_utf8(frames[0].json()).unwrap()).unwrap();
        match hello.body {
            Body::Hello(hello) => (hello.oldest, hello.newest, hello.alerts.len()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(said(), (1, 3, 1));
    publisher.push(alert(4, AlertState::Resolved));
    assert_eq!(said(), (1, 4, 0));
    publisher.push(alert(5, AlertState::Firing));
    publisher.announce(announcement("s2"));
    publisher.push(sample("s2", 1));
    assert_eq!(said(), (1, 1, 0));
}

#[test]
fn hosts_are_selected_by_name_and_glob() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=1);
    let other = hub.publisher(Timeline::Recorded).host(&host("b1"));
    push(&other, "s2", 1..=1);
    check(&hub, "host=b*", "hello s2, 1");
    check(&hub, "host=a", "hello s1, 1");
    check(&hub, "host=x*", "");
    let unknown = hub.subscribe(Query::parse("host=c").unwrap()).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "no host 'c' on this server; it has a, b1"
    );
}

#[test]
fn a_host_can_be_waited_for() {
    let hub = Hub::new(KEEP_ALL);
    let ahead = |query: &str| hub.subscribe_ahead(Query::parse(query).unwrap());
    let mut named = ahead("host=b");
    let mut everyone = ahead("");
    let mut recent = ahead("last=1");
    let mut resumed = ahead("after=b:s2:2");
    assert_eq!(read(&mut named), [""; 0]);
    let publisher = hub.publisher(Timeline::Recorded);
    push(&publisher.host(&host("a")), "s1", 1..=2);
    assert_eq!(read(&mut named), [""; 0], "another host is not the one");
    push(&publisher.host(&host("b")), "s2", 1..=3);
    assert_eq!(read(&mut named), ["hello s2", "1", "2", "3"]);
    let all = ["hello s1", "hello s2", "1", "2", "1", "2", "3"];
    assert_eq!(read(&mut everyone), all);
    assert_eq!(read(&mut recent), all, "all of it is new");
    assert_eq!(read(&mut resumed), ["hello s1", "hello s2", "1", "2", "3"]);
    let refused = hub.subscribe(Query::parse("host=c").unwrap());
    assert!(refused.is_err(), "a plain subscription does not wait");
}

#[test]
fn a_lossless_ring_waits_for_its_readers() {
    let retention = Retention {
        duration: Duration::from_secs(40),
        lossless: true,
    };
    let (hub, publisher) = hub(retention);
    let mut viewer = subscribe(&hub, "");
    publisher.announce(announcement("s1"));
    let mut added = 0;
    while !publisher.add(sample("s1", added + 1)) {
        added += 1;
    }
    assert_eq!(added, 41, "40 s and the message itself fit");
    assert_eq!(read(&mut viewer).len(), 1 + 42);
    assert!(
        !publisher.add(sample("s1", 43)),
        "read messages are dropped as ever"
    );
    drop(viewer);
    assert!(
        (44..500).all(|seq| !publisher.add(sample("s1", seq))),
        "nobody is waited for who is gone"
    );
}

#[tokio::test]
async fn a_source_is_notified_when_there_is_room() {
    let retention = Retention {
        duration: Duration::from_secs(40),
        lossless: true,
    };
    let (hub, publisher) = hub(retention);
    let mut viewer = subscribe(&hub, "");
    publisher.announce(announcement("s1"));
    let feeding = async {
        for seq in 1..=1000 {
            if publisher.add(sample("s1", seq)) {
                publisher.wake();
                publisher.room().await;
            }
        }
        hub.end();
    };
    let mut head = hub.head();
    let reading = async {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != "end") {
            head.changed().await;
            seen.extend(read(&mut viewer));
        }
        seen
    };
    let (_, seen) = tokio::join!(feeding, reading);
    let expected: Vec<_> = (1..=1000).map(|seq: u64| seq.to_string()).collect();
    assert_eq!(seen[1..=1000], expected);
}

proptest! {
    /// Whatever a viewer has and wherever it was cut: it ends up with every kept message exactly once, and every hole
    /// is reported.
    #[test]
    fn a_resumed_viewer_lacks_nothing_and_has_nothing_twice(
        runs in prop::collection::vec(prop::collection::vec(1..4_u64, 0..40), 1..4),
        retain in 30..200_u64,
        cuts in prop::collection::vec(0..60_usize, 0..12),
    ) {
        let (hub, publisher) = hub(Retention { duration: Duration::from_secs(retain), lossless: false });
        let mut viewer = subscribe(&hub, "");
        let mut had: Vec<(StreamId, u64)> = Vec::new();
        let mut told = 0;
        let mut all = Vec::new();
        let mut cuts = cuts.into_iter();
        let mut until_cut = cuts.next();
        let mut take = |viewer: &mut Subscription, had: &mut Vec<(StreamId, u64)>| {
            let mut frames = Vec::new();
            while viewer.read(&mut frames, 100) == Batch::More {}
            let mut stream = None;
            for frame in &frames {
                let message = Message::decode(std::str::from_utf8(frame.json()).unwrap()).unwrap();
                match message.body {
                    Body::Hello(hello) => stream = Some(hello.stream),
                    Body::Numbered(it) => had.push((stream.or(had.last().map(|last| last.0)).unwrap(), it.seq.unwrap())),
                    Body::Gap(_) => told += 1,
                    _ => {}
                }
            }
        };
        for (index, steps) in runs.iter().enumerate() {
            let stream = StreamId(100 + index as u64);
            publisher.announce(Announcement { stream, ..announcement("s") });
            let mut seq = 0;
            for step in steps {
                seq += step;
                all.push((stream, seq));
                publisher.push(Numbered { stream, ..sample("s", seq) });
                if until_cut == Some(0) {
                    take(&mut viewer, &mut had);
                    let after = had.last().map(|(stream, seq)| format!("after=a:{stream}:{seq}")).unwrap_or_default();
                    viewer = subscribe(&hub, &after);
                    until_cut = cuts.next();
                } else {
                    until_cut = until_cut.map(|left| left - 1);
                }
            }
        }
        take(&mut viewer, &mut had);
        let mut sorted = had.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(&sorted, &had, "in order and once");
        let holes = had.windows(2).filter(|pair| pair[0].0 != pair[1].0 || pair[0].1 + 1 != pair[1].1).count();
        prop_assert_eq!(holes, told, "every hole is told once");
        prop_assert_eq!(had.last(), all.last());
        // The log never holds more than `retain` messages, and drops nothing before that.
        let kept: Vec<_> = all.iter().rev().take(30).rev().copied().collect();
        let first = had.first().copied();
        prop_assert!(kept.iter().all(|message| first.is_some_and(|first| *message < first) || had.contains(message)));
    }
}
