//! The four commands, two hidden ones for packagers, and how a command ends.

mod alerts;
mod announce;
mod check;
mod child;
mod clock;
pub mod completions;
mod configure;
mod data;
pub mod man;
mod news;
mod next_steps;
mod notify;
mod publish;
pub mod record;
pub mod replay;
pub mod serve;
mod statsd;
pub mod watch;

use std::fmt;

use clap::{Parser, Subcommand};

use crate::cli::{GlobalArgs, after_help, shown_command};
use crate::postgres::DatabaseError;
use crate::sink::SinkError;
use crate::wording;
use crate::{signals, talk};

/// How a command ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The task is done; 0.
    Done,
    /// It failed; 1.
    Failed,
    /// A usage error; 2.
    Usage,
    /// There was no connection, it was refused, or nothing was ever observed; 3.
    NoConnection,
    /// An alert fired under `--fail-on-alert`; 4.
    AlertFired,
    /// The rule of `--until` did not come true before the time was up or the stream ended; 5.
    NotMet,
    /// A signal with this number arrived while something was still open; 128 plus the number.
    Interrupted(u8),
    /// COMMAND ended with this status, or could not be run: 126 and 127.
    Command(u8),
}

impl Exit {
    /// The exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NoConnection => 3,
            Self::AlertFired => 4,
            Self::NotMet => 5,
            Self::Interrupted(signal) => 128 + signal,
            Self::Command(status) => status,
        }
    }
}

/// Why a command failed, and its exit status.
#[derive(Debug)]
pub struct Failure {
    /// The status.
    pub exit: Exit,
    /// One line for people, with its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// A usage error.
    pub fn usage(reason: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            error: anyhow::Error::msg(reason.into()),
        }
    }

    /// No connection, or a refusal.
    pub fn no_connection(reason: impl Into<String>) -> Self {
        Self {
            exit: Exit::NoConnection,
            error: anyhow::Error::msg(reason.into()),
        }
    }
}

/// The whole chain of causes in one line; the system's errors are in plain words, without their number.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&wording::with_causes(&*self.error))
    }
}

/// A wrong destination is a usage error, and a database that cannot be reached counts as no connection. Any other error
/// without a status of its own fails with 1.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let of_sink = error.downcast_ref::<SinkError>();
        let of_database = error.downcast_ref::<DatabaseError>();
        let exit = if of_sink.is_some_and(SinkError::is_misuse)
            || of_database.is_some_and(DatabaseError::is_bad_address)
        {
            Exit::Usage
        } else if of_sink.is_some_and(SinkError::is_no_connection)
            || of_database.is_some_and(DatabaseError::is_no_connection)
        {
            Exit::NoConnection
        } else {
            Exit::Failed
        };
        Self { exit, error }
    }
}

/// See a host now, keep what happened, and play it back
#[derive(Debug, Parser)]
#[command(
    name = "metrics",
    version = VERSION,
    max_term_width = 100,
    after_help = format!("Examples:\n{EXAMPLES}"),
    after_long_help = after_help(EXAMPLES, &[DONE, FAILED, USAGE, NO_CONNECTION,
        ("4, 5", "of watch: an alert fired; --until did not come true"), STOPPED_TWICE, OF_COMMAND]),
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: GlobalArgs,
}

/// The version, and the commit of a release.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("METRICS_BUILD"));

const EXAMPLES: &str = "  \
  metrics serve                          broadcast this host's metrics
  metrics watch ssh://web-1              see them in a live table, from elsewhere
  metrics record ssh://web-1 -o x.csv    keep them, nothing lost
  metrics replay x.csv                   broadcast them again";

/// A line about an exit status, for help.
type StatusLine = (&'static str, &'static str);

const DONE: StatusLine = ("0", "done; Ctrl-C counts as done");
const FAILED: StatusLine = ("1", "failed");
const USAGE: StatusLine = ("2", "usage error");
const NO_CONNECTION: StatusLine = ("3", "no connection, refused, or nothing ever received");
const STOPPED_TWICE: StatusLine = ("130, 143", "a second signal cut the clean-up short");
const OF_COMMAND: StatusLine = (
    "other",
    "COMMAND's own: 127 if it does not exist, 126 if it cannot be run, 128+n for signal n",
);

#[derive(Debug, Subcommand)]
enum Command {
    /// Broadcast this host's metrics over WebSocket
    Serve(serve::ServeArgs),
    /// See hosts in a live table
    Watch(watch::WatchArgs),
    /// Write the stream to CSV, nothing lost
    Record(record::RecordArgs),
    /// Broadcast a recording as a live stream again
    Replay(replay::ReplayArgs),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions(completions::CompletionsArgs),
    /// Write man pages
    #[command(hide = true)]
    Man(man::ManArgs),
}

impl Cli {
    /// What SIGHUP means to the command: a server with files to reread does that. So does one of a service manager, even
    /// if there are none: there, SIGHUP asks to reload, and nothing else.
    #[must_use]
    pub fn hangup(&self) -> signals::Hangup {
        let is_service = std::env::var_os("NOTIFY_SOCKET").is_some_and(|it| !it.is_empty());
        let can_reload = match &self.command {
            Command::Serve(args) => is_service || args.can_reload(),
            Command::Replay(args) => is_service || args.can_reload(),
            _ => false,
        };
        if can_reload {
            signals::Hangup::Reload
        } else {
            signals::Hangup::Stop
        }
    }
}

/// Runs the command until it is done or asked to stop.
///
/// # Errors
/// The command's failure.
pub fn run(cli: Cli, asked: signals::Asked) -> Result<Exit, Failure> {
    log_to_stderr(&cli.global);
    // One thread serves all sockets: a sample is encoded once, and the rest is the kernel's work. Sampling and reading
    // recordings have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(args, &cli.global, asked).await,
            Command::Watch(args) => watch::run(args, &cli.global, asked).await,
            Command::Record(args) => record::run(args, &cli.global, asked).await,
            Command::Replay(args) => replay::run(args, &cli.global, asked).await,
            Command::Completions(args) => {
                completions::print(&args, shown_command::<Cli>(VERSION)).await
            }
            Command::Man(args) => man::write(&args, shown_command::<Cli>(VERSION)),
        }
    });
    // A thread that hangs in a read must not delay the exit.
    runtime.shutdown_background();
    result
}

fn log_to_stderr(global: &GlobalArgs) {
    use tracing_subscriber::filter::LevelFilter;
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    };
    // Fails only if there is a logger already, as in a test.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| talk::LogWriter)
        .with_target(false)
        .try_init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
        crate::cli::shown_command::<super::Cli>(super::VERSION).debug_assert();
    }

    #[test]
    fn every_environment_name_is_ours() {
        let mut count = 0;
        for command in super::Cli::command().get_subcommands() {
            for name in command.get_arguments().filter_map(clap::Arg::get_env) {
                count += 1;
                assert!(name.to_string_lossy().starts_with("METRICS_"), "{name:?}");
            }
        }
        assert!(count > 0);
    }
}
