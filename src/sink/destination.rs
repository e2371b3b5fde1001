//! Where a recording goes, as the command line names it.

use std::path::{Path, PathBuf};

/// Where a recording goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// One file, for one host.
    File(PathBuf),
    /// A directory with one file per host.
    Directory(PathBuf),
}

/// What to do with recordings that are already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Refuse to touch them.
    Keep,
    /// Replace them, once there are rows to replace them with.
    Replace,
    /// Append to them.
    Append,
}

impl Destination {
    /// What `output` names: `-` is standard output; a directory ends with a slash, or exists.
    #[must_use]
    pub fn of(output: &Path) -> Self {
        if output.as_os_str() == "-" {
            Self::Stdout
        } else if is_directory(output) {
            Self::Directory(output.into())
        } else {
            Self::File(output.into())
        }
    }

    /// What a person calls it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".into(),
            Self::File(path) | Self::Directory(path) => path.display().to_string(),
        }
    }
}

fn is_directory(path: &Path) -> bool {
    let text = path.as_os_str().to_string_lossy();
    text.ends_with(['/', std::path::MAIN_SEPARATOR]) || path.is_dir()
}
