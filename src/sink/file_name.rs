//! File names that a recording must not have.

use std::path::Path;

use crate::protocol::{is_device, shown};

/// Suffixes of compressed files, and the tool that compresses standard input into one.
const COMPRESSORS: [(&str, &str); 9] = [
    ("gz", "gzip"),
    ("tgz", "gzip"),
    ("bz2", "bzip2"),
    ("xz", "xz"),
    ("zst", "zstd"),
    ("lz4", "lz4"),
    ("br", "brotli"),
    ("lzma", "xz --format=lzma"),
    ("zip", "zip"),
];

/// One line that says what is wrong with a name, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(String);

/// Refuses a file name that promises another format, or is invalid on other systems.
pub(super) fn check(path: &Path) -> Result<(), BadName> {
    // An existing pipe or device may have any name.
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let whole = path.to_string_lossy();
    let whole = shown(&whole);
    let suffix = name
        .rsplit_once('.')
        .map(|(_, suffix)| suffix.to_ascii_lowercase());
    let compressor = COMPRESSORS
        .iter()
        .find(|(of, _)| suffix.as_deref() == Some(of));
    if let Some((_, compressor)) = compressor {
        return Err(BadName(format!(
            "-o '{whole}' would not be compressed: write `metrics record … | {compressor} > {whole}`, or -o DIR/ \
             --rotate 1h for files that are compressed with gzip when they are complete"
        )));
    }
    let problem = if is_device(&name) {
        "is the name of a device on Windows"
    } else if name.ends_with(['.', ' ']) {
        "ends in a way that Windows does not allow"
    } else {
        return Ok(());
    };
    Err(BadName(format!(
        "-o '{whole}' {problem}: choose another name"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_it_promises_and_can_be_copied_anywhere() {
        for name in [
            "incident.csv",
            "a/b/incident",
            "wéb 1.csv",
            "14:07.csv",
            "gz",
            "x.gz.csv",
            "console.csv",
            "com10.csv",
            "con/x.csv",
            ".hidden",
        ] {
            assert_eq!(check(Path::new(name)), Ok(()), "{name}");
        }
        for (name, expected) in [
            ("x.csv.gz", "| gzip > x.csv.gz`"),
            ("dir/X.GZ", "| gzip > dir/X.GZ`"),
            ("x.csv.zst", "| zstd > "),
            ("CON", "choose another name"),
            ("a/con.csv", "choose another name"),
            ("nul.tar.csv", "choose another name"),
            ("COM¹.csv", "choose another name"),
            ("LPT9", "choose another name"),
            ("x.csv.", "choose another name"),
            ("x.csv ", "choose another name"),
        ] {
            let error = check(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
