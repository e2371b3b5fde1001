//! Foreign text, as messages to people show it.

use std::fmt;

use super::text::is_unsafe;

/// The longest piece that is shown, in characters.
const LONGEST: usize = 200;

/// `text` as typed, truncated if long. Only characters that control a terminal or are invisible are escaped, such as
/// `\u{1b}`.
#[must_use]
pub fn shown(text: &str) -> Shown<'_> {
    Shown(text)
}

/// See [`shown`].
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        for c in rest.by_ref().take(LONGEST) {
            write_shown(f, c)?;
        }
        rest.next().map_or(Ok(()), |_| f.write_str("…"))
    }
}

fn write_shown(f: &mut impl fmt::Write, c: char) -> fmt::Result {
    if is_deceptive(c) {
        write!(f, "{}", c.escape_default())
    } else {
        f.write_char(c)
    }
}

/// `c` as a message shows it: itself, or escaped.
#[must_use]
pub fn shown_char(c: char) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_shown(&mut text, c);
    text
}

/// Whether `c` controls the terminal, reorders the line or is invisible.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    is_unsafe(c)
        || matches!(c,
            '\u{00ad}' // soft hyphen
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' // joiners and other characters without a width
            | '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}' // byte order mark, annotations, tags
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_typed_and_harmless() {
        for (text, expected) in [
            ("wéb 1", "wéb 1"),
            ("データ", "データ"),
            (r#"C:\x "y" 'z'"#, r#"C:\x "y" 'z'"#),
            ("a\u{1b}[31m\u{9b}2J", r"a\u{1b}[31m\u{9b}2J"),
            ("a\nb\tc", r"a\nb\tc"),
            ("\u{202e}gnp.exe\u{200b}", r"\u{202e}gnp.exe\u{200b}"),
        ] {
            assert_eq!(shown(text).to_string(), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut_off() {
        assert_eq!(shown(&"é".repeat(LONGEST)).to_string(), "é".repeat(LONGEST));
        let cut = shown(&"x".repeat(100_000)).to_string();
        assert_eq!(cut, "x".repeat(LONGEST) + "…");
    }
}
