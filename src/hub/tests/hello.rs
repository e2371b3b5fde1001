//! The hello that many viewers share says what is true when each of them joins.

use std::time::Duration;

use super::{Retention, alert, announcement, hub, push, subscribe};
use crate::hub::Hub;
use crate::protocol::{AlertState, Body, Frame, Hello, Message};

/// The first message to a viewer that joins now.
fn first(hub: &Hub) -> Frame {
    let mut frames = Vec::new();
    subscribe(hub, "last=1").read(&mut frames, 1);
    frames.swap_remove(0)
}

/// What two viewers that join now are told, in the same memory.
#[track_caller]
fn told(hub: &Hub) -> Hello {
    let (one, another) = (first(hub), first(hub));
    assert_eq!(one.json().as_ptr(), another.json().as_ptr());
    let text = std::str::from_utf8(one.json()).unwrap();
    match Message::decode(text).unwrap().body {
        Body::Hello(hello) => *hello,
        other => panic!("not a hello: {other:?}"),
    }
}

#[test]
fn those_who_join_at_once_share_a_hello_until_it_changes() {
    let (hub, publisher) = hub(Retention {
        duration: Duration::from_secs(10),
        lossless: false,
    });
    let numbers = |hello: Hello| (hello.oldest, hello.newest, hello.alerts.len());
    push(&publisher, "s1", [1]);
    assert_eq!(numbers(told(&hub)), (1, 1, 0));
    push(&publisher, "s1", [2]);
    assert_eq!(numbers(told(&hub)), (1, 2, 0));
    publisher.push(alert(3, AlertState::Firing));
    assert_eq!(numbers(told(&hub)), (1, 3, 1));
    publisher.continue_firing(Vec::new());
    assert_eq!(numbers(told(&hub)), (1, 3, 0));
    // A change of the announcement alone, and the oldest messages dropped.
    publisher.announce(crate::hub::Announcement {
        containers: true,
        ..announcement("s1")
    });
    assert!(!told(&hub).containers, "of the newest sample");
    push(&publisher, "s1", 4..=60);
    let hello = told(&hub);
    assert_eq!((hello.newest, hello.held), (60, Some(hello.oldest * 1000)));
    assert!(hello.oldest > 1);
    push(&publisher, "s2", [1]);
    assert_eq!(numbers(told(&hub)), (1, 1, 0));
    publisher.start_over();
    push(&publisher, "s2", [7]);
    assert_eq!(numbers(told(&hub)), (7, 7, 0));
}
