//! Signs of life in the registry of hosts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::locks::lock;
use crate::protocol::HostName;
use crate::redis::{RedisLane, RedisOptions};

/// How often hosts give a sign of life.
const EVERY: Duration = Duration::from_secs(5);

/// A host stays in the registry for so long after its last sign of life, if its messages aren't kept longer.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3600);

/// Gives signs of life of `hosts`, whose keys live for `expire`. The registry may be on another node of a cluster than
/// the messages, so neither waits for the other. Never ends.
pub(super) async fn keep_giving_signs_of_life(
    redis: Arc<RedisOptions>,
    hosts: Arc<Mutex<Vec<HostName>>>,
    expire: Duration,
) {
    let mut lane = RedisLane::new(redis, Duration::ZERO);
    loop {
        let present = lock(&hosts).clone();
        let mut pause = EVERY;
        if present.is_empty() {
            pause = Duration::from_millis(100);
        } else if let Err(fault) = lane.give_sign_of_life(&present, expire.max(KEEP)).await {
            tracing::debug!(%fault, "no sign of life was taken");
            pause = Duration::from_secs(1);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Gives one more sign of life of `hosts`, for a publication that is over before its first.
pub(super) async fn give_last_sign_of_life(
    redis: Arc<RedisOptions>,
    hosts: Arc<Mutex<Vec<HostName>>>,
    expire: Duration,
) {
    let present = lock(&hosts).clone();
    if present.is_empty() {
        return;
    }
    let mut lane = RedisLane::new(redis, Duration::ZERO);
    if let Err(fault) = lane.give_sign_of_life(&present, expire.max(KEEP)).await {
        tracing::debug!(%fault, "no sign of life was taken");
    }
}
