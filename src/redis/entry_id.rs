//! Ids of entries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::protocol::StreamId;

/// The id of a message's entry, `<stream>-<seq>`, both in decimal. The stream is the time when the source started, so
/// ids rise from run to run and within each, and Redis refuses one that doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EntryId {
    /// The run of the source.
    pub stream: StreamId,
    /// The number in it.
    pub seq: u64,
}

impl EntryId {
    /// Before the first message of any host.
    pub const START: Self = Self {
        stream: StreamId(0),
        seq: 0,
    };
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream.0, self.seq)
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for EntryId {
    type Error = NoEntryId;

    fn try_from(text: String) -> Result<Self, NoEntryId> {
        text.parse()
    }
}

/// Says that a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of an entry: two numbers with a dash between them")]
pub struct NoEntryId;

impl FromStr for EntryId {
    type Err = NoEntryId;

    fn from_str(text: &str) -> Result<Self, NoEntryId> {
        let (stream, seq) = text.split_once('-').ok_or(NoEntryId)?;
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = is_plain.then(|| text.parse().ok()).flatten();
            number.ok_or(NoEntryId)
        };
        Ok(Self {
            stream: StreamId(number(stream)?),
            seq: number(seq)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_being_written_and_rise() {
        let id = |stream, seq| EntryId {
            stream: StreamId(stream),
            seq,
        };
        let written = id(1_795_529_251_204, 41);
        assert_eq!(written.to_string(), "1795529251204-41");
        assert_eq!("1795529251204-41".parse(), Ok(written));
        assert!(id(1, 9) < id(2, 1) && id(2, 1) < id(2, 2));
        for text in [
            "",
            "1",
            "-",
            "1-",
            "-1",
            "+1-1",
            "1-1-1",
            "1-x",
            "99999999999999999999-1",
        ] {
            assert!(text.parse::<EntryId>().is_err(), "{text}");
        }
    }
}
