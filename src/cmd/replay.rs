//! `metrics replay`: a recording as a live stream again.

mod chaos;
mod check;
mod database;
mod description;
mod flags;
mod only_alerts;
mod play;
mod prepared;
mod progress;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::alert::KnownMetrics;
use crate::alert::notify::NotificationCounts;
use crate::cli::GlobalArgs;
use crate::hub::{Hub, Retention, Timeline};
use crate::millis::epoch_millis;
use crate::protocol::{DEFAULT_PORT, HostName, StreamId};
use crate::redis::RedisOptions;
use crate::server::{self, Viewers, listen};
use crate::signals;
use crate::source::alerts::Alerting;
use crate::source::host;
use crate::source::recording::{Feed, Input, Numbering, Played, Survey, Tempo};
use crate::terminal::ProgressLine;
use crate::wording::counted;

use super::alerts;
use super::child::{Companion, WhenWeFail};
use super::{Exit, Failure, announce, configure, notify, publish};

use chaos::Disturbance;
use description::{described, nothing, what};
use play::play;
use prepared::{Prepared, ready};
use progress::{ReplayReport, progress};

pub use flags::ReplayArgs;

/// Replays until the end and until every viewer has received it, or until COMMAND ends, or until asked to stop.
///
/// # Errors
/// When a recording cannot be read, the server cannot listen, COMMAND cannot be run, or viewers are missing.
pub async fn run(
    args: ReplayArgs,
    global: &GlobalArgs,
    asked: signals::Asked,
) -> Result<Exit, Failure> {
    if args.server.check {
        return check::run(&args, global).await;
    }
    if args.print_alerts {
        return only_alerts::print(&args, global, &asked).await;
    }
    let companion = Companion::of(&args.command, &asked, WhenWeFail::ItStops);
    let stop = match &companion {
        Some(companion) => companion.over(),
        None => asked.stop.clone(),
    };
    let ours = replay(args, global, (&asked, stop), companion.as_ref()).await;
    match companion {
        Some(companion) => companion.conclude(ours, global).await,
        None => ours,
    }
}

/// Replays until `stop`.
async fn replay(
    args: ReplayArgs,
    global: &GlobalArgs,
    (asked, stop): (&signals::Asked, CancellationToken),
    companion: Option<&Companion>,
) -> Result<Exit, Failure> {
    let exposure = args.server.access.check_exposure(&args.server.listen);
    exposure.map_err(Failure::usage)?;
    args.check_window(args.window(), None)?;
    let inputs = args.inputs(global).await?;
    if inputs == [Input::Stdin] && std::io::stdin().is_terminal() {
        announce::say(
            global,
            "Reading a recording from the terminal; end it with Ctrl-D.",
        );
    }
    let written = alerts::written(&args.server.alerts, &KnownMetrics::any())?;
    let targets = notify::targets(&args.server.notify, written.is_some(), global)?;
    if args.server.notify.notify_test {
        let name = args.name.unwrap_or_else(host::host_name);
        return notify::test(&targets, &name).await;
    }
    let redis = publish::options(&args.server.redis)?;
    let trust = configure::server_trust(&args.server, global)?;
    let listeners = listen::bind(&args.listen(), DEFAULT_PORT)?;
    let input = args.command_input(&inputs);
    let (prepared, rules) = tokio::select! {
        ready = ready(&args, inputs, written, global) => ready?,
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    let expected = expected(&prepared);
    if let Some(redis) = &redis {
        publish::refuse_newer(redis, &expected).await?;
    }
    let notifiers = notify::start(targets)?;
    let recipient = notify::recipient(notifiers.as_ref());
    let alerting = rules.as_ref().map(|rules| rules.alerting(recipient));
    configure::reload(asked.reload.clone(), trust.clone(), rules, global);

    let served = (listeners, trust);
    let counts = notify::counts(notifiers.as_ref());
    let played = broadcast(
        &args,
        global,
        served,
        (prepared, alerting, counts),
        (redis, expected),
        (companion.map(|it| (it, input)), stop),
    )
    .await?;
    let patience = patience(&args, played.is_some());
    tokio::select! {
        () = notify::finish(notifiers.as_ref(), patience, global) => {}
        () = asked.stop.cancelled(), if played.is_some() => {}
    }
    if let Some(line) = played {
        announce::say(global, &line);
    }
    Ok(Exit::Done)
}

/// How long to wait for what is still to be sent: longer if the recording was played to its end.
fn patience(args: &ReplayArgs, is_played: bool) -> Duration {
    if is_played {
        args.wait_timeout
    } else {
        args.server.drain
    }
}

/// The newest stream that each host will have.
fn expected(prepared: &Prepared) -> BTreeMap<HostName, StreamId> {
    let hosts = prepared.survey.hosts.iter();
    match prepared.playback.numbering() {
        Numbering::Kept => hosts
            .filter_map(|(name, host)| Some((name.clone(), host.streams.iter().copied().max()?)))
            .collect(),
        Numbering::Fresh { stream, name } => hosts
            .map(|(host, _)| (name.as_ref().unwrap_or(host).clone(), *stream))
            .collect(),
    }
}

fn observer<'a>(
    args: &ReplayArgs,
    progress: &'a ProgressLine,
    global: &'a GlobalArgs,
) -> ReplayReport<'a> {
    ReplayReport {
        progress,
        global,
        cuts_pauses: args.max_pause.is_some(),
        gives_way: !args.command.is_empty(),
    }
}

fn tempo(args: &ReplayArgs) -> Tempo {
    Tempo {
        speed: args.speed(),
        max_pause: args.max_pause,
        heartbeat: args.server.heartbeat,
    }
}

/// Serves and plays. Returns a summary in one line; `None` if it was stopped.
async fn broadcast(
    args: &ReplayArgs,
    global: &GlobalArgs,
    (listeners, trust): (Vec<TcpListener>, server::Trust),
    (
        Prepared {
            survey, playback, ..
        },
        alerting,
        counts,
    ): (Prepared, Option<Alerting>, Arc<NotificationCounts>),
    (redis, expected): (Option<RedisOptions>, BTreeMap<HostName, StreamId>),
    (companion, stop): (Option<(&Companion, Stdio)>, CancellationToken),
) -> Result<Option<String>, Failure> {
    let hub = Hub::new(Retention {
        duration: args.server.retain,
        lossless: true,
    });
    let viewers = Viewers::default();
    let (disturbance, chaos) = Disturbance::of(args, listeners.len(), &viewers).unzip();
    // Before the limit of open files is raised, which COMMAND would inherit.
    begin(args, global, (&listeners, &trust), &survey, companion).await?;
    let mut config = configure::server(&args.server, trust, None, global);
    config.notifications = counts;
    let served = (&args.server, &listeners[..]);
    let publication = publish::recording(redis, &hub, served, expected, (&mut config, global))?;
    config.faults = disturbance.as_ref().map(Disturbance::faults);
    let replay = described(args, &survey, playback.numbering());
    let progress = progress(args, global, &survey);
    let observer = observer(args, &progress, global);
    let tempo = tempo(args);
    let mut feed = Feed::new(playback, tempo, replay, epoch_millis, observer, alerting);
    if let Some(chaos) = chaos {
        feed.disturbed_by(chaos);
    }
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
    let gone = AtomicU64::default();
    let playing = play(
        args,
        (feed, publisher),
        &hub,
        (&viewers, &gone),
        stop.clone(),
    );
    let played = tokio::select! {
        biased;
        played = playing => played,
        () = stop.cancelled() => Ok(None),
        () = chaos::obey(disturbance, &gone) => Ok(None),
        // It ends by itself only if it cannot start.
        ended = &mut server => return Ok(ended?.map(|()| None)?),
    };
    progress.finish();
    let is_played = matches!(played, Ok(Some(_)));
    let published = publish::finish(publication, patience(args, is_played)).await;
    serving.cancel();
    server.await??;
    if let Some(played) = played? {
        return summary(args, (played, published), &survey, &viewers, global).map(Some);
    }
    // Whoever stops a replay need not be told by its exit status.
    publish::warn_unless(published, global);
    Ok(None)
}

/// What was played, in one line; says what was odd about it.
fn summary(
    args: &ReplayArgs,
    (Played { messages, warnings }, published): (Played, Result<(), String>),
    survey: &Survey,
    viewers: &Viewers,
    global: &GlobalArgs,
) -> Result<String, Failure> {
    let known = &survey.warnings;
    for warning in warnings.iter().filter(|warning| !known.contains(warning)) {
        announce::say(global, &format!("warning: {warning}"));
    }
    if messages == 0 {
        return Err(nothing(args));
    }
    let viewers = announce::at_most(viewers.now().most);
    let messages = counted(messages, "message");
    let said = format!("Replayed {messages} to {viewers}.");
    if let Err(reason) = published {
        announce::say(global, &said);
        return Err(anyhow::Error::msg(reason).into());
    }
    Ok(said)
}

/// Says where we listen, or starts COMMAND and tells it.
async fn begin(
    args: &ReplayArgs,
    global: &GlobalArgs,
    (listeners, trust): (&[TcpListener], &server::Trust),
    survey: &Survey,
    companion: Option<(&Companion, Stdio)>,
) -> Result<(), Failure> {
    let what = what(args, survey);
    match (companion, announce::next_steps(listeners, trust)) {
        (Some((companion, input)), Some(next)) => {
            let what = what.trim_end_matches('.');
            announce::say(global, &format!("{what} at {}", next.page()));
            companion.start(&next.surroundings(), input)
        }
        _ => announce::listening(listeners, trust, &what, global).await,
    }
}
