//! Viewers that want the past in steps. A summary is written as its count and its bucket in seconds: `10x 20-30`.

use super::past::{FakePast, RETAIN, World};
use super::*;

/// A world whose ring keeps everything.
fn ring() -> World {
    World::with(FakePast::default(), KEEP_ALL.duration)
}

/// The buckets of ten seconds up to the one that begins at `last`, at a sample a second from 1 s on.
fn tens(first: u64, last: u64) -> Vec<String> {
    let bucket = |from: u64| {
        let count = if from == 0 { 9 } else { 10 };
        format!("{count}x {from}-{}", from + 10)
    };
    (first..=last).step_by(10).map(bucket).collect()
}

#[track_caller]
fn check(world: &World, query: &str, expected: &[String]) {
    let seen = world.read(&mut subscribe(&world.hub, query));
    let expected = [&["hello s1".to_owned()], expected].concat();
    assert_eq!(seen, expected, "{query}");
}

#[test]
fn samples_are_summed_up_to_the_newest_which_is_live() {
    let small = |overlaps| {
        let past = FakePast {
            overlaps,
            ..FakePast::default()
        };
        World::with(past, RETAIN)
    };
    for world in [ring(), small(false), small(true)] {
        world.push("s1", 1..=100);
        let live = |from: u64| [tens(from, 90), vec!["100".to_owned()]].concat();
        check(&world, "since=1h&step=10s", &live(0));
        check(&world, "since=1000000&step=10s", &live(0));
        check(&world, "last=15&step=10s", &live(80));
        check(&world, "last=31&step=10s", &live(70));
        check(&world, "since=5s&step=10s", &live(90));
        check(&world, "since=10s&step=10s", &live(90));
        check(&world, "since=11s&step=10s", &live(80));
        check(&world, "last=1&step=10s", &["100".to_owned()]);
        check(&world, "last=0&step=10s", &[]);
        let all = ["99x 0-3600".to_owned(), "100".to_owned()];
        check(&world, "since=1d&step=1h", &all);
        let mut viewer = subscribe(&world.hub, "since=1h&step=1m");
        let mut seen = world.read(&mut viewer);
        world.push("s1", 101..=102);
        seen.extend(world.read(&mut viewer));
        let expected = ["hello s1", "59x 0-60", "40x 60-120", "100", "101", "102"];
        assert_eq!(seen, expected);
        assert_eq!((viewer.gaps(), viewer.overruns()), (0, 0));
    }
}

#[test]
fn a_bucket_that_begins_before_the_ring_is_read_from_the_past() {
    let world = World::with(FakePast::default(), RETAIN);
    world.push("s1", 1..=95);
    // The ring begins at 55.
    let expected = [tens(50, 80), vec!["5x 90-100".into(), "95".into()]].concat();
    check(&world, "since=39s&step=10s", &expected);
    check(&world, "last=41&step=10s", &expected);
}

#[test]
fn alerts_and_gaps_come_between_the_summaries_as_they_are() {
    let world = ring();
    world.push("s1", 1..=12);
    world.publisher.push(alert(13, AlertState::Firing));
    world.push("s1", 14..=15);
    world.push("s1", 38..=41);
    world.push("s2", 1..=2);
    let mut viewer = subscribe(&world.hub, "since=1h&step=10s");
    let expected = [
        "hello s1",
        "9x 0-10",
        "alert 13",
        "5x 10-20",
        "gap 16-37",
        "2x 30-40",
        "2x 40-50",
        "hello s2",
        "gap restarted",
        "1x 0-10",
        "2",
    ];
    assert_eq!(world.read(&mut viewer), expected);
    assert_eq!(viewer.gaps(), 2);
}

#[test]
fn an_alert_amid_summaries_is_nothing_to_resume_from() {
    let world = ring();
    world.push("s1", 1..=2);
    world.publisher.push(alert(3, AlertState::Firing));
    world.push("s1", 4..=5);
    let mut viewer = subscribe(&world.hub, "since=1h&step=10s");
    let (mut head, mut frames) = (world.hub.head(), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    while viewer.read(&mut frames, 1000) == Batch::Waiting {
        runtime.block_on(head.changed());
    }
    let events: Vec<_> = frames
        .iter()
        .map(|frame| String::from_utf8(frame.event().concat()).unwrap())
        .collect();
    let ids: Vec<_> = events
        .iter()
        .filter(|event| event.starts_with("id: "))
        .collect();
    assert!(
        events
            .iter()
            .any(|event| event.contains(r#""type":"alert""#)),
        "{events:?}"
    );
    assert_eq!(ids.len(), 1, "{events:?}");
    assert!(ids[0].starts_with("id: a:s1:5\n"), "{events:?}");
}

#[test]
fn a_viewer_that_wants_steps_counts_among_those_that_read_the_past() {
    let world = ring();
    world.push("s1", 1..=3000);
    // Each has more than fits between its thread and itself, and none of them reads.
    let query = Query::parse("last=3000&step=1s").unwrap();
    let viewers: Vec<_> = (0..4)
        .map(|_| world.hub.subscribe(query.clone()).unwrap())
        .collect();
    let refused = world.hub.subscribe(query).unwrap_err().to_string();
    assert!(refused.contains("too many viewers"), "{refused}");
    drop(viewers);
}

#[test]
fn a_replay_waits_for_a_viewer_that_reads_in_steps() {
    let retention = Retention {
        duration: Duration::from_secs(1),
        lossless: true,
    };
    let hub = Hub::new(retention);
    let publisher = hub.publisher(Timeline::Recorded).host(&host("a"));
    push(&publisher, "s1", 1..=40);
    let mut viewer = subscribe(&hub, "last=999&step=10s");
    push(&publisher, "s1", 41..=2000);
    let (mut head, mut frames) = (hub.head(), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    loop {
        match viewer.read(&mut frames, 1000) {
            Batch::More => {}
            Batch::Waiting => runtime.block_on(head.changed()),
            Batch::Head | Batch::End => break,
        }
    }
    assert_eq!(viewer.gaps(), 0);
    let samples = frames.iter().map(|frame| {
        let text = std::str::from_utf8(frame.json()).unwrap();
        match Message::decode(text).unwrap().body {
            Body::Summary(summary) => summary.count,
            Body::Numbered(_) => 1,
            _ => 0,
        }
    });
    // Of the first 40, the ring kept 30 before there was a viewer.
    assert_eq!(samples.sum::<u64>(), 1990);
}
