//! A stream written by a thread of its own, so that nothing else waits for its reader.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::locks::{lock, unpoisoned};
use crate::wording::{counted, one_or_more};

/// The most that may wait to be written, in bytes: more than any burst, and little compared to the program.
const MOST_BYTES: usize = 256 * 1024;

/// A stream that has accepted nothing for this long is not being read.
const PATIENCE: Duration = Duration::from_millis(300);

/// The maximum time of a flush: a stream may be read slowly, or the machine may be busy.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

/// How often a flush checks for progress.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The pause before the next attempt, if a stream says that it would block.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The writing end of a stream. Texts are written in order; besides them there is one picture, such as a progress line
/// or a screen, of which only the newest matters.
#[derive(Debug)]
pub struct Outlet {
    shared: Arc<SharedBacklog>,
    /// Whether the stream would accept a write now; false if unknown.
    takes_more: fn() -> bool,
}

#[derive(Debug)]
struct SharedBacklog {
    state: Mutex<Backlog>,
    changed: Condvar,
    erase: &'static [u8],
}

#[derive(Debug, Default)]
struct Backlog {
    texts: Vec<Vec<u8>>,
    bytes: usize,
    /// Lines dropped since the texts were last taken.
    dropped: u64,
    picture: Arc<[u8]>,
    /// Whether the picture hasn't been written yet.
    is_new: bool,
    /// Whether the writer is writing something.
    is_writing: bool,
    /// Increases with everything that the stream accepts.
    steps: u64,
    /// The error of the last write, if it failed.
    failed: Option<ErrorKind>,
    has_writer: bool,
}

impl Outlet {
    /// Starts to write to `out` on a thread called `name`. `erase` removes a picture before texts are written; after
    /// them, the picture is written again.
    pub fn new(
        name: &str,
        out: impl Write + Send + 'static,
        erase: &'static [u8],
        takes_more: fn() -> bool,
    ) -> Self {
        let shared = Arc::new(SharedBacklog {
            state: Mutex::default(),
            changed: Condvar::new(),
            erase,
        });
        let writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || writer.write_to(out));
        // Without a thread, writing could block, so nothing is written.
        shared.lock().has_writer = writer.is_ok();
        Self { shared, takes_more }
    }

    /// Queues `text`. If too much is waiting already, it is dropped, and so is everything after it until the writer
    /// makes progress; the number of missing lines is then written in their place.
    pub fn push(&self, text: Vec<u8>) {
        let mut state = self.shared.lock();
        if state.dropped > 0 || state.bytes + text.len() > MOST_BYTES {
            let lines = text.iter().filter(|&&byte| byte == b'\n').count();
            state.dropped += lines.max(1) as u64;
            return;
        }
        state.bytes += text.len();
        state.texts.push(text);
        self.shared.changed.notify_all();
    }

    /// Queues `picture` in place of the previous one, which may never have been written. An empty one removes it.
    pub fn show(&self, picture: Arc<[u8]>) {
        let mut state = self.shared.lock();
        state.picture = picture;
        state.is_new = true;
        self.shared.changed.notify_all();
    }

    /// Waits until everything is written, as long as the stream accepts something. Returns whether it was.
    pub fn flush(&self) -> bool {
        let begun = Instant::now();
        let mut state = self.shared.lock();
        let mut step = (state.steps, begun);
        while state.has_work() && state.has_writer {
            let waited = self.shared.changed.wait_timeout(state, LOOK_EVERY);
            state = unpoisoned(waited).0;
            if state.steps != step.0 {
                step = (state.steps, Instant::now());
            }
            let is_stuck = step.1.elapsed() > PATIENCE && !(self.takes_more)();
            if is_stuck || begun.elapsed() > LONGEST_FLUSH {
                return false;
            }
        }
        true
    }

    /// Fails if the stream has failed because its reader is gone.
    ///
    /// # Errors
    /// The error of the last write.
    pub fn check(&self) -> io::Result<()> {
        match self.shared.lock().failed {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }
}

impl Backlog {
    fn has_work(&self) -> bool {
        self.is_writing || self.has_more()
    }

    fn has_more(&self) -> bool {
        !self.texts.is_empty() || self.dropped > 0 || self.is_new
    }
}

impl SharedBacklog {
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        lock(&self.state)
    }

    /// The writer's main loop.
    fn write_to(&self, mut out: impl Write) {
        let mut shown: Arc<[u8]> = Arc::default();
        loop {
            let (mut parts, picture) = self.next();
            if !shown.is_empty() {
                parts.insert(0, self.erase.into());
            }
            if !picture.is_empty() {
                parts.push(picture.to_vec());
            }
            shown = picture;
            for part in parts {
                let written = self.write(&mut out, &part);
                self.lock().failed = written.err().map(|error| error.kind());
            }
        }
    }

    /// Waits until there is something to write: texts, and the picture after them.
    fn next(&self) -> (Vec<Vec<u8>>, Arc<[u8]>) {
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        while !state.has_more() {
            state = unpoisoned(self.changed.wait(state));
        }
        state.is_writing = true;
        state.is_new = false;
        state.bytes = 0;
        let mut texts = std::mem::take(&mut state.texts);
        let dropped = std::mem::take(&mut state.dropped);
        if dropped > 0 {
            let (lines, are) = (counted(dropped, "line"), one_or_more(dropped, "is", "are"));
            let note = format!("{lines} {are} missing here: stderr was not being read\n");
            texts.push(note.into_bytes());
        }
        (texts, Arc::clone(&state.picture))
    }

    /// Writes everything, and keeps waiting threads informed.
    fn write(&self, out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match out.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.lock().steps += 1;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Another process made the terminal non-blocking for everyone who has it open.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(AGAIN_AFTER);
                }
                Err(error) => return Err(error),
            }
        }
        out.flush()
    }
}

/// Whether a write to `stream` would return immediately.
#[cfg(unix)]
pub fn takes_more(stream: &impl std::os::fd::AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut polled = [PollFd::new(stream, PollFlags::OUT)];
    matches!(poll(&mut polled, Some(&Timespec::default())), Ok(1..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A stream that is read one write at a time, when the test says so.
    struct Slow {
        turns: mpsc::Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // When the test is over, there is nothing to wait for.
            let _ = self.turns.recv();
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Stuck {
        outlet: Outlet,
        turns: mpsc::Sender<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    fn stuck() -> Stuck {
        let (turns, receiver) = mpsc::channel();
        let taken = Arc::default();
        let slow = Slow {
            turns: receiver,
            taken: Arc::clone(&taken),
        };
        let outlet = Outlet::new("outlet", slow, b"<erase>", || false);
        Stuck {
            outlet,
            turns,
            taken,
        }
    }

    impl Stuck {
        /// Waits until the writer has taken everything that waits, and hangs in its first write.
        fn hang(&self) {
            while self.outlet.shared.lock().has_more() {
                std::thread::yield_now();
            }
        }

        /// Everything that is written once the stream is read.
        fn finish(self) -> String {
            drop(self.turns);
            assert!(self.outlet.flush());
            String::from_utf8(self.taken.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn texts_are_written_in_order() {
        let stuck = stuck();
        for n in 0..100 {
            stuck.outlet.push(format!("{n}\n").into_bytes());
        }
        let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(stuck.finish(), expected);
    }

    #[test]
    fn lines_that_do_not_fit_are_dropped_and_counted() {
        let stuck = stuck();
        stuck.outlet.push(b"first\n".to_vec());
        stuck.hang();
        let line = vec![b'x'; 1023]
            .into_iter()
            .chain([b'\n'])
            .collect::<Vec<_>>();
        let fit = MOST_BYTES / line.len();
        for _ in 0..fit + 7 {
            stuck.outlet.push(line.clone());
        }
        // Small as it is, after missing lines it would hide that they are missing.
        stuck.outlet.push(b"two\nlines\n".to_vec());
        assert_eq!(stuck.outlet.shared.lock().bytes, MOST_BYTES);
        stuck.turns.send(()).unwrap();
        stuck.hang();
        stuck.outlet.push(b"last\n".to_vec());
        let written = stuck.finish();
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 1 + fit + 2);
        assert_eq!(lines[0], "first");
        assert_eq!(
            lines[1 + fit],
            "9 lines are missing here: stderr was not being read"
        );
        assert_eq!(lines[2 + fit], "last");
    }

    #[test]
    fn only_the_newest_picture_is_written_with_texts_above_it() {
        let stuck = stuck();
        stuck.outlet.push(b"first\n".to_vec());
        stuck.hang();
        for n in 0..1000 {
            stuck.outlet.show(format!("{n} %").into_bytes().into());
        }
        stuck.turns.send(()).unwrap();
        stuck.hang();
        stuck.outlet.push(b"second\n".to_vec());
        stuck.turns.send(()).unwrap();
        stuck.hang();
        stuck.outlet.show(Arc::default());
        assert_eq!(stuck.finish(), "first\n999 %<erase>second\n999 %<erase>");
    }

    #[test]
    fn a_flush_does_not_wait_for_a_reader_that_does_not_read() {
        let stuck = stuck();
        stuck.outlet.push(b"first\n".to_vec());
        assert!(!stuck.outlet.flush());
        assert_eq!(stuck.finish(), "first\n");
    }

    #[test]
    fn a_reader_that_is_gone_is_reported() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let outlet = Outlet::new("outlet", Gone, b"", || true);
        assert!(outlet.check().is_ok());
        outlet.push(b"first\n".to_vec());
        assert!(outlet.flush());
        assert_eq!(outlet.check().unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
