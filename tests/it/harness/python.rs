//! Python, for checks that must not rely on Rust alone.

use std::ffi::OsStr;
use std::process::Command;

/// Runs a script with arguments; its standard output. A machine without Python fails the test.
#[track_caller]
pub(crate) fn python<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> String {
    output(Command::new("python3").args(["-c", script]).args(args))
}

/// Runs a program; its standard output. A machine without it fails the test.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} is needed: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}
