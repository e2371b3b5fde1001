//! The full screen, taken from the shell and always restored.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, OnceLock};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use unicode_width::UnicodeWidthChar;

use super::ability::size;
use crate::locks::lock;
use crate::signals::stop_job;
use crate::talk::Outlet;

/// Whether the terminal is ours: it is restored once, by whichever caller is first.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The alternate screen in raw mode without a cursor. Dropping it restores the terminal; a panic does so before its
/// message is printed.
///
/// Nothing waits for a terminal that accepts no output: frames are then skipped, and only the newest is drawn once it
/// accepts some.
#[derive(Debug)]
pub struct Screen {
    /// Whether clicks and the wheel are reported.
    has_mouse: bool,
}

impl Screen {
    /// Takes the terminal. With `has_mouse`, clicks and the wheel are input; with Shift, terminals select text as usual.
    ///
    /// # Errors
    /// When there is none, or it isn't writable.
    pub fn open(has_mouse: bool) -> io::Result<Self> {
        restore_before_panics();
        // From here on, an error restores the terminal.
        let mut screen = Self { has_mouse };
        screen.take()?;
        Ok(screen)
    }

    /// Takes the terminal, or takes it again after somebody else has used it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn take(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        terminal().push(enter(self.has_mouse)?);
        Ok(())
    }

    /// Gives the terminal back to the shell and stops until the shell continues us; then takes it again.
    ///
    /// # Errors
    /// When it is gone by then.
    pub fn suspend(&mut self) -> io::Result<()> {
        restore();
        stop_job();
        self.take()
    }

    /// Queues `frame` to be shown, one line per row, in one write.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, frame: &[String]) -> io::Result<()> {
        if !TAKEN.load(Ordering::SeqCst) {
            return Ok(()); // a panic elsewhere restored the terminal; its message must stay readable
        }
        terminal().check()?;
        let (width, height) = size();
        terminal().show(paint(frame, width, height)?.into());
        Ok(())
    }

    /// Restores the terminal, and leaves `last` in the scrollback.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn close(self, last: &[String]) -> io::Result<()> {
        drop(self);
        let mut text = last.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        terminal().push(text.into_bytes());
        terminal().flush();
        terminal().check()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal if it was taken; for exits that don't drop the [`Screen`]. If another thread is already
/// restoring it, this waits, because the process may end right after.
pub fn restore() {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = lock(&ONE_AT_A_TIME);
    if TAKEN.swap(false, Ordering::SeqCst) {
        terminal().show([].into());
        terminal().push(leave().unwrap_or_default());
        let is_left = terminal().flush();
        if !is_left {
            forget_unread();
        }
        // The reader may be gone: nothing can be done about that. This also wakes a blocked write.
        let _ = disable_raw_mode();
        if !is_left {
            terminal().flush();
        }
    }
}

/// The terminal, written by a thread of its own.
fn terminal() -> &'static Outlet {
    static TERMINAL: OnceLock<Outlet> = OnceLock::new();
    TERMINAL.get_or_init(|| Outlet::new("screen", io::stdout(), b"", stdout_takes_more))
}

/// Discards what a terminal that isn't being read hasn't shown yet: old frames would delay the sequences that restore
/// the terminal.
#[cfg(unix)]
fn forget_unread() {
    let _ = rustix::termios::tcflush(io::stdout(), rustix::termios::QueueSelector::OFlush);
}

#[cfg(not(unix))]
fn forget_unread() {}

#[cfg(unix)]
fn stdout_takes_more() -> bool {
    crate::talk::takes_more(&io::stdout())
}

#[cfg(not(unix))]
fn stdout_takes_more() -> bool {
    false
}

fn restore_before_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            report(panic);
        }));
    });
}

/// Buttons and the wheel, in the form that has no limit on columns. Movements are not reported.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";

const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

fn enter(has_mouse: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(
        bytes,
        EnterAlternateScreen,
        Hide,
        DisableLineWrap,
        Clear(ClearType::All)
    )?;
    if has_mouse {
        bytes.extend_from_slice(MOUSE_ON);
    }
    Ok(bytes)
}

fn leave() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(
        bytes,
        EndSynchronizedUpdate,
        ResetColor,
        EnableLineWrap,
        Show,
        LeaveAlternateScreen
    )?;
    bytes.extend_from_slice(MOUSE_OFF);
    Ok(bytes)
}

/// The bytes that show `frame`: only what is overwritten at once is cleared, so nothing flickers.
fn paint(frame: &[String], width: usize, height: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(8 * 1024);
    queue!(bytes, BeginSynchronizedUpdate)?;
    let mut below = 0;
    for (row, line) in (0_u16..).zip(frame.iter().take(height)) {
        queue!(bytes, MoveTo(0, row))?;
        bytes.extend_from_slice(line.as_bytes());
        // If the last column is filled, the cursor is on it, and this would erase it.
        if columns_of(line) < width {
            queue!(bytes, Clear(ClearType::UntilNewLine))?;
        }
        below = row + 1;
    }
    if usize::from(below) < height {
        queue!(bytes, MoveTo(0, below), Clear(ClearType::FromCursorDown))?;
    }
    queue!(bytes, EndSynchronizedUpdate)?;
    Ok(bytes)
}

/// The width of `line`, whose only escape sequences end in `m`.
fn columns_of(line: &str) -> usize {
    let mut columns = 0;
    let mut in_sequence = false;
    for c in line.chars() {
        match c {
            '\x1b' => in_sequence = true,
            'm' if in_sequence => in_sequence = false,
            _ if in_sequence => {}
            c => columns += c.width().unwrap_or(0),
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal() -> vt100::Parser {
        let mut terminal = vt100::Parser::default();
        terminal
            .screen_mut()
            .set_size(4.try_into().unwrap(), 10.try_into().unwrap());
        terminal.process(b"$ metrics\r\n");
        terminal.process(&enter(false).unwrap());
        terminal
    }

    fn frame(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[track_caller]
    fn check(terminal: &vt100::Parser, expected: &[&str]) {
        let rows: Vec<String> = terminal.screen().rows(0, 10).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_frame_replaces_the_previous_one_entirely() {
        let mut terminal = terminal();
        terminal.process(
            &paint(
                &frame(&["0123456789", "long line", "third", "fourth"]),
                10,
                4,
            )
            .unwrap(),
        );
        check(&terminal, &["0123456789", "long line", "third", "fourth"]);
        terminal.process(&paint(&frame(&["データベース", "ab"]), 10, 4).unwrap());
        check(&terminal, &["データベー", "ab", "", ""]);
    }

    #[test]
    fn a_full_line_keeps_its_last_column() {
        let mut terminal = terminal();
        let full = frame(&["\x1b[1;31m0123456789\x1b[0m", "ab"]);
        terminal.process(&paint(&full, 10, 4).unwrap());
        check(&terminal, &["0123456789", "ab", "", ""]);
        let last = terminal.screen().cell(0, 9).unwrap();
        assert!(last.bold() && last.fgcolor() == vt100::Color::Idx(1));
        assert!(!terminal.screen().cell(1, 0).unwrap().bold());
        // Unlike this one, some terminals would erase that column.
        let bytes = String::from_utf8(paint(&full, 10, 4).unwrap()).unwrap();
        assert!(bytes.contains("9\x1b[0m\x1b[2;1Hab\x1b[K"), "{bytes:?}");
    }

    #[test]
    fn lines_that_do_not_fit_are_not_drawn() {
        let mut terminal = terminal();
        terminal.process(&paint(&frame(&["1", "2", "3", "4", "5"]), 10, 4).unwrap());
        check(&terminal, &["1", "2", "3", "4"]);
    }

    #[test]
    fn a_frame_is_shown_at_once() {
        let bytes = paint(&frame(&["x"]), 10, 4).unwrap();
        assert!(bytes.starts_with(b"\x1b[?2026h\x1b[1;1H"));
        assert!(bytes.ends_with(b"\x1b[?2026l"));
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("\x1b[2J"), "clearing flickers");
    }

    #[test]
    fn the_shells_screen_is_restored() {
        let mut terminal = terminal();
        terminal.process(&paint(&frame(&["x"]), 10, 4).unwrap());
        assert!(terminal.screen().alternate_screen() && terminal.screen().hide_cursor());
        terminal.process(&leave().unwrap());
        assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
        check(&terminal, &["$ metrics", "", "", ""]);
    }

    #[test]
    fn columns_are_counted_without_sequences() {
        for (line, expected) in [
            ("", 0),
            ("abm", 3),
            ("\x1b[1;31mab\x1b[0m", 2),
            ("\x1b[2m──デ\x1b[0m", 4),
        ] {
            assert_eq!(columns_of(line), expected, "{line:?}");
        }
    }

    /// Set for the child that panics on a terminal of its own.
    #[cfg(unix)]
    const CHILD: &str = "METRICS_TEST_PANICS";

    #[cfg(unix)]
    #[test]
    fn a_panic_restores_the_terminal_before_its_message() {
        if std::env::var_os(CHILD).is_some() {
            let mut screen = Screen::open(false).unwrap();
            screen.draw(&frame(&["a frame"])).unwrap();
            super::terminal().flush();
            panic!("the message");
        }
        let pair = portable_pty::native_pty_system()
            .openpty(portable_pty::PtySize::default())
            .unwrap();
        let mut child = portable_pty::CommandBuilder::new(std::env::current_exe().unwrap());
        let name = "terminal::screen::tests::a_panic_restores_the_terminal_before_its_message";
        child.args([name, "--exact", "--nocapture"]);
        child.env(CHILD, "1");
        let mut output = pair.master.try_clone_reader().unwrap();
        let mut child = pair.slave.spawn_command(child).unwrap();
        assert!(!child.wait().unwrap().success());
        let modes = std::fs::File::open(pair.master.tty_name().unwrap()).unwrap();
        let modes = rustix::termios::tcgetattr(modes).unwrap().local_modes;
        assert!(
            modes.contains(rustix::termios::LocalModes::ECHO | rustix::termios::LocalModes::ICANON)
        );
        // When the last holder of the slave is gone, the output ends.
        drop(pair.slave);
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = io::Read::read(&mut output, &mut buffer) {
            bytes.extend_from_slice(&buffer[..read]);
        }
        let text = String::from_utf8(bytes).unwrap();
        let at = |part: &str| {
            text.find(part)
                .unwrap_or_else(|| panic!("no {part:?} in {text:?}"))
        };
        assert!(at("a frame") < at("\x1b[?25h") && at("\x1b[?1049l") < at("the message"));
    }
}
