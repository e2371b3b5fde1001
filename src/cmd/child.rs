//! COMMAND: a program that runs while we serve or record, and whose exit status becomes ours.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf, absolute};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::cli::{Finding, GlobalArgs};
use crate::protocol::shown;
use crate::signals::Asked;
use crate::talk;
use crate::wording::cause;

use super::{Exit, Failure};

/// How long COMMAND may take to stop before it is killed, when there is nothing left for it to see.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The exit status of a shell that does not find a program, and of one that cannot run it.
const NOT_FOUND: u8 = 127;
const CANNOT_RUN: u8 = 126;

/// What becomes of a running COMMAND when we fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenWeFail {
    /// It goes on with its own work, and we wait for it.
    ItGoesOn,
    /// It is stopped: there is nothing left for it to see, and it might wait for that forever.
    ItStops,
}

/// COMMAND and its state.
pub(super) struct Companion {
    words: Vec<OsString>,
    asked: Asked,
    when_we_fail: WhenWeFail,
    over: CancellationToken,
    has_begun: Arc<AtomicBool>,
    ended: Arc<OnceLock<io::Result<ExitStatus>>>,
}

/// Where the server is and how to get in, for COMMAND's environment.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// `METRICS_SERVER`: the address that a client takes.
    pub(super) server: String,
    /// `METRICS_URL`: the address of the page, if a browser can reach it.
    pub(super) page: Option<String>,
    /// `METRICS_TOKEN_FILE`.
    pub(super) token_file: Option<PathBuf>,
    /// `METRICS_CA_CERT`: the certificate to trust.
    pub(super) ca_cert: Option<PathBuf>,
}

impl Companion {
    /// COMMAND with these words, not started yet; `None` if there are none.
    pub(super) fn of(words: &[OsString], asked: &Asked, when_we_fail: WhenWeFail) -> Option<Self> {
        if words.is_empty() {
            return None;
        }
        let companion = Self {
            words: words.to_vec(),
            asked: asked.clone(),
            when_we_fail,
            over: CancellationToken::new(),
            has_begun: Arc::default(),
            ended: Arc::default(),
        };
        let (stop, over) = (asked.stop.clone(), companion.over());
        let has_begun = Arc::clone(&companion.has_begun);
        tokio::spawn(async move {
            stop.cancelled().await;
            // Once COMMAND runs, signals are for it to heed.
            if !has_begun.load(Ordering::Relaxed) {
                over.cancel();
            }
        });
        Some(companion)
    }

    /// Cancelled when it is time to stop: COMMAND has ended, or a signal arrived before it began.
    pub(super) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    /// Starts it, with `input` as its standard input, unless a signal has arrived.
    ///
    /// # Errors
    /// With exit status 127 if there is no such program, 126 if it cannot be run.
    pub(super) fn start(&self, around: &Surroundings, input: Stdio) -> Result<(), Failure> {
        let Some((program, args)) = self.words.split_first() else {
            return Ok(());
        };
        if self.asked.stop.is_cancelled() {
            return Ok(());
        }
        // What we have said so far must not appear in the middle of what COMMAND says.
        talk::flush();
        let mut command = Command::new(program);
        command.args(args).stdin(input).kill_on_drop(true);
        around.put_into(&mut command);
        let child = command.spawn();
        let child = child.map_err(|error| cannot_run(program, &error))?;
        self.has_begun.store(true, Ordering::Relaxed);
        self.attend(child);
        Ok(())
    }

    /// Waits for its end, in the background.
    fn attend(&self, mut child: Child) {
        let forwarder = self.asked.forwarder.clone();
        let (over, ended) = (self.over(), Arc::clone(&self.ended));
        if let Some(id) = child.id() {
            forwarder.begin(id);
        }
        tokio::spawn(async move {
            let status = child.wait().await;
            forwarder.end();
            let _ = ended.set(status);
            over.cancel();
        });
    }

    /// Waits for COMMAND, if it runs. Then says how we end, if we alone would end with `ours`: with COMMAND's status,
    /// unless we failed.
    pub(super) async fn conclude(
        &self,
        ours: Result<Exit, Failure>,
        global: &GlobalArgs,
    ) -> Result<Exit, Failure> {
        let ours = if self.is_running() {
            self.outlast(ours).await
        } else {
            ours?
        };
        if let (Some(killed), Exit::Done, None) =
            (self.killed(), ours, self.asked.forwarder.first())
            && !global.quiet
        {
            talk::say(&killed);
        }
        self.exit(ours)
    }

    /// Waits for the end of COMMAND, which is running; if we failed, it may be stopped. Returns how we end.
    async fn outlast(&self, ours: Result<Exit, Failure>) -> Exit {
        let has_failed = ours.is_err();
        // COMMAND may take a while.
        let ours = ours.unwrap_or_else(|failure| {
            talk::say(&format!("error: {failure}"));
            failure.exit
        });
        if has_failed && self.when_we_fail == WhenWeFail::ItStops {
            self.halt().await;
        }
        self.over.cancelled().await;
        ours
    }

    fn is_running(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed) && !self.over.is_cancelled()
    }

    /// Asks it to stop; kills it if it does not.
    async fn halt(&self) {
        self.asked.forwarder.terminate();
        let stopped = tokio::time::timeout(STOP_PATIENCE, self.over.cancelled());
        if stopped.await.is_err() {
            self.asked.forwarder.kill();
        }
    }

    fn name(&self) -> Cow<'_, str> {
        (self.words.first()).map_or(Cow::default(), |program| program.to_string_lossy())
    }

    /// By which signal COMMAND was killed, if it was, as a sentence.
    fn killed(&self) -> Option<String> {
        let status = self.ended.get()?.as_ref().ok()?;
        let signal = killing_signal(*status)?;
        Some(format!(
            "'{}' was killed by signal {signal}.",
            shown(&self.name())
        ))
    }

    fn exit(&self, ours: Exit) -> Result<Exit, Failure> {
        if ours != Exit::Done {
            return Ok(ours);
        }
        match (self.ended.get(), self.asked.forwarder.first()) {
            (Some(Ok(status)), _) => Ok(Exit::Command(as_shell(*status))),
            (Some(Err(error)), _) => {
                let (name, cause) = (self.name(), cause(error));
                Err(anyhow::anyhow!("cannot wait for '{}': {cause}", shown(&name)).into())
            }
            // It never began.
            (None, Some(signal)) => Ok(Exit::Interrupted(signal)),
            (None, None) => Ok(ours),
        }
    }
}

impl Surroundings {
    fn put_into(&self, command: &mut Command) {
        command.env("METRICS_SERVER", &self.server);
        match &self.page {
            Some(page) => command.env("METRICS_URL", page),
            // Another program's would be wrong.
            None => command.env_remove("METRICS_URL"),
        };
        for (name, file) in [
            ("METRICS_TOKEN_FILE", &self.token_file),
            ("METRICS_CA_CERT", &self.ca_cert),
        ] {
            if let Some(file) = file {
                // COMMAND may run in another directory.
                command.env(name, absolute(file).unwrap_or_else(|_| file.clone()));
            }
        }
    }
}

/// The status that a shell would show.
fn as_shell(status: ExitStatus) -> u8 {
    let code = match killing_signal(status) {
        Some(signal) => 128 + signal,
        None => status.code().unwrap_or(1),
    };
    // Where statuses are longer, a failure must stay one.
    u8::try_from(code).unwrap_or(1)
}

#[cfg(unix)]
fn killing_signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn killing_signal(_: ExitStatus) -> Option<i32> {
    None
}

/// What would come of COMMAND with these words, if there are any. It is only looked up.
pub(super) fn finding(words: &[OsString]) -> Option<Finding> {
    let program = words.first()?;
    let name = program.to_string_lossy();
    Some(match look_up(program) {
        Ok(()) => Finding::Ready(format!("'{}' can be run", shown(&name))),
        Err(error) => Finding::Fault(cannot_run(program, &error).to_string()),
    })
}

/// Finds a program as the system would: a name alone in the directories of `PATH`.
#[cfg(unix)]
fn look_up(program: &OsStr) -> io::Result<()> {
    use crate::disk::may_run;
    use std::os::unix::ffi::OsStrExt;
    if program.as_bytes().contains(&b'/') {
        return may_run(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let mut reason = ErrorKind::NotFound;
    for directory in std::env::split_paths(&path) {
        match may_run(&directory.join(program)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => reason = error.kind(),
            Err(_) => {}
        }
    }
    Err(reason.into())
}

/// Elsewhere, only a start can tell.
#[cfg(not(unix))]
fn look_up(_: &OsStr) -> io::Result<()> {
    Ok(())
}

fn cannot_run(program: &OsStr, error: &io::Error) -> Failure {
    let name = program.to_string_lossy();
    let path = Path::new(program);
    let no_such_program = "there is no such program";
    let (status, reason) = match error.kind() {
        ErrorKind::NotFound if path.components().count() > 1 && path.exists() => (
            CANNOT_RUN,
            "the interpreter in its first line does not exist".to_owned(),
        ),
        ErrorKind::NotFound if name.contains(' ') => {
            let reason = format!("{no_such_program}; write its arguments as words of their own");
            (NOT_FOUND, reason)
        }
        ErrorKind::NotFound => (NOT_FOUND, no_such_program.to_owned()),
        _ => (CANNOT_RUN, cause(error)),
    };
    let name = shown(&name);
    Failure {
        exit: Exit::Command(status),
        error: anyhow::anyhow!("cannot run '{name}': {reason}"),
    }
}
