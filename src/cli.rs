//! The command line: the flag groups that commands share. Each command's own flags are beside it in [`crate::cmd`].

mod trust;

use std::time::Duration;

use clap::Args;

use crate::client::{Endpoint, Retry};
use crate::protocol::{HostPattern, Query, parse_duration};
use crate::server::listen::ListenAddr;
use crate::terminal::Colour;

pub use trust::{ClientTrustArgs, ServerTrustArgs};

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// When to colour the output: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub color: Colour,

    /// Say more on stderr: viewers coming and going
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// Say only errors on stderr
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub quiet: bool,
}

/// Flags of the two servers, `serve` and `replay`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Listen here; repeatable. Port 0 takes any free port [default: port 8080 of 127.0.0.1 and ::1]
    #[arg(
        short,
        long,
        value_name = "HOST:PORT",
        env = "METRICS_LISTEN",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub listen: Vec<ListenAddr>,

    /// Keep messages this long for viewers that resume or look back
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub retain: Duration,

    /// Tell viewers at least this often that the server lives
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = heartbeat)]
    pub heartbeat: Duration,

    /// Serve at most this many viewers at once
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_viewers: u64,

    /// Wait this long for viewers to take leave when stopping
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub drain: Duration,

    /// Who may look.
    #[command(flatten)]
    pub trust: ServerTrustArgs,
}

/// Flags of the two clients, `watch` and `record`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Client")]
pub struct ClientArgs {
    /// Servers: host, host:port, ws://…, wss://… or ssh://host; a,b is one server at several addresses [default: 127.0.0.1:8080]
    #[arg(
        value_name = "SERVER",
        help_heading = "Arguments",
        env = "METRICS_SERVER",
        hide_env_values = true
    )]
    pub servers: Vec<Endpoint>,

    /// Only this host; repeatable, may have * and ?
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<HostPattern>,

    /// Begin this long ago, as far as the server remembers
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "last")]
    pub since: Option<Duration>,

    /// Begin this many samples back
    #[arg(long, value_name = "N")]
    pub last: Option<u64>,

    /// Stop after this time
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub duration: Option<Duration>,

    /// Stop after this many samples of each host
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub samples: Option<u64>,

    /// What servers are shown, and whom of them is believed.
    #[command(flatten)]
    pub trust: ClientTrustArgs,

    /// Give up after this many attempts in a row [default: 9 until the first connection, then never]
    #[arg(long, value_name = "N", help_heading = "Reconnecting")]
    pub retries: Option<u32>,

    /// The longest wait before the first attempt to reconnect
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration, help_heading = "Reconnecting")]
    pub retry_base: Duration,

    /// The longest wait before any attempt
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = "Reconnecting")]
    pub retry_max: Duration,
}

impl ClientArgs {
    /// The servers, or the one on this machine.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        if self.servers.is_empty() {
            vec![Endpoint::local()]
        } else {
            self.servers.clone()
        }
    }

    /// What to ask of them.
    #[must_use]
    pub fn query(&self) -> Query {
        Query {
            hosts: self.hosts.clone(),
            after: Vec::new(),
            last: self.last,
            since: self.since,
        }
    }

    /// How to reconnect.
    #[must_use]
    pub fn retry(&self) -> Retry {
        Retry {
            base: self.retry_base,
            max: self.retry_max,
            retries: self.retries,
        }
    }
}

/// Longer than anybody waits, and short enough to be added to any time.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Viewers that hear from the server more often than this learn nothing from it.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100);

/// A duration with a unit.
///
/// # Errors
/// One line that says what is wrong and what to write.
pub fn duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        long if long > LONGEST => Err(format!(
            "'{}' is too long: write 3650d or less",
            text.escape_default()
        )),
        duration => Ok(duration),
    }
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        short if short < SHORTEST_HEARTBEAT => Err(format!(
            "'{}' is too short: write 100ms or more",
            text.escape_default()
        )),
        heartbeat => Ok(heartbeat),
    }
}

/// A duration with a unit, longer than nothing.
fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("'{}' is no time at all", text.escape_default())),
        duration => Ok(duration),
    }
}
