//! The registry of hosts.

use std::time::Duration;

use redis::Pipeline;

use crate::millis::in_millis;
use crate::protocol::HostName;

use super::fault::RedisFault;
use super::lane::RedisLane;

/// A host that has given a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryEntry {
    /// Its name as found, which may break the rules of names.
    pub name: Vec<u8>,
    /// Its last sign of life, in milliseconds since the epoch by the clock of Redis.
    pub seen: u64,
}

/// The most hosts that a relay takes from the registry.
pub const MOST_HOSTS: usize = 20_000;

impl RedisLane {
    /// The clock of Redis, in milliseconds since the epoch.
    async fn clock(&mut self) -> Result<u64, RedisFault> {
        let mut commands = Pipeline::new();
        commands.cmd("TIME");
        let ((seconds, micros),): ((u64, u64),) = self.ask(&commands).await?;
        Ok(seconds.saturating_mul(1000).saturating_add(micros / 1000))
    }

    /// Records a sign of life of each of `hosts`, and forgets hosts that have given none for `keep`.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn give_sign_of_life(
        &mut self,
        hosts: &[HostName],
        keep: Duration,
    ) -> Result<(), RedisFault> {
        let now = self.clock().await?;
        let registry = self.keys().registry();
        let mut commands = Pipeline::new();
        let add = commands.cmd("ZADD").arg(&registry);
        for host in hosts {
            add.arg(now).arg(host.as_str());
        }
        add.ignore();
        let gone = now.saturating_sub(in_millis(keep));
        let remove = commands.cmd("ZREMRANGEBYSCORE").arg(&registry);
        remove.arg("-inf").arg(gone).ignore();
        let expire = commands.cmd("EXPIRE").arg(&registry);
        expire.arg(keep.as_secs()).ignore();
        self.ask(&commands).await
    }

    /// The hosts that have given a sign of life since the time `since`, and what the clock of Redis shows.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn seen_since(
        &mut self,
        since: u64,
    ) -> Result<(Vec<RegistryEntry>, u64), RedisFault> {
        let now = self.clock().await?;
        let mut commands = Pipeline::new();
        let range = commands.cmd("ZRANGE").arg(self.keys().registry());
        range.arg("+inf").arg(since).arg("BYSCORE").arg("REV");
        range.arg("LIMIT").arg(0).arg(MOST_HOSTS).arg("WITHSCORES");
        let (found,): (Vec<(Vec<u8>, f64)>,) = self.ask(&commands).await?;
        let entry = |(name, seen): (Vec<u8>, f64)| RegistryEntry {
            name,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is brought into the range first"
            )]
            seen: seen.clamp(0.0, 1e15) as u64,
        };
        Ok((found.into_iter().map(entry).collect(), now))
    }
}
