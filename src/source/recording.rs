//! The recording as a source: rows of one or more files as numbered messages, ordered by stream and number within a
//! host, and by time among hosts.
//!
//! [`survey()`] reads the files once before anything is served: an error in row 40,000 is reported at once rather than
//! hours into the replay, and viewers learn which hosts and streams will follow. [`Playback`] then reads them again and
//! produces the messages, and [`Feed`] paces them.

mod chain;
mod chaos;
mod demo;
mod directory;
mod feed;
mod found_row;
mod merge;
mod order;
mod ordered;
mod pace;
mod playback;
mod seek;
mod series;
mod survey;
#[cfg(test)]
mod tests;
mod window;

use std::path::{Path, PathBuf};

use crate::postgres::HostInDatabase;
use crate::recording::is_packed;
pub use chaos::{Chaos, ChaosPlan, Disruption, FaultOrder, PlannedFault, ServerFault};

pub use directory::Found;
pub use feed::{Feed, LongWait, Observer, Played, ReplayError, Tempo};
pub use order::RowOrder;
pub use pace::Speed;
pub use playback::{Numbering, Play, Playback, PlaybackOptions};
pub use seek::seek;
pub use survey::{DEFAULT_INTERVAL_MS, HostSurvey, Survey, Times, survey};
pub use window::{Bound, Window};

/// A source of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A regular file.
    File(PathBuf),
    /// A regular file that is compressed with gzip.
    Packed(PathBuf),
    /// The files of a rotated recording, oldest first; any of them may be compressed.
    Rotated(Vec<PathBuf>),
    /// A pipe or a device. It can be read once.
    Pipe(PathBuf),
    /// Standard input. It can be read once.
    Stdin,
    /// The recording that is part of this program.
    Demo,
    /// A host's rows in a database.
    Database(HostInDatabase),
}

impl Input {
    /// The input that `path` names. Anything but a regular file, such as a named pipe or a shell's `<(…)`, is a pipe.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        if path.as_os_str() == "-" {
            return Self::Stdin;
        }
        match std::fs::metadata(path) {
            Ok(it) if !it.is_file() && !it.is_dir() => Self::Pipe(path.into()),
            Ok(it) if it.is_file() && is_packed(path).unwrap_or(false) => Self::Packed(path.into()),
            // A missing file or a directory is reported when it is opened.
            _ => Self::File(path.into()),
        }
    }

    /// Whether it can be read only once.
    #[must_use]
    pub fn is_piped(&self) -> bool {
        matches!(self, Self::Pipe(_) | Self::Stdin)
    }
}
