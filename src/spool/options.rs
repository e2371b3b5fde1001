//! What a spool keeps, and where.

use std::path::PathBuf;
use std::time::Duration;

use crate::protocol::HostName;

/// Files that ended less than this ago are never removed to save space: they hold what an incident left.
pub(super) const SPARED: Duration = Duration::from_secs(6 * 60 * 60);

/// Where the spool is, and how much it keeps.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// The directory with the directory of this host in it.
    pub directory: PathBuf,
    /// This host.
    pub host: HostName,
    /// The interval and the heartbeat of this server in milliseconds, announced for messages of earlier runs as well.
    pub pace: (u64, u64),
    /// Files that ended longer ago than this are removed.
    pub keep: Duration,
    /// The oldest files are removed while all of them take more bytes, except those of the last 6 hours.
    pub keep_bytes: u64,
}
