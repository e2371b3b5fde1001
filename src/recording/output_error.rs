//! Why a recording cannot be written.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::error::ReadError;
use crate::protocol::HostName;
use crate::wording::with_causes;

/// What happened to an output file while it was being written. Nothing more is written to it after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// It no longer has a name.
    #[error("was deleted")]
    Deleted,
    /// It has another name.
    #[error("was moved or renamed (it holds all rows so far)")]
    Moved,
    /// It no longer has a name, and another file has its old one.
    #[error("was replaced by another file")]
    Replaced,
    /// It is shorter than what was written to it, as after logrotate's `copytruncate`.
    #[error("was truncated by another program")]
    Truncated,
    /// It is longer than what was written to it.
    #[error("was written to by another program")]
    Grown,
    /// Its length is the same, but not what it contains.
    #[error("was overwritten by another program")]
    Overwritten,
}

/// Why a recording cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file exists and isn't empty.
    #[error("'{}' exists: use --append to continue it, or --force to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A directory instead of a file.
    #[error("'{0}' is a directory: write '{0}/' for one file per host in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// Another process records into it.
    #[error("'{}' is being recorded into by another process", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It already contains another host.
    #[error("'{name}' is a recording of {of}, not of {host}: choose another file or directory")]
    OtherHost {
        /// The file, or the directory of a rotated recording.
        name: String,
        /// The host in it.
        of: HostName,
        /// The host that should be in it.
        host: HostName,
    },
    /// Appended rows would not match the existing ones.
    #[error(
        "'{}' has columns, quotes or line endings that `metrics record` does not write: record into another file",
        path.display()
    )]
    Edited {
        /// The file.
        path: PathBuf,
    },
    /// The existing recording cannot be continued.
    #[error("cannot append: {0}; record into another file, or use --force to replace this one")]
    Unreadable(ReadError),
    /// The file's directory does not exist.
    #[error(
        "cannot open '{}': there is no directory '{1}': create it first (mkdir -p '{1}')",
        path.display(),
        directory.display()
    )]
    NoDirectory {
        /// The file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// The file cannot be opened.
    #[error("cannot open '{name}'")]
    Open {
        /// The file.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The rows could not be written. The file contains only complete ones.
    #[error("cannot write '{name}'")]
    Write {
        /// The file.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The rows are written, but may not be on the disk.
    #[error("cannot save '{name}' to the disk")]
    Sync {
        /// The file.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// Another program deleted, moved, truncated or wrote to the file.
    #[error("'{name}' {loss} while recording")]
    Lost {
        /// The file.
        name: String,
        /// What happened to it.
        loss: Loss,
    },
}

impl OutputError {
    /// Whether an existing recording is damaged, so that trying again would not help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Edited { .. } | Self::Directory { .. } => true,
            Self::Unreadable(ReadError::Io { source, .. }) => matches!(
                source.kind(),
                ErrorKind::InvalidData
                    | ErrorKind::InvalidInput
                    | ErrorKind::UnexpectedEof
                    | ErrorKind::IsADirectory
            ),
            Self::Unreadable(_) => true,
            _ => false,
        }
    }

    /// What is wrong, with its cause, in a line without advice.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Unreadable(read) => with_causes(read),
            Self::Edited { path } => format!(
                "'{}' has columns, quotes or line endings of another program",
                path.display()
            ),
            Self::Directory { path } => format!("'{}' is a directory", path.display()),
            Self::OtherHost { name, of, host } => {
                format!("'{name}' is a recording of {of}, not of {host}")
            }
            other => with_causes(other),
        }
    }
}
