//! What the words of a script are, judging by the brackets and signs around them.

use super::tokens::{is_private, is_word};

/// What a word is at its place.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// The name of a property or a method: it stays as it is.
    Property,
    /// The name of a property and of a variable, as in `{ host }`.
    Shorthand,
    /// The name of a variable, a function or a class, or a word of the language.
    Variable,
    /// A private member, or no word at all.
    Other,
}

#[derive(Clone, Copy, PartialEq)]
enum Braces {
    Class,
    /// An object, or a pattern that takes one apart.
    Object,
    Block,
}

/// The tokens of a script, and the brackets that they are in.
pub(super) struct Code<'a> {
    pub(super) tokens: &'a [&'a str],
    /// Where each bracket is closed.
    ends: Vec<Option<usize>>,
    /// The bracket that each token is in.
    inside: Vec<Option<usize>>,
}

impl<'a> Code<'a> {
    pub(super) fn of(tokens: &'a [&'a str]) -> Self {
        let mut open: Vec<usize> = Vec::new();
        let mut ends = vec![None; tokens.len()];
        let mut inside = Vec::with_capacity(tokens.len());
        for (at, token) in tokens.iter().enumerate() {
            if is_closing(token)
                && let Some(begin) = open.pop()
            {
                ends[begin] = Some(at);
            }
            inside.push(open.last().copied());
            if is_opening(token) {
                open.push(at);
            }
        }
        Self {
            tokens,
            ends,
            inside,
        }
    }

    /// The token at a place, empty beyond the ends.
    pub(super) fn token(&self, at: usize) -> &'a str {
        self.tokens.get(at).copied().unwrap_or_default()
    }

    /// The token so many places before another.
    pub(super) fn before(&self, at: usize, places: usize) -> &'a str {
        at.checked_sub(places).map_or("", |at| self.token(at))
    }

    /// Where the bracket at a place is closed.
    pub(super) fn end(&self, at: usize) -> Option<usize> {
        self.ends.get(at).copied().flatten()
    }

    /// The end of the expression that begins at a place: what follows it.
    pub(super) fn end_of_expression(&self, begin: usize) -> usize {
        let mut at = begin;
        while at < self.tokens.len() {
            let token = self.token(at);
            let is_around = is_closing(token) && self.inside[at] != self.inside[begin];
            if is_around || [",", ";"].contains(&token) {
                break;
            }
            // A template is closed and opened again by each of its pieces.
            at = self.end(at).unwrap_or(at + 1);
        }
        at
    }

    /// Where the body of a function or a method begins, if a place is the bracket of its parameters.
    pub(super) fn body(&self, at: usize) -> Option<usize> {
        let end = self.end(at).filter(|_| self.token(at) == "(")?;
        let name = self.before(at, 1);
        let is_statement = ["if", "while", "for", "switch"].contains(&name);
        let is_function = self.token(end + 1) == "{" && is_word(name) && !is_statement;
        is_function.then_some(end + 1)
    }

    pub(super) fn role(&self, at: usize) -> Role {
        let (word, before) = (self.token(at), self.before(at, 1));
        if !is_word(word) || is_private(word) {
            return Role::Other;
        }
        if before == "." && self.before(at, 2) != "." {
            return Role::Property;
        }
        let begins_member = ["{", ";", "}", "get", "set", "static", "async"].contains(&before);
        let begins_item = ["{", ","].contains(&before);
        match self.inside[at].map(|bracket| self.braces(bracket)) {
            Some(Braces::Class) if begins_member => Role::Property,
            Some(Braces::Object) if begins_item => match self.token(at + 1) {
                ":" => Role::Property,
                "," | "}" | "=" => Role::Shorthand,
                _ if self.body(at + 1).is_some() => Role::Property,
                _ => Role::Variable,
            },
            _ => Role::Variable,
        }
    }

    /// What a bracket begins. Anything but a brace counts as a block.
    fn braces(&self, at: usize) -> Braces {
        if self.token(at) != "{" {
            return Braces::Block;
        }
        if self.before(at, 2) == "class" || self.before(at, 4) == "class" {
            return Braces::Class;
        }
        let before = self.before(at, 1);
        let (first, second) = (self.token(at + 1), self.token(at + 2));
        let may_follow = OBJECT_FOLLOWS.contains(&before) || before.ends_with("${");
        let is_key = is_word(first) || first.starts_with('"');
        let ends_key = [":", ",", "}", "="].contains(&second) || self.body(at + 2).is_some();
        match may_follow && ((is_key && ends_key) || ["}", ".", "["].contains(&first)) {
            true => Braces::Object,
            false => Braces::Block,
        }
    }
}

/// Where a value or a pattern may follow. A block follows none of these, but for `:` after `case`.
const OBJECT_FOLLOWS: [&str; 12] = [
    "(", ",", "=", ":", "[", "?", "&", "|", ".", "const", "let", "return",
];

fn is_opening(token: &str) -> bool {
    ["(", "[", "{"].contains(&token) || (token.starts_with(['`', '}']) && token.ends_with("${"))
}

fn is_closing(token: &str) -> bool {
    [")", "]"].contains(&token) || token.starts_with('}')
}
