//! A relay's bound on memory: by time where that helps, and otherwise by size.

use super::*;

const MOST: usize = 256 * 1024;

/// A name of a metric that makes a message take about a kilobyte.
fn padding() -> String {
    "x".repeat(800)
}

/// A host of a relay, whose messages have the times that a test gives them.
struct Relayed(HostPublisher);

impl Relayed {
    fn new(hub: &Hub, name: &str) -> Self {
        let publisher = hub.publisher(Timeline::Recorded);
        let publisher = publisher.unlisted_host(&host(name));
        publisher.announce(announcement("s1"));
        publisher.list();
        Self(publisher)
    }

    fn add(&self, seq: u64, timestamp: u64, is_alert: bool) {
        let mut message = match is_alert {
            true => alert(seq, AlertState::Firing),
            false => sample("s1", seq),
        };
        message.host = self.0.host().clone();
        message.sample.timestamp = timestamp;
        message.sample.values = vec![(padding().into(), 1.0)];
        self.0.add(message);
    }

    /// The numbers of its messages.
    fn held(&self) -> Vec<u64> {
        let ring = super::super::lock(&self.0.log.ring);
        (ring.start()..ring.head())
            .map(|index| ring.entry(index).unwrap().seq)
            .collect()
    }
}

fn relayed(hub: &Hub, names: &[&str]) -> Vec<Relayed> {
    names.iter().map(|name| Relayed::new(hub, name)).collect()
}

fn retention(seconds: u64) -> Retention {
    Retention {
        duration: Duration::from_secs(seconds),
        lossless: false,
    }
}

/// The time of a message by its number, and whether it is an alert.
type Times = fn(u64) -> (u64, bool);

#[test]
fn the_bound_holds_whatever_the_timestamps() {
    let times: [(&str, Times); 6] = [
        ("the same", |_| (5000, false)),
        ("hardly advancing", |seq| (5000 + seq / 200, false)),
        ("going back", |seq| (5_000_000 - seq, false)),
        ("far ahead now and then", |seq| {
            (if seq % 2 == 0 { u64::MAX } else { seq }, false)
        }),
        ("of alerts alone", |seq| (5000 + seq / 200, true)),
        ("of alerts after one sample", |seq| (seq * 1000, 1 < seq)),
    ];
    for (name, times) in times {
        let hub = Hub::relaying(retention(900));
        let hosts = relayed(&hub, &["a", "b", "c"]);
        for seq in 1..=2000 {
            for host in &hosts {
                let (timestamp, is_alert) = times(seq);
                host.add(seq, timestamp, is_alert);
            }
            if seq % 100 == 0 {
                hub.keep_within(MOST);
                assert!(hub.memory() <= MOST, "{name}: {} at {seq}", hub.memory());
            }
        }
        let held: Vec<_> = hosts.iter().map(|host| host.held().len()).collect();
        assert!(held.iter().all(|len| *len == held[0]), "{name}: {held:?}");
        assert!(5 < held[0], "{name}: {held:?}");
        assert!(hosts.iter().all(|host| host.held().last() == Some(&2000)));
    }
}

#[test]
fn a_crowded_host_takes_nothing_from_the_others() {
    let hub = Hub::relaying(retention(900));
    let hosts = relayed(&hub, &["a", "b", "still"]);
    let mut told = None;
    for seq in 1..=1000 {
        if seq <= 40 {
            hosts[0].add(seq, seq * 1000, false);
            hosts[1].add(seq, seq * 1000, false);
        }
        hosts[2].add(seq, 5000, false);
        if seq % 50 == 0 {
            told = hub.keep_within(MOST).or(told);
        }
    }
    assert!(hub.memory() <= MOST);
    assert_eq!(hosts[0].held(), Vec::from_iter(1..=40));
    assert_eq!(hosts[1].held(), hosts[0].held());
    assert!(50 < hosts[2].held().len(), "it has its share, too");
    let told = told.unwrap();
    assert_eq!((told.duration.as_secs(), told.crowded), (900, 1));
    assert_eq!(told.least(), Duration::from_secs(1), "of that one");
    // Once it is gone, all is well again.
    hosts[2].0.forget();
    let told = hub.keep_within(MOST).unwrap();
    assert_eq!((told.least().as_secs(), told.crowded), (900, 0));
}

#[test]
fn where_time_helps_only_time_counts() {
    let hub = Hub::relaying(retention(900));
    let hosts = relayed(&hub, &["often", "seldom"]);
    for seq in 1..=800 {
        hosts[0].add(seq, seq * 1000, false);
        if seq % 4 == 0 {
            hosts[1].add(seq, seq * 1000, false);
        }
    }
    let most = hub.memory() * 9 / 10;
    let told = hub.keep_within(most).unwrap();
    assert!(hub.memory() <= most);
    assert!(most / 4 * 3 < hub.memory(), "no more than necessary");
    assert_eq!((told.crowded, told.least()), (0, told.duration));
    let oldest = 800 - told.duration.as_secs();
    assert_eq!(hosts[0].held(), Vec::from_iter(oldest..=800));
    assert!(hosts[1].held()[0].abs_diff(oldest) < 4, "as far back");
}

#[test]
fn what_is_dropped_by_size_is_a_gap() {
    let hub = Hub::relaying(retention(900));
    let hosts = relayed(&hub, &["a"]);
    hosts[0].add(1, 5000, false);
    let mut viewer = subscribe(&hub, "");
    assert_eq!(read(&mut viewer), ["hello s1", "1"]);
    (2..=1000).for_each(|seq| hosts[0].add(seq, 5000, false));
    hub.keep_within(MOST);
    let first = hosts[0].held()[0];
    assert!(500 < first);
    hosts[0].0.wake();
    let told = read(&mut viewer);
    assert_eq!(
        told[..2],
        [format!("gap 2-{}", first - 1), first.to_string()]
    );
    assert_eq!(told.last().unwrap(), "1000");
}

#[test]
fn each_host_keeps_its_newest_message_however_large() {
    let hub = Hub::relaying(retention(900));
    let hosts = relayed(&hub, &["a", "b"]);
    for seq in 1..=5 {
        hosts.iter().for_each(|host| host.add(seq, 5000, false));
    }
    hub.keep_within(0);
    assert!(hosts.iter().all(|host| host.held() == [5]));
}

#[test]
fn alerts_expire_without_samples() {
    let (hub, publisher) = hub(retention(10));
    publisher.announce(announcement("s1"));
    for seq in 1..=100 {
        publisher.push(alert(seq, AlertState::Firing));
    }
    assert_eq!(read(&mut subscribe(&hub, "last=99")).len(), 1 + 11);
}

#[test]
fn streams_are_forgotten_with_their_messages() {
    let (hub, publisher) = hub(retention(40));
    for stream in 1..=2000_u64 {
        let stream = StreamId(stream);
        publisher.announce(Announcement {
            stream,
            ..announcement("s")
        });
        publisher.push(Numbered {
            stream,
            ..sample("s", stream.0)
        });
    }
    let ring = super::super::lock(&publisher.log.ring);
    assert!(ring.memory() < 100 * 1024, "{}", ring.memory());
    assert!(ring.place(StreamId(1), 1).is_none());
    for stream in 1960..2000 {
        let places = [stream, stream + 1].map(|it| ring.place(StreamId(it), it));
        assert!(places[0].is_some() && places[0] < places[1], "{stream}");
    }
    drop(ring);
    let stream = StreamId(1990);
    let mut viewer = subscribe(&hub, &format!("after=a:{stream}:1990"));
    assert_eq!(read(&mut viewer).last().unwrap(), "2000");
}
