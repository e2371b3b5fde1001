//! The rules for repeated messages, gaps and changes of stream, each tried on a script of messages.

use crate::protocol::Gap;

use super::*;

struct Scripted {
    tracker: Tracker,
    now: Instant,
}

impl Scripted {
    fn new(after: &str) -> Self {
        let query = Query::parse(after).unwrap();
        let known = |last: &Position| ResumePoint {
            last: last.clone(),
            past: Vec::new(),
        };
        let known: Vec<_> = query.after.iter().map(known).collect();
        Self {
            tracker: Tracker::new(0, "server".parse().unwrap(), query, &known),
            now: Instant::now(),
        }
    }

    /// The results for the given texts, abbreviated.
    fn take(&mut self, texts: &[&str]) -> Vec<String> {
        for text in texts {
            self.tracker.take((*text).into(), self.now).unwrap();
        }
        std::iter::from_fn(|| self.tracker.pop())
            .map(|received| {
                let stream = received.stream;
                match received.update {
                    Update::Hello(_) => format!("hello {stream}"),
                    Update::Numbered(message) => {
                        assert_eq!((&message.host, message.stream), (&received.host, stream));
                        message.position().to_string()
                    }
                    Update::Gap(Gap {
                        from: Some(from),
                        to: Some(to),
                        ..
                    }) => format!("gap {from}-{to}"),
                    Update::Gap(gap) => format!("gap {:?}", gap.reason).to_lowercase(),
                    other => format!("{other:?}"),
                }
            })
            .collect()
    }
}

fn hello(stream: &str) -> String {
    format!(r#"{{"type":"hello","host":"a","stream":"{stream}","interval":2000,"metrics":[]}}"#)
}

fn metric(seq: u64) -> String {
    format!(r#"{{"type":"metric","host":"a","seq":{seq},"data":{{"timestamp":1,"cpu":2}}}}"#)
}

const BARE: &str = r#"{"type":"metric","data":{"timestamp":1,"cpu":2}}"#;

#[test]
fn nothing_arrives_twice() {
    let mut scripted = Scripted::new("");
    assert_eq!(
        scripted.take(&[&hello("s1"), &metric(1), &metric(2)]),
        ["hello s1", "a:s1:1", "a:s1:2"]
    );
    scripted.tracker.connected(1);
    assert_eq!(scripted.tracker.query().to_string(), "after=a%3As1%3A2");
    assert_eq!(
        scripted.take(&[&hello("s1"), &metric(2), &metric(3)]),
        ["hello s1", "a:s1:3"]
    );
}

#[test]
fn an_unannounced_loss_is_reported() {
    let mut scripted = Scripted::new("after=a:s1:5");
    assert_eq!(
        scripted.take(&[&hello("s1"), &metric(9)]),
        ["hello s1", "gap 6-8", "a:s1:9"]
    );
    assert_eq!(
        scripted.take(&[&hello("s2"), &metric(1)]),
        ["hello s2", "gap restarted", "a:s2:1"]
    );
}

#[test]
fn an_announced_loss_is_reported_once() {
    let mut scripted = Scripted::new("after=a:s1:5");
    let gap = r#"{"type":"gap","host":"a","from":6,"to":8,"reason":"expired"}"#;
    assert_eq!(
        scripted.take(&[&hello("s1"), gap, &metric(9)]),
        ["hello s1", "gap 6-8", "a:s1:9"]
    );
    assert_eq!(scripted.take(&[&metric(11)]), ["gap 10-10", "a:s1:11"]);
}

#[test]
fn messages_of_a_server_without_a_hello_are_numbered_here() {
    let mut scripted = Scripted::new("");
    scripted.tracker.connected(36);
    assert_eq!(
        scripted.take(&[BARE, BARE]),
        ["hello 10", "server:10:1", "server:10:2"]
    );
    assert!(
        scripted.tracker.query().after.is_empty(),
        "nothing to resume"
    );
    scripted.tracker.connected(37);
    assert_eq!(scripted.take(&[BARE]), ["gap restarted", "server:11:1"]);
}

#[test]
fn a_host_is_stale_after_three_intervals_and_reported_once() {
    let mut scripted = Scripted::new("");
    scripted.take(&[&hello("s1"), &metric(1)]);
    let due = scripted.tracker.stale_at().unwrap();
    assert_eq!(due - scripted.now, Duration::from_secs(6));
    assert_eq!(
        scripted.tracker.pop_stale(due - Duration::from_millis(1)),
        None
    );
    assert_eq!(scripted.tracker.pop_stale(due).unwrap().as_str(), "a");
    assert_eq!(
        (scripted.tracker.pop_stale(due), scripted.tracker.stale_at()),
        (None, None)
    );
}
