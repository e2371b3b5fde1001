//! The query of `/ws` and of every other path that sends messages.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use wildmatch::WildMatch;

use super::{HostName, NameError, Position, parse_duration, shown};

/// Where a viewer begins. Hosts that `after` names resume after that position; the others start `last` samples or
/// `since` back, or, with neither, at the newest sample.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// The requested hosts; empty for all.
    pub hosts: Vec<HostPattern>,
    /// Resume after these.
    pub after: Vec<Position>,
    /// Start this many samples back.
    pub last: Option<u64>,
    /// Start this long ago, by the server's clock.
    pub since: Option<Duration>,
    /// Get a summary for each bucket of this length instead of the samples in it. Whole milliseconds, at least a second;
    /// only with `last` or `since`, and without `after`.
    pub step: Option<Duration>,
    /// Get messages deflated, in binary frames; only for a WebSocket.
    pub deflated: bool,
}

/// The value of `encoding` that asks for deflated messages. A server that doesn't know a value sends plain text.
const DEFLATE: &str = "deflate";

/// The shortest step: samples are rarely closer.
const MIN_STEP: Duration = Duration::from_secs(1);

/// A host's name, or a glob of `*` and `?`.
#[derive(Debug, Clone, PartialEq)]
pub enum HostPattern {
    /// Exactly this host. A server without it says so.
    Literal(HostName),
    /// Every host that matches.
    Glob(Box<str>),
}

/// The keys that people try to send a token with.
const TOKEN_KEYS: [&str; 2] = ["token", "access_token"];

/// Whether the part of a URL after `?` contains a token.
#[must_use]
pub fn names_token(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(key, _)| TOKEN_KEYS.contains(&&*key))
}

/// How often `host` and `after` may each occur: the query is kept as long as the viewer.
const MAX_REPEATS: usize = 1024;

/// Why a query was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A name that no host can have.
    #[error("host={0}: {1}")]
    Host(String, NameError),
    /// Not a position.
    #[error("after: {0}")]
    After(NameError),
    /// Not a number of samples.
    #[error("last='{0}': write a number of samples, such as last=30")]
    Last(String),
    /// Not a duration.
    #[error("since: {0}")]
    Since(String),
    /// Not a length of a bucket.
    #[error("step: {0}")]
    Step(String),
    /// It is not said how far back the buckets begin.
    #[error("step= needs a beginning: add since=, such as since=24h, or last=")]
    StepWithoutBeginning,
    /// Buckets have no positions.
    #[error(
        "step= and after= exclude each other: ask for buckets with since= or last=, or resume without step="
    )]
    StepAfter,
    /// Too many of one key.
    #[error("{0}= more than {MAX_REPEATS} times: open more connections")]
    TooMany(&'static str),
    /// Secrets in URLs end in logs and histories.
    #[error(
        "a token does not belong in a URL: send the header 'Authorization: Bearer TOKEN' (metrics: --token-file FILE)"
    )]
    Token,
}

impl HostPattern {
    /// Whether it may match several hosts.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        matches!(self, Self::Glob(_))
    }

    /// Whether it matches `host`.
    #[must_use]
    pub fn matches(&self, host: &HostName) -> bool {
        match self {
            Self::Literal(name) => name == host,
            // Compiled, it takes several times the memory, and every viewer keeps its own.
            Self::Glob(glob) => WildMatch::new(glob).matches(host.as_str()),
        }
    }
}

impl FromStr for HostPattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains(['*', '?']) {
            // The text between the wildcards must be able to match a name at all.
            text.replace(['*', '?'], "x")
                .chars()
                .take(64)
                .collect::<String>()
                .parse::<HostName>()?;
            Ok(Self::Glob(text.into()))
        } else {
            text.parse().map(Self::Literal)
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(name) => name.fmt(f),
            Self::Glob(glob) => glob.fmt(f),
        }
    }
}

impl Query {
    /// Reads the part of a URL after `?`. Unknown keys are ignored.
    ///
    /// # Errors
    /// One line that names the key and what to write instead.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let mut parsed = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "host" if parsed.hosts.len() == MAX_REPEATS => {
                    return Err(QueryError::TooMany("host"));
                }
                "after" if parsed.after.len() == MAX_REPEATS => {
                    return Err(QueryError::TooMany("after"));
                }
                "host" => {
                    let host = value
                        .parse()
                        .map_err(|e| QueryError::Host(shown(&value).to_string(), e))?;
                    parsed.hosts.push(host);
                }
                "after" => parsed.after.push(value.parse().map_err(QueryError::After)?),
                "last" => {
                    let refused = |_| QueryError::Last(shown(&value).to_string());
                    parsed.last = Some(value.parse().map_err(refused)?);
                }
                "since" => parsed.since = Some(parse_since(&value).map_err(QueryError::Since)?),
                "step" => parsed.step = Some(parse_step(&value).map_err(QueryError::Step)?),
                "encoding" => parsed.deflated = value == DEFLATE,
                key if TOKEN_KEYS.contains(&key) => return Err(QueryError::Token),
                _ => {}
            }
        }
        match parsed.step {
            Some(_) if !parsed.after.is_empty() => Err(QueryError::StepAfter),
            Some(_) if parsed.last.is_none() && parsed.since.is_none() => {
                Err(QueryError::StepWithoutBeginning)
            }
            _ => Ok(parsed),
        }
    }

    /// Whether `host` is among those wanted.
    #[must_use]
    pub fn wants(&self, host: &HostName) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// The query as [`Query::parse`] reads it, without `?`; empty for the default.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for host in &self.hosts {
            query.append_pair("host", &host.to_string());
        }
        for position in &self.after {
            query.append_pair("after", &position.to_string());
        }
        if let Some(last) = self.last {
            query.append_pair("last", &last.to_string());
        }
        if let Some(since) = self.since {
            query.append_pair("since", &written(since));
        }
        if let Some(step) = self.step {
            query.append_pair("step", &written(step));
        }
        if self.deflated {
            query.append_pair("encoding", DEFLATE);
        }
        f.write_str(&query.finish())
    }
}

/// A duration as [`parse_since`] reads it.
fn written(duration: Duration) -> String {
    // A span of more than a few hundred years has too many nanoseconds to be read back with its milliseconds.
    match duration.as_secs() {
        secs @ 10_000_000_000.. => format!("{secs}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// The length of a bucket.
fn parse_step(text: &str) -> Result<Duration, String> {
    let step = parse_since(text)?;
    if step < MIN_STEP {
        return Err(format!(
            "'{}' is too short: write 1s or more, such as step=1m",
            shown(text)
        ));
    }
    if step.subsec_nanos() % 1_000_000 != 0 {
        return Err(format!(
            "'{}' is not in whole milliseconds: write a longer step, such as step=1m",
            shown(text)
        ));
    }
    Ok(step)
}

/// A duration with a unit, or a bare number of seconds.
fn parse_since(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|_| format!("'{}' is not a number of seconds", shown(text))),
        Err(_) => parse_duration(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_is_read_as_written() {
        let query =
            Query::parse("host=web-1&host=db-*&after=web-1:k3v9q2:41&since=15m&last=30&unknown=1")
                .unwrap();
        assert_eq!(query.hosts.len(), 2);
        assert!(query.wants(&"db-7".parse().unwrap()) && !query.wants(&"cache".parse().unwrap()));
        assert_eq!(query.after, ["web-1:k3v9q2:41".parse().unwrap()]);
        assert_eq!(
            (query.since, query.last),
            (Some(Duration::from_secs(900)), Some(30))
        );
    }

    #[test]
    fn since_takes_bare_seconds() {
        assert_eq!(
            Query::parse("since=90").unwrap().since,
            Some(Duration::from_secs(90))
        );
        assert_eq!(
            Query::parse("since=1.5").unwrap().since,
            Some(Duration::from_millis(1500))
        );
    }

    #[test]
    fn an_unknown_encoding_is_plain_text() {
        for (query, expected) in [
            ("encoding=deflate", true),
            ("encoding=zstd", false),
            ("", false),
        ] {
            assert_eq!(Query::parse(query).unwrap().deflated, expected, "{query}");
        }
    }

    #[test]
    fn a_refusal_names_the_key_and_the_fix() {
        for (query, expected) in [
            ("host=a/b", "host=a/b: 'a/b' is not a host name"),
            (
                "after=web-1",
                "after: 'web-1' is not a position: write HOST:STREAM:SEQ",
            ),
            ("last=x", "last='x': write a number of samples"),
            (
                "since=5parsecs",
                "since: '5parsecs' has the unknown unit 'parsecs'",
            ),
            ("since=-5", "since: '-5' is not a number of seconds"),
            (
                &"after=web-1:a:1&".repeat(1025),
                "after= more than 1024 times",
            ),
            (
                "since=1h&step=soon",
                "step: 'soon' is not a duration: write a number and a unit",
            ),
            (
                "since=1h&step=0s",
                "step: '0s' is too short: write 1s or more",
            ),
            ("since=1h&step=0.5", "step: '0.5' is too short"),
            ("since=1h&step=-5m", "step: '-5m' is negative"),
            ("since=1h&step=", "step: '' is not a duration"),
            (
                "since=1h&step=1.0005s",
                "step: '1.0005s' is not in whole milliseconds",
            ),
            ("step=1m", "step= needs a beginning: add since="),
            (
                "since=1h&step=1m&after=a:s1:1",
                "step= and after= exclude each other",
            ),
            ("token=secret", "a token does not belong in a URL"),
        ] {
            let error = Query::parse(query).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{query}: {error}");
            assert!(!error.contains("secret"));
        }
    }

    proptest! {
        #[test]
        fn queries_survive_the_url(
            hosts in prop::collection::vec("[a-z0-9][a-z0-9*?.]{0,8}", 0..3),
            after in prop::collection::vec(("[a-z][a-z0-9-]{0,8}", 0..u64::from(u32::MAX), 0..9_u64), 0..3),
            last in prop::option::of(0..1000_u64),
            since_ms in prop::option::of(0..100_000_000_u64),
            step_ms in prop::option::of(1000..100_000_000_u64),
            deflated in any::<bool>(),
        ) {
            let has_step = after.is_empty() && (last.is_some() || since_ms.is_some());
            let query = Query {
                step: step_ms.filter(|_| has_step).map(Duration::from_millis),
                hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
                after: after
                    .into_iter()
                    .map(|(host, stream, seq)| Position {
                        host: host.parse().unwrap(),
                        stream: super::super::StreamId(stream),
                        seq,
                    })
                    .collect(),
                last,
                since: since_ms.map(Duration::from_millis),
                deflated,
            };
            prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
        }

        #[test]
        fn no_query_makes_parsing_panic(text in ".{0,200}") {
            let _ = Query::parse(&text);
        }
    }
}
