//! A recording in the place of an older one.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::disk::{Disk, SystemDisk};
use crate::recording::{Output, OutputError};

fn replace(path: &Path) -> Result<Output, OutputError> {
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
    Output::create(&disk, path, true)
}

/// How the old file comes about, and whether a new one takes its place.
#[cfg(unix)]
const TO_BE_REPLACED: &[(&str, bool)] = &[
    ("echo old > x.csv; chmod 640 x.csv", true),
    ("echo old > x.csv; chmod 600 x.csv", true),
    ("echo old > x.csv; chmod 666 x.csv", true),
    ("echo old > x.csv; chown 1234:2345 x.csv 2>&- || :", true),
    ("echo old > x.csv; ln x.csv y", false),
    ("echo old > y; ln -s y x.csv", false),
    ("mkdir d; echo old > d/y; ln -s d/y x.csv", false),
];

#[cfg(unix)]
#[test]
fn a_replaced_file_stays_readable_until_its_successor_is_complete() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    for &(script, is_new) in TO_BE_REPLACED {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.csv");
        let mut shell = Command::new("sh");
        let made = shell.args(["-c", script]).current_dir(directory.path());
        assert!(made.status().unwrap().success());
        let names = || fs::read_dir(directory.path()).unwrap().count();
        let (before, names_before) = (fs::metadata(&path).unwrap(), names());
        let mut reader = fs::File::open(&path).unwrap();
        let output = replace(&path).unwrap();
        for rows in [&b"new\n"[..], b"row\n"] {
            output.write(rows).unwrap();
            output.check_still_there().unwrap();
            output.sync().unwrap();
            let error = replace(&path).unwrap_err();
            assert!(matches!(error, OutputError::Busy { .. }), "{script}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"new\nrow\n", "{script}");
        let after = fs::metadata(&path).unwrap();
        let mode = |it: &fs::Metadata| (it.permissions().mode(), it.uid(), it.gid());
        assert_eq!(mode(&before), mode(&after), "{script}");
        assert_eq!(before.ino() != after.ino(), is_new, "{script}");
        assert_eq!(names(), names_before, "{script}");
        let mut old = String::new();
        reader.read_to_string(&mut old).unwrap();
        assert_eq!(old == "old\n", is_new, "{script}");
        fs::remove_file(&path).unwrap();
        assert!(output.check_still_there().is_err(), "{script}");
    }
}

/// A name that leaves no room for a longer one beside it is overwritten.
#[test]
fn a_file_with_the_longest_name_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x".repeat(255));
    fs::write(&path, "old\n").unwrap();
    let output = replace(&path).unwrap();
    output.write(b"new\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new\n");
}
