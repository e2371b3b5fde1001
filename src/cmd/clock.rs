//! Waiting for an optional time.

use tokio::time::Instant;

/// Waits until `at`; forever if there is none.
pub(super) async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
