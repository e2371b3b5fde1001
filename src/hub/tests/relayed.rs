//! A relay's hub, whose hosts come and go.

use super::*;

/// The host `a`, which viewers cannot find yet.
fn found(hub: &Hub) -> HostPublisher {
    hub.publisher(Timeline::Recorded).unlisted_host(&host("a"))
}

/// Lets viewers find a host of which the store has been read to its end.
fn list(publisher: &HostPublisher) {
    publisher.list();
    publisher.read_to_end(publisher.now());
}

/// The numbers of the hosts that have moved.
fn moved(hub: &Hub) -> Vec<usize> {
    let mut hosts = Vec::new();
    hub.take_moved(&mut hosts);
    hosts.iter().map(|host| host.number).collect()
}

#[test]
fn whatever_happens_to_a_host_wakes_its_viewers() {
    let hub = Hub::relaying(KEEP_ALL);
    let relayed = found(&hub);
    push(&relayed, "s1", 1..=1);
    assert!(!hub.take_moved(&mut Vec::new()), "nobody can see it");
    relayed.list();
    assert!(hub.take_moved(&mut Vec::new()), "anybody may want it");
    relayed.add_as_sent(b"{}", sample("s1", 2));
    assert_eq!(moved(&hub), [0]);
    relayed.read_to_end(relayed.now());
    assert_eq!(moved(&hub), [0; 0], "nobody waits for that");
    std::thread::sleep(Duration::from_millis(2));
    let waiting = subscribe(&hub, "after=a:s7:1");
    relayed.read_to_end(relayed.now());
    assert_eq!(moved(&hub), [0]);
    drop(waiting);
    relayed.end();
    assert_eq!(moved(&hub), [0]);
    relayed.forget();
    assert_eq!(moved(&hub), [0]);
}

/// A host with two messages, and a viewer that comes from a stream that it doesn't have yet.
fn with_undecided_viewer(hub: &Hub) -> (HostPublisher, Subscription) {
    let relayed = found(hub);
    push(&relayed, "s1", 1..=2);
    list(&relayed);
    // It may have read as far in this very millisecond.
    std::thread::sleep(Duration::from_millis(2));
    let mut viewer = subscribe(hub, "after=a:s2:1");
    assert_eq!(read(&mut viewer), [""; 0]);
    (relayed, viewer)
}

#[test]
fn a_position_in_an_unknown_stream_waits_for_the_end_of_the_store() {
    let hub = Hub::relaying(KEEP_ALL);
    let (relayed, mut viewer) = with_undecided_viewer(&hub);
    relayed.read_to_end(relayed.now());
    assert_eq!(
        read(&mut viewer),
        ["hello s1", "gap restarted", "1", "2"],
        "it is unknown here"
    );
    std::thread::sleep(Duration::from_millis(2));
    let mut viewer = subscribe(&hub, "after=a:s3:1");
    assert_eq!(read(&mut viewer), [""; 0]);
    push(&relayed, "s3", 1..=3);
    assert_eq!(
        read(&mut viewer),
        ["hello s3", "2", "3"],
        "another relay was ahead"
    );
}

#[test]
fn a_position_waits_for_no_host_that_is_forgotten() {
    let hub = Hub::relaying(KEEP_ALL);
    let (relayed, mut viewer) = with_undecided_viewer(&hub);
    relayed.forget();
    assert_eq!(read(&mut viewer), ["hello s1", "gap restarted", "2"]);
    assert_eq!(viewer.take_left_hosts(), [0]);
}

#[test]
fn a_host_that_comes_back_continues_where_viewers_were() {
    for (stream, expected) in [
        ("s1", ["hello s1", "gap 4-6", "7", "8"]),
        ("s2", ["hello s2", "gap restarted", "7", "8"]),
    ] {
        let hub = Hub::relaying(KEEP_ALL);
        let first = found(&hub);
        push(&first, "s1", 1..=3);
        list(&first);
        let mut viewers = ["host=a&last=9", "last=9"].map(|query| subscribe(&hub, query));
        for viewer in &mut viewers {
            assert_eq!(read(viewer), ["hello s1", "1", "2", "3"]);
        }
        first.forget();
        let log = Arc::downgrade(&first.log);
        drop(first);
        assert!(hub.hosts().is_empty());
        for viewer in &mut viewers {
            let mut frames = Vec::new();
            assert_eq!(viewer.read(&mut frames, 1000), Batch::Head);
            assert!(frames.is_empty());
            assert_eq!(viewer.take_left_hosts(), [0]);
            assert!(viewer.take_left_hosts().is_empty());
        }
        moved(&hub);
        assert!(log.upgrade().is_none(), "nobody holds it any more");
        let second = found(&hub);
        push(&second, stream, 7..=8);
        list(&second);
        for viewer in &mut viewers {
            let mut told = read(viewer);
            second.read_to_end(second.now());
            told.extend(read(viewer));
            assert_eq!(told, expected);
            assert_eq!(viewer.hosts(0).collect::<Vec<_>>(), [1]);
        }
    }
}

#[test]
fn a_recording_that_is_published_again_ends_again() {
    let hub = Hub::relaying(KEEP_ALL);
    let relayed = found(&hub);
    push(&relayed, "s1", 1..=1);
    list(&relayed);
    let mut viewer = subscribe(&hub, "");
    assert_eq!(read(&mut viewer), ["hello s1", "1"]);
    relayed.end();
    assert_eq!(read(&mut viewer), ["end"]);
    assert_eq!(read(&mut viewer), [""; 0]);
    relayed.continues();
    push(&relayed, "s2", 1..=1);
    assert_eq!(read(&mut viewer), ["hello s2", "gap restarted", "1"]);
    relayed.end();
    assert_eq!(read(&mut viewer), ["end"]);
}
