//! Text from peers, made safe for a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::protocol::is_deceptive;

/// The longest text accepted from a peer, in characters; no column is wider.
const LONGEST: usize = 300;

/// `text` without control, bidi and invisible characters, which could move the cursor, reorder the line or deceive the
/// reader. Every remaining character has its own width, so that columns can be counted.
pub fn clean(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|&c| is_visible(c))
        .take(LONGEST)
        .collect();
    let counted: usize = kept.chars().map(char_width).sum();
    if kept.width() == counted {
        return kept;
    }
    // Ligatures and joined emoji: terminals disagree about their width.
    kept.chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect()
}

/// The width of `c`, in columns.
pub(super) fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The width of `text`, in columns; it must be [`clean`] or our own.
pub(super) fn text_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Whether `c` is visible where it is: it controls nothing, reorders nothing and hides nothing.
pub fn is_visible(c: char) -> bool {
    // Vowel signs stay, stacked diacritics are removed.
    !is_deceptive(c) && (char_width(c) > 0 || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(clean(text), expected, "{text:?}");
    }

    #[test]
    fn visible_characters_stay() {
        check("web-1.example.com", "web-1.example.com");
        check("データベース /var", "データベース /var");
        check("Größe °C", "Größe °C");
    }

    #[test]
    fn only_characters_reach_the_terminal() {
        check("a\u{1b}[31mb\u{7}", "a[31mb");
        check("a\r\nb\tc\u{9b}2J", "abc2J");
        check("\u{202e}gnp.exe\u{2066}", "gnp.exe");
        check("a\u{200b}\u{feff}b\u{fe0f}", "ab");
        check("สวัสดี हिन्दी", "สวัสดี हिनदी");
        check("z\u{0300}\u{0301}\u{0302}algo", "zalgo");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(clean(&"x".repeat(100_000)).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn the_width_is_the_sum_of_its_characters(text in any::<String>()) {
            let text = clean(&text);
            prop_assert_eq!(text.as_str().width(), text_width(&text));
            prop_assert!(text.chars().all(|c| !c.is_control()));
        }
    }
}
