//! The progress of `record` and `replay`: one line on stderr, only on a terminal.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{
    DecimalBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike,
};

use super::ability::columns_of_stderr;
use crate::locks::lock;
use crate::millis::in_millis;
use crate::talk;
use crate::wording::{counted, one_or_more};

/// How often the spinner turns: often enough to look alive, and cheap over a slow line.
const TURN_EVERY: Duration = Duration::from_millis(200);

/// How many times per second the line is drawn at most.
const MOST_DRAWN: u8 = 20;

/// The progress of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded<'a> {
    /// Rows written.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Losses noted.
    pub gaps: u64,
    /// The state of the connection, such as `live` or `reconnecting, attempt 4`.
    pub state: &'a str,
}

/// A line that shows a command's progress. Hidden if stderr isn't a terminal. It never waits, like all of [`talk`].
#[derive(Debug)]
pub struct ProgressLine {
    bar: ProgressBar,
}

impl ProgressLine {
    /// For work without a known end: a spinner, the time so far, and what has been recorded to `name`.
    #[must_use]
    pub fn recording(name: &str, unicode: bool) -> Self {
        Self::spinner(stderr(), name, unicode)
    }

    /// For work with a known end: a bar over the time that the recording covers, and the remaining time. Without
    /// `total`, it is a spinner.
    #[must_use]
    pub fn replaying(name: &str, total: Option<Duration>, unicode: bool) -> Self {
        match total {
            Some(total) => Self::bar(stderr(), name, total, unicode),
            None => Self::spinner(stderr(), name, unicode),
        }
    }

    /// For `--quiet`: hidden.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
        }
    }

    fn spinner(target: ProgressDrawTarget, name: &str, unicode: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        let turns = if unicode {
            "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "
        } else {
            "-\\|/ "
        };
        bar.set_style(style("{spinner} {prefix}  {elapsed_precise}  {wide_msg}").tick_chars(turns));
        Self::started(bar, name)
    }

    fn bar(target: ProgressDrawTarget, name: &str, total: Duration, unicode: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(in_millis(total)), target);
        let blocks = if unicode { "█░" } else { "#." };
        let template = "{prefix}  {bar:24}  {percent:>3} %  {eta_precise} left  {wide_msg}";
        bar.set_style(style(template).progress_chars(blocks));
        Self::started(bar, name)
    }

    fn started(bar: ProgressBar, name: &str) -> Self {
        bar.set_prefix(name.to_owned());
        if !bar.is_hidden() {
            bar.enable_steady_tick(TURN_EVERY);
        }
        Self { bar }
    }

    /// Whether the line is visible.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// Shows what has been recorded so far.
    pub fn recorded(&self, recorded: &Recorded<'_>) {
        if self.bar.is_hidden() {
            return; // most recordings run unseen, and don't need the texts
        }
        self.bar.set_position(recorded.rows);
        self.bar.set_message(recorded.to_text(self.bar.per_sec()));
    }

    /// Shows the position in the recording, and another text.
    pub fn played(&self, position: Duration, text: &str) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(in_millis(position));
        self.bar.set_message(text.to_owned());
    }

    /// Removes the line.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

impl Recorded<'_> {
    fn to_text(self, rate: f64) -> String {
        format!(
            "{} {}  {}  {}  {}  {}",
            HumanCount(self.rows),
            one_or_more(self.rows, "row", "rows"),
            DecimalBytes(self.bytes),
            crate::view::value(rate, "1/s"),
            counted(self.gaps, "gap"),
            self.state
        )
    }
}

/// Where the line is drawn, if it is visible.
fn stderr() -> ProgressDrawTarget {
    if !talk::is_on_terminal() {
        return ProgressDrawTarget::hidden();
    }
    ProgressDrawTarget::term_like_with_hz(Box::new(OneLineTerminal::default()), MOST_DRAWN)
}

/// A terminal of one line for indicatif, which would wait for a real one. Its contents go to [`talk::progress`].
#[derive(Debug, Default)]
struct OneLineTerminal(Mutex<String>);

impl TermLike for OneLineTerminal {
    fn width(&self) -> u16 {
        u16::try_from(columns_of_stderr()).unwrap_or(u16::MAX)
    }

    // Each drawing begins with these, which do nothing: the line is replaced as a whole.
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut line = lock(&self.0);
        line.push_str(text);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut line = lock(&self.0);
        talk::progress(line.trim_end());
        line.clear();
        Ok(())
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants, and each one is drawn in a test.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A terminal of 80 columns.
    #[derive(Clone, Default)]
    struct Terminal(Arc<Mutex<vt100::Parser>>);

    impl std::fmt::Debug for Terminal {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Terminal")
        }
    }

    impl Terminal {
        fn put(&self, text: &str) {
            self.0.lock().unwrap().process(text.as_bytes());
        }

        fn rows(&self) -> Vec<String> {
            let terminal = self.0.lock().unwrap();
            let rows = terminal.screen().rows(0, 80);
            rows.filter(|row| !row.is_empty()).collect()
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            (0..n).for_each(|_| self.put("\x1b[A"));
            Ok(())
        }
        fn move_cursor_down(&self, n: usize) -> io::Result<()> {
            (0..n).for_each(|_| self.put("\x1b[B"));
            Ok(())
        }
        fn move_cursor_right(&self, n: usize) -> io::Result<()> {
            (0..n).for_each(|_| self.put("\x1b[C"));
            Ok(())
        }
        fn move_cursor_left(&self, n: usize) -> io::Result<()> {
            (0..n).for_each(|_| self.put("\x1b[D"));
            Ok(())
        }
        fn write_line(&self, s: &str) -> io::Result<()> {
            self.put(&format!("{s}\r\n"));
            Ok(())
        }
        fn write_str(&self, s: &str) -> io::Result<()> {
            self.put(s);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.put("\r\x1b[2K");
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn target(terminal: &Terminal) -> ProgressDrawTarget {
        ProgressDrawTarget::term_like(Box::new(terminal.clone()))
    }

    const RECORDED: Recorded<'_> = Recorded {
        rows: 1252,
        bytes: 31_400,
        gaps: 1,
        state: "live",
    };

    #[test]
    fn a_recording_shows_rows_bytes_rate_gaps_and_state() {
        assert_eq!(
            RECORDED.to_text(0.5),
            "1,252 rows  31.40 kB  0.5 /s  1 gap  live"
        );
        // A row a minute.
        let rare = RECORDED.to_text(1.0 / 60.0);
        assert_eq!(rare, "1,252 rows  31.40 kB  0.02 /s  1 gap  live");
        let terminal = Terminal::default();
        let progress = ProgressLine::spinner(target(&terminal), "web-1", false);
        progress.recorded(&RECORDED);
        let shown = terminal.rows().concat();
        assert!(
            shown.contains(" web-1  00:00:00  1,252 rows  31.40 kB  "),
            "{shown}"
        );
        assert!(shown.contains("  1 gap  live"), "{shown}");
        progress.finish();
        assert_eq!(terminal.rows(), [""; 0]);
    }

    #[test]
    fn a_replay_shows_its_progress_and_what_is_left() {
        let terminal = Terminal::default();
        let progress = ProgressLine::bar(
            target(&terminal),
            "incident.csv",
            Duration::from_secs(600),
            true,
        );
        progress.played(Duration::from_secs(150), "2 viewers");
        let shown = terminal.rows().concat();
        assert!(
            shown.starts_with("incident.csv  ██████░░░░░░░░░░░░░░░░░░   25 %  "),
            "{shown}"
        );
        assert!(shown.contains(" left  2 viewers"), "{shown}");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let terminal = Terminal::default();
        let progress = ProgressLine::spinner(target(&terminal), "web-1", true);
        progress.recorded(&Recorded {
            state: &"x".repeat(200),
            ..RECORDED
        });
        assert_eq!(terminal.rows().len(), 1);
    }
}
