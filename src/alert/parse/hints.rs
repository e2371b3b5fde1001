//! What somebody may have meant by a rule that cannot be read.

use crate::protocol::{entry, parts};

use crate::alert::unit;

/// The words that begin a part of a rule.
pub(super) const CLAUSES: [&str; 3] = ["for", "clear", "keep"];

const COMPARISONS: [char; 4] = ['<', '>', '=', '!'];

/// The clause in a `word` that lacks the spaces around it: `for` of `90for`, `%for` and `for1m`.
pub(super) fn glued_clause(word: &str) -> Option<&'static str> {
    CLAUSES.into_iter().find(|clause| {
        word.split_once(clause).is_some_and(|(before, behind)| {
            let is_operand = |c: char| c.is_ascii_digit() || COMPARISONS.contains(&c);
            let is_unit = before.chars().all(|c| !c.is_ascii_digit());
            is_unit && (behind.is_empty() || behind.starts_with(is_operand))
        })
    })
}

/// The metric that measures the same as `metric`, but in the unit `written`: `memory` in %, and `memoryUsed` in bytes.
pub(super) fn in_unit(metric: &str, written: &str) -> Option<String> {
    let (family, instance) = parts(metric);
    let used = format!("{family}Used");
    let others = family
        .strip_suffix("Used")
        .into_iter()
        .chain([used.as_str()]);
    let fits = |other: &&str| {
        entry(other).is_some_and(|entry| unit::factor(entry.unit, written).is_some())
    };
    let other = others.into_iter().find(fits)?;
    Some(match instance {
        Some(instance) => format!("{other}:{instance}"),
        None => other.to_owned(),
    })
}

/// Where the first quote in a rule's name is, in bytes, if the text before the comparison reads like one: `my "hot" one: cpu`.
pub(super) fn quote_in_name(text: &str) -> Option<usize> {
    let quote = text.find('"')?;
    let before = &text[..quote];
    if before.contains(COMPARISONS) || before.trim_start().starts_with("absent(") {
        return None;
    }
    let is_metric = before.trim().is_empty();
    let end = if is_metric {
        end_of_quoted(text, quote)?
    } else {
        quote
    };
    let rest = &text[end..];
    let head = &rest[..rest.find(COMPARISONS).unwrap_or(rest.len())];
    head.contains(": ").then_some(quote)
}

/// The end of the quoted text that begins at `quote`, behind its last quote.
fn end_of_quoted(text: &str, quote: usize) -> Option<usize> {
    let mut is_escaped = false;
    let begin = quote + 1;
    let length = text[begin..].find(|c: char| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    })?;
    Some(begin + length + 1)
}

/// The words up to the comparison, where a metric with spaces was written without quotes: `files` of `disk:/my files > 90`.
pub(super) fn unquoted_rest(metric: &str, rest: &str) -> Option<String> {
    let words = rest[..rest.find(COMPARISONS)?].trim();
    let is_instance = metric.contains(':') && !words.is_empty() && !words.contains('"');
    is_instance.then(|| format!("{metric} {words}"))
}
