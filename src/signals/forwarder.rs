//! Passing signals on to a program that runs for us.

use std::sync::{Arc, Mutex};

use crate::locks::lock;

/// Forwards signals that ask us to stop to a program, once there is one. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SignalForwarder(Arc<Mutex<Forwarding>>);

#[derive(Debug, Default)]
struct Forwarding {
    /// The number of the first signal.
    first: Option<u8>,
    /// The id of the running program.
    program: Option<u32>,
}

impl SignalForwarder {
    /// From now on, the program with this process id gets every signal; one that came before, at once.
    pub fn begin(&self, program: u32) {
        let mut forwarding = lock(&self.0);
        forwarding.program = Some(program);
        if let Some(signal) = forwarding.first {
            deliver(program, signal.into());
        }
    }

    /// The program has ended: its id may soon be another's.
    pub fn end(&self) {
        lock(&self.0).program = None;
    }

    /// The number of the first signal, if one has arrived.
    #[must_use]
    pub fn first(&self) -> Option<u8> {
        lock(&self.0).first
    }

    /// Takes note of the first signal, and forwards it unless the terminal has sent it to the program, too.
    pub(super) fn forward(&self, signal: i32) {
        let mut forwarding = lock(&self.0);
        forwarding.first = u8::try_from(signal).ok();
        let Some(program) = forwarding.program else {
            return;
        };
        if signal == INTERRUPT && has_it_from_terminal(program) {
            tracing::debug!("the terminal sent the interrupt to process {program} as well");
        } else {
            deliver(program, signal);
        }
    }

    /// Asks the program to stop, with SIGTERM.
    pub fn terminate(&self) {
        self.send(TERMINATE);
    }

    /// Ends the program with SIGKILL.
    pub fn kill(&self) {
        self.send(KILL);
    }

    fn send(&self, signal: i32) {
        if let Some(program) = lock(&self.0).program {
            deliver(program, signal);
        }
    }
}

// The same on every system.
const INTERRUPT: i32 = 2;
const KILL: i32 = 9;
const TERMINATE: i32 = 15;

#[cfg(unix)]
fn deliver(program: u32, signal: i32) {
    use rustix::process::{Signal, kill_process};
    if let (Some(pid), Some(signal)) = (pid(program), Signal::from_named_raw(signal)) {
        // It may have ended.
        let _ = kill_process(pid, signal);
    }
}

/// Whether Ctrl-C on our terminal reaches `program` too: its process group is ours, and in the foreground.
#[cfg(unix)]
fn has_it_from_terminal(program: u32) -> bool {
    use rustix::process::{getpgid, getpgrp};
    let Ok(terminal) = std::fs::File::open("/dev/tty") else {
        return false;
    };
    let ours = getpgrp();
    rustix::termios::tcgetpgrp(&terminal) == Ok(ours) && getpgid(pid(program)) == Ok(ours)
}

#[cfg(unix)]
fn pid(program: u32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(program).ok()?)
}

/// There are no signals here.
#[cfg(not(unix))]
fn deliver(_: u32, _: i32) {}

/// The console sends Ctrl-C to every program on it.
#[cfg(not(unix))]
fn has_it_from_terminal(_: u32) -> bool {
    true
}
