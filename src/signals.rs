//! SIGINT and SIGTERM: the first one asks the program to stop, the second one ends it. SIGHUP does the same, or makes a
//! server reread its files. A program that runs for us gets them, too.

mod forwarder;
mod jobs;

use std::sync::{Arc, mpsc};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use forwarder::SignalForwarder;
pub use jobs::{JobSignal, JobSignals, stop_job};

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangup {
    /// The same as SIGTERM.
    Stop,
    /// Files are to be reread, unless our terminal was closed.
    Reload,
}

/// Requests by signals.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// To stop.
    pub stop: CancellationToken,
    /// To reread files: notified once for any number of pending signals.
    pub reload: Arc<Notify>,
    /// Knows the signal that asked to stop, and passes it on to a program.
    pub forwarder: SignalForwarder,
}

/// The number of SIGINT.
pub const INTERRUPT: u8 = 2;

impl Asked {
    /// The number of the signal that asked to stop; that of SIGINT if it is not known.
    #[must_use]
    pub fn signal(&self) -> u8 {
        self.forwarder.first().unwrap_or(INTERRUPT)
    }
}

/// Catches signals. The second one that asks to stop kills the program that runs for us, if there is one, and calls
/// `leave` with its number. That happens on a thread of its own, so that it works even if we are stuck in a write to a
/// pipe that nobody reads.
///
/// Returns once signals are caught, so that a later one never kills the program unprepared.
pub fn catch(hangup: Hangup, leave: impl FnOnce(i32) + Send + 'static) -> Asked {
    let asked = Asked::default();
    let (ready, caught) = mpsc::channel();
    let tell = asked.clone();
    let listen = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
        else {
            return;
        };
        let second = runtime.block_on(async {
            let mut signals = Signals::catch(hangup)?;
            let _told_by_write = file_size_limit();
            let _ = ready.send(());
            tell.forwarder.forward(signals.next(&tell.reload).await);
            tell.stop.cancel();
            std::io::Result::Ok(signals.next(&tell.reload).await)
        });
        if let Ok(signal) = second {
            tell.forwarder.kill();
            leave(signal);
        }
    };
    if std::thread::Builder::new()
        .name("signals".into())
        .spawn(listen)
        .is_ok()
    {
        // An error means that signals cannot be caught: they then have their default effect.
        let _ = caught.recv();
    }
    asked
}

/// A file at its size limit is reported by the failing write, like a full disk, instead of a signal that kills.
#[cfg(unix)]
fn file_size_limit() -> Option<tokio::signal::unix::Signal> {
    /// `SIGXFSZ`, the same on every system that has it.
    const FILE_SIZE: i32 = 25;
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(FILE_SIZE)).ok()
}

#[cfg(not(unix))]
fn file_size_limit() {}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: Option<tokio::signal::unix::Signal>,
    reloads: bool,
    had_terminal: bool,
}

#[cfg(unix)]
impl Signals {
    fn catch(hangup: Hangup) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let reloads = hangup == Hangup::Reload;
        let had_terminal = !ignores_hangup() && has_terminal();
        // Under nohup, a closed terminal is no reason to stop; catching the signal would make it one.
        let is_heeded = reloads || !ignores_hangup();
        let hangup = is_heeded
            .then(|| signal(SignalKind::hangup()))
            .transpose()?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
            reloads,
            had_terminal,
        })
    }

    /// The next signal that asks to stop.
    async fn next(&mut self, reload: &Notify) -> i32 {
        use tokio::signal::unix::SignalKind;
        loop {
            let hangup = async {
                match &mut self.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.interrupt.recv() => return SignalKind::interrupt().as_raw_value(),
                _ = self.terminate.recv() => return SignalKind::terminate().as_raw_value(),
                _ = hangup => {}
            }
            let lost_terminal = self.had_terminal && !has_terminal();
            if !self.reloads || lost_terminal {
                return SignalKind::hangup().as_raw_value();
            }
            reload.notify_one();
        }
    }
}

/// Whether there is a terminal that could be closed.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether we were started with SIGHUP ignored. Must be called before it is caught; known only on Linux.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 != 0)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch(_: Hangup) -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self, _: &Notify) -> i32 {
        let _ = tokio::signal::ctrl_c().await;
        2
    }
}
