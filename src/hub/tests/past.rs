//! Viewers that start before the ring, or fell behind it, with a past to turn to.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use super::*;
use crate::hub::{Past, PastFrom, PastMessage, PastMessages, PastRequest};

/// At one message a second the ring holds 41.
pub(super) const RETAIN: Duration = Duration::from_secs(40);

type Meanwhile = Box<dyn FnMut(u64) -> io::Result<()> + Send>;

/// Keeps every message.
#[derive(Default)]
pub(super) struct FakePast {
    pub(super) messages: Mutex<Vec<PastMessage>>,
    pub(super) wanted: Mutex<Vec<PastRequest>>,
    /// Continues into the ring, rather than ending where it begins.
    pub(super) overlaps: bool,
    /// Called before each message, on the thread that reads.
    pub(super) meanwhile: Mutex<Option<Meanwhile>>,
}

impl fmt::Debug for FakePast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakePast")
    }
}

fn name(message: &PastMessage) -> (StreamId, u64) {
    (message.announcement.stream, message.message.seq)
}

/// The past itself, which a hub and a test can share.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<FakePast>);

impl Past for Shared {
    fn read(&self, wanted: &PastRequest) -> io::Result<PastMessages> {
        let past = Arc::clone(&self.0);
        past.wanted.lock().unwrap().push(wanted.clone());
        let messages = past.messages.lock().unwrap();
        let end = messages
            .iter()
            .position(|message| Some(name(message)) == wanted.before)
            .unwrap_or(messages.len());
        let mut index = match wanted.from {
            PastFrom::After(stream, seq) => messages
                .iter()
                .rposition(|it| it.announcement.stream == stream && it.message.seq <= seq)
                .map_or(0, |index| index + 1),
            PastFrom::Last(count) => {
                end.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX))
            }
            PastFrom::Since(time) => {
                messages.partition_point(|it| it.message.sample.timestamp < time)
            }
        };
        drop(messages);
        let end = if past.overlaps { usize::MAX } else { end };
        Ok(Box::new(std::iter::from_fn(move || {
            if index >= end {
                return None;
            }
            let message = past.messages.lock().unwrap().get(index)?.clone();
            index += 1;
            let mut meanwhile = past.meanwhile.lock().unwrap();
            let said = meanwhile
                .as_mut()
                .map(|meanwhile| meanwhile(message.message.seq));
            Some(said.unwrap_or(Ok(())).map(|()| message))
        })))
    }
}

/// A hub with the host `a`, and a past that keeps all its messages.
pub(super) struct World {
    pub(super) hub: Hub,
    pub(super) publisher: HostPublisher,
    past: Shared,
}

impl World {
    fn new() -> Self {
        Self::with(FakePast::default(), RETAIN)
    }

    pub(super) fn with(past: FakePast, duration: Duration) -> Self {
        let past = Shared(Arc::new(past));
        let retention = Retention {
            duration,
            lossless: false,
        };
        let hub = Hub::with_past(retention, Arc::new(past.clone()));
        let publisher = hub.publisher(Timeline::Recorded).host(&host("a"));
        Self {
            hub,
            publisher,
            past,
        }
    }

    pub(super) fn push(&self, stream: &str, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            keep(&self.past.0, stream, seq);
            push(&self.publisher, stream, [seq]);
        }
    }

    /// What a viewer gets, the past included.
    pub(super) fn read(&self, viewer: &mut Subscription) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        let (mut head, mut frames) = (self.hub.head(), Vec::new());
        loop {
            match viewer.read(&mut frames, 1000) {
                Batch::More => {}
                Batch::Waiting => runtime.block_on(head.changed()),
                Batch::Head | Batch::End => return frames.iter().map(told).collect(),
            }
        }
    }

    #[track_caller]
    pub(super) fn check(&self, query: &str, expected: &[&str]) {
        let seen = self.read(&mut subscribe(&self.hub, query));
        let expected: Vec<_> = expected.iter().flat_map(|part| spelled(part)).collect();
        assert_eq!(seen, expected, "{query}");
    }
}

fn keep(past: &FakePast, stream: &str, seq: u64) {
    past.messages.lock().unwrap().push(PastMessage {
        announcement: Arc::new(announcement(stream)),
        message: sample(stream, seq),
    });
}

pub(super) fn told(frame: &crate::protocol::Frame) -> String {
    short(&Message::decode(std::str::from_utf8(frame.json()).unwrap()).unwrap())
}

/// `3..5` is 3, 4 and 5.
fn spelled(part: &str) -> Vec<String> {
    match part.split_once("..") {
        None => vec![part.to_owned()],
        Some((first, last)) => (first.parse().unwrap()..=last.parse::<u64>().unwrap())
            .map(|seq| seq.to_string())
            .collect(),
    }
}

#[test]
fn a_viewer_starts_in_the_past_and_continues_in_the_ring() {
    for overlaps in [false, true] {
        let past = FakePast {
            overlaps,
            ..FakePast::default()
        };
        let world = World::with(past, RETAIN);
        world.push("s1", 1..=100);
        world.check("after=a:s1:10", &["hello s1", "11..100"]);
        world.check("last=95", &["hello s1", "6..100"]);
        world.check("last=9999", &["hello s1", "1..100"]);
        world.check("since=80s", &["hello s1", "20..100"]);
        world.check("since=1h", &["hello s1", "1..100"]);
    }
}

#[test]
fn messages_in_the_ring_are_not_looked_up_in_the_past() {
    let world = World::new();
    world.push("s1", 1..=100);
    world.check("", &["hello s1", "100"]);
    world.check("after=a:s1:59", &["hello s1", "60..100"]);
    world.check("after=a:s1:100", &["hello s1"]);
    world.check("after=a:s1:200", &["hello s1"]);
    world.check("last=41", &["hello s1", "60..100"]);
    world.check("last=0", &["hello s1"]);
    world.check("since=39s", &["hello s1", "61..100"]);
    assert_eq!(*world.past.0.wanted.lock().unwrap(), []);
    world.check("last=42", &["hello s1", "59..100"]);
    let wanted = PastRequest {
        host: host("a"),
        from: PastFrom::Last(1),
        before: Some(("s1".parse().unwrap(), 60)),
    };
    assert_eq!(*world.past.0.wanted.lock().unwrap(), [wanted]);
}

#[test]
fn earlier_streams_are_read_from_the_past_with_their_hello() {
    let world = World::new();
    for seq in 1..=3 {
        keep(&world.past.0, "s0", seq); // before this server was started
    }
    world.push("s1", 1..=50);
    world.push("s2", 1..=60);
    let on = ["hello s2", "gap restarted", "1..60"];
    world.check(
        "after=a:s1:48",
        &[&["hello s1", "49..50"], &on[..]].concat(),
    );
    let all = ["hello s1", "gap restarted", "1..50"];
    world.check(
        "after=a:s0:2",
        &[&["hello s0", "3"], &all[..], &on[..]].concat(),
    );
    let unknown = ["hello s0", "gap restarted", "1..3"];
    world.check("after=a:s9:2", &[&unknown, &all[..], &on[..]].concat());
}

#[test]
fn an_empty_ring_turns_to_the_past() {
    let world = World::new();
    for seq in 1..=3 {
        keep(&world.past.0, "s1", seq);
    }
    let mut viewers =
        ["", "last=2", "after=a:s1:1", "after=a:s1:3"].map(|query| subscribe(&world.hub, query));
    let before = viewers
        .each_mut()
        .map(|viewer| world.read(viewer).join(", "));
    assert_eq!(
        before,
        ["hello s1, 3", "hello s1, 2, 3", "hello s1, 2, 3", ""]
    );
    world.push("s2", 1..=1);
    for (viewer, _) in viewers.iter_mut().zip(before) {
        assert_eq!(world.read(viewer), ["hello s2", "gap restarted", "1"]);
    }
}

#[test]
fn a_gap_in_the_past_is_reported_once() {
    let world = World::new();
    world.push("s1", 1..=100);
    let lacks = |seqs: std::ops::RangeInclusive<u64>| {
        let mut messages = world.past.0.messages.lock().unwrap();
        messages.retain(|it| !seqs.contains(&it.message.seq));
    };
    lacks(1..=19);
    lacks(30..=34);
    lacks(55..=99);
    let on = ["35..54", "gap 55-59", "60..100"];
    let some = ["hello s1", "gap 11-19", "20..29", "gap 30-34"];
    world.check("after=a:s1:10", &[&some, &on[..]].concat());
    world.check(
        "last=9999",
        &[&["hello s1", "20..29", "gap 30-34"], &on[..]].concat(),
    );
    lacks(1..=100);
    world.check("after=a:s1:10", &["hello s1", "gap 11-59", "60..100"]);
    world.check("last=9999", &["hello s1", "60..100"]);
}

#[test]
fn a_past_that_fails_becomes_a_gap() {
    let world = World::new();
    world.push("s1", 1..=100);
    let fails = |seq| match seq {
        30 => Err(io::Error::other("the disk is gone")),
        _ => Ok(()),
    };
    *world.past.0.meanwhile.lock().unwrap() = Some(Box::new(fails));
    // It is asked again where it stopped, and then never again.
    let expected = ["hello s1", "11..29", "gap 30-59", "60..100"];
    world.check("after=a:s1:10", &expected);
}

#[test]
fn a_viewer_that_fell_behind_the_ring_loses_nothing() {
    let world = World::new();
    world.push("s1", 1..=3);
    let mut viewer = subscribe(&world.hub, "");
    assert_eq!(world.read(&mut viewer), ["hello s1", "3"]);
    world.push("s1", 4..=300);
    assert_eq!(world.read(&mut viewer), spelled("4..300"));
    assert_eq!((viewer.overruns(), viewer.gaps()), (0, 0));
}

#[test]
fn a_new_host_is_not_looked_up_in_the_past() {
    let world = World::new();
    world.push("s1", 1..=1);
    let mut viewer = subscribe(&world.hub, "host=*");
    let mut resumed = subscribe(&world.hub, "host=*&after=b:s2:1");
    assert_eq!(world.read(&mut viewer), ["hello s1", "1"]);
    assert_eq!(world.read(&mut resumed), ["hello s1", "1"]);
    for seq in 1..=3 {
        keep(&world.past.0, "s2", seq);
    }
    let other = world.hub.publisher(Timeline::Recorded).host(&host("b"));
    push(&other, "s2", 4..=5);
    assert_eq!(world.read(&mut viewer), ["hello s2", "4", "5"]);
    assert_eq!(world.read(&mut resumed), ["hello s2", "2", "3", "4", "5"]);
}

/// Never ends. Counts what was read, and signals when it is dropped.
#[derive(Debug)]
struct Endless(Arc<AtomicUsize>, mpsc::Sender<()>);

struct TellsDrop(mpsc::Sender<()>);

impl Drop for TellsDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Past for Endless {
    fn read(&self, _: &PastRequest) -> io::Result<PastMessages> {
        let (count, tells) = (Arc::clone(&self.0), TellsDrop(self.1.clone()));
        let announcement = Arc::new(announcement("s0"));
        Ok(Box::new((1..).map(move |seq| {
            let _ = &tells;
            count.fetch_add(1, Ordering::SeqCst);
            Ok(PastMessage {
                announcement: Arc::clone(&announcement),
                message: sample("s0", seq),
            })
        })))
    }
}

#[tokio::test]
async fn the_past_is_read_slightly_ahead_and_only_while_the_viewer_exists() {
    let (count, (tell, dropped)) = (Arc::default(), mpsc::channel());
    let past = Arc::new(Endless(Arc::clone(&count), tell));
    let hub = Hub::with_past(KEEP_ALL, past);
    push(
        &hub.publisher(Timeline::Recorded).host(&host("a")),
        "s1",
        [1],
    );
    let (mut head, mut frames) = (hub.head(), Vec::new());
    let mut viewer = subscribe(&hub, "last=9999");
    let mut bytes = 0;
    while bytes < 200_000 {
        match viewer.read(&mut frames, 1000) {
            Batch::Waiting => head.changed().await,
            batch => assert_eq!(batch, Batch::More),
        }
        bytes = frames.iter().map(|frame| frame.json().len()).sum();
    }
    drop(viewer);
    dropped.recv_timeout(Duration::from_secs(60)).unwrap();
    let ahead = count.load(Ordering::SeqCst) - frames.len();
    let batch = 64 * 1024 / (bytes / frames.len());
    assert!(ahead <= 5 * batch, "{ahead} messages of {batch} in a batch");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Wherever a viewer starts, and whatever is added while it reads: it gets everything from there on, in order and
    /// once.
    #[test]
    fn continuing_from_the_past_loses_and_repeats_nothing(
        retain in 30..60_u64,
        before in 1..250_u64,
        come in prop::collection::vec(0..4_u64, 0..150),
        overlaps: bool,
        begin in 1..250_u64,
        how in 0..3,
    ) {
        let past = FakePast { overlaps, ..FakePast::default() };
        let world = World::with(past, Duration::from_secs(retain));
        world.push("s1", 1..=before);
        let begin = begin.min(before);
        let query = match how {
            0 => format!("after=a:s1:{begin}"),
            1 => format!("last={}", before - begin),
            _ => format!("since={}s", before - begin - u64::from(begin < before)),
        };
        // Reading a message of the past adds some more, so that the ring moves on.
        let mut newest = before;
        let publisher = world.hub.publisher(Timeline::Recorded).host(&host("a"));
        let kept = Arc::downgrade(&world.past.0);
        let mut come = come.into_iter();
        let last = Arc::new(Mutex::new(before));
        let reached = Arc::clone(&last);
        *world.past.0.meanwhile.lock().unwrap() = Some(Box::new(move |_| {
            for _ in 0..come.next().unwrap_or(0) {
                newest += 1;
                if let Some(past) = kept.upgrade() {
                    keep(&past, "s1", newest);
                }
                push(&publisher, "s1", [newest]);
                *reached.lock().unwrap() = newest;
            }
            Ok(())
        }));
        let mut viewer = subscribe(&world.hub, &query);
        let mut seen = world.read(&mut viewer);
        // The thread may have added more after what the viewer took for the head.
        world.past.0.meanwhile.lock().unwrap().take();
        seen.extend(world.read(&mut viewer));
        let first = match (how, begin < before) {
            (1 | 2, false) => before + u64::from(how == 1),
            _ => begin + 1,
        };
        let expected: Vec<_> = (first..=*last.lock().unwrap()).map(|seq| seq.to_string()).collect();
        prop_assert_eq!(&seen[0], "hello s1");
        prop_assert_eq!(&seen[1..], expected, "{}", query);
    }
}
