//! One run of a program, which may stall, fork, print without end or never read, but still ends within a deadline.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin};

use crate::wording::cause;

/// A program that has not ended by then is killed.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often to check whether the program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a killed program may take to end: one that waits for a dead disk takes longer, and is left behind.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// How much of the program's standard error is kept, in bytes.
const MOST_HEARD: usize = 4 * 1024;

/// How much of it is read at once, in bytes.
const READ_AT_ONCE: usize = 16 * 1024;

/// A program that writes more than this, in bytes, is read more slowly, with a pause after each read.
const FREE_SPEECH: usize = 256 * 1024;

/// That pause: 3 MB a second.
const BREATH: Duration = Duration::from_millis(5);

/// Runs `program` in a process group of its own, with `input` on its standard input. Whatever is left of the group when the
/// program has ended is killed.
///
/// # Errors
/// Why it did not end with 0, with the last line that it wrote to its standard error.
pub(super) async fn run(
    program: &Path,
    variables: &[(&str, Option<String>)],
    input: Vec<u8>,
) -> Result<(), String> {
    let mut group = Group::spawn(program, variables).map_err(|error| not_run(&error))?;
    let mut heard = Vec::new();
    let (stdin, mut stderr) = (group.stdin(), group.stderr());
    let feeding = feed(stdin, input);
    let ended = {
        let hearing = hear(&mut stderr, &mut heard);
        let talking = async { tokio::join!(feeding, hearing) };
        let ending = async {
            tokio::select! {
                ended = group.ended() => ended,
                // It may close both and go on.
                ended = async { talking.await; std::future::pending().await } => ended,
            }
        };
        tokio::time::timeout(DEADLINE, ending).await.is_ok()
    };
    let status = group.end().await;
    // What it wrote last; somebody outside the group may keep the pipe open.
    let _ = tokio::time::timeout(LOOK_EVERY, hear(&mut stderr, &mut heard)).await;
    let reason = match status {
        _ if !ended => format!("it was killed after {} s", DEADLINE.as_secs()),
        Some(status) if status.success() => return Ok(()),
        Some(status) => status.to_string(),
        None => "it cannot be waited for".into(),
    };
    Err(match last_line(&heard) {
        Some(line) => format!("{reason}: {line}"),
        None => reason,
    })
}

/// The input may be left unread.
async fn feed(stdin: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(&input).await;
    }
}

/// Reads to the end, so that the program never waits, and keeps the last [`MOST_HEARD`] bytes.
async fn hear(stderr: &mut Option<ChildStderr>, heard: &mut Vec<u8>) {
    let Some(stderr) = stderr else { return };
    let mut buffer = vec![0; READ_AT_ONCE];
    let mut total = 0;
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        total += read;
        if FREE_SPEECH < total {
            tokio::time::sleep(BREATH).await;
        }
        heard.extend_from_slice(&buffer[..read]);
        let surplus = heard.len().saturating_sub(MOST_HEARD);
        heard.drain(..surplus);
    }
}

fn last_line(heard: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(heard);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(crate::protocol::shown(line).to_string())
}

fn not_run(error: &io::Error) -> String {
    let plain = cause(error).to_lowercase();
    if plain.contains("exec format") {
        format!("it cannot be run: {plain}; a script begins with #! and its interpreter")
    } else {
        format!("it cannot be run: {plain}")
    }
}

/// A program with its process group. Both are killed when this is dropped.
struct Group {
    child: Child,
    is_over: bool,
}

impl Group {
    fn spawn(program: &Path, variables: &[(&str, Option<String>)]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn()?;
        Ok(Self {
            child,
            is_over: false,
        })
    }

    fn stdin(&mut self) -> Option<ChildStdin> {
        self.child
            .stdin
            .take()
            .and_then(|pipe| ChildStdin::from_std(pipe).ok())
    }

    fn stderr(&mut self) -> Option<ChildStderr> {
        self.child
            .stderr
            .take()
            .and_then(|pipe| ChildStderr::from_std(pipe).ok())
    }

    /// Waits until the program has ended, and leaves it as it is: as long as it is not waited for, its number is that of
    /// its group and of nobody else.
    async fn ended(&mut self) {
        while !self.has_ended() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    #[cfg(unix)]
    fn has_ended(&mut self) -> bool {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let pid = rustix::process::Pid::from_child(&self.child);
        !matches!(waitid(WaitId::Pid(pid), look), Ok(None))
    }

    #[cfg(not(unix))]
    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills what is left, and waits for the program.
    async fn end(mut self) -> Option<ExitStatus> {
        self.kill();
        let gone_by = tokio::time::Instant::now() + GONE_WITHIN;
        loop {
            match self.child.try_wait() {
                Ok(None) if tokio::time::Instant::now() < gone_by => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                result => {
                    self.is_over = matches!(result, Ok(Some(_)));
                    return result.ok().flatten();
                }
            }
        }
    }

    #[cfg(unix)]
    fn kill(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }

    #[cfg(not(unix))]
    fn kill(&mut self) {
        let _ = self.child.kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.is_over {
            self.kill();
            let _ = self.child.try_wait();
        }
    }
}
