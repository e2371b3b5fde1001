//! The binary in a terminal: a pty, and a parser that knows what would be visible.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use vt100::{Parser, Screen};

use super::metrics::Metrics;
use super::{PATIENCE, wait_for};

/// A child on a terminal of its own. It is killed when this is dropped.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    /// Held open, so that the terminal's modes outlive the child.
    slave: Option<Box<dyn SlavePty + Send>>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<Sight>>,
    reader: Option<JoinHandle<()>>,
    line: String,
}

struct Sight {
    parser: Parser,
    /// Every byte, for what no screen shows, such as the order of sequences.
    bytes: Vec<u8>,
}

/// A terminal whose child has exited.
pub(crate) struct Left {
    pub(crate) code: u32,
    pub(crate) screen: Screen,
    pub(crate) bytes: Vec<u8>,
    /// Whether keys are echoed and lines edited again.
    pub(crate) cooked: bool,
}

impl Metrics {
    /// Starts it on a terminal of `columns` by `rows`.
    pub(crate) fn in_terminal(self, columns: u16, rows: u16) -> Terminal {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let (program, args) = self.program_and_args();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command.cwd(std::env::temp_dir());
        let child = pair.slave.spawn_command(command).unwrap();
        let seen = Arc::new(Mutex::new(Sight {
            parser: Parser::new(cells(rows), cells(columns), 1000),
            bytes: Vec::new(),
        }));
        let mut output = pair.master.try_clone_reader().unwrap();
        let sight = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                let mut sight = sight.lock().unwrap();
                sight.bytes.extend_from_slice(&buffer[..read]);
                sight.parser.process(&buffer[..read]);
            }
        });
        Terminal {
            child,
            keys: pair.master.take_writer().unwrap(),
            master: pair.master,
            slave: Some(pair.slave),
            seen,
            reader: Some(reader),
            line: self.line(),
        }
    }
}

impl Terminal {
    /// What is on the screen now.
    pub(crate) fn screen(&self) -> Screen {
        self.seen.lock().unwrap().parser.screen().clone()
    }

    /// Waits until the screen is as `expected`; on failure, shows the screen.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, expected: impl Fn(&Screen) -> bool) -> Screen {
        wait_for(
            PATIENCE,
            || Some(self.screen()).filter(&expected),
            || format!("no {what}: $ {}\n{}", self.line, self.screen().contents()),
        )
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, text: &str) -> Screen {
        self.wait_for(&format!("'{text}'"), |screen| {
            screen.contents().contains(text)
        })
    }

    pub(crate) fn send_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// The job that reads the terminal now.
    pub(crate) fn foreground(&self) -> Pid {
        Pid::from_raw(self.master.process_group_leader().unwrap()).unwrap()
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let mut sight = self.seen.lock().unwrap();
        sight.parser.set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    /// Waits until the child exits, and returns how it left the terminal.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Left {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if deadline <= Instant::now() => panic!(
                    "still running: $ {}\n{}",
                    self.line,
                    self.screen().contents()
                ),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let cooked = self.is_cooked();
        // When the last holder of the slave is gone, the reader ends, and everything has been read.
        self.slave = None;
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        Left {
            code: status.exit_code(),
            screen: self.screen(),
            bytes: self.seen.lock().unwrap().bytes.clone(),
            cooked,
        }
    }

    /// Whether the terminal echoes and edits lines, as a shell expects it.
    pub(crate) fn is_cooked(&self) -> bool {
        let path = self.master.tty_name().unwrap();
        let tty = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let modes = tcgetattr(&tty).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rows of a screen as text, without the blanks at their ends.
pub(crate) fn rows(screen: &Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    screen
        .rows(0, columns.get())
        .map(|row| row.trim_end().to_owned())
        .collect()
}

/// The row and column where `text` begins.
pub(crate) fn find(screen: &Screen, text: &str) -> Option<(u16, u16)> {
    rows(screen).iter().enumerate().find_map(|(row, line)| {
        let at = line.find(text)?;
        Some((row as u16, line[..at].chars().count() as u16))
    })
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}
