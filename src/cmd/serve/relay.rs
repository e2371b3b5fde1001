//! `metrics serve --from`: a relay of all hosts that publish to a Redis.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::alert::notify::Target;
use crate::cli::{Finding, GlobalArgs, LONGEST, RedisArgs, bytes, duration_in};
use crate::cmd::{Exit, Failure, announce, configure, notify};
use crate::hub::{Hub, KeptByRelay, Retention, Timeline};
use crate::protocol::DEFAULT_PORT;
use crate::redis::RedisOptions;
use crate::server::{self, Countable, CounterFamily, HealthPart, Viewers, listen};
use crate::signals;
use crate::source::Source;
use crate::source::host;
use crate::source::relay::{Relay, RelayError, RelayStatus};
use crate::wording::{counted, exact_span};

use super::ServeArgs;
use super::service::{self, Pulse};

/// How often the memory of all rings is checked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is checked while everything is being loaded, as fast as Redis sends it.
const LOOK_OFTEN: Duration = Duration::from_millis(50);

/// A relay hangs if its readers have done nothing for this long. They wait at most 5 s for anything.
const UNHEALTHY_AFTER: Duration = Duration::from_secs(30);

/// Flags of a relay.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Redis")]
pub(super) struct RelayArgs {
    /// Relay all hosts that publish to this Redis, instead of serving this one
    ///
    /// A URL as for --publish.
    // Not parsed by clap, whose errors repeat the value: it may hold a secret.
    #[arg(long, value_name = "URL", conflicts_with_all = ["publish", "interval", "name", "top", "statsd", "spool"])]
    pub(super) from: Option<String>,

    /// Keep at most this much of all hosts together, if need be for less time than --retain
    #[arg(long, value_name = "BYTES", default_value = "512MiB", requires = "from", value_parser = bytes)]
    memory: u64,

    /// Also notify if a host sends nothing for this long, and when it is back
    ///
    /// A host is given at least 15 seconds, because it may need them to come back after a failure of Redis, and at
    /// least three of its intervals.
    #[arg(long, value_name = "DURATION", requires = "from", value_parser = duration_in("3s", LONGEST))]
    notify_silent: Option<Duration>,
}

impl RelayArgs {
    /// The Redis to relay from; fails if no relay was asked for.
    fn options(&self, redis: &RedisArgs) -> Result<RedisOptions, Failure> {
        let url = self.from.as_deref().unwrap_or_default();
        redis.options("--from", url).map_err(Failure::usage)
    }

    /// What the flags would do, without asking Redis.
    pub(super) fn finding(&self, redis: &RedisArgs) -> Option<Finding> {
        let url = self.from.as_deref()?;
        Some(match redis.options("--from", url) {
            Ok(options) => Finding::Notable(format!(
                "relays from {}, which is not asked what it has",
                options.address
            )),
            Err(reason) => Finding::Fault(reason),
        })
    }
}

/// Why a relay refuses rules.
pub(super) const NO_RULES: &str = "a relay has no rules of its own: give --alert and --alerts to the servers that \
    publish, whose alerts every relay passes on";

/// Who is notified. Refuses flags that contradict a relay.
fn targets(args: &ServeArgs, global: &GlobalArgs) -> Result<Vec<Target>, Failure> {
    if args.server.alerts.is_given() {
        return Err(Failure::usage(NO_RULES));
    }
    let targets = notify::targets(&args.server.notify, true, global)?;
    if targets.is_empty() && args.relay.notify_silent.is_some() {
        let reason = "--notify-silent has nobody to notify: add --notify-exec PATH, --notify-webhook URL or \
                      --notify-webhook-file FILE";
        return Err(Failure::usage(reason));
    }
    Ok(targets)
}

/// Relays until asked to stop.
pub(super) async fn run(
    args: &ServeArgs,
    global: &GlobalArgs,
    asked: signals::Asked,
) -> Result<Exit, Failure> {
    let redis = args.relay.options(&args.server.redis)?;
    let targets = targets(args, global)?;
    if args.server.notify.notify_test {
        return notify::test(&targets, &host::host_name()).await;
    }
    let trust = configure::server_trust(&args.server, global)?;
    let listeners = listen::bind(&args.server.listen, DEFAULT_PORT)?;
    let notifiers = notify::start(targets)?;
    configure::reload(asked.reload, trust.clone(), None, global);
    let hub = hub(args);
    let status = Arc::<RelayStatus>::default();
    let address = redis.address.clone();
    let relay = Relay {
        redis,
        heartbeat: args.server.heartbeat,
        retain: args.server.retain,
        recipient: notify::recipient(notifiers.as_ref()),
        silent_after: args.relay.notify_silent,
        name: host::host_name(),
        status: Arc::clone(&status),
    };
    let stop_reading = CancellationToken::new();
    let mut reading =
        tokio::spawn(relay.run(hub.publisher(Timeline::Recorded), stop_reading.clone()));
    let begun = Instant::now();
    let bound = MemoryBound::new(args);
    tokio::select! {
        () = status.ready() => {}
        () = bound.keep(&hub, &status, LOOK_OFTEN) => {}
        () = asked.stop.cancelled() => {}
        ended = &mut reading => return Err(failure(ended)),
    }
    tracing::info!(took = ?begun.elapsed(), "loaded what Redis has");
    let hosts = counted(status.state().hosts, "host");
    let what = format!("Relaying {hosts} from {address}.");
    announce::listening(&listeners, &trust, &what, global).await?;
    let mut config = configure::server(&args.server, trust, None, global);
    config.notifications = notify::counts(notifiers.as_ref());
    config.report(Arc::new(RelayReport(Arc::clone(&status), hub.clone())));
    let viewers = Viewers::default();
    tokio::select! {
        served = server::run(listeners, hub.clone(), config, viewers.clone(), asked.stop) => served?,
        () = bound.keep(&hub, &status, LOOK_EVERY) => {}
        () = keep_service_informed(&status) => {}
        ended = &mut reading => return Err(failure(ended)),
    }
    service::report_stop();
    stop_reading.cancel();
    reading.await??;
    notify::finish(notifiers.as_ref(), args.server.drain, global).await;
    announce::say(global, &summary(begun, &status, &viewers));
    Ok(Exit::Done)
}

/// Why relaying ended, which it does by itself only on an error.
fn failure(ended: Result<Result<(), RelayError>, JoinError>) -> Failure {
    match ended {
        Ok(relayed) => relayed.err().unwrap_or(RelayError::Died).into(),
        Err(panicked) => panicked.into(),
    }
}

/// A hub that never waits for viewers.
fn hub(args: &ServeArgs) -> Hub {
    Hub::relaying(Retention {
        duration: args.server.retain,
        lossless: false,
    })
}

fn summary(begun: Instant, status: &RelayStatus, viewers: &Viewers) -> String {
    let state = status.state();
    let lived = exact_span(begun.elapsed());
    let messages = counted(state.relayed, "message");
    let hosts = counted(state.hosts, "host");
    let viewers = announce::at_most(viewers.now().most);
    format!("Stopped after {lived}: {messages} of {hosts}, {viewers}.")
}

/// How much all rings may take together, and how much each was to keep.
struct MemoryBound {
    most: usize,
    wanted: Duration,
    /// How long each keeps messages, as it was last told.
    told: Cell<Duration>,
    /// How many keep less, as it was last told.
    told_crowded: Cell<usize>,
}

impl MemoryBound {
    fn new(args: &ServeArgs) -> Self {
        Self {
            most: usize::try_from(args.relay.memory).unwrap_or(usize::MAX),
            wanted: args.server.retain,
            told: Cell::new(args.server.retain),
            told_crowded: Cell::new(0),
        }
    }

    /// Keeps all rings within the bound, looking `every` so often, and says so if that means keeping less. Never ends.
    async fn keep(&self, hub: &Hub, status: &RelayStatus, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            if let Some(now) = hub.keep_within(self.most) {
                let least = now.least();
                status.keeps((least < self.wanted).then_some(least));
                self.tell(now);
            }
        }
    }

    /// Says how much is kept. Small steps are not worth a line.
    fn tell(&self, now: KeptByRelay) {
        let (told, told_crowded) = (self.told.get(), self.told_crowded.get());
        let wanted = exact_span(self.wanted);
        let is_all = now.duration == self.wanted && now.duration != told;
        let are_gone = now.crowded == 0 && 0 < told_crowded;
        if now.duration < told / 2 || is_all || are_gone {
            self.told.set(now.duration);
            let kept = exact_span(now.duration);
            tracing::warn!("keeping {kept} of each host, of {wanted}: --memory");
        }
        let are_more = 2 * told_crowded < now.crowded;
        if are_more {
            let (least, hosts) = (exact_span(now.least()), counted(now.crowded, "host"));
            tracing::warn!(
                "keeping less than {least} of {hosts} with too many messages of nearly the same time, of {wanted}: \
                 --memory"
            );
        }
        if are_more || are_gone {
            self.told_crowded.set(now.crowded);
        }
    }
}

/// Reports a relay as well as long as its readers go on: without Redis, it still serves what it has. Never ends.
async fn keep_service_informed(status: &RelayStatus) {
    let pulse = Pulse::start();
    let beat = async {
        let mut turns = 0;
        loop {
            if std::mem::replace(&mut turns, status.turns()) != turns {
                pulse.beat();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::join!(beat, service::report(pulse.clone(), UNHEALTHY_AFTER));
}

/// How relaying goes, for monitoring.
#[derive(Debug)]
struct RelayReport(Arc<RelayStatus>, Hub);

impl HealthPart for RelayReport {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn report(&self) -> serde_json::Value {
        let state = self.0.state();
        let standstill = state.still.map(|hosts| {
            format!("no host of {hosts} gives a sign of life: Redis takes nothing, or all of them are down")
        });
        let status = match (&state.fault, &standstill) {
            (Some(_), _) => "down",
            (None, Some(_)) => "standstill",
            (None, None) => "ok",
        };
        serde_json::json!({
            "status": status,
            "reason": state.fault.or(standstill),
            "hosts": state.hosts,
            "relayed": state.relayed,
            "skipped": state.skipped,
            "bytes": self.1.memory(),
            "keeps": state.shortened.map(crate::millis::in_millis),
        })
    }

    fn is_well(&self) -> bool {
        self.0.state().fault.is_none()
    }
}

impl Countable for RelayReport {
    fn families(&self) -> Vec<CounterFamily> {
        let state = self.0.state();
        let family = CounterFamily::single;
        vec![
            family(
                "metrics_relayed_messages_total",
                "counter",
                "Messages read from Redis.",
                state.relayed,
            ),
            family(
                "metrics_relay_skipped_total",
                "counter",
                "Things in Redis that are not what they should be.",
                state.skipped,
            ),
            family(
                "metrics_relay_hosts",
                "gauge",
                "Hosts found in Redis.",
                state.hosts,
            ),
            family(
                "metrics_relay_connected",
                "gauge",
                "Whether Redis can be read.",
                u64::from(state.fault.is_none()),
            ),
            family(
                "metrics_relay_bytes",
                "gauge",
                "Memory that the rings take, in bytes.",
                self.1.memory() as u64,
            ),
        ]
    }
}
