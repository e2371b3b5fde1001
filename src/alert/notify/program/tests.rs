//! Real scripts, good and bad.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::alert::Recipient;
use crate::alert::notify::notice::Notice;
use crate::alert::notify::notice::tests::{firing, resolved};
use crate::alert::notify::notifiers::{Notifiers, Target};

use super::{notify, program};

/// How long anything successful may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder, and an executable script in it.
fn script(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify me.sh");
    std::fs::write(
        &path,
        format!("#!/bin/sh\ncd {}\n{text}\n", dir.path().display()),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (dir, path)
}

fn read(dir: &TempDir, name: &str) -> String {
    std::fs::read_to_string(dir.path().join(name)).unwrap_or_default()
}

async fn run(path: &Path) -> Result<(), String> {
    notify(path, &Notice::of(&firing())).await
}

#[tokio::test]
async fn a_program_has_the_facts_twice() {
    let (dir, path) = script("cat > json; env > env; echo \"$#\" > args");
    let mut change = resolved();
    change.culprit = None;
    change.alert.name = "$(touch evil) `touch evil`; touch evil \n\"'".into();
    change.alert.metric = "a\0b".into();
    notify(&path, &Notice::of(&change)).await.unwrap();
    let json: Value = serde_json::from_str(&read(&dir, "json")).unwrap();
    assert_eq!(json["alert"]["name"], *change.alert.name);
    assert_eq!(json["alert"]["metric"], "a\0b");
    assert_eq!(json["lasted"], 750_000);
    let env = read(&dir, "env");
    for line in [
        "METRICS_ALERT_HOST=web-1",
        "METRICS_ALERT_STATE=resolved",
        "METRICS_ALERT_VALUE=41",
        "METRICS_ALERT_THRESHOLD=90",
        "METRICS_ALERT_LASTED=750000",
        "METRICS_ALERT_PEAK=99.1",
        "METRICS_ALERT_METRIC=a\u{fffd}b",
        "METRICS_ALERT_RULE=cpu > 90 for 30s",
    ] {
        assert!(env.lines().any(|it| it == line), "{line} not in {env}");
    }
    assert!(!env.contains("METRICS_ALERT_PROCESS"), "{env}");
    assert_eq!(read(&dir, "args"), "0\n");
    assert!(!dir.path().join("evil").exists());
}

#[tokio::test]
async fn a_failure_comes_with_the_last_word() {
    let (_dir, path) = script("echo first >&2; echo 'no route\u{1b}[2J' >&2; echo >&2; exit 3");
    assert_eq!(
        run(&path).await.unwrap_err(),
        r"exit status: 3: no route\u{1b}[2J"
    );
    let (_dir, path) = script("kill -SEGV $$");
    assert!(run(&path).await.unwrap_err().starts_with("signal: 11"));
}

#[tokio::test]
async fn a_program_may_print_close_and_ignore_what_it_likes() {
    for text in [
        "exec <&-; exit 0",
        "exec <&- >&- 2>&-; exit 0",
        "yes | head -c 3000000; yes | head -c 3000000 >&2; exit 0",
        "head -c 1 > /dev/null",
        ":",
    ] {
        let (_dir, path) = script(text);
        assert_eq!(run(&path).await, Ok(()), "{text}");
    }
}

#[tokio::test]
async fn children_do_not_outlive_a_program() {
    // They keep every pipe open.
    let (dir, path) = script("sleep 300 & echo $! > pid; (sleep 300; touch late) & exit 0");
    let began = Instant::now();
    assert_eq!(run(&path).await, Ok(()));
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    let pid = read(&dir, "pid");
    let deadline = Instant::now() + PATIENCE;
    while is_running(pid.trim()) {
        assert!(Instant::now() < deadline, "{pid} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process exists and isn't a zombie.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[tokio::test]
async fn a_child_in_another_session_holds_nothing_up() {
    let (_dir, path) = script("setsid sleep 30 & exit 0");
    let began = Instant::now();
    assert_eq!(run(&path).await, Ok(()));
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_program_that_stalls_is_killed_with_its_group() {
    let (dir, path) = script(
        "trap '' TERM INT HUP; sleep 300 & echo $! > pid; echo waiting >&2; wait; sleep 300",
    );
    let began = Instant::now();
    assert_eq!(
        run(&path).await.unwrap_err(),
        "it was killed after 10 s: waiting"
    );
    assert!(Duration::from_secs(10) <= began.elapsed());
    let deadline = Instant::now() + PATIENCE;
    while is_running(read(&dir, "pid").trim()) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn a_program_that_is_gone_is_told() {
    let (dir, path) = script(":");
    std::fs::remove_file(&path).unwrap();
    let error = run(&path).await.unwrap_err();
    assert_eq!(error, "it cannot be run: no such file or directory");
    std::fs::write(&path, "echo no interpreter").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let error = run(&path).await.unwrap_err();
    assert!(
        error.contains("exec format error; a script begins with #!"),
        "{error}"
    );
    drop(dir);
}

#[tokio::test]
async fn a_rule_has_one_program_at_a_time() {
    // A second one at the same time would find the folder there. The second rule waits for a run of the first.
    let text = "mkdir \"$METRICS_ALERT_NAME\" || { echo twice >> twice; exit 1; }
                echo $METRICS_ALERT_VALUE >> \"order $METRICS_ALERT_NAME\"
                if [ \"$METRICS_ALERT_NAME\" = b ]; then until [ -e a ]; do sleep 0.01; done; fi
                sleep 0.05
                rmdir \"$METRICS_ALERT_NAME\"";
    let (dir, path) = script(text);
    let notifiers = Notifiers::start(vec![Target::Program(path)]).unwrap();
    for number in [1.0, 2.0, 3.0, 4.0, 5.0] {
        let mut change = firing();
        change.alert.value = Some(number);
        change.alert.name = if number == 3.0 {
            "b".into()
        } else {
            "a".into()
        };
        change.alert.metric = format!("cpu:{number}");
        notifiers.changed(change);
    }
    let counts = notifiers.counts();
    assert_eq!(notifiers.finish(PATIENCE).await, 0);
    assert_eq!(counts.counts().next(), Some(("exec", "sent", 5)));
    assert_eq!(read(&dir, "twice"), "");
    assert_eq!(read(&dir, "order a"), "1\n2\n4\n5\n");
}

#[tokio::test]
async fn an_end_takes_running_programs_with_it() {
    let (dir, path) = script("echo $$ > pid.new; mv pid.new pid; sleep 300");
    let notifiers = Notifiers::start(vec![Target::Program(path)]).unwrap();
    notifiers.changed(firing());
    let deadline = Instant::now() + PATIENCE;
    while read(&dir, "pid").is_empty() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(notifiers.finish(Duration::ZERO).await, 1);
    while is_running(read(&dir, "pid").trim()) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_path_that_is_no_program_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    for (path, expected) in [
        (
            dir.path().join("none"),
            "no such file or directory; write the path of a program",
        ),
        (
            dir.path().join("mail -s alert me"),
            "write the command into a script and name that",
        ),
        (dir.path().to_owned(), "is not a program"),
        (plain.clone(), "is not executable: chmod +x"),
    ] {
        let error = program(&path).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(program(&plain), Ok(plain));
    assert!(program(Path::new("/bin/../bin/sh")).unwrap().is_absolute());
}
