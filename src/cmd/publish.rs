//! Publishing to Redis: from flags to the thread that writes, with everything that people are told about it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::cli::{Finding, GlobalArgs, RedisArgs, ServerArgs};
use crate::hub::Hub;
use crate::protocol::{HostName, StreamId};
use crate::publish::{BeginAbove, Publication, PublicationOptions, PublicationStatus};
use crate::redis::{PublisherIdentity, RedisLane, RedisOptions, lane_of};
use crate::server::{self, Countable, CounterFamily, HealthPart};
use crate::source::{StreamFloor, host};

use super::{Failure, announce};

/// How long a replay waits for Redis before it starts.
const PATIENCE: Duration = Duration::from_secs(5);

/// The Redis to publish to, if one is given.
pub(super) fn options(args: &RedisArgs) -> Result<Option<RedisOptions>, Failure> {
    args.published_to().map_err(Failure::usage)
}

/// What the flags would do, without asking Redis.
pub(super) fn finding(args: &RedisArgs) -> Option<Finding> {
    let options = args.published_to().transpose()?;
    Some(options.map_or_else(Finding::Fault, |options| {
        Finding::Notable(format!(
            "publishes to {}, which is not asked whether it takes anything",
            options.address
        ))
    }))
}

/// Starts to publish this host, if that is wanted. Where Redis has a newer stream of it, the `floor` is raised.
pub(super) fn live(
    redis: Option<RedisOptions>,
    hub: &Hub,
    served: (&ServerArgs, &[TcpListener]),
    floor: Arc<StreamFloor>,
    global: &GlobalArgs,
) -> Result<Option<Publication>, Failure> {
    let begin_above: BeginAbove = Arc::new(move |stream| floor.raise(stream));
    start(
        redis,
        hub,
        served,
        (BTreeMap::new(), Some(begin_above)),
        global,
    )
}

/// Starts to publish a recording, if that is wanted, of which `expected` has each host's newest stream.
pub(super) fn recording(
    redis: Option<RedisOptions>,
    hub: &Hub,
    served: (&ServerArgs, &[TcpListener]),
    expected: BTreeMap<HostName, StreamId>,
    (config, global): (&mut server::Config, &GlobalArgs),
) -> Result<Option<Publication>, Failure> {
    let publication = start(redis, hub, served, (expected, None), global)?;
    report(publication.as_ref(), config);
    Ok(publication)
}

fn start(
    redis: Option<RedisOptions>,
    hub: &Hub,
    (args, listeners): (&ServerArgs, &[TcpListener]),
    (expected, begin_above): (BTreeMap<HostName, StreamId>, Option<BeginAbove>),
    global: &GlobalArgs,
) -> Result<Option<Publication>, Failure> {
    let Some(redis) = redis else { return Ok(None) };
    announce::say(global, &format!("Publishing to {}.", redis.address));
    let address = listeners.first().and_then(|it| it.local_addr().ok());
    let options = PublicationOptions {
        retain: args.retain,
        origin: origin(address),
        expected,
        begin_above,
        redis,
    };
    Ok(Some(Publication::start(hub, options)?))
}

fn origin(address: Option<SocketAddr>) -> PublisherIdentity {
    let machine = host::host_name();
    let place = match address {
        Some(address) => format!("{machine} ({address})"),
        None => machine.to_string(),
    };
    PublisherIdentity::here(machine.as_str(), place)
}

/// Has `/healthz` and `/metrics` say how publishing goes.
pub(super) fn report(publication: Option<&Publication>, config: &mut server::Config) {
    if let Some(publication) = publication {
        config.report(Arc::new(PublicationReport(publication.status())));
    }
}

/// Waits up to `patience` until everything is published. Says why, in one line, if not everything is.
pub(super) async fn finish(
    publication: Option<Publication>,
    patience: Duration,
) -> Result<(), String> {
    let Some(publication) = publication else {
        return Ok(());
    };
    let status = publication.status();
    let is_done = publication.finish(patience).await;
    let reason = match status.state().stopped.into_iter().next() {
        Some(stopped) => stopped,
        None if is_done => return Ok(()),
        None => "Redis did not take it in time".to_owned(),
    };
    Err(format!("not everything was published: {reason}"))
}

/// The same, but says why itself.
pub(super) async fn finish_or_warn(
    publication: Option<Publication>,
    patience: Duration,
    global: &GlobalArgs,
) {
    warn_unless(finish(publication, patience).await, global);
}

/// Says why not everything was published.
pub(super) fn warn_unless(published: Result<(), String>, global: &GlobalArgs) {
    if let Err(reason) = published {
        announce::say(global, &format!("warning: {reason}"));
    }
}

/// Refuses a recording if Redis has a newer stream of one of its hosts. If Redis doesn't answer, that shows later.
pub(super) async fn refuse_newer(
    redis: &RedisOptions,
    expected: &BTreeMap<HostName, StreamId>,
) -> Result<(), Failure> {
    let asking = async {
        let redis = Arc::new(redis.clone());
        let mut lanes = BTreeMap::new();
        for (host, ours) in expected {
            let lane = lanes
                .entry(lane_of(host))
                .or_insert_with(|| RedisLane::new(Arc::clone(&redis), Duration::ZERO));
            let standing = lane.standing(&redis.keys.of(host)).await.ok()?;
            if let Some(theirs) = standing.last.map(|last| last.stream)
                && *ours < theirs
            {
                return Some((host, *ours, theirs));
            }
        }
        None
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Some((host, ours, theirs))) => Err(anyhow::Error::msg(format!(
            "Redis has a newer stream of {host}, {theirs}, than this recording, {ours}: choose another name with \
             --name, or another --redis-prefix"
        ))
        .into()),
        _ => Ok(()),
    }
}

/// How publishing goes, for monitoring.
#[derive(Debug)]
struct PublicationReport(Arc<PublicationStatus>);

impl HealthPart for PublicationReport {
    fn name(&self) -> &'static str {
        "publish"
    }

    fn report(&self) -> serde_json::Value {
        let state = self.0.state();
        let status = match (state.stopped.is_empty(), state.is_connected) {
            (false, _) => "stopped",
            (true, true) => "ok",
            (true, false) => "waiting",
        };
        serde_json::json!({
            "status": status,
            "reason": state.stopped.first().or(state.reason.as_ref()),
            "written": self.0.written(),
        })
    }
}

impl Countable for PublicationReport {
    fn families(&self) -> Vec<CounterFamily> {
        let state = self.0.state();
        vec![
            CounterFamily::single(
                "metrics_published_messages_total",
                "counter",
                "Messages written to Redis.",
                self.0.written(),
            ),
            CounterFamily::single(
                "metrics_publish_connected",
                "gauge",
                "Whether Redis takes what is published.",
                u64::from(state.is_connected && state.stopped.is_empty()),
            ),
        ]
    }
}
