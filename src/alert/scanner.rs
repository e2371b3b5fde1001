//! The text of a rule, read from left to right.

/// The rest of a text, and how much of it has been read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The column of the next character, counted in characters from 1.
    pub(super) fn column(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    /// Reads characters as long as they `fit`.
    pub(super) fn take_while(&mut self, fit: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fit(c)).unwrap_or(rest.len());
        self.take(end)
    }

    /// Reads `bytes` bytes, which must end with a character.
    pub(super) fn take(&mut self, bytes: usize) -> &'a str {
        let taken = &self.rest()[..bytes];
        self.at += bytes;
        taken
    }

    /// Reads `expected`, if it is next.
    pub(super) fn eat(&mut self, expected: &str) -> bool {
        let is_next = self.rest().starts_with(expected);
        if is_next {
            self.at += expected.len();
        }
        is_next
    }

    /// The next word, up to white space, without consuming it.
    pub(super) fn peek_word(&self) -> &'a str {
        let mut ahead = *self;
        ahead.take_while(|c| !c.is_whitespace())
    }
}
