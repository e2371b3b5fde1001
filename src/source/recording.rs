//! The recording as a source: rows of one or more files, in the order of their time, as numbered messages.
//!
//! [`survey()`] reads the files once before anything is served: an error in row 40,000 is told at once rather than hours
//! into the replay, and a viewer learns which hosts and streams will come. [`Playback`] then reads them again and is the
//! replay itself, without its pace.

mod merge;
mod playback;
mod survey;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::protocol::parse_duration;
use crate::recording::{ReadError, Reader};

pub use playback::{Numbering, Play, Playback, Run};
pub use survey::{DEFAULT_INTERVAL_MS, HostSurvey, Survey, Times, survey};

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input. It can be read once.
    Stdin,
}

/// Which part of the recordings is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// From here on.
    pub start: Option<Bound>,
    /// Up to here, exclusive.
    pub end: Option<Bound>,
}

/// A point in a recording's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Milliseconds since the epoch.
    At(u64),
    /// Milliseconds after the first row.
    Offset(u64),
}

impl std::str::FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        if let Ok(at) = humantime::parse_rfc3339_weak(text) {
            return at
                .duration_since(std::time::UNIX_EPOCH)
                .map(|since| Self::At(ms(since)))
                .map_err(|_| format!("'{}' is before 1970", text.escape_default()));
        }
        parse_duration(text).map(|offset| Self::Offset(ms(offset))).map_err(|reason| {
            if text.contains('-') {
                let shown = text.escape_default();
                format!("'{shown}' is no point in time: write 2026-11-24T14:07:31Z, or 5m for 5 minutes from the start")
            } else {
                reason
            }
        })
    }
}

impl Window {
    /// Whether a row of time `timestamp` is inside, in recordings whose first row is of time `first`.
    #[must_use]
    pub fn contains(&self, timestamp: u64, first: u64) -> bool {
        let at = |bound: Bound| match bound {
            Bound::At(at) => at,
            Bound::Offset(offset) => first.saturating_add(offset),
        };
        self.start.is_none_or(|start| timestamp >= at(start))
            && self.end.is_none_or(|end| timestamp < at(end))
    }
}

/// An open input.
type Rows = Reader<Box<dyn Read + Send>>;

impl Input {
    fn open(&self) -> Result<Rows, ReadError> {
        match self {
            Self::Stdin => Reader::new(Box::new(io::stdin()), "standard input"),
            Self::File(path) => {
                let file = path.display().to_string();
                let opened = File::open(path).map_err(|source| ReadError::Io {
                    file: file.clone(),
                    source,
                })?;
                Reader::new(Box::new(opened), file)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_time_or_an_offset() {
        assert_eq!(
            "2026-11-24T14:07:31Z".parse(),
            Ok(Bound::At(1_795_529_251_000))
        );
        assert_eq!(
            "2026-11-24 14:07:31.5Z".parse(),
            Ok(Bound::At(1_795_529_251_500))
        );
        assert_eq!("5m".parse(), Ok(Bound::Offset(300_000)));
        assert!(
            "2026-11-24"
                .parse::<Bound>()
                .unwrap_err()
                .contains("is no point in time")
        );
        assert!("5".parse::<Bound>().unwrap_err().contains("has no unit"));
    }

    #[test]
    fn a_window_begins_inside_and_ends_outside() {
        let window = Window {
            start: Some(Bound::Offset(10)),
            end: Some(Bound::At(130)),
        };
        let inside: Vec<_> = [109, 110, 129, 130]
            .into_iter()
            .filter(|&at| window.contains(at, 100))
            .collect();
        assert_eq!(inside, [110, 129]);
    }
}
