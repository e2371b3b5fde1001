//! Names that identify: hosts, streams, and positions in a host's log.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::shown;

/// The longest host name, in bytes.
const MAX_HOST_BYTES: usize = 64;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A host name with a wrong length or character.
    #[error(
        "'{0}' is not a host name: write 1 to 64 characters from A-Z a-z 0-9 . _ -, starting with a letter or digit"
    )]
    Host(String),
    /// A stream that isn't a number in base 36.
    #[error("'{0}' is not a stream: write 1 to 12 characters from 0-9 a-z")]
    Stream(String),
    /// A position that doesn't have three parts.
    #[error("'{0}' is not a position: write HOST:STREAM:SEQ")]
    Position(String),
}

/// A host's name: 1 to 64 characters from `A-Z a-z 0-9 . _ -`, starting with a letter or digit. Safe in a terminal, a
/// URL and, with a suffix, as a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

impl HostName {
    /// The valid name closest to `name`, for a machine whose own name breaks the rules.
    #[must_use]
    pub fn nearest(name: &str) -> Self {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let kept: String = name
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .skip_while(|c| !c.is_ascii_alphanumeric())
            .take(MAX_HOST_BYTES)
            .collect();
        Self(if kept.is_empty() {
            "host".into()
        } else {
            kept.into()
        })
    }

    /// The name for this host's files, without a suffix: its own, or one that no host can have if Windows would take
    /// its own for a device.
    #[must_use]
    pub fn file_stem(&self) -> String {
        let mark = if is_device(&self.0) { "_" } else { "" };
        format!("{mark}{}", self.0)
    }

    /// The host whose files have this name.
    #[must_use]
    pub fn of_file_stem(stem: &str) -> Option<Self> {
        let device = stem.strip_prefix('_').filter(|rest| is_device(rest));
        device.unwrap_or(stem).parse().ok()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether Windows would take a file of this name for a device, whatever its suffix: files get copied there, too.
#[must_use]
pub fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let stem = stem.trim_ascii_end().to_ascii_uppercase();
    let is_numbered = |port: &str| {
        let number = stem.strip_prefix(port);
        number.is_some_and(|number| {
            matches!(number.chars().next(), Some('1'..='9' | '¹' | '²' | '³'))
                && number.chars().count() == 1
        })
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&&*stem)
        || is_numbered("COM")
        || is_numbered("LPT")
}

impl FromStr for HostName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let valid = text.len() <= MAX_HOST_BYTES
            && text
                .bytes()
                .next()
                .is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().all(allowed);
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Host(shown(text).to_string()))
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// One run of a source: its start in milliseconds since the epoch, written in base 36. A later run of the same host has
/// a greater id, so the streams of a host are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

impl StreamId {
    /// The greatest that can be written: of 12 digits.
    pub const MAX: Self = Self(36_u64.pow(12) - 1);
}

impl FromStr for StreamId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = || NameError::Stream(shown(text).to_string());
        let canonical = text
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
            && text.len() <= 12
            && (text == "0" || !text.starts_with('0'));
        if !canonical {
            return Err(refused());
        }
        u64::from_str_radix(text, 36)
            .map(Self)
            .map_err(|_| refused())
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut digits = [0_u8; 13];
        let mut start = digits.len();
        let mut rest = self.0;
        loop {
            start -= 1;
            digits[start] = DIGITS[usize::try_from(rest % 36).unwrap_or(0)];
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        f.pad(std::str::from_utf8(&digits[start..]).unwrap_or_default())
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A message that a viewer has; it lacks everything after it. Written `HOST:STREAM:SEQ`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// Whose log.
    pub host: HostName,
    /// Which run of the host's source.
    pub stream: StreamId,
    /// The last number that the viewer has, from 1; 0 before the first.
    pub seq: u64,
}

/// Where a recording of a host ends, so that a client can continue from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePoint {
    /// The last message.
    pub last: Position,
    /// The streams before that of the last message, in their order. A source that returns to one of them is rejected.
    pub past: Vec<StreamId>,
}

impl FromStr for Position {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = || NameError::Position(shown(text).to_string());
        let mut parts = text.split(':');
        let (Some(host), Some(stream), Some(seq), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused());
        };
        Ok(Self {
            host: host.parse()?,
            stream: stream.parse()?,
            seq: seq.parse().map_err(|_| refused())?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host, self.stream, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_of_hosts_have_names_that_every_system_accepts() {
        for (host, stem) in [
            ("web-1", "web-1"),
            ("CON", "_CON"),
            ("nul.example.com", "_nul.example.com"),
            ("com1", "_com1"),
            ("com10", "com10"),
            ("com", "com"),
            ("console", "console"),
        ] {
            let host: HostName = host.parse().unwrap();
            assert_eq!(host.file_stem(), stem);
            assert_eq!(HostName::of_file_stem(stem), Some(host));
        }
        assert_eq!(HostName::of_file_stem("_web-1"), None);
    }

    #[test]
    fn host_names_are_plain() {
        for good in ["a", "web-1", "db_2.example.com", "0", &"x".repeat(64)] {
            assert_eq!(good.parse::<HostName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            ".a",
            "a b",
            "ä",
            "a/b",
            "a:b",
            "\u{1b}[31m",
            &"x".repeat(65),
        ] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_refused_name_is_shown_escaped() {
        let error = "a\u{1b}[31m\u{202e}"
            .parse::<HostName>()
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(r"'a\u{1b}[31m\u{202e}' is not a host name"),
            "{error}"
        );
    }

    #[test]
    fn the_nearest_name_is_valid() {
        for (machine, expected) in [
            ("web 1", "web-1"),
            ("__x", "x"),
            ("", "host"),
            ("äöü", "host"),
            ("-.-", "host"),
        ] {
            assert_eq!(HostName::nearest(machine).as_str(), expected);
        }
        assert!(
            HostName::nearest(&"y".repeat(99))
                .as_str()
                .parse::<HostName>()
                .is_ok()
        );
    }

    proptest! {
        #[test]
        fn positions_survive_being_written(host in "[a-z0-9][a-zA-Z0-9._-]{0,63}", stream in 0..4_000_000_000_000_000_u64, seq: u64) {
            let position = Position { host: host.parse().unwrap(), stream: StreamId(stream), seq };
            prop_assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        }

        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,80}") {
            let _ = text.parse::<Position>();
            let _ = text.parse::<HostName>();
        }
    }
}
