//! Files that another program overwrites without changing their length.
#![cfg(unix)]

use std::fs;

use super::output::{append_to, three_rows};

/// A continued recording knows its ends before it has written anything.
#[test]
fn a_continued_file_that_is_overwritten_is_noticed() {
    for old in [three_rows(), three_rows().repeat(99)] {
        for at in [0, old.len() - 2] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x.csv");
            fs::write(&path, &old).unwrap();
            let output = append_to(&path).unwrap().output;
            output.check_still_there().unwrap();
            let mut bytes = old.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            let error = output.check_still_there().unwrap_err().to_string();
            assert!(error.contains("was overwritten by another"), "{error}");
        }
    }
}
