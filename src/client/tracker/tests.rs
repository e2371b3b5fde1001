//! The rules for repeated messages, gaps and changes of stream, each tried on a script of messages.

use crate::protocol::Gap;

use super::split::MOST_POSITIONS;
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

fn alert(seq: u64) -> String {
    let alert = r#"{"name":"busy","state":"firing"}"#;
    format!(
        r#"{{"type":"alert","host":"a","seq":{seq},"alert":{alert},"data":{{"timestamp":1,"cpu":2}}}}"#
    )
}

const SUMMARY: &str = r#"{"type":"summary","host":"a","from":60000,"to":120000,"count":60,"mean":{"cpu":2},"min":{"cpu":1},"max":{"cpu":9}}"#;

#[test]
fn among_summaries_numbers_say_nothing_until_the_first_sample() {
    let mut scripted = Scripted::new("since=1d&step=1m");
    scripted.tracker.connected(1);
    let gap = r#"{"type":"gap","host":"a","reason":"restarted"}"#;
    let told = scripted.take(&[
        &hello("s1"),
        SUMMARY,
        &alert(70),
        SUMMARY,
        &alert(900),
        &hello("s2"),
        gap,
        &alert(7),
        SUMMARY,
    ]);
    let told: Vec<_> = told
        .iter()
        .map(|it| it.split(' ').next().unwrap())
        .collect();
    let first = [
        "hello",
        "Summary(Summary",
        "a:s1:70",
        "Summary(Summary",
        "a:s1:900",
        "hello",
        "gap",
    ];
    assert_eq!(told, [&first[..], &["a:s2:7", "Summary(Summary"]].concat());
    // A cut amid them begins again.
    scripted.tracker.connected(2);
    assert_eq!(
        scripted.tracker.query().to_string(),
        "since=86400000ms&step=60000ms"
    );
    scripted.take(&[&hello("s2"), SUMMARY, &alert(8)]);
    assert_eq!(
        scripted.take(&[&metric(9), &metric(11)]),
        ["a:s2:9", "gap 10-10", "a:s2:11"]
    );
    // After the first sample, it resumes.
    scripted.tracker.connected(3);
    assert_eq!(scripted.tracker.query().to_string(), "after=a%3As2%3A11");
    assert_eq!(
        scripted.take(&[&hello("s2"), &alert(13)]),
        ["hello s2", "gap 12-12", "a:s2:13"]
    );
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
fn a_connection_lost_before_the_first_message_costs_nothing() {
    let empty =
        r#"{"type":"hello","host":"a","stream":"s1","newest":0,"interval":2000,"metrics":[]}"#;
    let begun = &empty.replace(":0,", ":7,");
    let of_b = |hello: &str| hello.replace("\"a\"", "\"b\"");
    // What is requested after connections with these texts.
    let requested = |query, connections: &[&[&str]]| {
        let mut scripted = Scripted::new(query);
        for texts in connections {
            scripted.take(texts);
            scripted.tracker.connected(1);
        }
        scripted.tracker.query().to_string()
    };
    let everything = format!("last={}", u64::MAX);
    assert_eq!(requested("", &[]), "");
    assert_eq!(requested("", &[&[empty]]), everything);
    assert_eq!(requested("", &[&[empty], &[begun]]), everything);
    assert_eq!(requested("", &[&[empty, &of_b(empty)]]), everything);
    // It was there before this client, which did not ask for its past.
    assert_eq!(requested("", &[&[begun]]), "");
    assert_eq!(requested("", &[&[empty, &of_b(begun)]]), "");
    // Without numbers, nothing tells which messages are known already.
    assert_eq!(requested("", &[&[empty, BARE]]), "");
    assert_eq!(requested("last=3", &[&[empty]]), "last=3");
    assert_eq!(requested("since=5s", &[&[empty]]), "since=5000ms");
    let after_one = requested("", &[&[empty, &metric(1)]]);
    assert_eq!(after_one, "after=a%3As1%3A1");
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

#[test]
fn hosts_that_the_user_named_are_shared_out_between_requests() {
    for (width, hosts) in [(4, 1500), (59, 1500), (59, 100)] {
        let name = |index: usize| format!("{:x<width$}-{index:04}", "h");
        let wanted: Vec<String> = (0..hosts).map(name).collect();
        let mut query = Query::parse("").unwrap();
        let literal = |name: &String| HostPattern::Literal(name.parse().unwrap());
        query.hosts = wanted.iter().map(literal).collect();
        query.hosts.push("z*".parse().unwrap());
        let mut tracker = Tracker::new(0, "server".parse().unwrap(), query, &[]);
        let (room, mut trackers) = (56 * 1024, Vec::new());
        while let Some(part) = tracker.split(room) {
            trackers.push(std::mem::replace(&mut tracker, part));
        }
        trackers.push(tracker);
        assert_eq!(trackers.len() == 1, hosts == 100);
        let mut taken = Vec::new();
        for (index, tracker) in trackers.iter_mut().enumerate() {
            assert_eq!(tracker.is_part(), index > 0);
            for name in wanted.iter().map(String::as_str).chain(["z1", "other"]) {
                let text = format!(
                    r#"{{"type":"metric","host":"{name}","seq":7,"data":{{"timestamp":1,"cpu":2}}}}"#
                );
                tracker.take(text.into(), Instant::now()).unwrap();
            }
            let received = std::iter::from_fn(|| tracker.pop());
            let metrics = received.filter(|it| matches!(it.update, Update::Numbered(_)));
            taken.extend(metrics.map(|it| it.host.to_string()));
            // With all their positions they still fit into one request.
            let query = tracker.query();
            assert!(
                query.hosts.len() <= MOST_POSITIONS + 1 && query.after.len() <= MOST_POSITIONS + 2
            );
            assert!(tracker.split(room).is_none());
        }
        // The first connection also takes what nobody named, as it always did.
        taken.sort_unstable();
        let mut expected = [wanted, vec!["z1".into(), "other".into()]].concat();
        expected.sort_unstable();
        assert_eq!(taken, expected);
    }
}
