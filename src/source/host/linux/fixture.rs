//! Small file trees that stand in for /proc and /sys.

use std::fs;
use std::path::Path;

/// `path` ending in `/` is a directory, otherwise a file with `1`.
pub(in crate::source::host) fn tree(paths: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for path in paths {
        let full = root.path().join(path);
        if path.ends_with('/') {
            fs::create_dir_all(full).unwrap();
        } else {
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, "1\n").unwrap();
        }
    }
    root
}

/// Creates the file and its parent directories.
pub(in crate::source::host) fn write(path: &Path, text: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
