//! Streams that nobody reads, full from the start, so that no write to them ever returns.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::process::Stdio;

use portable_pty::{MasterPty, PtyPair, PtySize, native_pty_system};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::termios::{LocalModes, tcgetattr};

/// How a stream is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A pipe, as with `| less`.
    Pipe,
    /// A terminal whose window has hung, or in which text is selected.
    Terminal,
    /// A terminal that was stopped with Ctrl-S.
    Stopped,
}

pub(crate) const WAYS: [Way; 3] = [Way::Pipe, Way::Terminal, Way::Stopped];

/// The reading end, which is read only when a test says so.
pub(crate) enum Unread {
    Pipe(PipeReader, std::io::PipeWriter),
    Terminal(PtyPair),
}

impl Unread {
    pub(crate) fn new(way: Way) -> Self {
        match way {
            Way::Pipe => {
                let (reader, writer) = std::io::pipe().unwrap();
                fill(&writer, &writer);
                Self::Pipe(reader, writer)
            }
            Way::Terminal => {
                let pair = pair();
                let slave = slave(&*pair.master);
                fill(&slave, &slave);
                Self::Terminal(pair)
            }
            Way::Stopped => {
                let pair = pair();
                let mut keys = pair.master.take_writer().unwrap();
                keys.write_all(b"\x13").unwrap();
                // Dropping them would type Ctrl-D.
                std::mem::forget(keys);
                let slave = slave(&*pair.master);
                // It is stopped when it accepts nothing.
                fill(&slave, &slave);
                Self::Terminal(pair)
            }
        }
    }

    /// The end to write to, for a child.
    pub(crate) fn end(&self) -> Stdio {
        match self {
            Self::Pipe(_, writer) => writer.try_clone().unwrap().into(),
            Self::Terminal(pair) => slave(&*pair.master).into(),
        }
    }

    /// Whether a terminal echoes and edits lines, as a shell expects it.
    pub(crate) fn is_cooked(&self) -> bool {
        let Self::Terminal(pair) = self else {
            return true;
        };
        let modes = tcgetattr(slave(&*pair.master)).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Everything that can be read at last, after the child has exited.
    pub(crate) fn read(self) -> String {
        let mut bytes = Vec::new();
        match self {
            Self::Pipe(mut reader, writer) => {
                drop(writer);
                reader.read_to_end(&mut bytes).unwrap();
            }
            Self::Terminal(pair) => {
                let mut reader = pair.master.try_clone_reader().unwrap();
                drop(pair.slave);
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = reader.read(&mut buffer) {
                    bytes.extend_from_slice(&buffer[..read]);
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn pair() -> PtyPair {
    let size = PtySize {
        rows: 24,
        cols: 80,
        ..PtySize::default()
    };
    native_pty_system().openpty(size).unwrap()
}

fn slave(master: &dyn MasterPty) -> File {
    let path = master.tty_name().unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty()).unwrap().into()
}

/// Writes until nothing more fits.
fn fill(fd: impl AsFd, mut stream: impl Write) {
    let flags = fcntl_getfl(&fd).unwrap();
    fcntl_setfl(&fd, flags | OFlags::NONBLOCK).unwrap();
    loop {
        match stream.write(b"x") {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("cannot fill a stream: {error}"),
        }
    }
    fcntl_setfl(&fd, flags).unwrap();
}
