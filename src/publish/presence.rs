//! Signs of life in the registry of hosts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::protocol::HostName;
use crate::redis::{RedisLane, RedisOptions};

/// How often hosts give a sign of life.
const EVERY: Duration = Duration::from_secs(5);

/// How soon it is repeated if Redis did not take it.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a host stays in the registry after its last sign of life, unless its messages are kept longer.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// Gives signs of life of `hosts`, whose keys expire after `expire`, regularly and whenever `hosts` changes. The
/// registry may be on another node of a cluster than the messages, so neither waits for the other. Never ends.
pub(super) async fn keep_giving_signs_of_life(
    redis: Arc<RedisOptions>,
    mut hosts: watch::Receiver<Vec<HostName>>,
    expire: Duration,
) {
    let mut lane = RedisLane::new(redis, Duration::ZERO);
    loop {
        let present = hosts.borrow_and_update().clone();
        let pause = if present.is_empty() {
            Duration::MAX
        } else if give(&mut lane, &present, expire).await {
            EVERY
        } else {
            AGAIN
        };
        // The sender lives as long as this.
        let _ = tokio::time::timeout(pause, hosts.changed()).await;
    }
}

/// Gives one more sign of life of `hosts`, in case a publication is over before its first.
pub(super) async fn give_last_sign_of_life(
    redis: Arc<RedisOptions>,
    hosts: watch::Receiver<Vec<HostName>>,
    expire: Duration,
) {
    let present = hosts.borrow().clone();
    if !present.is_empty() {
        give(&mut RedisLane::new(redis, Duration::ZERO), &present, expire).await;
    }
}

/// Returns whether it was taken.
async fn give(lane: &mut RedisLane, present: &[HostName], expire: Duration) -> bool {
    let given = lane.give_sign_of_life(present, expire.max(KEEP)).await;
    if let Err(fault) = &given {
        tracing::debug!(%fault, "no sign of life was taken");
    }
    given.is_ok()
}
