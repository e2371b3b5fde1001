//! How full the filesystems are, queried on other threads: a mount whose server is gone blocks every access, in a call
//! that cannot be interrupted.
//!
//! One thread queries all mounts in turn. A mount that makes the others wait keeps that thread to itself from then on,
//! and a new thread queries the rest; so there is never more than one thread per slow mount, plus one. A slow mount is
//! queried again only after it has responded, and its response belongs to the sample after it.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use super::reading::Space;

/// How long a sample waits for one mount. Local filesystems answer within microseconds.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// Enough for a path lookup.
const STACK_BYTES: usize = 256 * 1024;

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mount {
    /// Distinguishes it from an earlier one at the same mount point; 0 if the system has no ids.
    pub(super) id: i32,
    /// The mount point as text.
    pub(super) name: Arc<str>,
    /// The mount point as the system knows it.
    pub(super) path: PathBuf,
}

/// Queries one filesystem; may block for ever.
pub(super) type AskSpace = Arc<dyn Fn(&Path) -> Option<Space> + Send + Sync>;

/// The threads, with their requests and responses.
pub(super) struct Spaces {
    ask: AskSpace,
    patience: Duration,
    answers: Receiver<Answer>,
    answer: Sender<Answer>,
    quick: Lane,
    slow: HashMap<Mount, Lane>,
    /// The pending requests of the quick lane, in order.
    pending: VecDeque<Mount>,
    /// The responses since the last sample.
    known: HashMap<Mount, Option<Space>>,
}

struct Answer {
    mount: Mount,
    space: Option<Space>,
}

impl Spaces {
    pub(super) fn new(ask: AskSpace, patience: Duration) -> Self {
        let (answer, answers) = mpsc::channel();
        Self {
            quick: Lane::open(&ask, &answer),
            ask,
            patience,
            answers,
            answer,
            slow: HashMap::new(),
            pending: VecDeque::new(),
            known: HashMap::new(),
        }
    }

    /// Requests the space on `mounts`, without waiting.
    pub(super) fn begin(&mut self, mounts: &[Mount]) {
        self.known.clear();
        self.note_late();
        self.slow.retain(|mount, _| mounts.contains(mount));
        for mount in mounts {
            match self.slow.get_mut(mount) {
                Some(lane) if lane.is_busy => {}
                Some(lane) => lane.request(vec![mount.clone()]),
                None => self.pending.push_back(mount.clone()),
            }
        }
        self.request_pending();
    }

    /// The responses since the last time, with `None` for those of `mounts` that didn't respond.
    pub(super) fn finish(&mut self, mounts: &[Mount]) -> Vec<(Arc<str>, Option<Space>)> {
        while !self.pending.is_empty() {
            match self.answers.recv_timeout(self.patience) {
                Ok(answer) => self.note(answer),
                Err(_) => self.set_apart(),
            }
        }
        self.note_late();
        let said = |mount| self.known.get(mount).copied().flatten();
        let spaces = mounts.iter().map(|mount| (mount.name.clone(), said(mount)));
        spaces.collect()
    }

    fn note_late(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            self.note(answer);
        }
    }

    fn note(&mut self, answer: Answer) {
        self.pending.retain(|mount| *mount != answer.mount);
        if let Some(lane) = self.slow.get_mut(&answer.mount) {
            lane.is_busy = false;
        }
        self.known.insert(answer.mount, answer.space);
    }

    /// Leaves the quick lane to the mount that blocks it, and queries the rest in a new one.
    fn set_apart(&mut self) {
        let Some(mount) = self.pending.pop_front() else {
            return;
        };
        let fresh = Lane::open(&self.ask, &self.answer);
        let held_up = std::mem::replace(&mut self.quick, fresh);
        held_up.keep_only(&mount);
        self.slow.insert(mount, held_up);
        self.request_pending();
    }

    fn request_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.quick.request(self.pending.iter().cloned().collect());
        if !self.quick.is_busy {
            // No thread could be started. The next sample tries again.
            self.pending.clear();
            self.quick = Lane::open(&self.ask, &self.answer);
        }
    }
}

/// A thread that processes requests in turn, until its lane is dropped and no mount blocks it.
struct Lane {
    requests: Sender<Request>,
    only: Arc<OnceLock<Mount>>,
    is_busy: bool,
}

struct Request {
    mounts: Vec<Mount>,
    /// If set, only this one of them is still wanted.
    only: Arc<OnceLock<Mount>>,
}

impl Lane {
    fn open(ask: &AskSpace, answer: &Sender<Answer>) -> Self {
        let (requests, requested) = mpsc::channel();
        let (ask, answer) = (Arc::clone(ask), answer.clone());
        let serve = move || {
            for request in requested {
                serve(request, &ask, &answer);
            }
        };
        let thread = thread::Builder::new().name("disk-space".into());
        // If no thread can be started, the other end of `requests` is gone, which the next request notices.
        let _ = thread.stack_size(STACK_BYTES).spawn(serve);
        Self {
            requests,
            only: Arc::default(),
            is_busy: false,
        }
    }

    fn request(&mut self, mounts: Vec<Mount>) {
        self.only = Arc::default();
        let only = Arc::clone(&self.only);
        let request = Request { mounts, only };
        self.is_busy = self.requests.send(request).is_ok();
    }

    /// Drops its requests for all mounts but this one, which it may not have begun to query: then the machine is busy, and
    /// the mount isn't slow.
    fn keep_only(&self, mount: &Mount) {
        let _ = self.only.set(mount.clone());
    }
}

fn serve(request: Request, ask: &AskSpace, answer: &Sender<Answer>) {
    for mount in request.mounts {
        if request.only.get().is_some_and(|only| *only != mount) {
            continue;
        }
        let space = ask(&mount.path);
        if answer.send(Answer { mount, space }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    const SPACE: Space = Space {
        used: 3,
        available: 1,
        size: 4,
        inodes: None,
    };

    fn mount(name: &str) -> Mount {
        Mount {
            id: 7,
            name: name.into(),
            path: name.into(),
        }
    }

    fn sample(spaces: &mut Spaces, mounts: &[Mount]) -> Vec<Option<Space>> {
        spaces.begin(mounts);
        let answers = spaces.finish(mounts);
        let names = answers.iter().map(|(name, _)| name);
        assert!(names.eq(mounts.iter().map(|mount| &mount.name)));
        answers.into_iter().map(|(_, space)| space).collect()
    }

    /// `/hung` responds once per token; the counter shows how many requests it got.
    fn hanging() -> (Spaces, Sender<()>, Arc<AtomicUsize>) {
        let (release, token) = mpsc::channel();
        let token = Mutex::new(token);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let ask = move |path: &Path| {
            if path == Path::new("/hung") {
                count.fetch_add(1, Ordering::SeqCst);
                token.lock().unwrap().recv().ok()?;
            }
            (path != Path::new("/gone")).then_some(SPACE)
        };
        let spaces = Spaces::new(Arc::new(ask), Duration::from_secs(1));
        (spaces, release, asked)
    }

    #[test]
    fn every_mount_answers() {
        let (mut spaces, ..) = hanging();
        let mounts = [mount("/"), mount("/gone"), mount("/home")];
        let expected = [Some(SPACE), None, Some(SPACE)];
        assert_eq!(sample(&mut spaces, &mounts), expected);
        assert_eq!(sample(&mut spaces, &mounts), expected);
        assert_eq!(sample(&mut spaces, &[]), []);
    }

    #[test]
    fn a_hung_mount_delays_no_other_and_blocks_one_thread() {
        let (mut spaces, _release, asked) = hanging();
        let mounts = [mount("/"), mount("/hung"), mount("/home")];
        for _ in 0..3 {
            let expected = [Some(SPACE), None, Some(SPACE)];
            assert_eq!(sample(&mut spaces, &mounts), expected);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(spaces.slow.len(), 1);
    }

    #[test]
    fn requests_to_a_hung_mount_do_not_pile_up() {
        let (mut spaces, release, _) = hanging();
        for _ in 0..3 {
            assert_eq!(sample(&mut spaces, &[mount("/hung")]), [None]);
        }
        for _ in 0..3 {
            release.send(()).unwrap();
        }
        let first = spaces.answers.recv().unwrap();
        assert_eq!(first.space, Some(SPACE));
        let another = spaces.answers.recv_timeout(Duration::from_millis(200));
        assert!(another.is_err(), "it was asked more than once");
    }

    #[test]
    fn a_mount_that_comes_back_is_asked_again() {
        let (mut spaces, release, asked) = hanging();
        let mounts = [mount("/hung"), mount("/home")];
        assert_eq!(sample(&mut spaces, &mounts), [None, Some(SPACE)]);
        release.send(()).unwrap();
        // Its late response, and then the responses to new requests.
        while sample(&mut spaces, &mounts)[0].is_none() {}
        while asked.load(Ordering::SeqCst) < 2 {
            sample(&mut spaces, &mounts);
        }
        assert_eq!(sample(&mut spaces, &mounts), [None, Some(SPACE)]);
        release.send(()).unwrap();
        while sample(&mut spaces, &mounts)[0].is_none() {}
    }

    #[test]
    fn another_mount_at_the_same_place_does_not_inherit_the_thread() {
        let (mut spaces, release, asked) = hanging();
        sample(&mut spaces, &[mount("/hung")]);
        let again = Mount {
            id: 8,
            ..mount("/hung")
        };
        // With the first lane dropped, only its thread can take this token, and ends.
        release.send(()).unwrap();
        release.send(()).unwrap();
        while sample(&mut spaces, std::slice::from_ref(&again))[0].is_none() {}
        assert!(asked.load(Ordering::SeqCst) >= 2);
        assert!(!spaces.slow.contains_key(&mount("/hung")));
    }

    #[test]
    fn a_thread_that_begins_late_still_asks() {
        for _ in 0..50 {
            let ask = |_: &Path| Some(SPACE);
            // So little that hardly a thread has begun by then.
            let mut spaces = Spaces::new(Arc::new(ask), Duration::ZERO);
            let mounts = [mount("/"), mount("/home"), mount("/var")];
            let deadline = Instant::now() + Duration::from_secs(30);
            while sample(&mut spaces, &mounts) != [Some(SPACE); 3] {
                assert!(Instant::now() < deadline, "a mount is never asked again");
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
