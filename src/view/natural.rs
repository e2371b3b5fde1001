//! The order of names as people count: `web-2` comes before `web-10`, as on the page, whose browser sorts by the same rule
//! (`Intl.Collator` with `numeric`).

use std::cmp::Ordering;

/// Which of two host names comes first: numbers in them by their values, letters whatever their case; then small letters before
/// large ones.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let by_parts = NameParts { rest: a }.cmp(NameParts { rest: b });
    // Small letters and short numbers come first.
    by_parts.then_with(|| b.cmp(a))
}

/// A part of a name. What comes first in a list comes first here.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NamePart<'a> {
    /// `_`, `-`, `.` in this order, then any other.
    Sign(usize, char),
    /// Its length and its digits, without the zeros before it.
    Number(usize, &'a str),
    Letter(char),
}

/// The parts of a name, from its beginning.
struct NameParts<'a> {
    rest: &'a str,
}

impl<'a> Iterator for NameParts<'a> {
    type Item = NamePart<'a>;

    fn next(&mut self) -> Option<NamePart<'a>> {
        let first = self.rest.chars().next()?;
        let is_digit = |letter: char| letter.is_ascii_digit();
        let end = if is_digit(first) {
            self.rest
                .find(|letter| !is_digit(letter))
                .unwrap_or(self.rest.len())
        } else {
            first.len_utf8()
        };
        let (part, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(if is_digit(first) {
            let digits = part.trim_start_matches('0');
            NamePart::Number(digits.len(), digits)
        } else if first.is_alphabetic() {
            NamePart::Letter(first.to_lowercase().next().unwrap_or(first))
        } else {
            NamePart::Sign("_-.".find(first).unwrap_or(usize::MAX), first)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_the_page() {
        // As sorted by Intl.Collator("en", { numeric: true }).
        let sorted = "1 2a 10 a_1 a-1 a.1 a1 a1b a2 a10 aa db-1 DB-2 web_2 web-2 Web-2 web-02b \
                      web-19 web-100 web-99999999999999999999 web-100000000000000000000 web-a web.2 web2";
        let sorted: Vec<_> = sorted.split(' ').collect();
        for (at, name) in sorted.iter().enumerate() {
            for (other_at, other) in sorted.iter().enumerate() {
                assert_eq!(compare(name, other), at.cmp(&other_at), "{name} {other}");
            }
        }
    }
}
