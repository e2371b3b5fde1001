//! A server's rules: those of its command line and of its file, each with a unique name.

use std::collections::HashMap;
use std::fmt;

use crate::protocol::shown;

use super::known::{DEFAULT, KnownMetrics};
use super::parse::{RuleError, parse_rule};
use super::rule::Rule;

/// Rules that are useful for any host. Each waits long enough to ignore a short burst.
pub const DEFAULT_RULES: &[&str] = &[
    "cpu busy: cpu > 90% for 5m clear < 80",
    "cpu stolen: steal > 20% for 5m clear < 10",
    "cpu throttled: cpuThrottled > 25% for 5m clear < 10",
    "waiting for disks: iowait > 50% for 5m clear < 30",
    "memory full: memory > 95% for 1m clear < 90",
    "memory pressure: pressureMemory > 20% for 1m clear < 10",
    "swap full: swap > 90% for 5m clear < 80",
    "disk full: disk:* > 90% for 1m clear < 88",
    "inodes full: inodes:* > 90% for 1m clear < 88",
    "disk busy: diskBusy:* > 95% for 10m clear < 80",
    "network errors: networkErrors:* > 10/s for 2m clear < 1",
    "connections dropped: listenDrops > 1/s for 1m clear < 0.1",
    "hot: temperature > 90°C for 1m clear < 80",
    "gpu hot: gpuTemperature:* > 85°C for 5m clear < 80",
    "gpu throttled: gpuThrottled:* > 25% for 5m clear < 10",
];

/// Rules of a server, before they are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct RuleTexts<'a> {
    /// Those of the command line; [`DEFAULT`] means the shipped list.
    pub flags: &'a [String],
    /// The name and the text of a file: one rule per line, and comments after `#`.
    pub file: Option<(&'a str, &'a str)>,
}

/// Why rules cannot be used: one line with the place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct RulesError {
    place: String,
    problem: String,
}

/// Where a rule was written.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Flag(&'a str),
    Line(&'a str, usize),
    Shipped,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(text) => write!(f, "--alert '{}'", shown(text)),
            Self::Line(file, line) => write!(f, "{}:{line}", shown(file)),
            Self::Shipped => f.write_str("--alert default"),
        }
    }
}

impl RulesError {
    fn new(place: Place<'_>, error: RuleError) -> Self {
        let RuleError { column, problem } = error;
        let place = match place {
            Place::Line(..) => format!("{place}:{column}"),
            _ => format!("{place}, column {column}"),
        };
        Self { place, problem }
    }
}

/// Reads rules about `known` metrics.
///
/// # Errors
/// The first rule that is invalid, or has the name of another.
pub fn read_rules(texts: RuleTexts<'_>, known: &KnownMetrics) -> Result<Vec<Rule>, RulesError> {
    let mut rules = Vec::new();
    let mut names: HashMap<String, Place<'_>> = HashMap::new();
    for (place, text) in texts.each() {
        let rule = parse_rule(text, known).map_err(|error| RulesError::new(place, error))?;
        if let Some(other) = names.insert(rule.name.clone(), place) {
            let name = shown(&rule.name);
            let column = 1;
            let problem = if rule.name == rule.text {
                format!("'{name}' is a rule already at {other}: take one of the two out")
            } else {
                format!(
                    "another rule is called '{name}', at {other}: give one of the two another name"
                )
            };
            return Err(RulesError::new(place, RuleError { column, problem }));
        }
        rules.push(rule);
    }
    Ok(rules)
}

impl<'a> RuleTexts<'a> {
    fn each(self) -> Vec<(Place<'a>, &'a str)> {
        let mut texts = Vec::new();
        let is_default = |text: &&String| text.trim() == DEFAULT;
        if self.flags.iter().any(|text| is_default(&text)) {
            texts.extend(DEFAULT_RULES.iter().map(|&text| (Place::Shipped, text)));
        }
        let own = self.flags.iter().filter(|text| !is_default(text));
        texts.extend(own.map(|text| (Place::Flag(text), text.as_str())));
        if let Some((name, text)) = self.file {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let lines = (1..)
                .zip(text.lines())
                .map(|(line, text)| (line, without_comment(text)));
            let rules = lines.filter(|(_, text)| !text.trim().is_empty());
            texts.extend(rules.map(|(line, text)| (Place::Line(name, line), text)));
        }
        texts
    }
}

/// The text before a `#` that begins the line or follows white space, outside quotes.
fn without_comment(line: &str) -> &str {
    let mut is_quoted = false;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match c {
            '"' if before != '\\' => is_quoted = !is_quoted,
            '#' if !is_quoted && before.is_whitespace() => return &line[..at],
            _ => {}
        }
        before = c;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str], file: Option<&str>) -> Result<Vec<String>, String> {
        let flags: Vec<String> = flags.iter().map(|&text| text.into()).collect();
        let texts = RuleTexts {
            flags: &flags,
            file: file.map(|text| ("rules.txt", text)),
        };
        let rules =
            read_rules(texts, &KnownMetrics::catalogue()).map_err(|error| error.to_string())?;
        Ok(rules.into_iter().map(|rule| rule.name).collect())
    }

    #[test]
    fn rules_come_from_flags_and_from_a_file_with_comments() {
        let file =
            "\u{feff}# ours\r\n\r\n  hot: cpu > 90 # often\n\"disk:/a #1\" > 5\n#\ndisk:/b#1 > 5";
        let names = read(&["cpu > 50"], Some(file)).unwrap();
        assert_eq!(
            names,
            ["cpu > 50", "hot", "\"disk:/a #1\" > 5", "disk:/b#1 > 5"]
        );
        assert_eq!(read(&[], None), Ok(vec![]));
    }

    #[test]
    fn the_shipped_list_is_sound() {
        let names = read(&["default", "mine: cpu > 50", "default"], None).unwrap();
        assert_eq!(names.len(), DEFAULT_RULES.len() + 1);
        assert_eq!(names.last().unwrap(), "mine");
        for text in DEFAULT_RULES {
            assert!(text.contains(" for ") && text.contains(" clear "), "{text}");
        }
    }

    #[test]
    fn an_error_gives_file_line_and_column_or_the_flag() {
        for (flags, file, expected) in [
            (
                &["cpu > 90", "cpu > 5GiB"][..],
                "",
                "--alert 'cpu > 5GiB', column 8: cpu is measured in %",
            ),
            (
                &[],
                "# x\n\n  hot: cpuu > 9\n",
                "rules.txt:3:8: no metric 'cpuu' is known; the nearest is cpu",
            ),
            (
                &[],
                "cpu > # no number\n",
                "rules.txt:1:7: here should be a number",
            ),
            (
                &["a: cpu > 9"],
                "\n a: cpu > 8",
                "rules.txt:2:1: another rule is called 'a', at --alert 'a: cpu > 9': give one of the two another name",
            ),
            (
                &["default", "disk full: disk > 99"],
                "",
                "--alert 'disk full: disk > 99', column 1: another rule is called 'disk full', at --alert default",
            ),
            (
                &["cpu > 9", "cpu > 9"],
                "",
                "--alert 'cpu > 9', column 1: 'cpu > 9' is a rule already at --alert 'cpu > 9': take one of the two out",
            ),
            (
                &[""],
                "",
                "--alert '', column 1: the rule ends before its metric",
            ),
        ] {
            let error = read(flags, Some(file)).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
