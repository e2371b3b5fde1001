//! Why a sink cannot be opened or written to.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use crate::postgres::DatabaseError;
use crate::protocol::HostName;
use crate::recording::OutputError;

use super::file_name::BadName;

/// Why a sink cannot be opened or written to. One line for people, with its causes.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A file name that promises another format, or is invalid on other systems.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// One file cannot hold several hosts.
    #[error(
        "{first} and {other} are both here: write one file per host with -o DIR/, or choose one with --host"
    )]
    SeveralHosts {
        /// The host in the file.
        first: HostName,
        /// The host that followed it.
        other: HostName,
    },
    /// A rotated recording is there already.
    #[error("'{}' holds recordings: use --append to continue them, or another directory", path.display())]
    HoldsRecordings {
        /// The host's directory.
        path: PathBuf,
    },
    /// The directory for the files cannot be created.
    #[error("cannot create '{}'", path.display())]
    MakeDirectory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The directory with the files cannot be listed.
    #[error("cannot list '{}'", path.display())]
    ListDirectory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file cannot be opened, written or saved.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A worker thread stopped early.
    #[error("a worker thread stopped")]
    Stopped(#[from] tokio::task::JoinError),
}

impl SinkError {
    /// Whether the destination was a usage error, rather than a failure.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        matches!(
            self,
            Self::BadName(_)
                | Self::SeveralHosts { .. }
                | Self::HoldsRecordings { .. }
                | Self::Output(OutputError::Exists { .. } | OutputError::OtherHost { .. })
        ) || matches!(self, Self::Database(error) if error.is_bad_address())
    }

    /// Whether there was no connection to the destination.
    #[must_use]
    pub fn is_no_connection(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_no_connection())
    }

    /// Whether the reader of our output has closed it.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(OutputError::Write { source, .. }) if source.kind() == ErrorKind::BrokenPipe)
    }
}
