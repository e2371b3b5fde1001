//! Characters that a terminal doesn't merely display.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether `c` may control a terminal or reverse what it shows: a control character (some terminals obey those of C1,
/// U+0080 to U+009F, too), a Unicode line separator, or a character that sets the direction of text.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// `text` with an escape such as `\u009b` for each character that [`is_unsafe`], except ASCII white space.
///
/// The same text if there are none. JSON remains the same JSON, because such raw characters only occur in strings.
#[must_use]
pub fn escape_unsafe(text: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| is_unsafe(c) && !matches!(c, '\t' | '\n' | '\r');
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !is_escaped(c) {
            escaped.push(c);
        } else if write!(escaped, "\\u{:04x}", u32::from(c)).is_err() {
            unreachable!("a String takes every character");
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_that_a_terminal_might_obey_is_escaped() {
        for (text, expected) in [
            ("web-1 µ ü データ", "web-1 µ ü データ"),
            ("a\tb\r\n", "a\tb\r\n"),
            ("\u{1b}[2J\u{7f}", "\\u001b[2J\\u007f"),
            (
                "\u{80}\u{9b}31m\u{9f}\u{a0}",
                "\\u0080\\u009b31m\\u009f\u{a0}",
            ),
            (
                "\u{202e}txt\u{2066}\u{61c}\u{200f}",
                "\\u202etxt\\u2066\\u061c\\u200f",
            ),
            ("a\u{2028}b\u{85}c", "a\\u2028b\\u0085c"),
            // Joined emoji and soft vowels are text.
            ("👩\u{200d}💻", "👩\u{200d}💻"),
        ] {
            assert_eq!(escape_unsafe(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn json_remains_the_same_json(text in any::<String>(), c in "[\u{7f}-\u{9f}\u{2028}-\u{202e}\u{2066}-\u{2069}]") {
            let json = serde_json::to_string(&[&text, &c, &text]).unwrap();
            let escaped = escape_unsafe(&json);
            prop_assert!(!escaped.contains(is_unsafe));
            let read = |json: &str| serde_json::from_str::<Vec<String>>(json).unwrap();
            prop_assert_eq!(read(&escaped), read(&json));
        }
    }
}
