//! `--print-alerts`: what fires in a recording, on stdout, without a server.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::alert::KnownMetrics;
use crate::cli::GlobalArgs;
use crate::cmd::{Exit, Failure, alerts, announce, data};
use crate::hub::{Batch, Hub, Retention, Subscription, Timeline};
use crate::millis::epoch_millis;
use crate::protocol::{Frame, Query};
use crate::signals::Asked;
use crate::source::Source;
use crate::source::alerts::Alerting;
use crate::source::recording::{Feed, LongWait, Observer, Played, ReplayError, Tempo};

use super::description::{described, nothing};
use super::flags::ReplayArgs;
use super::prepared::{Prepared, ready};

/// How many bytes of messages are taken from the hub at once.
const AT_ONCE: usize = 64 * 1024;

/// How an alert message begins.
const ALERT: &[u8] = br#"{"type":"alert","#;

/// Nobody watches.
struct Nobody;

impl Observer for Nobody {
    fn played(&self, _: Duration, _: u64) {}

    fn waiting(&self, _: &LongWait<'_>) {}
}

/// Plays the recording to nobody, and prints the alert messages that a viewer would get.
///
/// # Errors
/// When a recording cannot be read, or the output cannot be written.
pub(super) async fn print(
    args: &ReplayArgs,
    global: &GlobalArgs,
    asked: &Asked,
) -> Result<Exit, Failure> {
    args.check_window(args.window(), None)?;
    let (inputs, written) = (
        args.inputs(global).await?,
        alerts::written(&args.server.alerts, &KnownMetrics::any())?,
    );
    let (prepared, rules) = tokio::select! {
        ready = ready(args, inputs, written, global) => ready?,
        () = asked.stop.cancelled() => return Ok(Exit::Interrupted(asked.signal())),
    };
    let known = prepared.survey.warnings.clone();
    let alerting = rules.as_ref().map(|rules| rules.alerting(Arc::new(())));
    let stop = asked.stop.child_token();
    let (played, printed) = play_and_print(args, prepared, alerting, stop).await;
    match printed {
        // The reader of stdout has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
        Err(error) => {
            let error = anyhow::Error::new(error).context("cannot write to stdout");
            return Err(error.into());
        }
        Ok(()) => {}
    }
    let Some(Played { messages, warnings }) = played? else {
        // What was printed is a part.
        return Ok(Exit::Interrupted(asked.signal()));
    };
    for warning in warnings.iter().filter(|it| !known.contains(it)) {
        announce::say(global, &format!("warning: {warning}"));
    }
    if messages == 0 {
        return Err(nothing(args));
    }
    Ok(Exit::Done)
}

/// Plays until the end or `stop`, which a failed print cancels.
async fn play_and_print(
    args: &ReplayArgs,
    Prepared {
        survey, playback, ..
    }: Prepared,
    alerting: Option<Alerting>,
    stop: CancellationToken,
) -> (Result<Option<Played>, ReplayError>, io::Result<()>) {
    let hub = Hub::new(Retention {
        duration: args.server.retain,
        lossless: true,
    });
    let replay = described(args, &survey, playback.numbering());
    let tempo = Tempo {
        speed: args.speed(),
        max_pause: args.max_pause,
        heartbeat: args.server.heartbeat,
    };
    let mut feed = Feed::new(playback, tempo, replay, epoch_millis, Nobody, alerting);
    let publisher = hub.publisher(Timeline::Recorded);
    feed.announce_hosts(&publisher, &survey);
    let everything = Query {
        last: Some(u64::MAX),
        ..Query::default()
    };
    let messages = hub.subscribe_ahead(everything);
    let playing = async {
        let played = feed.run(publisher, stop.clone()).await;
        hub.end();
        played
    };
    let printing = async {
        let printed = print_alerts(&hub, messages).await;
        if printed.is_err() {
            stop.cancel();
        }
        printed
    };
    tokio::join!(playing, printing)
}

/// Prints the alerts among `messages`, each as a line, until the hub ends.
async fn print_alerts(hub: &Hub, mut messages: Subscription) -> io::Result<()> {
    let mut head = hub.head();
    let mut frames: Vec<Frame> = Vec::new();
    loop {
        let batch = messages.read(&mut frames, AT_ONCE);
        let all = frames.drain(..);
        let alerts = all.filter(|frame| frame.json().starts_with(ALERT));
        let lines: Vec<u8> = alerts
            .flat_map(|frame| [frame.json(), b"\n"].concat())
            .collect();
        if !lines.is_empty() {
            data::print(lines).await?;
        }
        match batch {
            Batch::More => {}
            Batch::Head | Batch::Waiting => head.changed().await,
            Batch::End => return Ok(()),
        }
    }
}
