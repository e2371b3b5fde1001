//! The abilities of a stream: decided once for each stream, at the start.

use std::ffi::OsString;
use std::io::IsTerminal;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

use crate::talk;

/// The size if it is unknown.
const FALLBACK: (usize, usize) = (80, 24);

/// The value of `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// According to the environment (`NO_COLOR`, `CLICOLOR_FORCE`, `TERM`), otherwise on a terminal.
    #[default]
    Auto,
    /// Whatever the environment says.
    Always,
    /// None.
    Never,
}

/// Whether `stream` gets colours. Call it once for each stream and keep the result.
pub fn is_coloured(choice: Colour, stream: &impl RawStream) -> bool {
    match choice {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            let verdict = AutoStream::choice(stream);
            // A dumb terminal stays dumb in a CI job, where anstream would colour it.
            let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty());
            verdict != ColorChoice::Never && (forced || !is_dumb())
        }
    }
}

/// Whether frames can be drawn over each other.
#[must_use]
pub fn can_move_cursor() -> bool {
    !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether the terminal shows block characters: if the locale has them, except on the Linux console, whose font lacks
/// them.
#[must_use]
pub fn has_unicode() -> bool {
    unicode_in(|name| std::env::var_os(name), cfg!(windows))
}

fn unicode_in(variable: impl Fn(&str) -> Option<OsString>, windows: bool) -> bool {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if set("TERM").is_some_and(|term| term == "linux" || term == "dumb") {
        return false;
    }
    match ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set) {
        Some(locale) => {
            let locale = locale.to_string_lossy().to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        None => windows,
    }
}

/// Columns and lines of the terminal.
#[must_use]
pub fn size() -> (usize, usize) {
    match crossterm::terminal::size() {
        Ok((columns, lines)) if columns > 0 && lines > 0 => (columns.into(), lines.into()),
        _ => FALLBACK,
    }
}

/// The width of the terminal on stderr.
#[must_use]
pub(super) fn columns_of_stderr() -> usize {
    talk::columns().unwrap_or_else(|| size().0)
}

/// The width of `stream`: that of the terminal, or 80 if it isn't one.
#[must_use]
pub fn columns(stream: &impl IsTerminal) -> usize {
    if stream.is_terminal() {
        size().0
    } else {
        FALLBACK.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], windows: bool, expected: bool) {
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| OsString::from(v))
        };
        assert_eq!(unicode_in(variable, windows), expected, "{variables:?}");
    }

    #[test]
    fn the_first_locale_that_is_set_decides() {
        check(&[("LANG", "de_DE.UTF-8")], false, true);
        check(&[("LANG", "C.utf8"), ("TERM", "xterm")], false, true);
        check(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")], false, false);
        check(
            &[("LC_ALL", ""), ("LC_CTYPE", "en_US.UTF-8"), ("LANG", "C")],
            false,
            true,
        );
        check(&[], false, false);
        check(&[], true, true);
    }

    #[test]
    fn some_terminals_have_no_blocks_in_any_locale() {
        check(&[("TERM", "linux"), ("LANG", "C.UTF-8")], false, false);
        check(&[("TERM", "dumb"), ("LANG", "C.UTF-8")], true, false);
    }

    #[test]
    fn the_flag_overrides_the_stream() {
        let file = tempfile::tempfile().unwrap();
        assert!(is_coloured(Colour::Always, &file));
        assert!(!is_coloured(Colour::Never, &file));
    }

    #[test]
    fn a_file_has_eighty_columns() {
        assert_eq!(columns(&tempfile::tempfile().unwrap()), 80);
    }
}
