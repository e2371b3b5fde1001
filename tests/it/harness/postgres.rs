//! A PostgreSQL server of a test's own: its cluster is in a temporary directory, and it listens on a socket there.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::metrics::Metrics;
use super::{PATIENCE, wait_for};

/// Where Debian has the server's programs, newest first.
const VERSIONS: [&str; 4] = ["18", "17", "16", "15"];

/// The user that the server runs as: it refuses to be root.
const USER: &str = "postgres";

pub(crate) struct Postgres {
    directory: tempfile::TempDir,
    server: Child,
    settings: Vec<String>,
    /// Its port on loopback, if it has one.
    port: Option<u16>,
}

impl Postgres {
    /// A server with the database `metrics`, whose owner is `metrics`; only on a socket.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with further settings, such as `work_mem=4MB`.
    #[track_caller]
    pub(crate) fn with(settings: &[&str]) -> Self {
        Self::try_listening(settings, None).expect("a server that starts")
    }

    /// The same, also on a port of loopback.
    #[track_caller]
    pub(crate) fn on_tcp(settings: &[&str]) -> Self {
        // Another program may take the port first.
        let free = || {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let started = (0..5).find_map(|_| Self::try_listening(settings, Some(free())));
        started.expect("a server on a free port")
    }

    /// `None` if the server ends while it starts.
    #[track_caller]
    fn try_listening(settings: &[&str], port: Option<u16>) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        own(directory.path());
        let init = as_user(&programs().join("initdb"))
            .args([
                "--no-sync",
                // Small files are made faster.
                "--wal-segsize=1",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--auth=trust",
            ])
            .args(["--username=metrics", "-D"])
            .arg(directory.path().join("data"))
            .output()
            .unwrap();
        assert!(
            init.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&init.stderr)
        );
        let settings: Vec<String> = settings.iter().map(|it| (*it).to_owned()).collect();
        let server = spawn(directory.path(), &settings, port);
        let mut postgres = Self {
            directory,
            server,
            settings,
            port,
        };
        if !postgres.is_ready() {
            return None;
        }
        let created = postgres.try_sql("postgres", "CREATE DATABASE metrics");
        assert!(created.is_ok(), "{created:?}");
        Some(postgres)
    }

    /// The directory of its socket.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The address of the database over the socket.
    pub(crate) fn url(&self) -> String {
        self.url_of("metrics", "metrics")
    }

    /// The address of `database` for `user`.
    pub(crate) fn url_of(&self, user: &str, database: &str) -> String {
        let socket = self.directory().display().to_string().replace('/', "%2F");
        format!("postgres://{user}@{socket}/{database}")
    }

    /// Its port on loopback.
    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap()
    }

    /// What `sql` prints, a row on each line, with `|` between columns.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.try_sql("metrics", sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new("psql")
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "metrics",
            ])
            .args([
                "-h",
                self.directory().to_str().unwrap(),
                "-d",
                database,
                "-c",
                sql,
            ])
            // The name of the socket contains the port.
            .env("PGPORT", self.port.unwrap_or(5432).to_string())
            .env("TZ", "UTC")
            .env("PGTZ", "UTC")
            .output()
            .unwrap_or_else(|error| panic!("psql: {error}: apt-get install postgresql"));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }

    /// Creates the tables for metrics.
    #[track_caller]
    pub(crate) fn create_tables(&self) {
        record_nothing(&self.url()).arg("--create").run().code(3);
    }

    /// Replaces the rules about who may connect, soon.
    #[track_caller]
    pub(crate) fn allow(&self, rules: &str) {
        std::fs::write(self.directory().join("data/pg_hba.conf"), rules).unwrap();
        self.sql("SELECT pg_reload_conf()");
    }

    /// Its first process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.server)
    }

    /// `kill -9` of the server: its other processes end by themselves.
    pub(crate) fn kill9(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Stops it as fast as it can be stopped cleanly.
    pub(crate) fn stop(&mut self) {
        kill_process(self.pid(), Signal::INT).unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        // After `kill -9`, the others may hold its memory for a moment, and it doesn't start.
        wait_for(
            PATIENCE,
            || {
                if self.server.try_wait().unwrap().is_some() {
                    self.server = spawn(self.directory(), &self.settings, self.port);
                }
                self.try_sql("postgres", "SELECT 1").is_ok().then_some(())
            },
            || "the server doesn't start again".into(),
        );
    }

    /// Waits until it answers. Returns false if it has ended.
    #[track_caller]
    fn is_ready(&mut self) -> bool {
        let answers = || match self.server.try_wait().unwrap() {
            Some(_) => Some(false),
            None => self.try_sql("postgres", "SELECT 1").is_ok().then_some(true),
        };
        wait_for(PATIENCE, answers, || "the server doesn't answer".into())
    }

    /// What the server said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.try_wait().unwrap().is_none() {
            // At once, without a last checkpoint.
            let _ = kill_process(self.pid(), Signal::QUIT);
        }
        let _ = self.server.wait();
        if std::thread::panicking() {
            println!("--- log of postgres\n{}", self.log());
        }
    }
}

/// A recorder whose server isn't there: it gets no further than the database, and ends with status 3.
pub(crate) fn record_nothing(database: &str) -> Metrics {
    Metrics::record("127.0.0.1:1").args(["--retries", "0", "-o", database])
}

/// Gives a file or a directory to the server's user.
pub(crate) fn own(path: &Path) {
    if rustix::process::geteuid().is_root() {
        let done = Command::new("chown").arg(USER).arg(path).status().unwrap();
        assert!(done.success(), "chown {USER} {}", path.display());
    }
}

fn spawn(directory: &Path, settings: &[String], port: Option<u16>) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap();
    let mut command = as_user(&programs().join("postgres"));
    command
        .arg("-D")
        .arg(directory.join("data"))
        .arg("-k")
        .arg(directory);
    // What a crash of the machine would lose isn't tested; the processes may be killed.
    let ours = [
        "fsync=off",
        "shared_buffers=16MB",
        "max_connections=20",
        "autovacuum_naptime=10min",
    ];
    let address = if port.is_some() { "127.0.0.1" } else { "" };
    for setting in ours.into_iter().chain(settings.iter().map(String::as_str)) {
        command.args(["-c", setting]);
    }
    command.args(["-c", &format!("listen_addresses={address}")]);
    // The name of the socket contains the port, so without one on loopback it is the usual one.
    command.args(["-p", &port.unwrap_or(5432).to_string()]);
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command
        .spawn()
        .unwrap_or_else(|error| panic!("setpriv: {error}"))
}

/// A program, as the server's user.
pub(crate) fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    // If the test is killed, so is the server.
    command.arg("--pdeathsig=QUIT");
    if rustix::process::geteuid().is_root() {
        command.args([
            &format!("--reuid={USER}"),
            &format!("--regid={USER}"),
            "--clear-groups",
        ]);
    }
    command
        .arg(program)
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .process_group(0);
    command
}

#[track_caller]
fn programs() -> PathBuf {
    let folders =
        VERSIONS.map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let found = folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists());
    found.expect("a test needs PostgreSQL: apt-get install postgresql")
}
