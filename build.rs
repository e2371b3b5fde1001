//! Names the commit that a release is built from, for `metrics --version`.
//!
//! No git is needed: this reads the few files of a repository that matter, or what `cargo package` and `git archive`
//! leave in a source tarball. Where there is nothing to read, no commit is named. A debug build names none either: to
//! keep up with the commits, it would have to be compiled again after each of them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// How many digits of a commit are shown.
const DIGITS: usize = 12;

/// A word of fewer digits is no commit.
const LEAST_DIGITS: usize = 7;

/// What `git archive` puts a commit into; see .gitattributes.
const ARCHIVED: &str = "packaging/commit";

/// What `cargo package` puts a commit into.
const PACKAGED: &str = ".cargo_vcs_info.json";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=METRICS_COMMIT");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let given = env::var("METRICS_COMMIT").ok();
    let given = given.as_deref().and_then(commit_in);
    let found = || if is_release { commit_of(&root) } else { None };
    let build = match given.or_else(found) {
        Some(commit) => format!(" (commit {commit})"),
        None if is_release => String::new(),
        None => " (debug build)".to_owned(),
    };
    println!("cargo::rustc-env=METRICS_BUILD={build}");
}

/// The commit of the sources in `root`.
fn commit_of(root: &Path) -> Option<String> {
    let packaged = || commit_in(after(&read(&root.join(PACKAGED))?, "\"sha1\":")?);
    let archived = || commit_in(&read(&root.join(ARCHIVED))?);
    packaged().or_else(|| checked_out(root)).or_else(archived)
}

/// The commit that is checked out in `root`, if that is the top of a repository.
fn checked_out(root: &Path) -> Option<String> {
    let beside = root.join(".git");
    let directory = if beside.is_dir() {
        beside
    } else {
        // A worktree or a submodule.
        root.join(read(&beside)?.strip_prefix("gitdir:")?.trim())
    };
    let head = read(&directory.join("HEAD"))?;
    // Changes with every commit, wherever that is noted.
    let _ = read(&directory.join("logs/HEAD"));
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else {
        return commit_in(&head);
    };
    // Branches are shared by worktrees.
    let common = read(&directory.join("commondir"))
        .map_or_else(|| directory.clone(), |path| directory.join(path.trim()));
    let loose = [&directory, &common]
        .into_iter()
        .find_map(|it| commit_in(&read(&it.join(name))?));
    loose.or_else(|| {
        let packed = read(&common.join("packed-refs"))?;
        let line = packed
            .lines()
            .find(|line| line.ends_with(&format!(" {name}")))?;
        commit_in(line)
    })
}

/// The contents of a file, which is watched from now on.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    // cargo takes a missing file for a changed one.
    println!("cargo::rerun-if-changed={}", path.display());
    Some(text)
}

fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    Some(rest.trim_start().trim_start_matches('"'))
}

/// The commit that `text` begins with, shortened.
fn commit_in(text: &str) -> Option<String> {
    let digits = text
        .trim_start()
        .chars()
        .take_while(char::is_ascii_hexdigit);
    let commit: String = digits.take(DIGITS).collect();
    (LEAST_DIGITS <= commit.len()).then(|| commit.to_ascii_lowercase())
}
