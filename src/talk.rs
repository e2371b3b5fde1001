//! Text for people: the log, banners, notes, progress and the last words of a failure. It goes to stderr.
//!
//! Nobody waits for whoever reads stderr. A pipe that nobody empties, a terminal that is stopped with Ctrl-S or has text
//! selected: a write to any of them may never return. So a thread of its own writes, from a queue that is bounded; what
//! does not fit is dropped, and counted for those who read on. Nothing else in the program writes to stderr.

mod outlet;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use crate::protocol::escape_unsafe;

pub use outlet::Outlet;
#[cfg(unix)]
pub use outlet::takes_more;

/// Takes a line of progress off the terminal, with the cursor in it.
const ERASE_LINE: &[u8] = b"\r\x1b[2K";

fn stderr() -> &'static Outlet {
    static STDERR: OnceLock<Outlet> = OnceLock::new();
    STDERR.get_or_init(|| Outlet::new("stderr", io::stderr(), ERASE_LINE, stderr_takes_more))
}

/// Says `text`, one or several lines, above the progress if there is any. Does not wait.
pub fn say(text: &str) {
    // Names of files and what they hold may have come from anywhere.
    stderr().push(format!("{}\n", escape_unsafe(text)).into_bytes());
}

/// Shows how far something is, in one line that takes the place of the one before; nothing takes it away. Does not wait.
pub fn progress(line: &str) {
    stderr().show(escape_unsafe(line).as_bytes().into());
}

/// Whether stderr is a terminal.
#[must_use]
pub fn is_on_terminal() -> bool {
    io::stderr().is_terminal()
}

/// The columns of the terminal that stderr is; `None` where it is none, or does not tell.
#[cfg(unix)]
#[must_use]
pub fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// The columns of the terminal that stderr is: not told here.
#[cfg(not(unix))]
#[must_use]
pub fn columns() -> Option<usize> {
    None
}

/// Before an end: waits until everything is written, though not for a reader who does not read.
pub fn flush() {
    stderr().flush();
}

/// Where a logger writes: one line with each write. Does not wait.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        stderr().push(escape_unsafe(&text).into_owned().into_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has panics said here too: the standard library's own report would wait for a reader, and with it the thread.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let backtrace = Backtrace::capture();
        let calls = match backtrace.status() {
            BacktraceStatus::Captured => format!("\n{backtrace}"),
            _ => String::new(),
        };
        say(&format!("thread '{name}' {panic}{calls}"));
        flush();
    }));
}

/// Whether a write to stderr would return now.
#[cfg(unix)]
fn stderr_takes_more() -> bool {
    takes_more(&io::stderr())
}

#[cfg(not(unix))]
fn stderr_takes_more() -> bool {
    false
}
