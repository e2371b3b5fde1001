//! The command line: the flag groups that commands share. Each command's own flags are beside it in [`crate::cmd`].

mod access;
mod alerts;
mod explain;
mod finding;
mod help;
mod notify;
mod redis;
mod statsd;
mod values;

use std::time::Duration;

use clap::{Args, Command, CommandFactory};

use crate::client::{Endpoint, Retry};
use crate::protocol::{HostPattern, Query};
use crate::server::listen::ListenAddr;
use crate::terminal::Colour;

pub use access::{ClientAccessArgs, ServerAccessArgs};
pub use alerts::{AlertArgs, WrittenRules};
pub use explain::{explain, parse};
pub use finding::Finding;
pub use help::after_help;
pub use notify::NotifyArgs;
pub use redis::RedisArgs;
pub use statsd::statsd_address;
pub use values::{LONGEST, MANY, bytes, count, duration, duration_in};

/// The command line as people see it: without hidden commands.
#[must_use]
pub fn shown_command<C: CommandFactory>(version: &'static str) -> Command {
    help::without_hidden(&C::command(), version)
}

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

    /// Log more to stderr, such as each connection made and lost
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// Log only errors to stderr
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
    /// Listen on this address [default: 8080]
    ///
    /// Repeatable. A port alone means loopback; port 0 picks a free port.
    #[arg(
        short,
        long,
        value_name = "HOST:PORT",
        env = "METRICS_LISTEN",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub listen: Vec<ListenAddr>,

    /// Keep messages this long for viewers that resume or look back; at least 1s
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration_in("1s", LONGEST))]
    pub retain: Duration,

    /// Send a heartbeat at least this often
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration_in(SHORTEST_HEARTBEAT, LONGEST))]
    pub heartbeat: Duration,

    /// Serve at most this many viewers at once
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count(1..=MANY))]
    pub max_viewers: u64,

    /// Never compress messages, even for viewers that support it
    #[arg(long)]
    pub no_compression: bool,

    /// Allow viewers this long to disconnect when stopping
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub drain: Duration,

    /// Say what would work and what would fail, and exit
    ///
    /// What can be read, and what each flag would do. The exit status is 1 if anything would fail. Creates, binds, locks
    /// and sends nothing.
    #[arg(long, conflicts_with = "notify_test", help_heading = None)]
    pub check: bool,

    /// The access flags.
    #[command(flatten)]
    pub access: ServerAccessArgs,

    /// When to alert.
    #[command(flatten)]
    pub alerts: AlertArgs,

    /// Who is notified.
    #[command(flatten)]
    pub notify: NotifyArgs,

    /// Where it is published.
    #[command(flatten)]
    pub redis: RedisArgs,
}

/// Flags of the two clients, `watch` and `record`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Client")]
pub struct ClientArgs {
    /// HOST, HOST:PORT, ssh://HOST or a URL [default: 127.0.0.1:8080]
    ///
    /// URLs of ws, wss, http and https. Several servers are watched or recorded at once; a,b is one server at several
    /// addresses.
    #[arg(
        value_name = "SERVER",
        help_heading = None,
        env = "METRICS_SERVER",
        hide_env_values = true
    )]
    pub servers: Vec<Endpoint>,

    /// Only this host; * and ? are wildcards
    ///
    /// Repeatable.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<HostPattern>,

    /// Start this long ago, such as 10m
    ///
    /// As far back as the server's history goes.
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "last")]
    pub since: Option<Duration>,

    /// Start this many samples back
    #[arg(long, value_name = "N", value_parser = count(0..=MANY))]
    pub last: Option<u64>,

    /// Stop after this time
    #[arg(long, value_name = "DURATION", value_parser = duration_in("1ms", LONGEST))]
    pub duration: Option<Duration>,

    /// Stop after this many samples of each host
    #[arg(long, value_name = "N", value_parser = count(1..=MANY))]
    pub samples: Option<u64>,

    /// The token to send, and the certificates to trust.
    #[command(flatten)]
    pub access: ClientAccessArgs,

    /// Retry this many times in a row, then give up; 0 makes a single attempt [default: 9 until the first connection,
    /// then no limit]
    #[arg(long, value_name = "N", value_parser = count(0..=MANY), help_heading = "Reconnecting")]
    pub retries: Option<u64>,

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
            step: None,
            deflated: false,
        }
    }

    /// How to reconnect.
    #[must_use]
    pub fn retry(&self) -> Retry {
        Retry {
            base: self.retry_base,
            max: self.retry_max,
            retries: self.retries.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        }
    }
}

/// More frequent heartbeats are of no use to viewers.
const SHORTEST_HEARTBEAT: &str = "100ms";
