//! The destination of a recording, as named on the command line.

use std::path::{Path, PathBuf};

use crate::postgres::{DatabaseAddress, DatabaseError, SchemaRequest, is_database};

/// The destination of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// One file, for one host.
    File(PathBuf),
    /// A directory with one file per host.
    Directory(PathBuf),
    /// A database, for any number of hosts.
    Database {
        /// Where it is.
        address: DatabaseAddress,
        /// What may be done to its tables.
        request: SchemaRequest,
    },
}

/// What to do with existing recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave them alone and fail.
    Keep,
    /// Replace them, as soon as there are rows to replace them with.
    Replace,
    /// Append to them.
    Append,
}

impl Destination {
    /// The destination that `output` names: `-` is standard output; a directory ends with a slash, or
    /// exists; a database is a `postgres://` URL, whose tables may then be created if `request` says so.
    ///
    /// # Errors
    /// When the URL of a database cannot be used.
    pub fn of(output: &Path, request: SchemaRequest) -> Result<Self, DatabaseError> {
        Ok(if output.as_os_str() == "-" {
            Self::Stdout
        } else if let Some(url) = output.to_str().filter(|url| is_database(url)) {
            let address = DatabaseAddress::parse(url)?;
            Self::Database { address, request }
        } else if is_directory(output) {
            Self::Directory(output.into())
        } else {
            Self::File(output.into())
        })
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".into(),
            Self::File(path) | Self::Directory(path) => path.display().to_string(),
            Self::Database { address, .. } => address.to_string(),
        }
    }
}

fn is_directory(path: &Path) -> bool {
    let text = path.as_os_str().to_string_lossy();
    text.ends_with(['/', std::path::MAIN_SEPARATOR]) || path.is_dir()
}
