//! `metrics record`: the stream as CSV, nothing lost.

mod sample_limit;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::cli::{ClientArgs, GlobalArgs};
use crate::client::{Client, ClientEvent, Received};
use crate::protocol::rfc3339;
use crate::sink::{self, Destination, Existing, Sink, SinkError, Written};
use crate::talk;
use crate::terminal::{self, ProgressLine, Recorded};
use crate::wording::counted;

use super::clock::reached;
use super::news::{News, short_name};
use super::{Exit, Failure, announce, configure, data};

use sample_limit::SampleLimit;

/// How often rows are synced to the disk and the sink is checked: both must happen within a second.
const SYNC_EVERY: Duration = Duration::from_millis(500);

/// Flags of `metrics record`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  metrics record ssh://web-1 -o incident.csv
  metrics record ssh://web-1 -o incident.csv --since 10m
  metrics record ssh://web-1 -o incident.csv --append
  metrics record web-1 web-2 -o incident/ --duration 1h
  metrics record | gzip > incident.csv.gz")]
pub struct RecordArgs {
    #[command(flatten)]
    client: ClientArgs,

    /// Write to this file; DIR/ for one file per host; - for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = None)]
    output: PathBuf,

    /// Overwrite an existing file
    #[arg(short, long, conflicts_with = "append", help_heading = None)]
    force: bool,

    /// Append to an existing file, resuming after its last row
    #[arg(long, help_heading = None)]
    append: bool,
}

/// Records until the end, a limit, or `stop`.
///
/// # Errors
/// When the output cannot be written, or no server can be reached.
pub async fn run(
    args: RecordArgs,
    global: &GlobalArgs,
    stop: CancellationToken,
) -> Result<Exit, Failure> {
    let destination = Destination::of(&args.output);
    if args.append && destination == Destination::Stdout {
        return Err(Failure::usage(
            "--append needs a file: name it with -o FILE",
        ));
    }
    if args.client.endpoints().len() > 1 && !matches!(destination, Destination::Directory(_)) {
        return Err(Failure::usage(
            "several servers need one file per host: write -o DIR/",
        ));
    }
    let credentials = configure::credentials(&args.client, global)?;
    let mut sink = tokio::select! {
        biased;
        opened = sink::open(destination, args.existing()) => opened?,
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    let mut client = Client::new(
        &args.client.endpoints(),
        &args.client.query(),
        &sink.positions(),
        args.client.retry(),
        &credentials,
    );
    tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(Exit::Done),
        // While no progress bar hides ssh's questions.
        () = client.let_ask() => {}
    }
    let mut report = TerminalReport::new(&args, global);
    let followed = follow(&args, client, &mut *sink, &mut report, &stop).await;
    let closed = sink.close().await;
    report.progress.finish();
    match followed.and(closed) {
        // The reader of stdout may stop: then the recording is done.
        Err(error) if error.is_closed_pipe() => return Ok(Exit::Done),
        other => other?,
    }
    if let Some(summary) = summary(&*sink) {
        announce::say(global, &summary);
    }
    report.news.exit()
}

impl RecordArgs {
    fn existing(&self) -> Existing {
        match (self.append, self.force) {
            (true, _) => Existing::Append,
            (false, true) => Existing::Replace,
            (false, false) => Existing::Keep,
        }
    }
}

/// Handles events and writes rows until there is nothing more to do.
async fn follow(
    args: &RecordArgs,
    mut client: Client,
    sink: &mut dyn Sink,
    report: &mut TerminalReport,
    stop: &CancellationToken,
) -> Result<(), SinkError> {
    let limit = (args.client.duration).map(|duration| tokio::time::Instant::now() + duration);
    let mut samples = SampleLimit::new(args.client.samples);
    let mut ticks = tokio::time::interval(SYNC_EVERY);
    let mut is_sync_due = false;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => {
                report.news.leave();
                return Ok(());
            }
            () = reached(limit) => return Ok(()),
            _ = ticks.tick() => {
                is_sync_due = true;
                report.progress(sink.written());
                continue;
            }
            // Events do not wait for the disk: the next round waits on.
            synced = sink.sync(), if is_sync_due => {
                is_sync_due = false;
                synced?;
                continue;
            }
            event = client.next() => event,
        };
        let Some(event) = event else { return Ok(()) };
        report.take(&event);
        if let ClientEvent::Message(Received { host, update, .. }) = event
            && samples.admits(&host, &update)
        {
            tokio::select! {
                biased;
                taken = sink.take(host, update) => taken?,
                () = data::given_up(stop, limit) => {
                    if stop.is_cancelled() {
                        report.news.leave();
                    }
                    return Ok(());
                }
            }
        }
        if samples.is_reached() && client.is_settled() {
            return Ok(());
        }
    }
}

/// What the user sees while recording.
struct TerminalReport {
    news: News,
    progress: ProgressLine,
    is_quiet: bool,
    state: RecordingState,
}

/// How the recording stands, for the progress line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordingState {
    Connecting,
    Live,
    Stale,
    /// With the number of the next attempt.
    Reconnecting(u32),
}

impl fmt::Display for RecordingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Live => f.write_str("live"),
            Self::Stale => f.write_str("stale"),
            Self::Reconnecting(attempt) => write!(f, "reconnecting, attempt {attempt}"),
        }
    }
}

impl TerminalReport {
    fn new(args: &RecordArgs, global: &GlobalArgs) -> Self {
        let urls: Vec<String> = args
            .client
            .endpoints()
            .iter()
            .map(ToString::to_string)
            .collect();
        let names: Vec<_> = urls.iter().map(|url| short_name(url)).collect();
        let progress = if global.quiet {
            ProgressLine::hidden()
        } else {
            ProgressLine::recording(&names.join(" "), terminal::has_unicode())
        };
        Self {
            news: News::new(urls),
            progress,
            is_quiet: global.quiet,
            state: RecordingState::Connecting,
        }
    }

    fn take(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Connected { .. } => self.state = RecordingState::Live,
            ClientEvent::Lost { attempt, .. } => {
                self.state = RecordingState::Reconnecting(*attempt)
            }
            ClientEvent::Stale { .. } => self.state = RecordingState::Stale,
            ClientEvent::Message(_) => self.state = RecordingState::Live,
            _ => {}
        }
        if let Some(line) = self.news.line(event)
            && !self.is_quiet
        {
            talk::say(&line);
        }
    }

    fn progress(&self, written: Written) {
        let Written {
            rows, bytes, gaps, ..
        } = written;
        self.progress.recorded(&Recorded {
            rows,
            bytes,
            gaps,
            state: &self.state.to_string(),
        });
    }
}

/// What was recorded, in one line; `None` if nothing was.
fn summary(sink: &dyn Sink) -> Option<String> {
    let Written {
        rows, gaps, times, ..
    } = sink.written();
    let (name, rows) = (sink.name(), counted(rows, "row"));
    let gaps = match gaps {
        0 => String::new(),
        gaps => format!(", {}", counted(gaps, "gap")),
    };
    let span = span_of(times?);
    Some(format!("Wrote {name}: {rows}, {span}{gaps}."))
}

/// The span of a recording in UTC, as its rows have it: with dates if it covers more than one day.
fn span_of((from, to): (u64, u64)) -> String {
    let [from, to] = [from, to].map(|time| rfc3339(time).to_string());
    let parts = |text: &str| Some((text.get(..10)?.to_owned(), text.get(11..19)?.to_owned()));
    match (parts(&from), parts(&to)) {
        (Some((day, from)), Some((other, to))) if day == other => format!("{from} to {to} UTC"),
        (Some((day, from)), Some((other, to))) => format!("{day} {from} to {other} {to} UTC"),
        _ => format!("{from} to {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_dates_only_if_it_needs_them() {
        let at = 1_795_529_251_204;
        for (to, expected) in [
            (at, "14:07:31 to 14:07:31 UTC"),
            (at + 34_000, "14:07:31 to 14:08:05 UTC"),
            (
                at + 86_400_000,
                "2026-11-24 14:07:31 to 2026-11-25 14:07:31 UTC",
            ),
        ] {
            assert_eq!(span_of((at, to)), expected);
        }
    }
}
