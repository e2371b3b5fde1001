//! A database that is full, silent or gone.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::access::{ask_for_passwords, private};
use super::resumed::{recorder, stop, wait_for_stored};
use super::{file_of, read_back, replay, store};
use crate::harness::metrics::{Metrics, Output, Running};
use crate::harness::postgres::{Postgres, as_user, own, record_nothing};
use crate::harness::recording::plain;
use crate::harness::rows::assert_same;
use crate::harness::{PATIENCE, wait_for};

/// A disk that can be full: a small file system of its own, where the test may mount one; otherwise the kernel lets the
/// database's files grow no further than a limit.
enum SmallDisk {
    Mounted(PathBuf),
    Limited,
}

impl SmallDisk {
    #[track_caller]
    fn at(path: &Path) -> Self {
        std::fs::create_dir(path).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=32m", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(path).output();
        let is_allowed = std::env::var_os("METRICS_TEST_NO_MOUNT").is_none();
        match mounted {
            Ok(output) if output.status.success() => {
                let disk = Self::Mounted(path.to_owned());
                own(path);
                // Dropped, and so unmounted, if it isn't to be used.
                if is_allowed { disk } else { Self::Limited }
            }
            _ => Self::Limited,
        }
    }

    /// Puts what `postgres` stores there.
    #[track_caller]
    fn hold(&self, postgres: &Postgres) {
        if let Self::Mounted(path) = self {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
            let folder = path.join("space");
            std::fs::create_dir(&folder).unwrap();
            own(&folder);
            postgres.sql(&format!(
                "CREATE TABLESPACE small LOCATION '{}'",
                folder.display()
            ));
            postgres.sql("ALTER DATABASE metrics SET default_tablespace = small");
        }
    }

    /// PostgreSQL's code for what then happens.
    fn code(&self) -> &'static str {
        match self {
            Self::Mounted(_) => "53100",
            // Of a file that is too large.
            Self::Limited => "XX000",
        }
    }

    /// Fills it.
    #[track_caller]
    fn fill(&self, postgres: &Postgres) {
        match self {
            Self::Mounted(path) => {
                let mut file = File::create(path.join("filler")).unwrap();
                for size in [1 << 16, 1 << 12, 1] {
                    while file.write_all(&vec![0; size]).is_ok() {}
                }
            }
            Self::Limited => limit(postgres, "1048576"),
        }
    }

    /// Makes room again.
    #[track_caller]
    fn make_room(&self, postgres: &Postgres) {
        match self {
            Self::Mounted(path) => std::fs::remove_file(path.join("filler")).unwrap(),
            Self::Limited => limit(postgres, "unlimited"),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Self::Mounted(path) = self {
            let _ = Command::new("umount").arg("--lazy").arg(path).status();
        }
    }
}

/// Limits the size of the files that the server, and the processes it starts from now on, may write.
#[track_caller]
fn limit(postgres: &Postgres, bytes: &str) {
    let pid = postgres.pid().as_raw_nonzero().to_string();
    // Its own user may, where even root may not.
    let limited = as_user(Path::new("/usr/bin/prlimit"))
        .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
        .status();
    assert!(limited.unwrap().success());
}

/// The only line of what it said that contains `text`.
#[track_caller]
fn only_line<'a>(output: &'a Output, text: &str) -> &'a str {
    let lines: Vec<_> = output
        .stderr
        .lines()
        .filter(|it| it.contains(text))
        .collect();
    assert_eq!(lines.len(), 1, "lines with '{text}': {}", output.story());
    lines[0]
}

#[test]
fn a_disk_that_is_really_full() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let disk = SmallDisk::at(&dir.path().join("disk"));
    let postgres = Postgres::start();
    disk.hold(&postgres);
    postgres.create_tables();
    let csv = plain("web-1", 12_000, 1000);
    let file = file_of(&csv);
    disk.fill(&postgres);
    let replay = replay(file.path()).start();
    let running = recorder(replay.url(), &postgres);
    running.wait_for_stderr(&format!("({}); rows wait until it takes them", disk.code()));
    // It is tried again, and still full.
    std::thread::sleep(Duration::from_secs(1));
    disk.make_room(&postgres);
    let output = running.wait().success().stderr_has("none was lost");
    let said = only_line(&output, disk.code());
    assert!(said.contains("could not extend file"), "{said}");
    replay.wait().success();
    assert_same("afterwards", &csv, &read_back(&postgres.url(), &[]));
    drop(postgres);
}

#[test]
fn a_password_that_is_replaced_meanwhile() {
    let postgres = Postgres::start();
    postgres.create_tables();
    ask_for_passwords(&postgres, "first");
    let dir = tempfile::tempdir().unwrap();
    let passwords = dir.path().join("pgpass");
    let write = |password: &str| private(&passwords, &format!("*:*:*:*:{password}\n"));
    write("first");
    let serve = Metrics::serve().start();
    let running = Metrics::record(serve.url())
        .args(["-o", &postgres.url_of("ann", "metrics")])
        .env("PGPASSFILE", &passwords)
        .spawn();
    wait_for_stored(&postgres, 2);
    postgres.sql("ALTER ROLE ann PASSWORD 'second'");
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ann'");
    running.wait_for_stderr("rows wait until it takes them");
    write("second");
    running.wait_for_stderr("none was lost");
    stop(running);
}

#[test]
fn a_database_that_does_not_answer_holds_up_the_end_for_a_while_only() {
    let postgres = Postgres::start();
    postgres.create_tables();
    let serve = Metrics::serve().start();
    let running = recorder(serve.url(), &postgres);
    wait_for_stored(&postgres, 2);
    let pid = postgres.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'metrics'");
    let backend = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process(backend, Signal::STOP).unwrap();
    // Until a row is on its way.
    std::thread::sleep(Duration::from_secs(3));
    running.signal(Signal::INT);
    let output = running.wait_within(Duration::from_secs(90)).code(1);
    kill_process(backend, Signal::CONT).unwrap();
    output
        .stderr_has("could not be stored in")
        .stderr_has("it doesn't answer; record again to fetch");
}

/// A replay of `rows` rows of the database, paced so that it is still in the middle of them.
fn in_the_middle(postgres: &Postgres, dir: &Path, rows: u64) -> (Running, Running, PathBuf) {
    store(&plain("web-1", rows, 1000), &postgres.url(), &["--create"]);
    let replay = Metrics::replay([postgres.url()])
        .args(["--speed", "1000", "--wait", "1"])
        .start();
    let out = dir.join("out.csv");
    let record = Metrics::record(replay.url()).arg("-o").arg(&out).spawn();
    let has_begun = || (100 < lines_of(&out)).then_some(());
    wait_for(PATIENCE, has_begun, || replay.story());
    (replay, record, out)
}

fn lines_of(file: &Path) -> usize {
    std::fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .count()
}

#[test]
fn a_database_that_goes_away_in_the_middle_of_a_replay() {
    let mut postgres = Postgres::start();
    let dir = tempfile::tempdir().unwrap();
    let (replay, record, out) = in_the_middle(&postgres, dir.path(), 40_000);
    postgres.kill9();
    let output = replay.wait().code(1);
    let said = only_line(&output, "postgres://");
    assert!(said.contains("connection"), "{said}");
    // The viewers aren't told that it is over.
    record.signal(Signal::INT);
    record.wait().stderr_lacks("panicked");
    let got = std::fs::read_to_string(out).unwrap();
    let whole = plain("web-1", 40_000, 1000);
    assert!(whole.starts_with(&got) && got.len() < whole.len());
}

#[test]
fn a_replay_outlasts_a_limit_on_idle_transactions() {
    let postgres = Postgres::with(&["idle_in_transaction_session_timeout=100ms"]);
    let dir = tempfile::tempdir().unwrap();
    let (replay, record, out) = in_the_middle(&postgres, dir.path(), 6000);
    record.wait().success();
    replay.wait().success();
    let got = std::fs::read_to_string(out).unwrap();
    assert_same("at its pace", &plain("web-1", 6000, 1000), &got);
}

#[test]
fn large_rows_wait_in_bounded_memory() {
    let mut postgres = Postgres::start();
    postgres.create_tables();
    let top = format!(
        r#","[{{""pid"":1,""name"":""{}"",""cpu"":1,""memory"":2}}]","#,
        "x".repeat(60_000)
    );
    let csv = plain("web-1", 600, 1000).replace(",,\n", &(top + "\n"));
    let file = file_of(&csv);
    let replay = replay(file.path()).start();
    let running = recorder(replay.url(), &postgres);
    wait_for_stored(&postgres, 1);
    postgres.stop();
    running.wait_for_stderr("rows wait until it takes them");
    postgres.start_again();
    wait_for_stored(&postgres, 500);
    let peak = running.peak_rss_kib().unwrap();
    running.wait().success();
    replay.wait().success();
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert_eq!(postgres.sql("SELECT count(*) FROM metrics_sample"), "600\n");
}

#[test]
fn a_server_that_takes_no_writes_is_named() {
    let postgres = Postgres::start();
    postgres.create_tables();
    postgres.sql("ALTER DATABASE metrics SET default_transaction_read_only = on");
    let output = record_nothing(&postgres.url()).run().code(1);
    output.stderr_has("(25006): name the primary");
}
