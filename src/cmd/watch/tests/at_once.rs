//! The table, once.

use tokio::time::Instant;

use super::super::{End, once as table};
use super::script::{Script, connected, hello, metric, session};
use crate::client::ClientEvent;
use crate::signals::Asked;

/// Runs `--once` over `script`: when it ended, and what it would print.
async fn once(servers: &[&str], events: Vec<(u64, ClientEvent)>) -> (u128, String) {
    let start = Instant::now();
    let mut session = session(servers, None, None);
    let asked = Asked::default();
    let end = table::gather(Script::new(events), &mut session, &asked).await;
    assert_eq!(end, End::Over);
    let took = start.elapsed().as_millis();
    (
        took,
        session
            .display
            .report(80, None, session.clock.now())
            .join("\n"),
    )
}

#[tokio::test(start_paused = true)]
async fn once_waits_for_everything_that_is_there() {
    let (took, shown) = once(
        &["web-1"],
        vec![
            (0, connected(0)),
            (0, metric(0, "web-1", 23.4)),
            (20, metric(0, "web-1", 23.5)),
        ],
    )
    .await;
    assert_eq!(took, 170);
    assert!(shown.contains("23.5 %"), "{shown}");

    let late = vec![
        (0, connected(0)),
        (0, hello(0, "a")),
        (0, hello(0, "b")),
        (0, metric(0, "a", 1.0)),
        (900, metric(0, "b", 2.0)),
    ];
    let (took, shown) = once(&["relay"], late).await;
    assert_eq!(took, 1050);
    assert!(shown.contains("●  b") && shown.contains(" 2.0 "), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn once_does_not_wait_for_an_absent_host() {
    let silent = vec![
        (0, connected(0)),
        (0, hello(0, "a")),
        (0, hello(0, "b")),
        (0, metric(0, "a", 1.0)),
    ];
    let (took, shown) = once(&["relay"], silent).await;
    assert_eq!(took, 3000);
    assert!(shown.contains("✕  b"), "{shown}");

    let down = vec![
        (0, connected(0)),
        (0, metric(0, "a", 1.0)),
        (
            40,
            ClientEvent::Refused {
                server: 1,
                reason: "refused".into(),
            },
        ),
    ];
    let (took, shown) = once(&["a", "b"], down).await;
    assert_eq!(took, 190);
    assert!(
        shown.contains("✕  b") && shown.contains("Not retrying: refused."),
        "{shown}"
    );
}
