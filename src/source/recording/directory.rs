//! The recordings in a directory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Input;
use crate::recording::{Period, sums_up};

/// What was found in a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The recordings. The files of a rotated recording are one input.
    pub inputs: Vec<Input>,
    /// Everything else, except hidden files and those that sum up others by the minute, as paths below the directory.
    pub skipped: Vec<PathBuf>,
}

/// The kind of a file that belongs to a recording, by its name.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Packed,
}

impl Found {
    /// Looks for `*.csv` and `*.csv.gz` in `directory` and everything below it, except what is hidden. Links to
    /// directories are not followed.
    ///
    /// # Errors
    /// The directory that cannot be listed, and why.
    pub fn below(directory: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let mut found = Self::default();
        let mut waiting = vec![directory.to_path_buf()];
        while let Some(next) = waiting.pop() {
            let below = found.look_in(&next).map_err(|error| (next, error))?;
            // The first one is the next one.
            waiting.extend(below.into_iter().rev());
        }
        for path in &mut found.skipped {
            if let Ok(below) = path.strip_prefix(directory) {
                *path = below.into();
            }
        }
        found.skipped.sort();
        Ok(found)
    }

    /// Takes the files of one directory, and returns the directories in it.
    fn look_in(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = BTreeMap::new();
        let mut directories = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let is_file = fs::metadata(&path).is_ok_and(|it| it.is_file());
            match stem_and_kind(&path).filter(|_| is_file) {
                Some((stem, kind)) => self.add(&mut files, stem, (path, kind)),
                None if entry.file_type()?.is_dir() => directories.push(path),
                None if sums_up(&path) => {}
                None => self.skipped.push(path),
            }
        }
        directories.sort();
        self.group(files);
        Ok(directories)
    }

    /// Adds a file. Where a plain one and a compressed one have the same name, the plain one wins: it is complete, and
    /// the other may not have been finished.
    fn add(
        &mut self,
        files: &mut BTreeMap<String, (PathBuf, Kind)>,
        stem: String,
        file: (PathBuf, Kind),
    ) {
        let loser = match files.get(&stem) {
            Some((_, Kind::Plain)) => Some(file.0),
            _ => files.insert(stem, file).map(|(path, _)| path),
        };
        self.skipped.extend(loser);
    }

    /// Turns the files of a directory into inputs: those named after a time are one rotated recording.
    fn group(&mut self, files: BTreeMap<String, (PathBuf, Kind)>) {
        let mut rotated = Vec::new();
        for (stem, (path, _)) in files {
            if Period::of_stem(&stem).is_some() {
                rotated.push(path);
            } else {
                self.inputs.push(Input::of(&path));
            }
        }
        if !rotated.is_empty() {
            self.inputs.push(Input::Rotated(rotated));
        }
    }
}

fn stem_and_kind(path: &Path) -> Option<(String, Kind)> {
    let name = path.file_name()?.to_str()?;
    let packed = name
        .strip_suffix(".csv.gz")
        .map(|stem| (stem, Kind::Packed));
    let (stem, kind) = packed.or_else(|| Some((name.strip_suffix(".csv")?, Kind::Plain)))?;
    Some((stem.into(), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_found_and_everything_else_is_listed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for file in [
            "b.csv",
            "a.csv.gz",
            "both.csv",
            "both.csv.gz",
            "notes.txt",
            "web-1/2026-11-24T15.csv",
            "web-1/2026-11-24T14.csv.gz",
            "web-1/2026-11-24T14.minutes",
            "web-1/five.minutes",
            "web-1/.lock",
            "web-1/more.csv",
            "web-2/2026-11-24.csv",
            ".hidden/x.csv",
            "deep/er/x.csv",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "timestamp").unwrap();
        }
        fs::create_dir(root.join("directory.csv")).unwrap();
        let found = Found::below(root).unwrap();
        let plain = |file: &str| Input::File(root.join(file));
        let rotated =
            |files: &[&str]| Input::Rotated(files.iter().map(|file| root.join(file)).collect());
        assert_eq!(
            found.inputs,
            [
                plain("a.csv.gz"),
                plain("b.csv"),
                plain("both.csv"),
                plain("deep/er/x.csv"),
                plain("web-1/more.csv"),
                rotated(&["web-1/2026-11-24T14.csv.gz", "web-1/2026-11-24T15.csv"]),
                rotated(&["web-2/2026-11-24.csv"]),
            ]
        );
        let skipped: Vec<_> = ["both.csv.gz", "notes.txt", "web-1/five.minutes"]
            .map(PathBuf::from)
            .into();
        assert_eq!(found.skipped, skipped);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_directory_itself_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("a.csv"), "timestamp").unwrap();
        std::os::unix::fs::symlink(root, root.join("again")).unwrap();
        std::os::unix::fs::symlink(root.join("a.csv"), root.join("b.csv")).unwrap();
        let found = Found::below(root).unwrap();
        assert_eq!(found.inputs.len(), 2);
        assert_eq!(found.skipped, [PathBuf::from("again")]);
    }

    #[test]
    fn a_directory_that_cannot_be_listed_is_named() {
        let (path, _) = Found::below(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(path, Path::new("/nowhere/at/all"));
    }
}
