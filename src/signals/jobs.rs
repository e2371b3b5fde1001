//! Signals of a shell's job control, for a program that takes the terminal.

/// A signal about the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobSignal {
    /// SIGTSTP: give the terminal back, and stop until the shell continues us.
    Suspend,
    /// SIGCONT: the terminal is ours again.
    Continue,
    /// SIGQUIT: give the terminal back, and end.
    Quit,
}

#[cfg(unix)]
pub use unix::{JobSignals, stop_job};

#[cfg(unix)]
mod unix {
    use std::io;

    use rustix::process::{self, Signal};
    use tokio::signal::unix::{self, SignalKind, signal};

    use super::JobSignal;

    /// Catches the signals, from when it exists.
    #[derive(Debug)]
    pub struct JobSignals {
        suspend: unix::Signal,
        resume: unix::Signal,
        quit: unix::Signal,
    }

    impl JobSignals {
        /// Catches the signals. Must be called in a runtime.
        ///
        /// # Errors
        /// When the system does not allow it.
        pub fn catch() -> io::Result<Self> {
            let raw = |it: Signal| signal(SignalKind::from_raw(it.as_raw()));
            Ok(Self {
                suspend: raw(Signal::TSTP)?,
                resume: raw(Signal::CONT)?,
                quit: raw(Signal::QUIT)?,
            })
        }

        /// The next one.
        pub async fn next(&mut self) -> JobSignal {
            tokio::select! {
                _ = self.suspend.recv() => JobSignal::Suspend,
                _ = self.resume.recv() => JobSignal::Continue,
                _ = self.quit.recv() => JobSignal::Quit,
            }
        }
    }

    /// Stops this process and the others of its job, as Ctrl-Z does where the terminal is not raw, until the shell
    /// continues them. Nobody could if there is no shell with job control above us: then this does nothing.
    pub fn stop_job() {
        let group = process::getpgrp();
        if process::getsid(None).is_ok_and(|session| session != group) {
            let _ = process::kill_process_group(group, Signal::STOP);
        }
    }
}

#[cfg(not(unix))]
pub use elsewhere::{JobSignals, stop_job};

#[cfg(not(unix))]
mod elsewhere {
    use super::JobSignal;

    /// There are none here.
    #[derive(Debug)]
    pub struct JobSignals;

    impl JobSignals {
        /// Nothing to catch.
        ///
        /// # Errors
        /// None.
        pub fn catch() -> std::io::Result<Self> {
            Ok(Self)
        }

        /// Never ready.
        pub async fn next(&mut self) -> JobSignal {
            std::future::pending().await
        }
    }

    /// There are no jobs here.
    pub fn stop_job() {}
}
