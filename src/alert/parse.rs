//! Rules as people write them:
//! `[name: ] METRIC OP NUMBER[UNIT] [for DURATION] [clear OP NUMBER[UNIT]] [keep DURATION]`, or
//! `[name: ] absent(METRIC) for DURATION [keep DURATION]`.

use std::time::Duration;

use crate::millis::in_millis;
use crate::protocol::{is_deceptive, parse_duration, shown};

use self::hints::CLAUSES;
use self::measure::{Measure, quoted, quoted_always};
use super::known::{self, DEFAULT, KnownMetrics, Unknown};
use super::rule::{Condition, MetricPattern, Rule, Side, Threshold};
use super::scanner::Scanner;
use super::unit;

mod hints;
mod measure;

/// The longest rule, in bytes.
const LONGEST: usize = 1000;

/// Why a text is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct RuleError {
    /// The column of the error, from 1.
    pub column: usize,
    /// What is wrong and what to write, in one line.
    pub problem: String,
}

/// Reads a rule about `known` metrics.
///
/// # Errors
/// The first error, and what to write instead.
pub fn parse_rule(text: &str, known: &KnownMetrics) -> Result<Rule, RuleError> {
    let mut scanner = Scanner::new(text);
    if text.len() > LONGEST {
        return scanner.refuse(format!(
            "the rule is too long: at most {LONGEST} bytes are read"
        ));
    }
    refuse_deceptive(text)?;
    scanner.skip_spaces();
    let name = take_name(&mut scanner)?;
    let written = scanner.rest().trim_end().replace('\t', " ");
    let (metric, is_absent) = take_metric(&mut scanner, name, known)?;
    let pattern = metric.clone();
    let measure = Measure::of(pattern.as_str(), known);
    let mut usual = 1.0;
    let mut condition = Condition::Absent;
    if !is_absent {
        let level = take_level(&mut scanner, &measure, &mut usual)?;
        condition = Condition::Beyond { level, clear: None };
    }
    let mut rule = Rule {
        name: name.map_or_else(|| written.clone(), str::to_owned),
        text: written,
        metric,
        condition,
        hold: 0,
        keep: 0,
    };
    take_clauses(&mut scanner, &mut rule, &measure, usual)?;
    Ok(rule)
}

impl Scanner<'_> {
    /// An error at the current position.
    fn refuse<T>(&self, problem: impl Into<String>) -> Result<T, RuleError> {
        let (column, problem) = (self.column(), problem.into());
        Err(RuleError { column, problem })
    }
}

/// A rule's name and metric are shown on terminals and sent to people.
fn refuse_deceptive(text: &str) -> Result<(), RuleError> {
    let is_bad = |&(_, c): &(usize, char)| is_deceptive(c) && c != '\t';
    let Some((at, c)) = text.char_indices().find(is_bad) else {
        return Ok(());
    };
    let column = text[..at].chars().count() + 1;
    let problem = format!(
        "the character '{}' cannot be seen: take it out",
        c.escape_default()
    );
    Err(RuleError { column, problem })
}

/// The name ends at the first colon followed by a space; one in a quoted metric doesn't count.
fn take_name<'a>(scanner: &mut Scanner<'a>) -> Result<Option<&'a str>, RuleError> {
    let rest = scanner.rest();
    let is_end = |(at, _): &(usize, &str)| rest[at + 1..].starts_with([' ', '\t']);
    let unquoted = &rest[..rest.find('"').unwrap_or(rest.len())];
    let Some((end, _)) = unquoted.match_indices(':').find(is_end) else {
        if let Some(quote) = hints::quote_in_name(rest) {
            scanner.take(quote);
            return scanner.refuse("a name has no quotes: take them out, as in NAME: cpu > 90");
        }
        return Ok(None);
    };
    if rest[..end].trim().is_empty() {
        return scanner.refuse("there is no name before the colon: write NAME: cpu > 90");
    }
    let name = scanner.take(end).trim_end();
    scanner.take(1);
    scanner.skip_spaces();
    Ok(Some(name))
}

/// The metric, and whether it is inside `absent()`.
fn take_metric(
    scanner: &mut Scanner<'_>,
    name: Option<&str>,
    known: &KnownMetrics,
) -> Result<(MetricPattern, bool), RuleError> {
    let is_absent = scanner.eat("absent(");
    if is_absent {
        scanner.skip_spaces();
    }
    let at = *scanner;
    let metric = take_metric_name(scanner, is_absent)?;
    if metric.is_empty() {
        return at.refuse(no_metric(&at, name));
    }
    check_metric(&at, &metric, known)?;
    let metric = MetricPattern::new(metric);
    if is_absent {
        let end = *scanner;
        scanner.skip_spaces();
        if !scanner.eat(")") {
            return end.refuse(format!(
                "absent( is not closed: {}",
                Measure::of(metric.as_str(), known).absent_advice()
            ));
        }
        if metric.is_glob() {
            return at.refuse("absent() takes one metric: write its whole name, without *");
        }
    }
    Ok((metric, is_absent))
}

fn no_metric(at: &Scanner<'_>, name: Option<&str>) -> String {
    let rest = at.rest();
    match name {
        Some(name) if name.contains(':') && !rest.is_empty() => {
            let (metric, name) = (quoted_always(&format!("{name}:")), shown(name));
            format!(
                "'{name}' was read as the rule's name: if it is the metric, write {metric} {rest}",
                rest = shown(rest)
            )
        }
        _ if rest.is_empty() => {
            "the rule ends before its metric: write a rule such as cpu > 90 for 30s".into()
        }
        _ => "here should be the metric: write a rule such as cpu > 90 for 30s".into(),
    }
}

fn take_metric_name(scanner: &mut Scanner<'_>, is_absent: bool) -> Result<String, RuleError> {
    let at = *scanner;
    if !scanner.eat("\"") {
        let is_end = |c: char| c.is_whitespace() || "<>=!\"".contains(c) || (is_absent && c == ')');
        return Ok(scanner.take_while(|c| !is_end(c)).to_owned());
    }
    let mut name = String::new();
    loop {
        name.push_str(scanner.take_while(|c| c != '"' && c != '\\'));
        if scanner.eat("\"") {
            return Ok(name);
        }
        if !scanner.eat("\\") {
            return at.refuse("the quote is not closed: write \"disk:/my files\" > 90");
        }
        let Some(escaped) = scanner.rest().chars().next() else {
            continue;
        };
        name.push_str(scanner.take(escaped.len_utf8()));
    }
}

fn check_metric(at: &Scanner<'_>, metric: &str, known: &KnownMetrics) -> Result<(), RuleError> {
    let family = metric.split(':').next().unwrap_or_default();
    let name = shown(metric);
    let is_quoted = at.rest().starts_with('"');
    if metric.ends_with(':') && !is_quoted && family.len() + 1 < metric.len() {
        return at.refuse(format!(
            "'{name}' ends with a colon: if that belongs to the metric, write {} in quotes",
            quoted_always(metric)
        ));
    }
    if metric.ends_with(':') && !is_quoted {
        return at.refuse(format!(
            "nothing follows the colon of '{name}': write {family}, or {family}:* for each instance"
        ));
    }
    doubt_about_metric(metric, known).map_or(Ok(()), |doubt| at.refuse(doubt))
}

/// Why there is probably no metric `metric`, whose instance may be a pattern, and what to write instead; `None` if it may be
/// there.
#[must_use]
pub fn doubt_about_metric(metric: &str, known: &KnownMetrics) -> Option<String> {
    let family = metric.split(':').next().unwrap_or_default();
    let name = shown(metric);
    if family.contains('*') {
        return Some(format!(
            "in '{name}' the * is before the colon: it stands for instances, as in cpu:*"
        ));
    }
    Some(match known.check(metric).err()? {
        Unknown::Instance => {
            format!("{family} has no instances: write {family} instead of '{name}'")
        }
        Unknown::Whole => format!(
            "{family} exists only for each instance: write {family}:* for all of them, or {family}: and one"
        ),
        Unknown::Metric(_) if known::distance(&metric.to_lowercase(), DEFAULT) <= 2 => format!(
            "no metric '{name}' is known; the shipped list is called {DEFAULT}: write {DEFAULT}"
        ),
        Unknown::Metric(Some(nearest)) => {
            let whole = known.with_instance_of(metric, &nearest);
            let whole = quoted(&whole);
            format!("no metric '{name}' is known; the nearest is {nearest}: write {whole}")
        }
        Unknown::Metric(None) => format!(
            "no metric '{name}' is known: write one that samples carry, such as {}",
            known::examples()
        ),
    })
}

fn contradiction(level: Threshold, measure: &Measure<'_>) -> String {
    let side = match level.side {
        Side::Above => Side::AtMost,
        Side::AtLeast => Side::Below,
        Side::Below => Side::AtLeast,
        Side::AtMost => Side::Above,
    };
    format!(
        "the rule can be true and cleared at once: write clear {} {}{}, or a number further back",
        side.sign(),
        level.number,
        measure.unit.unwrap_or_default()
    )
}

/// The comparison and the number. A number without a unit is in units of `usual`; one with a unit changes `usual`.
fn take_level(
    scanner: &mut Scanner<'_>,
    measure: &Measure<'_>,
    usual: &mut f64,
) -> Result<Threshold, RuleError> {
    scanner.skip_spaces();
    let at = *scanner;
    let sign = scanner.take_while(|c| "<>=!~".contains(c));
    let side = match sign {
        ">" => Side::Above,
        ">=" => Side::AtLeast,
        "<" => Side::Below,
        "<=" => Side::AtMost,
        "" => {
            let advice = hints::unquoted_rest(measure.metric, at.rest()).map_or_else(
                || measure.advice("90"),
                |metric| {
                    format!(
                        "a metric with spaces needs quotes, as in {} > 90",
                        quoted_always(&metric)
                    )
                },
            );
            return at.refuse(format!("here should be >, >=, < or <=: {advice}"));
        }
        other => {
            return at.refuse(format!("'{other}' is no comparison: write >, >=, < or <="));
        }
    };
    scanner.skip_spaces();
    let number = take_number(scanner, measure, usual)?;
    Ok(Threshold { side, number })
}

fn take_number(
    scanner: &mut Scanner<'_>,
    measure: &Measure<'_>,
    usual: &mut f64,
) -> Result<f64, RuleError> {
    let at = *scanner;
    let word = scanner.peek_word();
    let digits = scanner.take(number_length(word));
    let Ok(number) = digits.parse::<f64>() else {
        let advice = measure.advice("90");
        return at.refuse(if word.is_empty() {
            format!("here should be a number: {advice}")
        } else {
            format!("'{}' is not a number: {advice}", shown(word))
        });
    };
    let mut behind = *scanner;
    let mut written = scanner.take_while(|c| !c.is_whitespace());
    if written.is_empty() {
        let mut ahead = *scanner;
        ahead.skip_spaces();
        let next = ahead.peek_word();
        if !next.is_empty() && !is_clause(next) {
            // `12 GiB`
            behind = ahead;
            written = ahead.take(next.len());
            *scanner = ahead;
        }
    }
    if !written.is_empty() {
        *usual = check_unit(&behind, measure, digits, written)?;
    }
    let level = number * *usual;
    if !level.is_finite() {
        return at.refuse(format!("'{}' is too large to compare with", shown(word)));
    }
    Ok(level)
}

/// How much of `word` is a number: a sign, digits with a point, an exponent.
fn number_length(word: &str) -> usize {
    let digits = |from: usize| {
        let count = word[from..].bytes().take_while(u8::is_ascii_digit).count();
        from + count
    };
    let signed = |from: usize| from + usize::from(word[from..].starts_with(['+', '-']));
    let begin = signed(0);
    let mut end = digits(begin);
    if word[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if end > begin && word[end..].starts_with(['e', 'E']) {
        let first = signed(end + 1);
        let last = digits(first);
        if last > first {
            end = last;
        }
    }
    end
}

fn check_unit(
    at: &Scanner<'_>,
    measure: &Measure<'_>,
    digits: &str,
    written: &str,
) -> Result<f64, RuleError> {
    if let Some(problem) = glued(written) {
        return at.refuse(problem);
    }
    let Some(unit) = measure.unit else {
        return Ok(1.0);
    };
    if let Some(factor) = unit::factor(unit, written) {
        return Ok(factor);
    }
    let advice = hints::in_unit(measure.metric, written).map_or_else(
        || measure.advice(digits),
        |other| format!("write {} > {digits}{}", quoted(&other), shown(written)),
    );
    let (metric, written) = (quoted(measure.metric), shown(written));
    at.refuse(if unit.is_empty() {
        format!("{metric} is a plain number, without the unit '{written}': {advice}")
    } else {
        format!("{metric} is measured in {unit}, not in '{written}': {advice}")
    })
}

/// What to write where a clause has no spaces around it.
fn glued(word: &str) -> Option<String> {
    let clause = hints::glued_clause(word)?;
    let example = match clause {
        "for" => "cpu > 90 for 1m",
        "clear" => "cpu > 90 clear < 80",
        _ => "cpu > 90 keep 5m",
    };
    Some(format!(
        "'{clause}' needs spaces around it: write it as in {example}"
    ))
}

/// `for`, `clear` and `keep`, in this order.
fn take_clauses(
    scanner: &mut Scanner<'_>,
    rule: &mut Rule,
    measure: &Measure<'_>,
    mut usual: f64,
) -> Result<(), RuleError> {
    let is_absent = rule.condition == Condition::Absent;
    let mut left = CLAUSES.as_slice();
    loop {
        scanner.skip_spaces();
        let word = scanner.peek_word();
        if word.is_empty() {
            break;
        }
        let Some(place) = left.iter().position(|clause| *clause == word) else {
            return scanner.refuse(misplaced(word));
        };
        left = &left[place + 1..];
        let at = *scanner;
        scanner.take(word.len());
        match (word, &mut rule.condition) {
            ("for", _) => rule.hold = take_duration(scanner, "for")?,
            ("keep", _) => rule.keep = take_duration(scanner, "keep")?,
            (_, Condition::Absent) => {
                return at.refuse("absent() has no level to clear: take 'clear' out");
            }
            (_, Condition::Beyond { level, clear }) => {
                let back = take_level(scanner, measure, &mut usual)?;
                if level.overlaps(back) {
                    return at.refuse(contradiction(*level, measure));
                }
                *clear = Some(back);
            }
        }
    }
    if is_absent && rule.hold == 0 {
        let advice = measure.absent_advice();
        return scanner.refuse(format!("absent() needs a time: {advice}"));
    }
    Ok(())
}

fn misplaced(word: &str) -> String {
    if is_clause(word) {
        return format!(
            "'{word}' is in the wrong place: write for, then clear, then keep, each once"
        );
    }
    glued(word).unwrap_or_else(|| {
        format!(
            "'{}' is not understood here: write for, clear or keep, or nothing",
            shown(word)
        )
    })
}

fn is_clause(word: &str) -> bool {
    CLAUSES.contains(&word)
}

/// The words up to the next clause: a duration may contain spaces, such as `1 h 30 min`.
fn take_duration_text<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    scanner.skip_spaces();
    let text = scanner.rest();
    let mut end = 0;
    loop {
        scanner.skip_spaces();
        let word = scanner.peek_word();
        if word.is_empty() || hints::glued_clause(word).is_some() {
            return &text[..end];
        }
        scanner.take(word.len());
        end = text.len() - scanner.rest().len();
    }
}

/// A duration in milliseconds, rounded up.
fn take_duration(scanner: &mut Scanner<'_>, clause: &str) -> Result<u64, RuleError> {
    scanner.skip_spaces();
    let at = *scanner;
    let text = take_duration_text(scanner);
    if text.is_empty() {
        return at.refuse(format!("here should be a duration: write {clause} 30s"));
    }
    let duration = parse_duration(text).or_else(|reason| at.refuse(reason))?;
    let up = duration.saturating_add(Duration::from_nanos(999_999));
    Ok(in_millis(up))
}

#[cfg(test)]
mod tests;
