//! `--version` names the commit of a release, wherever its sources come from. The build script finds it, so that is what
//! these tests compile and run, as cargo would.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::metrics::Metrics;

/// The build script, compiled.
struct BuildScript {
    dir: tempfile::TempDir,
}

impl BuildScript {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-o"]);
        let status = rustc.arg(dir.path().join("build")).arg(source).status();
        assert!(status.unwrap().success());
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What it prints about the sources in `root`. There is no program that it could run.
    fn run(&self, root: &Path, profile: &str, given: &str) -> String {
        let mut script = Command::new(self.path("build"));
        script.env_clear().env("CARGO_MANIFEST_DIR", root);
        script.env("PROFILE", profile).env("METRICS_COMMIT", given);
        let output = script.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn names(&self, root: &Path, commit: &str) {
        let printed = self.run(root, "release", "");
        let expected = format!("METRICS_BUILD= (commit {})\n", &commit[..12]);
        assert!(printed.ends_with(&expected), "{commit}: {printed}");
    }
}

/// Runs git in `root`, and returns what it prints.
fn git(root: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(root).env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
    let output = git.args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_release_names_its_commit_wherever_the_sources_come_from() {
    let script = BuildScript::new();
    let repo = script.path("repo");
    std::fs::create_dir_all(repo.join("packaging")).unwrap();
    for copied in [".gitattributes", "packaging/commit"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(copied);
        std::fs::copy(from, repo.join(copied)).unwrap();
    }
    git(&repo, &["init", "-q", "-b", "a/branch"]);
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-q", "-m", "x"]);
    let commit = git(&repo, &["rev-parse", "HEAD"]);
    script.names(&repo, &commit);

    git(&repo, &["worktree", "add", "-q", "-b", "other", "../tree"]);
    let tree = script.path("tree");
    git(&tree, &["commit", "-q", "--allow-empty", "-m", "y"]);
    script.names(&tree, &git(&tree, &["rev-parse", "HEAD"]));

    git(&repo, &["pack-refs", "--all"]);
    script.names(&repo, &commit);
    script.names(&tree, &git(&tree, &["rev-parse", "HEAD"]));

    git(&repo, &["checkout", "-q", "--detach"]);
    script.names(&repo, &commit);

    let archive = script.path("archive");
    std::fs::create_dir(&archive).unwrap();
    git(&repo, &["archive", "-o", "../archive.tar", "HEAD"]);
    let tar = Command::new("tar")
        .arg("xf")
        .arg(script.path("archive.tar"))
        .current_dir(&archive)
        .status();
    assert!(tar.unwrap().success());
    script.names(&archive, &commit);

    let packaged = script.path("packaged");
    std::fs::create_dir(&packaged).unwrap();
    let info = format!(
        "{{\n  \"git\": {{\n    \"sha1\": \"{commit}\"\n  }},\n  \"path_in_vcs\": \"\"\n}}"
    );
    std::fs::write(packaged.join(".cargo_vcs_info.json"), info).unwrap();
    script.names(&packaged, &commit);
}

#[test]
fn where_no_commit_is_known_none_is_named() {
    let script = BuildScript::new();
    let bare = script.path("bare");
    std::fs::create_dir_all(bare.join("packaging")).unwrap();
    let unfilled = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/commit");
    std::fs::copy(unfilled, bare.join("packaging/commit")).unwrap();
    let names = |profile, given| {
        let printed = script.run(&bare, profile, given);
        let line = printed.lines().next_back().unwrap_or_default();
        line.trim_start_matches("cargo::rustc-env=METRICS_BUILD=")
            .to_owned()
    };
    assert_eq!(names("release", ""), "");
    assert_eq!(names("debug", ""), " (debug build)");
    let given = "0123456789ABCDEF0123456789abcdef01234567";
    assert_eq!(names("debug", given), " (commit 0123456789ab)");
    for odd in ["main", "abc", "0123\n456789ab", "$Format:%H$"] {
        assert_eq!(names("release", odd), "", "{odd}");
    }
    // Unrelated commits compile nothing again.
    assert!(!script.run(&bare, "debug", "").contains(".git"));
}

#[test]
fn the_version_is_one_line() {
    let output = Metrics::new().arg("--version").run().success();
    let version = concat!("metrics ", env!("CARGO_PKG_VERSION"));
    let text = output.text();
    let build = text
        .strip_prefix(version)
        .and_then(|it| it.strip_suffix('\n'));
    let build = build.unwrap_or_else(|| panic!("{text}"));
    // A release whose commit is not known names none.
    let is_named = build.starts_with(" (") && build.ends_with(')') && !build.contains('\n');
    assert!(build.is_empty() || is_named, "{text}");
}
