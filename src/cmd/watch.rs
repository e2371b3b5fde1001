//! `metrics watch`: hosts in a live table, or as lines for other programs.

mod apply;
mod archive;
mod assertions;
mod columns;
mod display;
mod limits;
mod line_output;
mod live_table;
mod once;

use std::io::{self, ErrorKind, IsTerminal};

use tokio::time::Instant;

use crate::cli::{ClientArgs, GlobalArgs, after_help};
use crate::client::{Client, ClientEvent, Credentials};
use crate::millis::epoch_millis;
use crate::protocol::Query;
use crate::signals;
use crate::terminal::{self, has_unicode, is_coloured};
use crate::view::{Now, Style, WINDOW, Zoom, samples_shown};

use super::news::{News, short_name};
use super::{DONE, Exit, FAILED, Failure, NO_CONNECTION, USAGE, announce, configure};

use archive::ServerArchive;
use assertions::{AssertionArgs, Assertions};
use columns::AskedColumns;
use display::Display;
use limits::Limits;
use line_output::LineFormat;

/// The number of SIGPIPE, which a shell shows for a program whose reader has left.
const CLOSED_PIPE: u8 = 13;

/// Flags of `metrics watch`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help("\
  metrics watch ssh://web-1
  metrics watch ssh://web-1 ssh://web-2 ssh://db-1
  metrics watch web-1 --once
  metrics watch web-1 --json | jq .data.cpu
  metrics watch web-1 --plain >> web-1.log
  metrics watch web-1 --plain --columns cpu,memory,disk:/
  metrics watch web-1 --until 'cpu < 50 for 10s' --duration 5m
  metrics watch web-1 --fail-on-alert --duration 1h", &[DONE, FAILED, USAGE, NO_CONNECTION,
  ("4", "an alert fired under --fail-on-alert"),
  ("5", "the rule of --until did not come true before the time or the stream ended"),
  ("130, 143", "a signal or q came before --until or --fail-on-alert was decided")]))]
pub struct WatchArgs {
    /// Print the table once and exit
    ///
    /// With --json or --plain, one line per host.
    #[arg(long, help_heading = None)]
    once: bool,

    /// Print each message as received, one per line
    #[arg(long, conflicts_with = "plain", help_heading = None)]
    json: bool,

    /// Print one line per sample
    ///
    /// The default when stdout is not a terminal.
    #[arg(long, help_heading = None)]
    plain: bool,

    /// Show only these metrics, in this order [default for lines: what fits into 80 columns]
    ///
    /// In lines and in the table of a host. disk:* stands for all filesystems, and likewise for others; * for everything.
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        value_parser = columns::column,
        conflicts_with = "json",
        help_heading = None
    )]
    columns: Vec<String>,

    /// Leave the mouse to the terminal
    ///
    /// Otherwise a click selects a row or a moment, and the wheel scrolls. Hold Shift to select text.
    #[arg(long, help_heading = None)]
    no_mouse: bool,

    #[command(flatten)]
    assertions: AssertionArgs,

    #[command(flatten)]
    client: ClientArgs,
}

/// Watches until the end, a limit, `q` or `stop`.
///
/// # Errors
/// When no server can be reached, the output cannot be written, or an assertion fails.
pub async fn run(
    args: WatchArgs,
    global: &GlobalArgs,
    asked: signals::Asked,
) -> Result<Exit, Failure> {
    let assertions = Assertions::new(&args.assertions)?;
    let stop = &asked.stop;
    let urls: Vec<String> = args
        .client
        .endpoints()
        .iter()
        .map(ToString::to_string)
        .collect();
    let names: Vec<String> = urls.iter().map(|url| short_name(url)).collect();
    let credentials = configure::credentials(&args.client, global)?;
    let mut client = client(&args, &credentials);
    tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(interrupted(asked.signal(), &assertions)),
        // While no screen hides ssh's questions.
        () = client.let_ask() => {}
    }
    let style = Style {
        colour: is_coloured(global.color, &io::stdout()),
        unicode: has_unicode(),
    };
    let columns = AskedColumns::new(args.columns.clone());
    let mut session = Session {
        display: display(&args.client, &names, &columns, style),
        limits: Limits::new(args.samples(), args.client.duration),
        news: News::new(urls),
        assertions,
        columns,
        clock: SessionClock::start(),
    };
    let format = args.format();
    let end = match format {
        Some(format) => line_output::run(client, format, &mut session, global, &asked).await,
        None if args.once => once::run(client, &mut session, &asked).await,
        None => {
            let archive = ServerArchive {
                endpoints: args.client.endpoints(),
                query: args.client.query(),
                retry: args.client.retry(),
                credentials,
            };
            live_table::run(client, &archive, &mut session, !args.no_mouse, &asked).await
        }
    };
    let end = match end {
        Ok(end) => end,
        // The reader of stdout has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => End::Stopped(CLOSED_PIPE),
        Err(error) => {
            let error = anyhow::Error::new(error).context("cannot write to stdout");
            return Err(error.into());
        }
    };
    if format.is_none() {
        // While the screen was there, nothing else could be said.
        let doubts = session.columns.doubts.iter();
        doubts.for_each(|doubt| announce::say(global, doubt));
    }
    session.conclude(end, global)
}

/// A display of these servers that begins with what was asked for.
fn display(client: &ClientArgs, names: &[String], columns: &AskedColumns, style: Style) -> Display {
    let mut display = Display::new(names, window(client), style);
    display.choose(columns.choice.clone());
    if let Some(since) = client.since {
        display.set_zoom(Zoom::covering(since));
    }
    display
}

/// The exit status of a watch that is ended by `signal`, or by something like it. An assertion that is still open has
/// neither passed nor failed.
fn interrupted(signal: u8, assertions: &Assertions) -> Exit {
    if assertions.is_open() {
        Exit::Interrupted(signal)
    } else {
        Exit::Done
    }
}

/// How a watch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A signal of this number stopped it, or something like one: a key, or a reader that left.
    Stopped(u8),
    /// Everything was printed that was to be printed once.
    Printed,
    /// The servers or the time ended, or an assertion was decided: the exit status depends on what was observed.
    Over,
}

/// What a watch keeps while it runs.
#[derive(Debug)]
struct Session {
    display: Display,
    limits: Limits,
    news: News,
    assertions: Assertions,
    columns: AskedColumns,
    clock: SessionClock,
}

impl Session {
    /// Takes note of an event; returns what there is to say about it, in lines.
    fn take(&mut self, event: &ClientEvent) -> Vec<String> {
        let doubt = if self.limits.wants_event(event) {
            self.assertions.take(event)
        } else {
            None
        };
        self.limits.count(event);
        self.display.take(event, self.clock.now());
        let mut lines = self.columns.take(event);
        lines.extend(self.news.line(event).into_iter().chain(doubt));
        lines
    }

    /// Whether there is nothing left to wait for.
    fn is_over(&self, events: &impl EventSource) -> bool {
        self.assertions.is_decided() || self.limits.reached() && events.is_settled()
    }

    /// The exit status: that of the assertions once they are decided, whatever ended the watch.
    fn conclude(self, end: End, global: &GlobalArgs) -> Result<Exit, Failure> {
        let Self {
            news, assertions, ..
        } = self;
        match end {
            _ if assertions.is_decided() => {}
            End::Stopped(signal) => return Ok(interrupted(signal, &assertions)),
            End::Printed => {}
            End::Over => {
                news.exit()?;
            }
        }
        if let Some(line) = assertions.remark() {
            announce::say(global, &line);
        }
        assertions.exit()
    }
}

impl WatchArgs {
    /// How many samples of each host are enough.
    fn samples(&self) -> Option<u64> {
        let once = self.once.then(|| self.client.last.unwrap_or(1).max(1));
        self.client.samples.or(once)
    }

    /// The requested form of lines, if any.
    fn format(&self) -> Option<LineFormat> {
        // A dumb terminal cannot move its cursor.
        let screen = io::stdout().is_terminal() && terminal::can_move_cursor();
        if self.json {
            Some(LineFormat::Json)
        } else if self.plain || !(self.once || screen) {
            Some(LineFormat::Plain)
        } else {
            None
        }
    }
}

/// A client that requests as much as is shown at first.
fn client(args: &WatchArgs, credentials: &Credentials) -> Client {
    let mut query: Query = args.client.query();
    // Line output shows what happens now: an old alert must not look like a new one, and nothing arrives twice.
    let shows_only_now = args.format().is_some() || args.assertions.is_any();
    if query.last.is_none() && query.since.is_none() && !shows_only_now {
        let wanted = if args.once {
            WINDOW
        } else {
            samples_shown(terminal::size().0)
        };
        query.last = u64::try_from(wanted).ok();
    }
    let mut retry = args.client.retry();
    if args.once {
        retry.retries.get_or_insert(0);
    }
    let mut client = Client::new(&args.client.endpoints(), &query, &[], retry, credentials);
    client.only_show();
    client
}

/// How many samples to keep at least: as many as were requested.
fn window(client: &ClientArgs) -> usize {
    let last = client.last.and_then(|last| usize::try_from(last).ok());
    last.unwrap_or(WINDOW).max(WINDOW)
}

/// Where a watch gets its events.
trait EventSource {
    /// The next event; `None` when every server has ended or refused. Cancel safe.
    async fn next(&mut self) -> Option<ClientEvent>;

    /// Whether all hosts are known.
    fn is_settled(&self) -> bool {
        true
    }

    /// Makes the next attempt to reach each lost server at once.
    fn retry_now(&mut self) {}
}

impl EventSource for Client {
    async fn next(&mut self) -> Option<ClientEvent> {
        Client::next(self).await
    }

    fn is_settled(&self) -> bool {
        Client::is_settled(self)
    }

    fn retry_now(&mut self) {
        Client::retry_now(self);
    }
}

/// The time, for a view that has no clock.
#[derive(Debug, Clone, Copy)]
struct SessionClock(Instant);

impl SessionClock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(self) -> Now {
        Now {
            elapsed: self.0.elapsed(),
            wall: epoch_millis(),
        }
    }
}

#[cfg(test)]
mod tests;
