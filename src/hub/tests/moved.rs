//! Which hosts a server has to visit.

use super::*;

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
