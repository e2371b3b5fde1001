//! `metrics record`: the stream as CSV, nothing lost.

mod files;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::cli::{ClientArgs, GlobalArgs};
use crate::client::{Client, Event};
use crate::recording::OutputError;

use super::{Exit, Failure, announce};

use files::{Files, Target};

/// Rows reach the disk, and a file that was taken away is noticed, within this time.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Flags of `metrics record`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  metrics record web-1 -o incident.csv
  metrics record web-1 -o incident.csv --since 10m
  metrics record web-1 -o incident.csv --append
  metrics record web-1 web-2 -o incident/ --duration 1h
  metrics record | gzip > incident.csv.gz")]
pub struct Args {
    #[command(flatten)]
    client: ClientArgs,

    /// Write to this file; DIR/ for one file per host; - for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = None)]
    output: PathBuf,

    /// Replace a file that exists
    #[arg(short, long, conflicts_with = "append", help_heading = None)]
    force: bool,

    /// Go on with a file that exists, behind its last row
    #[arg(long, help_heading = None)]
    append: bool,
}

/// Records until the end, a limit, or `stop`.
///
/// # Errors
/// When nothing can be written, or nobody can be reached.
pub async fn run(
    args: Args,
    global: &GlobalArgs,
    stop: CancellationToken,
) -> Result<Exit, Failure> {
    let target = Target::new(&args.output);
    if args.append && matches!(target, Target::Stdout) {
        return Err(Failure::usage(
            "--append needs a file: name it with -o FILE",
        ));
    }
    if args.client.endpoints().len() > 1 && !matches!(target, Target::Directory(_)) {
        return Err(Failure::usage(
            "several servers need one file per host: write -o DIR/",
        ));
    }
    let mut files = Files::new(target, args.force, args.append, args.client.samples)?;
    let mut query = args.client.query();
    query.after = files.positions();
    let client = args.client.client(&query);
    let started = Instant::now();
    let result = follow(&args, global, client, &mut files, &stop).await;
    let closed = files.close();
    // Whoever reads our stdout may stop: then we are done.
    let exit = match result.and_then(|exit| closed.map(|()| exit).map_err(Failure::from)) {
        Err(failure) if is_closed_pipe(&failure) => return Ok(Exit::Done),
        other => other?,
    };
    if let Some(summary) = files.summary(started.elapsed()) {
        announce::say(global, &summary);
    }
    Ok(exit)
}

fn is_closed_pipe(failure: &Failure) -> bool {
    let written = failure.error.downcast_ref::<OutputError>();
    matches!(written, Some(OutputError::Write { source, .. }) if source.kind() == ErrorKind::BrokenPipe)
}

/// Takes events and writes rows until there is nothing more to do.
async fn follow(
    args: &Args,
    global: &GlobalArgs,
    mut client: Client,
    files: &mut Files,
    stop: &CancellationToken,
) -> Result<Exit, Failure> {
    let limit = args
        .client
        .duration
        .and_then(|duration| tokio::time::Instant::now().checked_add(duration));
    let mut syncing = tokio::time::interval(SYNC_EVERY);
    let mut news = News::default();
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Exit::Done),
            () = reached(limit) => break,
            _ = syncing.tick() => {
                files.sync().await?;
                continue;
            }
            event = client.next() => event,
        };
        let Some(event) = event else { break };
        if let Some(line) = news.line(&event, args) {
            announce::say(global, &line);
        }
        match event {
            Event::Message(received) => files.take(received)?,
            Event::Lost { server, .. } => files.lost(server),
            _ => {}
        }
        if files.have_enough() {
            break;
        }
    }
    match news.refused {
        Some(reason) => Err(Failure::no_connection(reason)),
        None if files.rows() == 0 => {
            let why = if news.connected {
                "no sample came"
            } else {
                "no connection"
            };
            Err(Failure::no_connection(format!(
                "nothing was recorded: {why}"
            )))
        }
        None => Ok(Exit::Done),
    }
}

async fn reached(limit: Option<tokio::time::Instant>) {
    match limit {
        Some(limit) => tokio::time::sleep_until(limit).await,
        None => std::future::pending().await,
    }
}

/// What is worth a line on the way.
#[derive(Default)]
struct News {
    lost_at: Option<Instant>,
    connected: bool,
    refused: Option<String>,
}

impl News {
    /// What to tell a person of `event`: changes, not repetitions.
    fn line(&mut self, event: &Event, args: &Args) -> Option<String> {
        let name = |server: usize| args.client.endpoints()[server].to_string();
        match event {
            Event::Connected { server } => {
                let again = self.connected;
                self.connected = true;
                let lost_for = announce::span(self.lost_at.take()?.elapsed());
                Some(if again {
                    format!("{}: connected again after {lost_for}", name(*server))
                } else {
                    format!("{}: connected", name(*server))
                })
            }
            Event::Lost { server, reason, .. } => {
                let first = self.lost_at.is_none();
                self.lost_at.get_or_insert_with(Instant::now);
                let what = if self.connected {
                    "connection lost"
                } else {
                    "cannot connect"
                };
                first.then(|| format!("{}: {what} ({reason}); trying again", name(*server)))
            }
            Event::Refused { server, reason } => {
                self.refused = Some(format!("cannot record {}: {reason}", name(*server)));
                None
            }
            Event::Malformed { server, reason } => {
                Some(format!("{}: skipping what is {reason}", name(*server)))
            }
            Event::Stale { host } => Some(format!("{host}: no sample for three intervals")),
            Event::Message(_) | Event::Ended { .. } => None,
        }
    }
}

/// Whether `path` names a directory: by its last slash, or because it is one.
fn is_directory(path: &Path) -> bool {
    path.as_os_str()
        .to_string_lossy()
        .ends_with(['/', std::path::MAIN_SEPARATOR])
        || path.is_dir()
}
