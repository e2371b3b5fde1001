//! The binary under test, as a sentence: `Metrics::serve().args(["--interval", "200ms"]).start()`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::pump::{Pump, first_line};
use super::{PATIENCE, wait_for};

/// A run of the binary that hasn't started.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self::program(env!("CARGO_BIN_EXE_metrics"))
    }

    /// Another program instead of the binary.
    pub(crate) fn program(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// `serve` on a free port of loopback, with the name `web-1` and the shortest interval.
    pub(crate) fn serve() -> Self {
        Self::serve_as("web-1")
    }

    pub(crate) fn serve_as(name: &str) -> Self {
        Self::new().args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--name",
            name,
            "--interval",
            "200ms",
        ])
    }

    /// `replay` of `files` on a free port of loopback.
    pub(crate) fn replay<F: AsRef<OsStr>>(files: impl IntoIterator<Item = F>) -> Self {
        Self::new()
            .args(["replay", "--listen", "127.0.0.1:0"])
            .args(files)
    }

    /// `record` of one server, which retries fast.
    pub(crate) fn record(server: &str) -> Self {
        Self::new().args([
            "record",
            server,
            "--retry-base",
            "10ms",
            "--retry-max",
            "100ms",
        ])
    }

    /// `watch` of one server, which retries fast.
    pub(crate) fn watch(server: &str) -> Self {
        Self::new().args([
            "watch",
            server,
            "--retry-base",
            "10ms",
            "--retry-max",
            "100ms",
        ])
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().into()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().into()));
        self
    }

    /// The command line, for messages.
    pub(crate) fn line(&self) -> String {
        let mut line = self.program.file_name().unwrap().display().to_string();
        for arg in &self.args {
            line.push(' ');
            line.push_str(&arg.to_string_lossy());
        }
        line
    }

    pub(crate) fn program_and_args(&self) -> (&Path, &[OsString]) {
        (&self.program, &self.args)
    }

    /// The whole environment of the child. Nothing of the developer's environment leaks in: no `METRICS_…`, no
    /// `NO_COLOR`.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let kept = ["PATH", "HOME", "TMPDIR"]
            .into_iter()
            .filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let fixed = [
            ("LANG", "C.UTF-8"),
            ("TERM", "xterm-256color"),
            ("RUST_BACKTRACE", "1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()));
        kept.chain(fixed).chain(self.env.iter().cloned()).collect()
    }

    /// Starts it without waiting for anything.
    #[track_caller]
    pub(crate) fn spawn(self) -> Running {
        self.spawn_into(Stdio::piped(), Stdio::piped())
    }

    /// Starts it with other outputs.
    #[track_caller]
    pub(crate) fn spawn_into(self, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Running {
        self.spawn_with(Stdio::piped(), stdout.into(), stderr.into())
    }

    /// Starts it with one terminal, or a stand-in for one, as all of its streams.
    #[track_caller]
    pub(crate) fn spawn_on(self, mut end: impl FnMut() -> Stdio) -> Running {
        self.spawn_with(end(), end(), end())
    }

    #[track_caller]
    fn spawn_with(self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Running {
        let line = self.line();
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(self.environment())
            .current_dir(std::env::temp_dir())
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        Running {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(Pump::of),
            stderr: child.stderr.take().map(Pump::of),
            child,
            line,
            url: String::new(),
        }
    }

    /// Starts a server and waits until it says where it listens.
    #[track_caller]
    pub(crate) fn start(self) -> Running {
        self.start_into(Stdio::piped())
    }

    /// Starts a server with another standard error, and waits until it says where it listens.
    #[track_caller]
    pub(crate) fn start_into(self, stderr: impl Into<Stdio>) -> Running {
        let mut running = self.spawn_into(Stdio::piped(), stderr);
        let line = running.stdout().wait(PATIENCE, first_line);
        match line {
            Some(url) if url.starts_with("ws://") || url.starts_with("wss://") => running.url = url,
            _ => panic!(
                "no ws:// or wss:// URL on the first line of\n{}",
                running.story()
            ),
        }
        running
    }

    /// Runs it to its end, with nothing on its standard input.
    #[track_caller]
    pub(crate) fn run(self) -> Output {
        self.run_with_input(b"")
    }

    /// Runs it to its end, with `input` on its standard input.
    #[track_caller]
    pub(crate) fn run_with_input(self, input: &[u8]) -> Output {
        use std::io::Write;
        let mut running = self.spawn();
        if let Some(mut stdin) = running.stdin.take() {
            // A child that refuses its arguments closes the pipe before it is read.
            let _ = stdin.write_all(input);
        }
        running.wait()
    }
}

/// A running child. It is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    line: String,
    url: String,
    stdin: Option<ChildStdin>,
    stdout: Option<Pump>,
    stderr: Option<Pump>,
}

impl Running {
    /// The URL that the server printed.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The port in that URL.
    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        port_of(&self.url)
    }

    pub(crate) fn stdout(&self) -> &Pump {
        self.stdout.as_ref().unwrap()
    }

    pub(crate) fn stderr(&self) -> &Pump {
        self.stderr.as_ref().unwrap()
    }

    /// Waits until standard error contains `text`.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&self, text: &str) {
        let has = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(text).then_some(());
        let found = self.stderr().wait(PATIENCE, has);
        assert!(found.is_some(), "no '{text}' in\n{}", self.story());
    }

    pub(crate) fn stdin(&mut self) -> &mut Option<ChildStdin> {
        &mut self.stdin
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until SIGINT would be caught rather than kill.
    #[track_caller]
    pub(crate) fn wait_until_interruptible(&self) {
        let status = format!("/proc/{}/status", self.pid());
        let is_caught = || {
            let status = std::fs::read_to_string(&status).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
            caught & (1 << (Signal::INT.as_raw() - 1)) != 0
        };
        wait_for(
            PATIENCE,
            || is_caught().then_some(()),
            || "no signal is caught".into(),
        );
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The largest resident size so far, in KiB, as the kernel counts it; `None` once it is gone.
    pub(crate) fn peak_rss_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// The command line and everything that was printed.
    pub(crate) fn story(&self) -> String {
        let text = |pump: &Option<Pump>| pump.as_ref().map(Pump::text).unwrap_or_default();
        format!(
            "$ {}\n--- stdout\n{}--- stderr\n{}",
            self.line,
            text(&self.stdout),
            text(&self.stderr)
        )
    }

    /// Waits until standard output holds at least `n` lines.
    #[track_caller]
    pub(crate) fn stdout_lines(&self, n: usize) -> Vec<String> {
        let enough = |bytes: &[u8]| {
            let whole = bytes.iter().rposition(|&b| b == b'\n')?;
            let text = String::from_utf8_lossy(&bytes[..whole]);
            let lines: Vec<_> = text.lines().map(String::from).collect();
            (lines.len() >= n).then_some(lines)
        };
        self.stdout()
            .wait(PATIENCE, enough)
            .unwrap_or_else(|| panic!("fewer than {n} lines:\n{}", self.story()))
    }

    /// Waits until it exits.
    #[track_caller]
    pub(crate) fn wait(self) -> Output {
        self.wait_within(PATIENCE)
    }

    #[track_caller]
    pub(crate) fn wait_within(mut self, patience: Duration) -> Output {
        let mut child_exit = || self.child.try_wait().unwrap();
        let deadline = std::time::Instant::now() + patience;
        let status = loop {
            match child_exit() {
                Some(status) => break status,
                None if std::time::Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                None => panic!("still running after {patience:?}:\n{}", self.story()),
            }
        };
        Output {
            status,
            stdout: self.stdout.take().map(Pump::finish).unwrap_or_default(),
            stderr: self
                .stderr
                .take()
                .map(Pump::finish)
                .map_or_else(String::new, |bytes| {
                    String::from_utf8_lossy(&bytes).into_owned()
                }),
            line: std::mem::take(&mut self.line),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}", self.story());
        }
    }
}

/// The port in a `ws://host:port/…` URL.
#[track_caller]
pub(crate) fn port_of(url: &str) -> u16 {
    let authority = url.split('/').nth(2).unwrap_or_default();
    let port = authority.rsplit(':').next().and_then(|p| p.parse().ok());
    port.unwrap_or_else(|| panic!("no port in '{url}'"))
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    line: String,
}

impl Output {
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.status.code(), Some(expected), "{}", self.story());
        self
    }

    #[track_caller]
    pub(crate) fn stderr_has(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no '{text}' in stderr of\n{}",
            self.story()
        );
        self
    }

    #[track_caller]
    pub(crate) fn stderr_lacks(self, text: &str) -> Self {
        assert!(
            !self.stderr.contains(text),
            "'{text}' in stderr of\n{}",
            self.story()
        );
        self
    }

    #[track_caller]
    pub(crate) fn stdout_is(self, text: &str) -> Self {
        assert_eq!(self.text(), text, "stdout of\n{}", self.story());
        self
    }

    /// Standard output as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is UTF-8")
    }

    pub(crate) fn story(&self) -> String {
        format!(
            "$ {}\n{}\n--- stdout\n{}--- stderr\n{}",
            self.line,
            self.status,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        )
    }
}

/// Waits until `path` is a file with at least `rows` whole rows below its header.
#[track_caller]
pub(crate) fn wait_for_rows(path: &Path, rows: usize) {
    let count = || {
        std::fs::read(path)
            .unwrap_or_default()
            .iter()
            .filter(|&&b| b == b'\n')
            .count()
    };
    wait_for(
        PATIENCE,
        || (count() > rows).then_some(()),
        || format!("{} has {} lines", path.display(), count()),
    );
}
