//! A connection to a server through `ssh -W`: the user's own ssh, with its configuration, agent and known hosts.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::Sleep;

/// How long to wait for ssh's reason after the connection ended. A background master may keep the pipe open for hours.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The longest line accepted from ssh, in bytes.
const MAX_LINE: u64 = 4096;

/// The host that ssh connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshTarget {
    pub(super) user: Option<String>,
    pub(super) host: String,
    /// The port of sshd; without it, the user's configuration decides.
    pub(super) port: Option<u16>,
}

/// The user, host and port as in a URL.
impl fmt::Display for SshTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl SshTarget {
    /// The arguments that reach `port` on the far host's loopback. `may_ask`: ssh may ask for a password or about a host key.
    fn arguments(&self, port: u16, may_ask: bool) -> Vec<String> {
        let mut arguments = vec!["-W".into(), format!("127.0.0.1:{port}")];
        if !may_ask {
            arguments.extend(["-o".into(), "BatchMode=yes".into()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".into(), port.to_string()]);
        }
        if let Some(user) = &self.user {
            arguments.extend(["-l".into(), user.clone()]);
        }
        // After `--`, a host is never an option, whatever it looks like.
        arguments.extend(["--".into(), self.host.clone()]);
        arguments
    }

    /// Starts ssh. Whether it gets through shows at the first read.
    pub(super) fn open(&self, port: u16, may_ask: bool) -> io::Result<Tunnel> {
        let mut child = Command::new("ssh")
            .args(self.arguments(port, may_ask))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    SshFailure::error("ssh is not installed on this machine".into())
                }
                _ => error,
            })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        Ok(Tunnel {
            stdin,
            stdout,
            last_words: Some(tokio::spawn(last_words(child, stderr, port))),
            patience: None,
        })
    }
}

/// ssh's own reason for a failure.
#[derive(Debug)]
pub(super) struct SshFailure(String);

impl SshFailure {
    fn error(reason: String) -> io::Error {
        io::Error::other(Self(reason))
    }

    /// The reason inside an error of a [`Tunnel`].
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl std::error::Error for SshFailure {}

impl fmt::Display for SshFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A running ssh, whose pipes are the connection. It is killed when this is dropped.
pub(super) struct Tunnel {
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Owns the child. `None` once its reason is known.
    last_words: Option<JoinHandle<Option<String>>>,
    /// When to stop waiting for them.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(last_words) = &self.last_words {
            last_words.abort();
        }
    }
}

/// Reads ssh's messages until it ends; returns the line with the reason if it failed.
async fn last_words(mut child: Child, stderr: ChildStderr, port: u16) -> Option<String> {
    let mut stderr = BufReader::new(stderr);
    let mut reason = String::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut stderr).take(MAX_LINE);
        // A read error counts as the end.
        if limited.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
        // What follows the reason only repeats that it failed.
        let is_echo = text.starts_with("stdio forwarding failed");
        if !text.is_empty() && !is_echo {
            reason = text;
        }
    }
    let status = child.wait().await.ok()?;
    if status.success() {
        return None;
    }
    Some(match &*reason {
        refused if refused.contains("open failed: connect failed") => {
            format!(
                "nothing listens on port {port} of that host's loopback: start `metrics serve` there, or name its port \
                 as in ssh://HOST/PORT"
            )
        }
        "" => format!("ssh failed ({status})"),
        _ if reason.starts_with("ssh: ") => reason,
        _ => format!("ssh: {reason}"),
    })
}

impl Tunnel {
    /// Waits for the reason of the end; without one, it is a clean end.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(last_words) = &mut self.last_words else {
            return Poll::Ready(Ok(()));
        };
        if let Poll::Ready(said) = Pin::new(last_words).poll(cx) {
            self.last_words = None;
            return Poll::Ready(match said {
                Ok(Some(reason)) => Err(SshFailure::error(reason)),
                _ => Ok(()),
            });
        }
        let patience = || Box::pin(tokio::time::sleep(LAST_WORDS));
        let patience = self.patience.get_or_insert_with(patience);
        patience.as_mut().poll(cx).map(Ok)
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stdout).poll_read(cx, buf))?;
        if buf.filled().len() == before && buf.remaining() > 0 {
            return self.poll_end(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stdin).poll_write(cx, bytes)) {
            // ssh has ended, and has the better reason.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                ready!(self.poll_end(cx))?;
                Poll::Ready(Err(error))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(user: Option<&str>, port: Option<u16>) -> SshTarget {
        SshTarget {
            user: user.map(str::to_owned),
            host: "web-1".into(),
            port,
        }
    }

    #[test]
    fn ssh_may_ask_only_when_allowed() {
        let asks = target(None, None).arguments(8080, true);
        assert_eq!(asks, ["-W", "127.0.0.1:8080", "--", "web-1"]);
        let silent = target(Some("ada"), Some(2222)).arguments(9000, false);
        assert_eq!(
            silent.join(" "),
            "-W 127.0.0.1:9000 -o BatchMode=yes -p 2222 -l ada -- web-1"
        );
    }
}
