//! Python, for checks that must not rely on Rust alone.

use std::ffi::OsStr;
use std::process::Command;

/// Runs a script with arguments; its standard output. A machine without Python fails the test.
#[track_caller]
pub(crate) fn python<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> String {
    let output = Command::new("python3")
        .args(["-c", script])
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("python3 is needed for this test: {error}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
