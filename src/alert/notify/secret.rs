//! What must not be repeated of a webhook's URL, and of the file that it comes from.

use super::basic;

/// The longest word of a stranger that is repeated, in letters: `alertmanager` has 12.
const LONGEST_WORD: usize = 12;

/// A word shorter than this is in a URL by chance.
const SHORTEST_PART: usize = 3;

/// Whether `word` is too short and too plain to be a secret.
pub(super) fn is_plain_word(word: &str) -> bool {
    word.len() <= LONGEST_WORD && word.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The parts of a URL that nobody else may know, in lower case.
#[derive(Clone, PartialEq)]
pub(super) struct Secret(String);

impl Secret {
    /// All of `parts`, as written and decoded.
    pub(super) fn of(parts: &[&str]) -> Self {
        let decoded = |part: &&str| String::from_utf8_lossy(&basic::decoded(part)).into_owned();
        let decoded: Vec<_> = parts.iter().map(decoded).collect();
        Self(
            [parts.join(" "), decoded.join(" ")]
                .join(" ")
                .to_lowercase(),
        )
    }

    /// Whether `reason` tells nothing about the secret: it has plain words only, and none of the secret's.
    pub(super) fn is_safe_from(&self, reason: &str) -> bool {
        let mut words = reason.split(|c: char| c.is_whitespace() || "_-.,:;!'".contains(c));
        words.all(|word| {
            let is_part = || SHORTEST_PART <= word.len() && self.0.contains(&word.to_lowercase());
            is_plain_word(word) && !is_part()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_plain_words_that_the_secret_lacks() {
        let secret = Secret::of(&["/services/T01/%68unter/XyZ?key=tok%20en", "me:pass"]);
        for reason in [
            "ok",
            "no_team",
            "invalid token.",
            "Too many requests: slow down!",
            "",
        ] {
            assert!(secret.is_safe_from(reason), "{reason}");
        }
        for reason in [
            "Cannot POST /services/T01",
            "T01",
            "no hunter here",
            "no XYZ",
            "HUNT",
            "pass",
            "%68unter",
            "aHR0cDovL2h1bnRlcg==",
            "<pre>none</pre>",
            "{\"error\":\"none\"}",
            "abcdefghijklmnopq",
        ] {
            assert!(!secret.is_safe_from(reason), "{reason}");
        }
    }
}
