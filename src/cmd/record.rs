//! `metrics record`: the stream as CSV, nothing lost.

mod database;
mod recorder;
mod report;
mod rotation;
mod sample_limit;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::cli::{ClientArgs, GlobalArgs, after_help};
use crate::client::{Client, Endpoint};
use crate::protocol::rfc3339;
use crate::signals;
use crate::sink::{self, Destination, Existing, Sink, Written};
use crate::wording::counted;

use super::child::{Companion, Surroundings, WhenWeFail};
use super::{
    DONE, Exit, FAILED, Failure, NO_CONNECTION, OF_COMMAND, STOPPED_TWICE, USAGE, announce,
    configure,
};

use database::DatabaseArgs;
use recorder::Recorder;
use report::TerminalReport;
use rotation::RotationArgs;
use sample_limit::SampleLimit;

/// Flags of `metrics record`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help("\
  metrics record ssh://web-1 -o incident.csv
  metrics record ssh://web-1 -o incident.csv --since 10m
  metrics record ssh://web-1 -o incident.csv --append
  metrics record web-1 web-2 -o incident/ --duration 1h
  metrics record ssh://web-1 -o web/ --append --rotate 1h --keep 7d
  metrics record web-1 -o load-test.csv -- ./load-test.sh
  metrics record web-1 web-2 -o postgres://db/metrics --create
  metrics record | gzip > incident.csv.gz", &[DONE, FAILED, USAGE, NO_CONNECTION, STOPPED_TWICE, OF_COMMAND]))]
pub struct RecordArgs {
    /// Write to this file, to DIR/, or to postgres://…; - is stdout
    ///
    /// DIR/ gets a file for each host. A database is a URL without a password; the rest is as for psql.
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = None)]
    output: PathBuf,

    /// Overwrite an existing file
    #[arg(short, long, conflicts_with = "append", help_heading = None)]
    force: bool,

    /// Resume after the last row of an existing file
    #[arg(long, help_heading = None)]
    append: bool,

    #[command(flatten)]
    rotation: RotationArgs,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    client: ClientArgs,

    /// Run this once connected, and record until it ends
    ///
    /// It gets METRICS_SERVER and METRICS_URL in its environment; the exit status is its own.
    #[arg(last = true, value_name = "COMMAND", help_heading = None)]
    command: Vec<OsString>,
}

/// Records until the end, a limit, or the end of COMMAND, or until asked to stop.
///
/// # Errors
/// When the output cannot be written, no server can be reached, or COMMAND cannot be run.
pub async fn run(
    args: RecordArgs,
    global: &GlobalArgs,
    asked: signals::Asked,
) -> Result<Exit, Failure> {
    match Companion::of(&args.command, &asked, WhenWeFail::ItGoesOn) {
        Some(companion) => {
            let stop = companion.over();
            let ours = record(&args, global, stop, Some(&companion)).await;
            companion.conclude(ours, global).await
        }
        None => record(&args, global, asked.stop, None).await,
    }
}

/// Records until `stop`.
async fn record(
    args: &RecordArgs,
    global: &GlobalArgs,
    stop: CancellationToken,
    companion: Option<&Companion>,
) -> Result<Exit, Failure> {
    let destination = args.destination()?;
    let rotation = args.rotation.options(&destination, args.force)?;
    args.database.check(&destination, args.force)?;
    let credentials = configure::credentials(&args.client, global)?;
    let mut sink = tokio::select! {
        biased;
        opened = sink::open(destination, args.existing(), rotation) => opened?,
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
    let mut report = TerminalReport::new(&args.client, global, companion.is_some());
    let mut recorder = Recorder {
        client,
        sink: &mut *sink,
        report: &mut report,
        samples: SampleLimit::new(args.client.samples),
        limit: (args.client.duration).map(|duration| tokio::time::Instant::now() + duration),
        has_command: companion.is_some(),
    };
    let begun = match companion {
        Some(companion) => {
            let around = surroundings(&args.client);
            recorder.start(companion, &around, &stop).await
        }
        None => Ok(()),
    };
    let followed = match begun {
        Ok(()) => recorder.follow(&stop).await,
        Err(_) => Ok(()),
    };
    let closed = sink.close().await;
    report.progress.finish();
    begun?;
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
    /// Where to write, if the other flags allow it.
    fn destination(&self) -> Result<Destination, Failure> {
        let request = self.database.request(self.rotation.keep());
        let destination = Destination::of(&self.output, request)?;
        if self.append && destination == Destination::Stdout {
            return Err(Failure::usage(
                "--append needs a file: name it with -o FILE",
            ));
        }
        if !self.command.is_empty() && destination == Destination::Stdout {
            return Err(Failure::usage(
                "stdout belongs to COMMAND: name a file for the recording with -o FILE",
            ));
        }
        let takes_several = matches!(
            destination,
            Destination::Directory(_) | Destination::Database { .. }
        );
        if self.client.endpoints().len() > 1 && !takes_several {
            return Err(Failure::usage(
                "several servers need one file per host: write -o DIR/",
            ));
        }
        Ok(destination)
    }

    fn existing(&self) -> Existing {
        match (self.append, self.force) {
            (true, _) => Existing::Append,
            (false, true) => Existing::Replace,
            (false, false) => Existing::Keep,
        }
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

/// What COMMAND is told: the first server, as we reach it.
fn surroundings(args: &ClientArgs) -> Surroundings {
    let server = args.endpoints().into_iter().next();
    let server = server.unwrap_or_else(Endpoint::local);
    Surroundings {
        server: server.to_string(),
        page: server.page(),
        token_file: args.access.token_file(),
        ca_cert: args.access.ca_cert().map(Path::to_path_buf),
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
