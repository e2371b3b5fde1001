//! The rules of what comes twice, what is lost and what is another stream, each tried on a script of messages.

use super::*;

struct Link {
    tracker: Tracker,
    now: Instant,
}

impl Link {
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

    /// What comes out for the texts that went in, in short.
    fn take(&mut self, texts: &[&str]) -> Vec<String> {
        for text in texts {
            self.tracker.take((*text).into(), self.now).unwrap();
        }
        std::iter::from_fn(|| self.tracker.pop())
            .map(|received| {
                let stream = received.stream;
                match received.message.body {
                    Body::Hello(_) => format!("hello {stream}"),
                    Body::Metric { seq, .. } => {
                        format!("{}:{stream}:{}", received.host, seq.unwrap())
                    }
                    Body::Gap(Gap {
                        from: Some(from),
                        to: Some(to),
                        ..
                    }) => format!("gap {from}-{to}"),
                    Body::Gap(gap) => format!("gap {:?}", gap.reason).to_lowercase(),
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
fn nothing_comes_twice() {
    let mut link = Link::new("");
    assert_eq!(
        link.take(&[&hello("s1"), &metric(1), &metric(2)]),
        ["hello s1", "a:s1:1", "a:s1:2"]
    );
    link.tracker.connected(1);
    assert_eq!(link.tracker.query().to_string(), "after=a%3As1%3A2");
    assert_eq!(
        link.take(&[&hello("s1"), &metric(2), &metric(3)]),
        ["hello s1", "a:s1:3"]
    );
}

#[test]
fn an_untold_loss_is_told() {
    let mut link = Link::new("after=a:s1:5");
    assert_eq!(
        link.take(&[&hello("s1"), &metric(9)]),
        ["hello s1", "gap 6-8", "a:s1:9"]
    );
    assert_eq!(
        link.take(&[&hello("s2"), &metric(1)]),
        ["hello s2", "gap restarted", "a:s2:1"]
    );
}

#[test]
fn a_told_loss_is_told_once() {
    let mut link = Link::new("after=a:s1:5");
    let gap = r#"{"type":"gap","host":"a","from":6,"to":8,"reason":"expired"}"#;
    assert_eq!(
        link.take(&[&hello("s1"), gap, &metric(9)]),
        ["hello s1", "gap 6-8", "a:s1:9"]
    );
    assert_eq!(link.take(&[&metric(11)]), ["gap 10-10", "a:s1:11"]);
}

#[test]
fn a_server_that_says_nothing_of_itself_is_numbered_here() {
    let mut link = Link::new("");
    link.tracker.connected(36);
    assert_eq!(
        link.take(&[BARE, BARE]),
        ["hello 10", "server:10:1", "server:10:2"]
    );
    assert!(link.tracker.query().after.is_empty(), "nothing to resume");
    link.tracker.connected(37);
    assert_eq!(link.take(&[BARE]), ["gap restarted", "server:11:1"]);
}

#[test]
fn a_host_is_stale_after_three_intervals_and_is_called_so_once() {
    let mut link = Link::new("");
    link.take(&[&hello("s1"), &metric(1)]);
    let due = link.tracker.stale_at().unwrap();
    assert_eq!(due - link.now, Duration::from_secs(6));
    assert_eq!(link.tracker.pop_stale(due - Duration::from_millis(1)), None);
    assert_eq!(link.tracker.pop_stale(due).unwrap().as_str(), "a");
    assert_eq!(
        (link.tracker.pop_stale(due), link.tracker.stale_at()),
        (None, None)
    );
}
