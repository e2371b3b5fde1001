//! Reads a pipe on a thread of its own, so that a child never blocks on a full one.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The output of a pipe so far.
pub(crate) struct Pump {
    shared: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    closed: bool,
}

impl Pump {
    pub(crate) fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let writer = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            loop {
                let read = pipe.read(&mut buffer).unwrap_or(0);
                let mut state = writer.0.lock().unwrap();
                state.bytes.extend_from_slice(&buffer[..read]);
                state.closed = read == 0;
                writer.1.notify_all();
                if state.closed {
                    return;
                }
            }
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Waits until `look` finds something in the output. `None` if the pipe closes or the time is up first.
    pub(crate) fn wait<T>(
        &self,
        patience: Duration,
        look: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.0.lock().unwrap();
        loop {
            if let Some(found) = look(&state.bytes) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return None;
            }
            state = self.shared.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The output so far, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shared.0.lock().unwrap().bytes).into_owned()
    }

    /// Everything, once the pipe is closed.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        std::mem::take(&mut self.shared.0.lock().unwrap().bytes)
    }
}

/// The first whole line, without its end.
pub(crate) fn first_line(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|&b| b == b'\n')?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}
