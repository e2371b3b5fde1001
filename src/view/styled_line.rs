//! A line of the frame: text with meanings, measured in columns.

use super::sanitize::{char_width, text_width};
use super::style::{Style, Tone};

/// A line that knows its width.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct StyledLine {
    spans: Vec<(Tone, String)>,
    width: usize,
}

impl StyledLine {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        let mut line = Self::default();
        line.push(tone, text);
        line
    }

    pub(super) fn push(&mut self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        self.width += text_width(&text);
        match self.spans.last_mut() {
            Some((last, before)) if *last == tone => before.push_str(&text),
            _ => self.spans.push((tone, text)),
        }
    }

    /// Adds a character that takes one column.
    pub(super) fn push_char(&mut self, tone: Tone, c: char) {
        self.width += 1;
        match self.spans.last_mut() {
            Some((last, before)) if *last == tone => before.push(c),
            _ => self.spans.push((tone, c.to_string())),
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        for (tone, text) in other.spans {
            self.push(tone, text);
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Blanks up to `width` columns.
    pub(super) fn pad(&mut self, width: usize) {
        if self.width < width {
            self.push(Tone::Plain, " ".repeat(width - self.width));
        }
    }

    /// The text alone.
    pub(super) fn text(self) -> String {
        self.spans.into_iter().map(|(_, text)| text).collect()
    }

    /// The whole line in one meaning.
    #[must_use]
    pub(super) fn toned(self, tone: Tone) -> Self {
        Self::new(tone, self.text())
    }

    /// The same without colours; what is reversed stays so.
    #[must_use]
    pub(super) fn dimmed(self) -> Self {
        let mut dimmed = Self::default();
        for (tone, text) in self.spans {
            let tone = if tone == Tone::Selected {
                tone
            } else {
                Tone::Dim
            };
            dimmed.push(tone, text);
        }
        dimmed
    }

    /// At most `width` columns; longer text ends in an ellipsis.
    #[must_use]
    pub(super) fn clip(self, width: usize, style: Style) -> Self {
        if self.width <= width {
            return self;
        }
        let mut clipped = Self::default();
        for (tone, text) in self.spans {
            let room = width.saturating_sub(1).saturating_sub(clipped.width);
            let kept = fitting(&text, room);
            clipped.push(tone, &text[..kept]);
            if kept < text.len() {
                if width > 0 {
                    clipped.push(tone, style.glyphs().ellipsis);
                }
                break;
            }
        }
        clipped
    }

    /// The line without its first `columns`.
    #[must_use]
    pub(super) fn after(self, columns: usize) -> Self {
        let mut rest = Self::default();
        let mut skip = columns;
        for (tone, text) in self.spans {
            let cut = fitting(&text, skip);
            skip -= text_width(&text[..cut]).min(skip);
            rest.push(tone, &text[cut..]);
        }
        rest
    }

    /// The text with its escape sequences, without trailing blanks.
    pub(super) fn render(&self, style: Style) -> String {
        let mut out = String::new();
        let visible = self.spans.len() - self.blank_tail();
        for (index, (tone, text)) in self.spans[..visible].iter().enumerate() {
            let last = index + 1 == visible && *tone != Tone::Selected;
            let text = if last { text.trim_end() } else { text };
            let text = if style.unicode {
                text.to_owned()
            } else {
                to_ascii(text)
            };
            let sgr = tone.sgr();
            if style.colour && !sgr.is_empty() {
                out.push_str(&format!("\x1b[{sgr}m{text}\x1b[0m"));
            } else {
                out.push_str(&text);
            }
        }
        out
    }

    fn blank_tail(&self) -> usize {
        let blank =
            |(tone, text): &&(Tone, String)| *tone != Tone::Selected && text.trim_end().is_empty();
        self.spans.iter().rev().take_while(blank).count()
    }
}

/// How many bytes of `text` fit into `room` columns.
fn fitting(text: &str, room: usize) -> usize {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += char_width(c);
        if used > room {
            return index;
        }
    }
    text.len()
}

/// A peer's text for a terminal without Unicode, column by column.
fn to_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '°' => ascii.push(' '),
            c if c.is_ascii() => ascii.push(c),
            c => ascii.extend(std::iter::repeat_n('?', char_width(c))),
        }
    }
    ascii
}

/// `text` in lines of at most `width` columns, broken between words if possible.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let mut word = word;
        if used > 0 && used + 1 + text_width(word) <= width {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
            used += 1;
        } else if used > 0 {
            lines.push(String::new());
            used = 0;
        }
        while used + text_width(word) > width {
            let (head, tail) = word.split_at(fitting(word, width - used));
            lines
                .last_mut()
                .into_iter()
                .for_each(|line| line.push_str(head));
            lines.push(String::new());
            used = 0;
            word = tail;
        }
        used += text_width(word);
        lines
            .last_mut()
            .into_iter()
            .for_each(|line| line.push_str(word));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOUR: Style = Style {
        colour: true,
        unicode: true,
    };
    const ASCII: Style = Style {
        colour: false,
        unicode: false,
    };

    #[test]
    fn a_clipped_line_ends_in_an_ellipsis_and_never_in_half_a_character() {
        for (width, expected) in [
            (0, ""),
            (1, "…"),
            (2, "…"),
            (3, "デ…"),
            (5, "デー…"),
            (6, "データ"),
        ] {
            let line = StyledLine::new(Tone::Plain, "データ").clip(width, COLOUR);
            assert_eq!(line.render(COLOUR), expected);
            assert!(line.width() <= width);
        }
    }

    #[test]
    fn clipping_spans_tones() {
        let mut line = StyledLine::new(Tone::Good, "ab");
        line.push(Tone::Critical, "cdef");
        assert_eq!(
            line.clip(4, COLOUR).render(COLOUR),
            "\x1b[32mab\x1b[0m\x1b[1;31mc…\x1b[0m"
        );
    }

    #[test]
    fn without_colour_there_is_no_escape_and_without_unicode_only_ascii() {
        let mut line = StyledLine::new(Tone::Critical, "54 °C");
        line.push(Tone::Plain, " デ  ");
        assert_eq!(line.render(ASCII), "54  C ??");
    }

    #[test]
    fn lines_break_between_words_and_within_a_long_one() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("デデデ", 3), ["デ", "デ", "デ"]);
        assert_eq!(wrap("", 3), [""]);
    }
}
