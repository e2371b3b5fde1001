//! Text for people: the log, banners, notes, progress and final errors. It goes to stderr.
//!
//! Nothing waits for the reader of stderr. A write to a pipe that nobody empties, or to a terminal that is stopped with
//! Ctrl-S or has text selected, may never return. So a separate thread writes, from a bounded queue; lines that don't
//! fit are dropped, and their number is reported. Nothing else in the program writes to stderr.

mod outlet;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use crate::protocol::escape_unsafe;

pub use outlet::Outlet;
#[cfg(unix)]
pub use outlet::takes_more;

/// Erases a line of progress, with the cursor in it.
const ERASE_LINE: &[u8] = b"\r\x1b[2K";

fn stderr() -> &'static Outlet {
    static STDERR: OnceLock<Outlet> = OnceLock::new();
    STDERR.get_or_init(|| Outlet::new("stderr", io::stderr(), ERASE_LINE, stderr_takes_more))
}

/// Prints `text`, one or several lines, above the progress if there is any. Doesn't wait.
pub fn say(text: &str) {
    // File names and contents may come from anywhere.
    stderr().push(format!("{}\n", escape_unsafe(text)).into_bytes());
}

/// Shows progress in one line that replaces the previous one and stays. Doesn't wait.
pub fn progress(line: &str) {
    stderr().show(escape_unsafe(line).as_bytes().into());
}

/// Whether stderr is a terminal.
#[must_use]
pub fn is_on_terminal() -> bool {
    io::stderr().is_terminal()
}

/// The width of the terminal on stderr; `None` if it isn't one, or its width is unknown.
#[cfg(unix)]
#[must_use]
pub fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// The width of the terminal on stderr: unknown here.
#[cfg(not(unix))]
#[must_use]
pub fn columns() -> Option<usize> {
    None
}

/// To be called before exiting: waits until everything is written, but not for a reader that doesn't read.
pub fn flush() {
    stderr().flush();
}

/// The output of a logger: one line per write. Doesn't wait.
#[derive(Debug, Clone, Copy)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        stderr().push(escape_unsafe(&text).into_owned().into_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reports panics here too: the standard library's own report would wait for a reader, and block the thread.
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

/// Whether a write to stderr would return immediately.
#[cfg(unix)]
fn stderr_takes_more() -> bool {
    takes_more(&io::stderr())
}

#[cfg(not(unix))]
fn stderr_takes_more() -> bool {
    false
}
