//! Which file a name leads to.

use std::fs::{self, File};
use std::path::Path;

/// Whether `path` leads to `file`.
#[cfg(unix)]
pub(super) fn is_same_file(path: &Path, file: &File) -> bool {
    use std::io::ErrorKind;
    use std::os::unix::fs::MetadataExt;
    let identity = |it: fs::Metadata| (it.dev(), it.ino());
    match (fs::metadata(path), file.metadata()) {
        (Ok(there), Ok(open)) => identity(there) == identity(open),
        // Without permission to look there any more, nothing is known; the file itself is open.
        (Err(error), _) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        (Ok(_), Err(_)) => true,
    }
}

/// Whether any directory still lists the file.
#[cfg(unix)]
pub(super) fn has_name(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 0
}

/// Unknown on this platform: a file whose name is gone counts as deleted.
#[cfg(not(unix))]
pub(super) fn has_name(_: &fs::Metadata) -> bool {
    false
}

#[cfg(not(unix))]
pub(super) fn is_same_file(path: &Path, _: &File) -> bool {
    path.exists()
}
