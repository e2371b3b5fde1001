//! Which of a database's rows are wanted.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::address::DatabaseAddress;
use crate::millis::in_millis;
use crate::protocol::HostName;

/// A host whose rows a database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostInDatabase {
    /// The database.
    pub address: Arc<DatabaseAddress>,
    /// The host.
    pub host: HostName,
    /// The time of its first row, in milliseconds since the epoch.
    pub first: u64,
    /// Rows from this time on, likewise.
    pub from: Option<u64>,
    /// Rows before this time.
    pub until: Option<u64>,
}

/// Milliseconds since the epoch.
pub(super) fn millis(time: SystemTime) -> u64 {
    in_millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The time of a number of milliseconds since the epoch.
pub(super) fn system_time(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}
