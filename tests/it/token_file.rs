//! Token files that cannot be used: each is refused with one line that names the file and says what to do.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::metrics::{Metrics, Output};

/// How a token file comes about, and what a server says of it.
const REFUSED: &[(&str, &str)] = &[
    (
        "echo 0123456789abcdef > token; chmod 620 token",
        "chmod 600 '",
    ),
    (
        "echo 0123456789abcdef > token; chmod 602 token",
        "chmod 600 '",
    ),
    (
        "echo 0123456789abcdef > token; chmod 666 token",
        "chmod 600 '",
    ),
    (": > token", "is empty: copy a token into it, or remove it"),
    (
        "echo > token",
        "is empty: copy a token into it, or remove it",
    ),
    ("mkdir token", "is a directory: name a file in it"),
    ("ln -s . token", "is a directory: name a file in it"),
    (
        "echo 0123456789abcde > token; chmod 600 token",
        "one line of 16 or more characters",
    ),
    (
        "seq 9999 > token; chmod 600 token",
        "one line of 16 or more characters",
    ),
    (
        "printf '0123456789abcdef\\nagain\\n' > token; chmod 600 token",
        "one line of 16 or more characters",
    ),
    (
        "mkfifo token; : > token &",
        "is empty: copy a token into it, or remove it",
    ),
    (
        "mkfifo token; echo short > token &",
        "one line of 16 or more characters",
    ),
    (
        "mkfifo token",
        "it delivered nothing in 5 s; check that a program writes the token into it",
    ),
    ("ln -s missing/token token", "no such file or directory"),
    ("ln -s token token", "too many levels of symbolic links"),
];

fn sh(script: &str, directory: &Path) {
    let mut shell = Command::new("sh");
    let status = shell.args(["-c", script]).current_dir(directory).status();
    assert!(status.unwrap().success(), "{script}");
}

fn serve(file: &Path) -> Metrics {
    Metrics::serve().arg("--token-file").arg(file)
}

/// Checks that a server ended with one line that contains `file` and `why`.
#[track_caller]
fn check(output: Output, file: &Path, why: &str, context: &str) {
    let output = output.code(1);
    let said = &output.stderr;
    let has_all = said.contains(&file.display().to_string()) && said.contains(why);
    assert!(has_all && said.lines().count() == 1, "{context}: {said}");
}

#[test]
fn a_token_file_that_cannot_be_used_is_named_with_the_remedy() {
    std::thread::scope(|scope| {
        for (script, why) in REFUSED {
            scope.spawn(move || {
                let directory = tempfile::tempdir().unwrap();
                sh(script, directory.path());
                let file = directory.path().join("token");
                check(serve(&file).run(), &file, why, script);
            });
        }
    });
}

#[test]
fn a_named_pipe_delivers_a_token() {
    let directory = tempfile::tempdir().unwrap();
    sh(
        "mkfifo token; echo 0123456789abcdef > token &",
        directory.path(),
    );
    serve(&directory.path().join("token")).start();
}

/// A filesystem of two pages in memory; unmounted in the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None if this process may not mount anything.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8k,mode=700", "tmpfs"]);
        let mounted = mount.arg(directory.path()).output().ok()?;
        mounted.status.success().then_some(Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A server that cannot create its token file for lack of space leaves nothing behind, and can be started again later.
#[track_caller]
fn check_without_space(output: Output, directory: &Path, why: &str) {
    let file: PathBuf = directory.join("token");
    check(output, &file, why, "without space");
    let names = std::fs::read_dir(directory).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "filler"), "{names:?}");
    let _ = std::fs::remove_file(directory.join("filler"));
    serve(&file).start();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim().len(), 64);
}

#[test]
fn a_full_disk_leaves_no_token_file() {
    let limited = tempfile::tempdir().unwrap();
    let output = Metrics::program("/bin/sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 0; exec \"$0\" serve -l 127.0.0.1:0 --token-file \"$1\"",
        ])
        .arg(env!("CARGO_BIN_EXE_metrics"))
        .arg(limited.path().join("token"))
        .run();
    check_without_space(output, limited.path(), "file too large");
    if let Some(disk) = SmallDisk::mount() {
        let directory = disk.0.path();
        let filled = std::fs::write(directory.join("filler"), [0; 64 * 1024]);
        assert!(filled.is_err(), "the disk is larger than it should be");
        let output = serve(&directory.join("token")).run();
        check_without_space(output, directory, "no space left on device");
    }
}
