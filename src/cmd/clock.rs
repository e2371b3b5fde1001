//! The time of day, and waiting for an optional time.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Now, in milliseconds since the epoch; 0 where the clock stands before it.
pub(super) fn epoch_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until `at`; forever if there is none.
pub(super) async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
