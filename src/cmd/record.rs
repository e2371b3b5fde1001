//! `metrics record`: the stream as CSV, nothing lost.

mod files;
mod named;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::cli::{ClientArgs, GlobalArgs};
use crate::client::{Client, Event};
use crate::recording::OutputError;
use crate::talk;
use crate::terminal::{self, Progress, Recorded};

use super::clock::reached;
use super::news::{News, short_name};
use super::{Exit, Failure, announce, data, trust};

use files::{Files, Target, Written};

/// How often rows are sent to the disk and files are looked after: both are to be done within a second.
const SAVE_EVERY: Duration = Duration::from_millis(500);

/// Flags of `metrics record`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  metrics record ssh://web-1 -o incident.csv
  metrics record ssh://web-1 -o incident.csv --since 10m
  metrics record ssh://web-1 -o incident.csv --append
  metrics record web-1 web-2 -o incident/ --duration 1h
  metrics record | gzip > incident.csv.gz")]
pub struct Args {
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
/// When nothing can be written, or nobody can be reached.
pub async fn run(
    args: Args,
    global: &GlobalArgs,
    stop: CancellationToken,
) -> Result<Exit, Failure> {
    let target = Target::new(&args.output);
    if let Target::File(path) = &target {
        named::check(path).map_err(Failure::usage)?;
    }
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
    let trust = trust::of_client(&args.client, global)?;
    let (force, append, samples) = (args.force, args.append, args.client.samples);
    let opening = move || Files::new(target, force, append, samples);
    let mut files = tokio::select! {
        biased;
        // On a thread: a named pipe is opened when somebody reads it.
        opened = tokio::task::spawn_blocking(opening) => opened??,
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    let mut client = Client::new(
        &args.client.endpoints(),
        &args.client.query(),
        &files.known(),
        args.client.retry(),
        &trust,
    );
    tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(Exit::Done),
        // Before there is a progress bar over the questions.
        () = client.let_ask() => {}
    }
    let started = Instant::now();
    let mut talk = Talk::new(&args, global);
    let followed = follow(&args, client, &mut files, &mut talk, &stop).await;
    let closed = files.close();
    talk.progress.finish();
    match followed.and_then(|()| closed.map_err(Failure::from)) {
        // Whoever reads our stdout may stop: then we are done.
        Err(failure) if is_closed_pipe(&failure) => return Ok(Exit::Done),
        other => other?,
    }
    if let Some(summary) = files.summary(started.elapsed()) {
        announce::say(global, &summary);
    }
    talk.news.exit()
}

fn is_closed_pipe(failure: &Failure) -> bool {
    let written = failure.error.downcast_ref::<OutputError>();
    matches!(written, Some(OutputError::Write { source, .. }) if source.kind() == ErrorKind::BrokenPipe)
}

/// Takes events and writes rows until there is nothing more to do.
async fn follow(
    args: &Args,
    mut client: Client,
    files: &mut Files,
    talk: &mut Talk,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let limit = (args.client.duration).map(|duration| tokio::time::Instant::now() + duration);
    let mut ticks = tokio::time::interval(SAVE_EVERY);
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => {
                talk.news.leave();
                return Ok(());
            }
            () = reached(limit) => return Ok(()),
            _ = ticks.tick() => {
                files.save();
                talk.progress(files);
                continue;
            }
            saved = files.saved() => {
                saved?;
                continue;
            }
            event = client.next() => event,
        };
        let Some(event) = event else { return Ok(()) };
        talk.take(&event);
        if let Event::Message(received) = event {
            tokio::select! {
                biased;
                taken = files.take(received) => taken?,
                () = data::given_up(stop, limit) => {
                    if stop.is_cancelled() {
                        talk.news.leave();
                    }
                    return Ok(());
                }
            }
        }
        if files.have_enough() && client.is_settled() {
            return Ok(());
        }
    }
}

/// What a person at the terminal sees.
struct Talk {
    news: News,
    progress: Progress,
    is_quiet: bool,
    state: String,
}

impl Talk {
    fn new(args: &Args, global: &GlobalArgs) -> Self {
        let urls: Vec<String> = args
            .client
            .endpoints()
            .iter()
            .map(ToString::to_string)
            .collect();
        let names: Vec<_> = urls.iter().map(|url| short_name(url)).collect();
        let progress = if global.quiet {
            Progress::hidden()
        } else {
            Progress::recording(&names.join(" "), terminal::has_unicode())
        };
        Self {
            news: News::new(urls),
            progress,
            is_quiet: global.quiet,
            state: "connecting".into(),
        }
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Connected { .. } => self.state = "live".into(),
            Event::Lost { attempt, .. } => self.state = format!("reconnecting, attempt {attempt}"),
            Event::Stale { .. } => self.state = "stale".into(),
            Event::Message(_) if self.state != "live" => self.state = "live".into(),
            _ => {}
        }
        if let Some(line) = self.news.line(event)
            && !self.is_quiet
        {
            talk::say(&line);
        }
    }

    fn progress(&self, files: &Files) {
        let Written { rows, bytes, gaps } = files.written();
        self.progress.recorded(&Recorded {
            rows,
            bytes,
            gaps,
            state: &self.state,
        });
    }
}

/// Whether `path` names a directory: by its last slash, or because it is one.
fn is_directory(path: &Path) -> bool {
    path.as_os_str()
        .to_string_lossy()
        .ends_with(['/', std::path::MAIN_SEPARATOR])
        || path.is_dir()
}
