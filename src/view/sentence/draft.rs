//! A trouble before its sentence is written, and the forms that are made of its parts.

use super::trouble::{Trouble, Urgency};
use crate::view::causes::cause;
use crate::view::state::Status;
use crate::view::units;

/// Who or what does it, such as `rustc 61.4 %`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Suspect {
    /// What tells it from others; empty if that doesn't matter.
    pub name: String,
    pub words: String,
}

impl Suspect {
    /// `rustc 61.4 %`, after other words than the name if they are given.
    pub(super) fn sharing(name: &str, percent: f64, words: Option<String>) -> Self {
        let words = words.unwrap_or_else(|| format!("{name} "));
        Self {
            name: name.to_owned(),
            words: format!("{words}{}", units::value(percent, "%")),
        }
    }

    /// A name alone.
    pub(super) fn without_share(name: &str) -> Self {
        let [name, words] = [name, name].map(str::to_owned);
        Self { name, words }
    }

    /// Words that blame nobody.
    pub(super) fn nobody(words: String) -> Self {
        let name = String::new();
        Self { name, words }
    }
}

/// The parts of a sentence. Each begins with what separates it from the one before.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub urgency: Urgency,
    pub metric: String,
    /// Whether it merely follows from another.
    pub is_echo: bool,
    pub since: Option<u64>,
    /// The name that was given to a rule: `busy: `.
    pub rule: String,
    /// `CPU 98.2 %`.
    pub what: String,
    /// ` > 90`, or something else that is left out first.
    pub limit: String,
    /// ` for 2 m 10 s`.
    pub lasted: String,
    /// `, full in 38 m`.
    pub outlook: String,
    /// The first before the others.
    pub suspects: Vec<Suspect>,
}

impl Draft {
    pub(super) fn new(urgency: Urgency, metric: &str, what: String) -> Self {
        Self {
            urgency,
            metric: metric.into(),
            is_echo: false,
            since: None,
            rule: String::new(),
            what,
            limit: String::new(),
            lasted: String::new(),
            outlook: String::new(),
            suspects: Vec::new(),
        }
    }

    /// Its place among the others: the smaller, the earlier.
    pub(super) fn place(&self) -> (bool, Urgency, usize, Option<u64>) {
        (self.is_echo, self.urgency, cause(&self.metric), self.since)
    }

    /// With all its forms that differ, the longest first.
    pub(super) fn trouble(self) -> Trouble {
        let Self {
            rule,
            what,
            limit,
            lasted,
            outlook,
            ..
        } = &self;
        let [one, two] = [1, 2].map(|most| self.suspects(most));
        let mut forms: Vec<String> = Vec::new();
        for form in [
            format!("{rule}{what}{limit}{lasted}{outlook}{two}"),
            format!("{rule}{what}{limit}{lasted}{outlook}{one}"),
            format!("{rule}{what}{lasted}{outlook}{one}"),
            format!("{rule}{what}{outlook}{one}"),
            without_decimals(&format!("{what}{one}")),
            without_decimals(what),
        ] {
            let length = form.chars().count();
            if forms
                .last()
                .is_none_or(|last| length < last.chars().count())
            {
                forms.push(form);
            }
        }
        Trouble {
            urgency: self.urgency,
            since: self.since,
            status: Status::Live,
            forms,
        }
    }

    /// `: rustc 61.4 %, came and went 6.1 %`.
    fn suspects(&self, most: usize) -> String {
        let mut text = String::new();
        for suspect in self.suspects.iter().take(most) {
            text.push_str(if text.is_empty() { ": " } else { ", " });
            text.push_str(&suspect.words);
        }
        text
    }
}

/// The same with whole percentages: `CPU 98 %: rustc 61 %`.
fn without_decimals(text: &str) -> String {
    let shares: Vec<&str> = text.split(" %").collect();
    let Some((rest, shares)) = shares.split_last() else {
        return String::new();
    };
    let whole = |share: &&str| {
        let (before, number) = share.rsplit_once(' ').unwrap_or(("", share));
        number.parse().map_or_else(
            |_| format!("{share} %"),
            |number| format!("{before} {} %", units::whole_percent(number)),
        )
    };
    let mut text: String = shares.iter().map(whole).collect();
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_lose_their_decimals() {
        for (text, expected) in [
            ("CPU 98.2 %: rustc 61.4 %", "CPU 98 %: rustc 61 %"),
            (
                "swap in 41.0 MB/s: java 0.2 %",
                "swap in 41.0 MB/s: java <1 %",
            ),
            ("CPU 100.0 %", "CPU 100 %"),
            ("restarted 12 s ago", "restarted 12 s ago"),
            ("a % b", "a % b"),
        ] {
            assert_eq!(without_decimals(text), expected);
        }
    }
}
