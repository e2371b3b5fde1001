//! Under a service manager: the unit, and what the server tells systemd.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::metrics::Metrics;
use crate::harness::{PATIENCE, wait_for};

/// The most exposure that `systemd-analyze security` may see, in tenths. Each exception in the unit has its reason there.
const MOST_EXPOSED: &str = "--threshold=16";

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/metrics.service");
    std::fs::read_to_string(path).unwrap()
}

#[track_caller]
fn analyze(args: &[&str], unit: &Path) {
    let mut analyze = Command::new("systemd-analyze");
    let output = analyze.args(args).arg(unit).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{args:?}: {text}");
    assert!(args[0] != "verify" || text.is_empty(), "{text}");
}

#[test]
fn the_unit_is_valid_and_exposes_little() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.service");
    // Here, the program is elsewhere.
    let here = unit().replace("/usr/bin/metrics", env!("CARGO_BIN_EXE_metrics"));
    std::fs::write(&path, here).unwrap();
    analyze(&["verify", "--man=no"], &path);
    analyze(
        &["security", "--offline=yes", "--no-pager", MOST_EXPOSED],
        &path,
    );
}

#[test]
fn the_unit_says_what_it_must() {
    let unit = unit();
    for line in [
        "Type=notify",
        "WatchdogSec=30s",
        "Restart=on-failure",
        "RestartPreventExitStatus=2",
        "SystemCallErrorNumber=EPERM",
        "DynamicUser=yes",
        "StateDirectory=metrics",
        "LoadCredential=token:metrics.token",
        "ProtectHome=read-only",
        "PrivateUsers=yes",
        "ProcSubset=all",
        "ProtectProc=default",
    ] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
}

/// The flags of the unit are ours, and would work.
#[test]
fn the_program_of_the_unit_starts_with_its_flags() {
    let unit = unit();
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/metrics "));
    let spool = tempfile::tempdir().unwrap();
    let args = start
        .unwrap()
        .replace("%S", &spool.path().display().to_string());
    let args = args.replace("$METRICS_FLAGS", "--name web-1 --interval 200ms");
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("token"), "0123456789abcdef\n").unwrap();
    let serve = Metrics::new()
        .args(args.split(' '))
        .env("METRICS_LISTEN", "127.0.0.1:0")
        .env("CREDENTIALS_DIRECTORY", credentials.path())
        .start();
    let refused = Metrics::watch(serve.url())
        .args(["--once", "--retries", "0"])
        .run();
    refused.code(3).stderr_has("401");
    let token = credentials.path().join("token");
    let watch = Metrics::watch(serve.url()).args(["--once", "--json", "--token-file"]);
    watch.arg(token).run().success();
    assert!(spool.path().join("metrics/web-1").is_dir());
}

/// A service manager that listens.
struct Manager {
    dir: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { dir, socket }
    }

    /// `serve` as a service that must be heard once per `watchdog` microseconds.
    fn serve(&self, watchdog: &str) -> Metrics {
        let serve = Metrics::serve().env("WATCHDOG_USEC", watchdog);
        serve.env("NOTIFY_SOCKET", self.dir.path().join("notify"))
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 200];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    }
}

#[test]
fn a_service_is_ready_then_well_and_then_stops() {
    let manager = Manager::new();
    let serve = manager.serve("400000").start();
    assert_eq!(manager.hear(), "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hear(), "WATCHDOG=1");
    }
    serve.signal(Signal::TERM);
    let news = std::iter::repeat_with(|| manager.hear());
    let last = news.take(1000).find(|news| news != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    serve.wait().success();
}

/// Without a watchdog, it says once that it is ready.
#[test]
fn a_service_without_a_watchdog_is_ready_once() {
    let manager = Manager::new();
    let serve = manager.serve("").start();
    assert_eq!(manager.hear(), "READY=1");
    serve.signal(Signal::TERM);
    assert_eq!(manager.hear(), "STOPPING=1");
    serve.wait().success();
}

/// Holds one thread of a process, found by its name, until its standard input ends.
const HOLD: &str = r#"
import ctypes, os, sys
pid = sys.argv[1]
tasks = f"/proc/{pid}/task"
tid = next(int(t) for t in os.listdir(tasks) if open(f"{tasks}/{t}/comm").read() == "sampler\n")
SEIZE, INTERRUPT = 0x4206, 0x4207
libc = ctypes.CDLL(None, use_errno=True)
for request in (SEIZE, INTERRUPT):
    if libc.ptrace(request, ctypes.c_long(tid), None, None):
        sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(tid, 0x40000000)
print("held", flush=True)
sys.stdin.read()
"#;

#[test]
fn a_stalled_sampler_is_no_longer_well() {
    let manager = Manager::new();
    let serve = manager.serve("400000").start();
    assert_eq!(manager.hear(), "READY=1");
    assert_eq!(manager.hear(), "WATCHDOG=1");
    let mut hold = Command::new("python3");
    hold.args(["-c", HOLD, &serve.pid().as_raw_nonzero().to_string()]);
    let mut holder = hold
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = holder.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    // The manager hears nothing for three times as long as it would wait.
    manager.socket.set_nonblocking(true).unwrap();
    let mut quiet_since = Instant::now();
    wait_for(
        PATIENCE,
        || {
            let mut buffer = [0; 200];
            while manager.socket.recv(&mut buffer).is_ok() {
                quiet_since = Instant::now();
            }
            (Duration::from_millis(1200) < quiet_since.elapsed()).then_some(())
        },
        || "it is still well".into(),
    );
    // Once it is let go, all is well again.
    manager.socket.set_nonblocking(false).unwrap();
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert_eq!(manager.hear(), "WATCHDOG=1");
}

/// A service manager's request to reload is not one to stop, even if there is nothing to reload.
#[test]
fn a_service_without_files_survives_a_reload() {
    let manager = Manager::new();
    let serve = manager.serve("").start();
    assert_eq!(manager.hear(), "READY=1");
    serve.signal(Signal::HUP);
    serve.wait_for_stderr("Reload: there is nothing to reread.");
    serve.signal(Signal::TERM);
    assert_eq!(manager.hear(), "STOPPING=1");
    serve.wait().success();
}
