//! `metrics serve`: this host's metrics to every viewer.

mod check;
mod relay;
mod service;
mod spool;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::alert::KnownMetrics;
use crate::alert::notify::NotificationCounts;
use crate::cli::{GlobalArgs, ServerArgs, after_help, count, duration_in, statsd_address};
use crate::hub::{Retention, Timeline};
use crate::millis::in_millis;
use crate::protocol::{DEFAULT_PORT, HostName};
use crate::redis::RedisOptions;
use crate::server::{self, Viewers, listen};
use crate::signals;
use crate::source::alerts::Alerting;
use crate::source::host::statsd::{StatsdAddress, StatsdListener};
use crate::source::host::{self, Audience, Live, LiveError, Own};
use crate::source::{Source, StreamFloor};
use crate::wording::{counted, exact_span};

use super::alerts::{self, RulesInForce};
use super::{
    DONE, Exit, FAILED, Failure, STOPPED_TWICE, USAGE, announce, configure, notify, publish, statsd,
};

use relay::RelayArgs;
use service::Pulse;
use spool::{EarlierRuns, SpoolArgs};

/// Samples closer together than this show the clock's resolution rather than the host.
const SHORTEST_INTERVAL: &str = "200ms";

/// Beyond this, the metrics are no longer live.
const LONGEST_INTERVAL: &str = "1h";

/// The most processes that fit into a message.
const MOST_TOP: u64 = 1000;

/// Flags of `metrics serve`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help("\
  metrics serve
  metrics serve --interval 500ms --top 0
  metrics serve --alert default --alert 'cpu > 90 for 30s'
  metrics serve --statsd 8125
  metrics serve --spool /var/lib/metrics --keep 7d
  metrics serve --publish redis://db:6379
  metrics serve --from redis://db:6379
  metrics serve --listen 0.0.0.0:8080 --token-file token --check
  metrics serve --listen 127.0.0.1:0 --name web-1", &[DONE, FAILED, USAGE, STOPPED_TWICE]))]
pub struct ServeArgs {
    /// Take a sample this often
    ///
    /// From 200ms to 1h.
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = duration_in(SHORTEST_INTERVAL, LONGEST_INTERVAL))]
    interval: Duration,

    /// Use this host name [default: the system's host name]
    #[arg(long, value_name = "NAME")]
    name: Option<HostName>,

    /// List the top N processes
    ///
    /// By CPU and by memory, and at most as many that wait for a disk; at most 1000. 0 reads no processes.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(0..=MOST_TOP))]
    top: u64,

    /// Receive metrics of applications, as from statsd
    ///
    /// On a UDP port of loopback, HOST:PORT or a socket's path; repeatable.
    #[arg(long, value_name = "ADDR", value_parser = statsd_address)]
    statsd: Vec<StatsdAddress>,

    #[command(flatten)]
    spool: SpoolArgs,

    #[command(flatten)]
    relay: RelayArgs,

    #[command(flatten)]
    server: ServerArgs,
}

impl ServeArgs {
    /// What to measure.
    fn options(&self) -> host::Options {
        host::Options {
            top: usize::try_from(self.top).unwrap_or(usize::MAX),
        }
    }

    /// How much to restore from a spool, and the interval and the heartbeat in milliseconds.
    fn retain_and_pace(&self) -> (Duration, (u64, u64)) {
        let heartbeat = in_millis(self.server.heartbeat).max(1);
        (self.server.retain, (in_millis(self.interval), heartbeat))
    }

    /// Whether there are files that can be reloaded.
    pub(super) fn can_reload(&self) -> bool {
        self.server.access.can_reload() || self.server.alerts.can_reload()
    }
}

/// Serves until `stop`.
///
/// # Errors
/// When the server cannot listen.
pub async fn run(
    args: ServeArgs,
    global: &GlobalArgs,
    asked: signals::Asked,
) -> Result<Exit, Failure> {
    let exposure = args.server.access.check_exposure(&args.server.listen);
    exposure.map_err(Failure::usage)?;
    let known = KnownMetrics::catalogue();
    let known = if args.statsd.is_empty() {
        known
    } else {
        known.and_reported()
    };
    let name = args.name.clone().unwrap_or_else(host::host_name);
    if args.server.check {
        return check::run(&args, &known, &name, global).await;
    }
    if args.relay.from.is_some() {
        return relay::run(&args, global, asked).await;
    }
    let redis = publish::options(&args.server.redis)?;
    let written = alerts::written(&args.server.alerts, &known)?;
    let targets = notify::targets(&args.server.notify, written.is_some(), global)?;
    if args.server.notify.notify_test {
        return notify::test(&targets, &name).await;
    }
    let rules = written.map(|it| RulesInForce::new(&args.server.alerts, &it, known));
    let rules = rules.transpose()?;
    let trust = configure::server_trust(&args.server, global)?;
    let listeners = listen::bind(&args.server.listen, DEFAULT_PORT)?;
    let applications = statsd::listen(&args.statsd, rules.as_ref(), &asked.stop, global)?;
    let notifiers = notify::start(targets)?;
    let recipient = notify::recipient(notifiers.as_ref());
    let alerting = rules.as_ref().map(|rules| rules.alerting(recipient));
    configure::reload(asked.reload, trust.clone(), rules, global);
    let counts = notify::counts(notifiers.as_ref());
    let served = (listeners, trust);
    let inputs = (alerting, counts, applications);
    let summary = broadcast(&args, global, (&name, redis), served, inputs, asked.stop).await?;
    notify::finish(notifiers.as_ref(), args.server.drain, global).await;
    announce::say(global, &summary);
    Ok(Exit::Done)
}

/// Serves the host as `name`, and what the rules find about it. What it came to, in a line.
async fn broadcast(
    args: &ServeArgs,
    global: &GlobalArgs,
    (name, redis): (&HostName, Option<RedisOptions>),
    (listeners, trust): (Vec<TcpListener>, server::Trust),
    (alerting, counts, applications): (
        Option<Alerting>,
        Arc<NotificationCounts>,
        Option<Arc<StatsdListener>>,
    ),
    stop: CancellationToken,
) -> Result<String, Failure> {
    let opened = EarlierRuns::open(&args.spool, name, args.retain_and_pace());
    let mut earlier = tokio::select! {
        opened = opened => opened?,
        // A disk may take long to answer.
        () = stop.cancelled() => return Ok("Stopped before the spool was open.".to_owned()),
    };
    let hub = earlier.hub(Retention {
        duration: args.server.retain,
        lossless: false,
    });
    let viewers = Viewers::default();
    let floor = Arc::<StreamFloor>::default();
    let pulse = Pulse::start();
    let source = Live {
        name: name.clone(),
        stream: earlier.next_stream(),
        interval: args.interval,
        heartbeat: args.server.heartbeat,
        options: args.options(),
        audience: ViewerAudience(viewers.clone(), pulse.clone()),
        alerting,
        firing: std::mem::take(&mut earlier.firing),
        floor: Arc::clone(&floor),
        inbox: applications.as_ref().map(|it| it.inbox()),
    };
    let publisher = hub.publisher(Timeline::Live);
    // So that viewers find the host before its first reading.
    earlier.restore(&publisher.host(name));
    let publication = publish::live(redis, &hub, (&args.server, &listeners), floor, global)?;
    let stop_sampling = CancellationToken::new();
    let mut sampling = tokio::spawn(source.run(publisher, stop_sampling.clone()));
    announce::listening(
        &listeners,
        &trust,
        &format!("Serving {name} every {}.", exact_span(args.interval)),
        global,
    )
    .await?;

    let unhealthy_after = (args.interval * 3).max(Duration::from_secs(3));
    let mut config = configure::server(&args.server, trust, Some(unhealthy_after), global);
    config.notifications = counts;
    publish::report(publication.as_ref(), &mut config);
    config
        .counted
        .extend(applications.iter().map(statsd::counted));
    let started = Instant::now();
    tokio::select! {
        served = server::run(listeners, hub, config, viewers.clone(), stop) => served?,
        () = service::report(pulse, unhealthy_after) => {}
        // It ends by itself only on an error.
        ended = &mut sampling => return Err(ended?.err().unwrap_or(LiveError::Died).into()),
    }
    service::report_stop();
    stop_sampling.cancel();
    let samples = sampling.await??;
    publish::finish_or_warn(publication, args.server.drain, global).await;
    earlier.close().await?;
    let lived = exact_span(started.elapsed());
    let viewers = announce::at_most(viewers.now().most);
    let samples = counted(samples, "sample");
    Ok(format!("Stopped after {lived}: {samples}, {viewers}."))
}

/// The viewers, for the sampler, and the pulse that it keeps.
struct ViewerAudience(Viewers, Pulse);

impl Audience for ViewerAudience {
    fn own(&self) -> Own {
        Own {
            viewers: self.0.now().connected,
            accepted: self.0.accepted_connections(),
        }
    }

    fn sampled(&self, took: Duration, late: Duration) {
        self.0.tally().sampled(took, late);
        self.1.beat();
    }
}
