//! `metrics replay`: a recording as a live stream again.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::alert::KnownMetrics;
use crate::alert::notify::NotificationCounts;
use crate::cli::{GlobalArgs, ServerArgs};
use crate::hub::{Hub, Publisher, Retention, Timeline};
use crate::millis::epoch_millis;
use crate::protocol::{DEFAULT_PORT, HostName, Replay, StreamId};
use crate::recording::ReadError;
use crate::server::{self, Counts, Viewers, listen};
use crate::signals;
use crate::source::Source;
use crate::source::alerts::Alerting;
use crate::source::host;
use crate::source::recording::{
    Bound, Feed, Input, LongWait, Numbering, Observer, Playback, PlaybackOptions, Played, RowOrder,
    Speed, Survey, Tempo, Window, survey,
};

use crate::terminal::{self, ProgressLine};
use crate::wording::{counted, exact_span};

use super::alerts::{self, RulesInForce};
use super::{Exit, Failure, announce, configure, notify};

/// How many rows are read ahead of an input that can be read only once: they determine the interval.
const ROWS_AHEAD: usize = 11;

/// Flags of `metrics replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  metrics replay incident.csv
  metrics replay incident.csv --speed 10 --rebase
  metrics replay ci.csv -l 127.0.0.1:0 --wait 1 --speed max
  zcat incident.csv.gz | metrics replay -")]
pub struct ReplayArgs {
    /// Recordings, merged by time; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Speed: a factor, or max for as fast as the viewers can read
    #[arg(long, value_name = "FACTOR", default_value = "1")]
    speed: Speed,

    /// Start over at the end, forever
    #[arg(long = "loop")]
    again: bool,

    /// Hold back the first row until N viewers are connected
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = crate::cli::count(0..=crate::cli::MANY))]
    wait: u64,

    /// Wait at most this long for viewers to connect and, at the end, to receive everything
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = crate::cli::duration)]
    wait_timeout: Duration,

    /// Start at this time (2026-11-24T14:07:31Z) or this far into the recording (5m)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Option<Bound>,

    /// Stop before this time, or this far into the recording
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end: Option<Bound>,

    /// Wait at most this long where the recording has a longer hole
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::duration)]
    max_pause: Option<Duration>,

    /// Shift all timestamps so that the recording starts now
    #[arg(long)]
    rebase: bool,

    /// Use this host name instead of the recorded one
    #[arg(long, value_name = "NAME")]
    name: Option<HostName>,

    #[command(flatten)]
    server: ServerArgs,
}

impl ReplayArgs {
    /// Whether there are files that can be reloaded.
    pub(super) fn can_reload(&self) -> bool {
        self.server.access.can_reload() || self.server.alerts.can_reload()
    }

    fn inputs(&self) -> Result<Vec<Input>, Failure> {
        let inputs: Vec<_> = self.files.iter().map(|path| Input::of(path)).collect();
        let stdin = inputs.iter().filter(|it| **it == Input::Stdin).count();
        if stdin > 1 {
            return Err(Failure::usage(
                "'-' is given twice: standard input can be read only once",
            ));
        }
        let Some(pipe) = inputs.iter().find(|input| input.is_piped()) else {
            return Ok(inputs);
        };
        let pipe = match pipe {
            Input::Pipe(path) => format!("'{}' is not a regular file: it", path.display()),
            _ => "standard input".into(),
        };
        if self.again {
            return Err(Failure::usage(format!(
                "{pipe} cannot be looped: save it to a file and replay that"
            )));
        }
        if inputs.len() > 1 {
            return Err(Failure::usage(format!(
                "{pipe} cannot be merged with others: save it to a file first"
            )));
        }
        Ok(inputs)
    }

    fn window(&self) -> Window {
        Window {
            start: self.start,
            end: self.end,
        }
    }

    /// Checks that `--end` is after `--start`, in a recording whose first row has the time `first`.
    fn check_window(&self, first: Option<u64>) -> Result<(), Failure> {
        match (self.start, self.end) {
            (Some(start), Some(end)) if self.window().is_void(first) => Err(Failure::usage(
                format!("--end {end} is not after --start {start}: there is nothing between them"),
            )),
            _ => Ok(()),
        }
    }

    /// `has_rules`: recorded alerts give way to what rules find.
    fn run(&self, inputs: Vec<Input>, has_rules: bool) -> PlaybackOptions {
        let now = epoch_millis();
        let order = RowOrder::default();
        let fresh = self.again || self.rebase || self.name.is_some() || has_rules;
        PlaybackOptions {
            inputs,
            order,
            window: self.window(),
            numbering: if fresh {
                Numbering::Fresh {
                    stream: StreamId(now),
                    name: self.name.clone(),
                }
            } else {
                Numbering::Kept
            },
            again: self.again,
            rebase_to: self.rebase.then_some(now),
            interval: 0,
        }
    }
}

/// Replays until the end and until every viewer has received it, or until `stop`.
///
/// # Errors
/// When a recording cannot be read, the server cannot listen, or viewers are missing.
pub async fn run(
    args: ReplayArgs,
    global: &GlobalArgs,
    asked: signals::Asked,
) -> Result<Exit, Failure> {
    let exposure = args.server.access.check_exposure(&args.server.listen);
    exposure.map_err(Failure::usage)?;
    args.check_window(None)?;
    let signals::Asked { stop, reload } = asked;
    let inputs = args.inputs()?;
    if inputs == [Input::Stdin] && std::io::stdin().is_terminal() {
        announce::say(
            global,
            "Reading a recording from the terminal; end it with Ctrl-D.",
        );
    }
    let written = alerts::written(&args.server.alerts)?;
    let targets = notify::targets(&args.server.notify, written.is_some(), global)?;
    if args.server.notify.notify_test {
        let name = args.name.unwrap_or_else(host::host_name);
        return notify::test(&targets, &name).await;
    }
    let trust = configure::server_trust(&args.server, global)?;
    let listeners = listen::bind(&args.server.listen, DEFAULT_PORT)?;
    let prepared = tokio::select! {
        prepared = prepare(args.run(inputs, written.is_some())) => prepared?,
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    for warning in &prepared.survey.warnings {
        announce::say(global, &format!("warning: {warning}"));
    }
    args.check_window(prepared.survey.first)?;
    check(&prepared.survey, &args)?;
    let known = KnownMetrics::catalogue().and(&prepared.survey.metrics);
    let rules = written.map(|it| RulesInForce::new(&args.server.alerts, &it, known));
    let rules = rules.transpose()?;
    let notifiers = notify::start(targets)?;
    let recipient = notify::recipient(notifiers.as_ref());
    let alerting = rules.as_ref().map(|rules| rules.alerting(recipient));
    configure::reload(reload, trust.clone(), rules, global);

    let served = (listeners, trust);
    let counts = notify::counts(notifiers.as_ref());
    let played = broadcast(
        &args,
        global,
        served,
        (prepared, alerting, counts),
        stop.clone(),
    )
    .await?;
    let patience = match played {
        Some(_) => args.wait_timeout,
        None => args.server.drain,
    };
    tokio::select! {
        () = notify::finish(notifiers.as_ref(), patience, global) => {}
        () = stop.cancelled(), if played.is_some() => {}
    }
    if let Some(line) = played {
        announce::say(global, &line);
    }
    Ok(Exit::Done)
}

/// Serves and plays. Returns a summary in one line; `None` if it was stopped.
async fn broadcast(
    args: &ReplayArgs,
    global: &GlobalArgs,
    (listeners, trust): (Vec<TcpListener>, server::Trust),
    (Prepared { survey, playback }, alerting, counts): (
        Prepared,
        Option<Alerting>,
        Arc<NotificationCounts>,
    ),
    stop: CancellationToken,
) -> Result<Option<String>, Failure> {
    let hub = Hub::new(Retention {
        duration: args.server.retain,
        lossless: true,
    });
    let viewers = Viewers::default();
    announce::listening(&listeners, &trust, &what(args, &survey), global).await?;
    let mut config = configure::server(&args.server, trust, None, global);
    config.notifications = counts;
    let replay = described(args, &survey, playback.numbering());
    let tempo = Tempo {
        speed: args.speed,
        max_pause: args.max_pause,
        heartbeat: args.server.heartbeat,
    };
    let progress = progress(args, global, &survey);
    let observer = Told {
        progress: &progress,
        global,
        cuts_pauses: args.max_pause.is_some(),
    };
    let mut feed = Feed::new(playback, tempo, replay, epoch_millis, observer, alerting);
    let publisher = hub.publisher(Timeline::Recorded);
    feed.announce_hosts(&publisher, &survey);
    let serving = CancellationToken::new();
    let server = server::run(
        listeners,
        hub.clone(),
        config,
        viewers.clone(),
        serving.clone(),
    );
    let mut server = tokio::spawn(server);
    let playing = play(args, (feed, publisher), &hub, &viewers, stop.clone());
    let played = tokio::select! {
        played = playing => played,
        () = stop.cancelled() => Ok(None),
        // It ends by itself only if it cannot start.
        ended = &mut server => return Ok(ended?.map(|()| None)?),
    };
    progress.finish();
    serving.cancel();
    server.await??;
    let Some(Played { messages, warnings }) = played? else {
        return Ok(None);
    };
    for warning in warnings
        .iter()
        .filter(|warning| !survey.warnings.contains(warning))
    {
        announce::say(global, &format!("warning: {warning}"));
    }
    if messages == 0 {
        return Err(nothing(args));
    }
    let viewers = announce::at_most(viewers.now().most);
    let messages = counted(messages, "message");
    Ok(Some(format!("Replayed {messages} to {viewers}.")))
}

/// The description of the replay for viewers.
fn described(args: &ReplayArgs, survey: &Survey, numbering: &Numbering) -> Replay {
    let is_whole = survey.rows > 0;
    let bounds = survey.times.map(|times| match numbering {
        Numbering::Kept => (times.earliest, times.latest),
        // Time continues from the first row, counting only steps forward.
        Numbering::Fresh { .. } => {
            let opening = if args.rebase {
                epoch_millis()
            } else {
                times.opening
            };
            (opening, opening.saturating_add(survey.span))
        }
    });
    Replay {
        speed: args.speed.factor(),
        again: args.again,
        first: bounds.map(|(first, _)| first),
        last: bounds.map(|(_, last)| last).filter(|_| is_whole),
    }
}

/// A bar over the recorded time if its length is known, otherwise a spinner.
fn progress(args: &ReplayArgs, global: &GlobalArgs, survey: &Survey) -> ProgressLine {
    if global.quiet {
        return ProgressLine::hidden();
    }
    let total = (survey.rows > 0 && !args.again).then(|| Duration::from_millis(survey.span));
    ProgressLine::replaying(&hosts(args, survey), total, terminal::has_unicode())
}

/// Shows the user the progress of the replay.
struct Told<'a> {
    progress: &'a ProgressLine,
    global: &'a GlobalArgs,
    cuts_pauses: bool,
}

impl Observer for Told<'_> {
    fn played(&self, due: Duration, messages: u64) {
        if !self.progress.is_hidden() {
            self.progress.played(due, &counted(messages, "message"));
        }
    }

    fn waiting(&self, next: &LongWait<'_>) {
        let cure = if self.cuts_pauses {
            ""
        } else {
            "; --max-pause 5s shortens such waits"
        };
        let text = format!(
            "Waiting {} for the next message, {} of {} at {}{cure}.",
            exact_span(next.wait),
            next.seq,
            next.host,
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(next.timestamp)),
        );
        announce::say(self.global, &text);
    }
}

/// Waits for viewers, plays, ends, and waits until viewers have the end. `None` if it was stopped.
async fn play(
    args: &ReplayArgs,
    (feed, publisher): (Feed<Told<'_>>, Publisher),
    hub: &Hub,
    viewers: &Viewers,
    stop: CancellationToken,
) -> Result<Option<Played>, Failure> {
    if !until(viewers, args.wait_timeout, |counts| {
        counts.connected >= args.wait
    })
    .await
    {
        let (timeout, here) = (exact_span(args.wait_timeout), viewers.now().connected);
        let awaited = counted(args.wait, "viewer");
        let reason = format!("{here} of {awaited} connected within {timeout}");
        return Err(Failure::no_connection(reason));
    }
    let Some(played) = feed.run(publisher, stop).await? else {
        return Ok(None);
    };
    hub.end();
    // Connected viewers have it soon; for the others, it waits for as many as at the start.
    let had_it = |counts: &Counts| counts.connected == 0 && counts.finished >= args.wait;
    until(viewers, args.wait_timeout, had_it).await;
    Ok(Some(played))
}

/// Waits until `reached`, at most for `timeout`. Returns whether it was.
async fn until(viewers: &Viewers, timeout: Duration, reached: impl Fn(&Counts) -> bool) -> bool {
    let mut counts = viewers.watch();
    tokio::time::timeout(timeout, counts.wait_for(|counts| reached(counts)))
        .await
        .is_ok()
}

struct Prepared {
    survey: Survey,
    playback: Playback,
}

/// Surveys the recordings and opens them again, on a thread that may block.
async fn prepare(mut run: PlaybackOptions) -> Result<Prepared, Failure> {
    let prepared = tokio::task::spawn_blocking(move || {
        if run.inputs.iter().any(Input::is_piped) {
            let mut playback = Playback::new(run)?;
            let survey = playback.look_ahead(ROWS_AHEAD)?;
            return Ok(Prepared { survey, playback });
        }
        let (survey, order) = survey(&run.inputs, run.window)?;
        run.order = order;
        run.interval = survey
            .hosts
            .values()
            .map(|host| host.interval)
            .min()
            .unwrap_or_default();
        let playback = Playback::new(run)?;
        Ok::<_, ReadError>(Prepared { survey, playback })
    });
    Ok(prepared.await??)
}

fn check(survey: &Survey, args: &ReplayArgs) -> Result<(), Failure> {
    if survey.hosts.is_empty() {
        return Err(nothing(args));
    }
    if args.name.is_some() && survey.hosts.len() > 1 {
        let hosts: Vec<_> = survey.hosts.keys().map(HostName::as_str).collect();
        let hosts = hosts.join(", ");
        return Err(Failure::usage(format!(
            "--name needs a recording of one host; these have {hosts}"
        )));
    }
    Ok(())
}

/// The error that no row was played.
fn nothing(args: &ReplayArgs) -> Failure {
    let where_ = if args.start.is_some() || args.end.is_some() {
        " between --start and --end"
    } else {
        ""
    };
    let name = |file: &PathBuf| {
        if file.as_os_str() == "-" {
            "standard input".into()
        } else {
            format!("'{}'", file.display())
        }
    };
    let files: Vec<_> = args.files.iter().map(name).collect();
    anyhow::anyhow!("nothing to replay: no rows{where_} in {}", files.join(", ")).into()
}

fn hosts(args: &ReplayArgs, survey: &Survey) -> String {
    let names: Vec<_> = survey.hosts.keys().map(HostName::as_str).take(5).collect();
    match (&args.name, survey.hosts.len()) {
        (Some(name), _) => name.to_string(),
        (None, ..=5) => names.join(", "),
        (None, many) => counted(many, "host"),
    }
}

fn what(args: &ReplayArgs, survey: &Survey) -> String {
    let rows = if survey.rows == 0 {
        String::new()
    } else {
        format!(" ({})", counted(survey.rows, "row"))
    };
    format!("Replaying {}{rows}.", hosts(args, survey))
}
