//! A spool that is written, read, killed and starved.

mod damage;
mod slow;
mod steps;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::disk::SystemDisk;
use crate::disk::faulty::FaultyDisk;
use crate::hub::{Batch, Hub, Retention, Subscription, Timeline};
use crate::protocol::{AlertState, Message, MetricInfo, Query, Sample, StreamId};
use crate::recording::files_in;

const HOUR_MS: u64 = 3_600_000;
const BEGIN_MS: u64 = 1_795_528_800_000; // 2026-11-24T14:00:00Z

fn host() -> HostName {
    "web-1".parse().unwrap()
}

fn options(directory: &Path) -> SpoolOptions {
    SpoolOptions {
        directory: directory.into(),
        host: host(),
        pace: (1000, 30_000),
        // The messages of these tests have a fixed date, which is longer ago whenever they run.
        keep: Duration::from_secs(100 * 365 * 24 * 3600),
        keep_bytes: 1 << 30,
    }
}

/// Opens the spool, as soon as an earlier one has let go of it.
fn open(directory: &Path) -> Spool {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        match Spool::on_disk(Arc::new(FaultyDisk::sound()), options(directory)) {
            Err(OutputError::Busy { .. }) if std::time::Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => return opened.unwrap(),
        }
    }
}

fn announcement(stream: u64) -> Arc<Announcement> {
    Arc::new(Announcement {
        stream: StreamId(stream),
        interval: 1000,
        heartbeat: 30_000,
        system: None,
        replay: None,
        metrics: [MetricInfo {
            name: "cpu".into(),
            ..MetricInfo::default()
        }]
        .into(),
        unavailable: [].into(),
        containers: false,
    })
}

fn message(stream: u64, seq: u64, timestamp: u64) -> Numbered {
    let cpu = f64::from(u32::try_from(seq % 100).unwrap());
    Numbered {
        host: host(),
        stream: StreamId(stream),
        seq,
        alert: None,
        sample: Sample {
            timestamp,
            values: vec![("cpu".into(), cpu)],
            top: None,
            containers: None,
        },
    }
}

fn alert(stream: u64, seq: u64, timestamp: u64, name: &str, state: AlertState) -> Numbered {
    let alert = Alert {
        name: name.into(),
        rule: "cpu > 1".into(),
        state,
        metric: "cpu".into(),
        value: None,
        threshold: None,
        since: timestamp,
    };
    Numbered {
        alert: Some(Box::new(alert)),
        ..message(stream, seq, timestamp)
    }
}

/// Keeps messages with these numbers, ten minutes apart: six in each file.
fn keep(spool: &Spool, stream: u64, seqs: std::ops::RangeInclusive<u64>) {
    spool.announced(&host(), &announcement(stream));
    for seq in seqs {
        spool.keep(&message(
            stream,
            seq,
            BEGIN_MS + stream * 6 * HOUR_MS + seq * HOUR_MS / 6,
        ));
    }
}

/// The numbers of what a reader finds.
fn found(spool: &Spool, from: PastFrom, before: Option<(u64, u64)>) -> Vec<(u64, u64)> {
    let before = before.map(|(stream, seq)| (StreamId(stream), seq));
    let wanted = PastRequest {
        host: host(),
        from,
        before,
    };
    let messages = spool.read(&wanted).unwrap().map(|message| {
        let PastMessage {
            announcement,
            message,
        } = message.unwrap();
        assert_eq!(announcement.stream, message.stream);
        (message.stream.0, message.seq)
    });
    messages.collect()
}

fn span(stream: u64, seqs: std::ops::RangeInclusive<u64>) -> Vec<(u64, u64)> {
    seqs.map(|seq| (stream, seq)).collect()
}

#[test]
fn a_reader_begins_wherever_it_wants_in_plain_and_compressed_files() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(directory.path());
    keep(&spool, 1, 1..=30);
    keep(&spool, 2, 1..=20);
    let after = |stream, seq| PastFrom::After(StreamId(stream), seq);
    let both = |from| [span(1, from..=30), span(2, 1..=20)].concat();
    assert_eq!(found(&spool, after(1, 7), None), both(8));
    assert_eq!(found(&spool, after(1, 30), None), span(2, 1..=20));
    assert_eq!(found(&spool, after(2, 11), None), span(2, 12..=20));
    assert_eq!(found(&spool, after(2, 20), None), []);
    assert_eq!(found(&spool, after(2, 99), None), []);
    assert_eq!(found(&spool, after(9, 5), None), both(1), "unknown");
    assert_eq!(found(&spool, PastFrom::Since(0), None), both(1));
    let time = BEGIN_MS + 6 * HOUR_MS + 17 * HOUR_MS / 6;
    assert_eq!(found(&spool, PastFrom::Since(time), None), both(17));
    assert_eq!(found(&spool, PastFrom::Since(time + 1), None), both(18));
    assert_eq!(found(&spool, PastFrom::Since(u64::MAX), None), []);
    assert_eq!(found(&spool, PastFrom::Last(3), None), span(2, 18..=20));
    assert_eq!(found(&spool, PastFrom::Last(25), None), both(26));
    assert_eq!(found(&spool, PastFrom::Last(9999), None), both(1));
    assert_eq!(
        found(&spool, PastFrom::Last(3), Some((2, 10))),
        span(2, 7..=20)
    );
    assert_eq!(found(&spool, PastFrom::Last(12), Some((2, 10))), both(28));
    spool.close();
    drop(open(directory.path()));
    let names = |suffix: &str| {
        let files = std::fs::read_dir(spool.directory()).unwrap();
        files
            .filter(|file| {
                file.as_ref()
                    .unwrap()
                    .path()
                    .to_str()
                    .unwrap()
                    .ends_with(suffix)
            })
            .count()
    };
    assert_eq!((names(".csv"), names(".csv.gz")), (1, 9));
}

#[test]
fn alerts_are_kept_with_their_samples_and_firing_ones_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(directory.path());
    spool.announced(&host(), &announcement(1));
    use AlertState::{Firing, Resolved};
    for (seq, name, state) in [(2, "a", Firing), (4, "b", Firing), (6, "a", Resolved)] {
        let time = BEGIN_MS + seq * 1000;
        spool.keep(&message(1, seq - 1, time));
        spool.keep(&alert(1, seq, time, name, state));
    }
    assert_eq!(found(&spool, PastFrom::Last(1), None), span(1, 5..=6));
    assert_eq!(found(&spool, PastFrom::Last(2), None), span(1, 3..=6));
    let firing = spool.firing();
    assert_eq!(firing.len(), 1);
    assert_eq!((&*firing[0].name, firing[0].since), ("b", BEGIN_MS + 4000));
}

#[test]
fn a_second_spool_is_refused_until_the_first_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(directory.path());
    let refused = || Spool::on_disk(Arc::new(SystemDisk), options(directory.path()));
    let error = refused().unwrap_err().to_string();
    assert!(error.contains("by another process"), "{error}");
    spool.close();
    open(directory.path()).close();
}

#[test]
fn what_is_missing_is_named_in_the_data_and_the_spool_continues() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(directory.path());
    spool.announced(&host(), &announcement(1));
    let keep = |seqs: std::ops::RangeInclusive<u64>| {
        for seq in seqs {
            spool.keep(&message(1, seq, BEGIN_MS + seq * 1000));
        }
    };
    keep(1..=3);
    // A directory in place of the file cannot be written; the one with the file is out of the way.
    let (there, aside) = (
        directory.path().to_path_buf(),
        directory.path().with_extension("aside"),
    );
    std::fs::rename(&there, &aside).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let mut seq = 4;
    while spool.status().unwrap().paused.is_none() {
        assert!(std::time::Instant::now() < deadline);
        keep(seq..=seq);
        seq += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    keep(seq..=seq + 2);
    assert!(!there.exists(), "it isn't created again");
    std::fs::rename(&aside, &there).unwrap();
    let mut lost = seq + 2;
    while spool.status().unwrap().paused.is_some() {
        assert!(std::time::Instant::now() < deadline);
        lost += 1;
        keep(lost..=lost);
        std::thread::sleep(Duration::from_millis(50));
    }
    keep(lost + 1..=lost + 1);
    spool.close();
    let file = std::fs::read_to_string(spool.directory().join("2026-11-24T14.csv")).unwrap();
    let gap = file
        .lines()
        .find(|line| line.contains("gap expired "))
        .unwrap();
    assert!(gap.contains(&format!("-{}", lost - 1)), "{gap}");
    assert!(
        file.lines()
            .last()
            .unwrap()
            .contains(&format!(",{},,", lost + 1))
    );
    assert!(spool.status().unwrap().lost > 3);
}

fn read(hub: &Hub, viewer: &mut Subscription) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (mut head, mut frames) = (hub.head(), Vec::new());
    loop {
        match viewer.read(&mut frames, 10_000) {
            Batch::More => {}
            Batch::Waiting => runtime.block_on(head.changed()),
            Batch::Head | Batch::End => break,
        }
    }
    let told = frames.iter().map(|frame| {
        let message = Message::decode(std::str::from_utf8(frame.json()).unwrap()).unwrap();
        match message.body {
            crate::protocol::Body::Hello(hello) => format!("hello {}", hello.stream.0),
            crate::protocol::Body::Numbered(numbered) => numbered.seq.unwrap().to_string(),
            crate::protocol::Body::Gap(gap) => format!("gap {:?}", gap.reason),
            other => format!("{other:?}"),
        }
    });
    told.collect()
}

#[test]
fn a_ring_is_filled_and_viewers_resume_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path());
    keep(&first, 1, 1..=40);
    first.close();
    let second = Arc::new(open(directory.path()));
    let tail = second.tail(Duration::from_secs(900));
    assert_eq!(tail.len(), 30);
    let retention = Retention {
        duration: Duration::from_secs(900),
        lossless: false,
    };
    let hub = Hub::with_past(retention, Arc::clone(&second) as Arc<dyn Past>);
    let publisher = hub.publisher(Timeline::Live).host(&host());
    for message in tail {
        publisher.restore(message);
    }
    publisher.announce((*announcement(2)).clone());
    for seq in 1..=2 {
        publisher.push(message(2, seq, epoch_millis()));
    }
    let check = |query: &str, expected: &[String]| {
        let mut viewer = hub.subscribe(Query::parse(query).unwrap()).unwrap();
        assert_eq!(read(&hub, &mut viewer), expected, "{query}");
    };
    let restarted = ["hello 2", "gap Restarted", "1", "2"].map(String::from);
    for after in [3, 20, 40] {
        let rest = (after + 1..=40).map(|seq| seq.to_string());
        let hello = (after < 40).then(|| "hello 1".to_owned());
        let expected: Vec<_> = hello
            .into_iter()
            .chain(rest)
            .chain(restarted.clone())
            .collect();
        // With streams 1 and 2 in base 36.
        check(&format!("after=web-1:1:{after}"), &expected);
    }
    check("", &["hello 2".into(), "2".into()]);
    second.close();
}

#[test]
fn only_a_few_viewers_read_the_past_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Arc::new(open(directory.path()));
    spool.announced(&host(), &announcement(1));
    for seq in 1..=3000 {
        spool.keep(&message(1, seq, BEGIN_MS + seq * 1000));
    }
    let retention = Retention {
        duration: Duration::from_secs(1),
        lossless: false,
    };
    let hub = Hub::with_past(retention, Arc::clone(&spool) as Arc<dyn Past>);
    let publisher = hub.publisher(Timeline::Live).host(&host());
    publisher.announce((*announcement(2)).clone());
    publisher.push(message(2, 1, epoch_millis()));
    let subscribe = || hub.subscribe(Query::parse("last=9999").unwrap());
    // None of them reads, so none of them is done.
    let viewers: Vec<_> = (0..4).map(|_| subscribe().unwrap()).collect();
    let refused = subscribe().unwrap_err().to_string();
    assert!(refused.contains("too many viewers"), "{refused}");
    drop(viewers);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while subscribe().is_err() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn containers_have_a_column_if_they_are_announced() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(directory.path());
    let mut announced = (*announcement(1)).clone();
    announced.containers = true;
    spool.announced(&host(), &Arc::new(announced));
    let mut listed = message(1, 1, BEGIN_MS);
    listed.sample.containers = Some(vec![]);
    spool.keep(&listed);
    spool.close();
    let file = std::fs::read_to_string(spool.directory().join("2026-11-24T14.csv")).unwrap();
    assert!(file.contains(",cpu,containers,top,extra\n"), "{file}");
    assert!(file.contains(",1,[],,\n"), "{file}");
}
