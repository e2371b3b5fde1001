//! Which hosts a server has to visit.

use super::*;
use crate::hub::HostNews;

/// The numbers of the hosts that have moved, or `None` if anybody may have something to read.
fn moved(hub: &Hub) -> Option<Vec<usize>> {
    let mut hosts = Vec::new();
    (!hub.take_moved(&mut hosts)).then(|| hosts.iter().map(|host| host.number).collect())
}

#[test]
fn a_message_concerns_the_viewers_of_its_host_alone() {
    let (hub, one) = hub(KEEP_ALL);
    push(&one, "s1", 1..=1);
    let two = hub.publisher(Timeline::Recorded).host(&host("b"));
    push(&two, "s2", 1..=1);
    assert_eq!(moved(&hub), None, "there are new hosts");
    assert_eq!(moved(&hub), Some(vec![]));
    let numbers = |query: &str| -> Vec<_> { subscribe(&hub, query).hosts(0).collect() };
    assert_eq!(numbers("host=a"), [0]);
    assert_eq!(numbers("host=b*"), [1]);
    assert_eq!(numbers(""), [0, 1]);
    push(&two, "s2", 2..=4);
    assert_eq!(moved(&hub), Some(vec![1]), "once for all its messages");
    push(&two, "s2", 5..=5);
    push(&one, "s1", 2..=2);
    assert_eq!(moved(&hub), Some(vec![1, 0]));
    hub.beat();
    assert_eq!(moved(&hub), Some(vec![0, 1]));
    two.start_over();
    assert_eq!(moved(&hub), Some(vec![1]));
    hub.end();
    assert_eq!(moved(&hub), None);
}

/// Adds one message, and announces nothing.
fn add(publisher: &HostPublisher, stream: &str, seq: u64) {
    let host = publisher.host().clone();
    publisher.push(Numbered {
        host,
        ..sample(stream, seq)
    });
}

/// The news of the hosts that have moved.
fn news(hub: &Hub) -> Vec<HostNews> {
    let mut hosts = Vec::new();
    hub.take_moved(&mut hosts);
    hosts.into_iter().filter_map(|host| host.news).collect()
}

#[test]
fn news_suffice_for_a_viewer_that_lacks_nothing_else() {
    let (hub, one) = hub(KEEP_ALL);
    let two = hub.publisher(Timeline::Recorded).host(&host("b"));
    push(&one, "s1", 1..=1);
    push(&two, "s2", 1..=1);
    let mut viewer = subscribe(&hub, "host=a");
    read(&mut viewer);
    news(&hub);
    let mut place = viewer.place().unwrap();
    add(&two, "s2", 2);
    add(&one, "s1", 2);
    let both = news(&hub);
    let suffice: Vec<_> = both.iter().map(|it| place.lacks_only(it)).collect();
    assert_eq!(suffice, [false, true], "those of its host");
    place.take(&both[1]);
    assert!(!place.lacks_only(&both[1]), "it has them");
    add(&one, "s1", 3);
    let first = news(&hub);
    add(&one, "s1", 4);
    assert!(!place.lacks_only(&first[0]), "more has moved since");
    assert!(!place.lacks_only(&news(&hub)[0]), "it lacks the one before");
    viewer.stand_at(&place);
    assert_eq!(read(&mut viewer), ["3", "4"]);
}

#[test]
fn news_do_not_suffice_where_something_comes_before_them() {
    type Happening = fn(&HostPublisher);
    let happenings: [(&str, Happening, &[&str]); 3] = [
        ("a gap", |it| add(it, "s1", 4), &["gap 3-3", "4"]),
        (
            "a hello",
            |it| {
                it.announce(announcement("s9"));
                add(it, "s9", 1);
            },
            &["hello s9", "gap restarted", "1"],
        ),
        (
            "all that was there before",
            |it| {
                it.start_over();
                it.announce(announcement("s9"));
                add(it, "s9", 1);
            },
            &["hello s9", "gap restarted", "1"],
        ),
    ];
    for (what, happen, expected) in happenings {
        let (hub, publisher) = hub(KEEP_ALL);
        push(&publisher, "s1", 1..=2);
        let mut viewer = subscribe(&hub, "host=a");
        read(&mut viewer);
        news(&hub);
        let place = viewer.place().unwrap();
        happen(&publisher);
        let suffice = news(&hub).iter().any(|it| place.lacks_only(it));
        assert!(!suffice, "{what}");
        assert_eq!(read(&mut viewer), expected, "{what}");
    }
}

#[test]
fn a_viewer_reads_on_in_every_host_that_has_moved() {
    let (hub, one) = hub(KEEP_ALL);
    let two = hub.publisher(Timeline::Recorded).host(&host("b"));
    push(&one, "s1", 1..=1);
    push(&two, "s2", 1..=1);
    let mut viewer = subscribe(&hub, "");
    assert_eq!(read(&mut viewer), ["hello s1", "hello s2", "1", "1"]);
    assert_eq!(read(&mut viewer), [""; 0]);
    two.add(Numbered {
        host: host("b"),
        ..sample("s2", 2)
    });
    assert_eq!(read(&mut viewer), ["2"]);
    hub.beat();
    assert_eq!(read(&mut viewer), ["heartbeat 1", "heartbeat 2"]);
    one.announce(announcement("s3"));
    assert_eq!(read(&mut viewer), ["hello s3"]);
    hub.end();
    assert_eq!(read(&mut viewer), ["end", "end"]);
    assert_eq!(read(&mut viewer), [""; 0]);
}

#[test]
fn a_new_host_is_sent_from_its_first_message() {
    let (hub, publisher) = hub(KEEP_ALL);
    push(&publisher, "s1", 1..=1);
    let mut viewer = subscribe(&hub, "host=*");
    assert_eq!(read(&mut viewer), ["hello s1", "1"]);
    push(
        &hub.publisher(Timeline::Recorded).host(&host("b")),
        "s2",
        1..=3,
    );
    assert_eq!(read(&mut viewer), ["hello s2", "1", "2", "3"]);
}
