//! Data on stdout. A write may wait for as long as the reader does not read; signals still work meanwhile.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::clock::reached;

/// How long a write under way may take once it is time to stop: a reader that still reads gets a whole line.
const LAST_WRITE: Duration = Duration::from_millis(500);

/// Writes `bytes` to stdout. Dropping this doesn't cancel the write.
pub(super) async fn print(bytes: Vec<u8>) -> io::Result<()> {
    let write = move || {
        let mut out = io::stdout().lock();
        out.write_all(&bytes).and_then(|()| out.flush())
    };
    let written = tokio::task::spawn_blocking(write).await;
    written.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}

/// Prints a whole text. It is no fault if the reader has enough of it.
///
/// # Errors
/// When it cannot be written.
pub(super) async fn print_text(text: Vec<u8>) -> Result<(), Failure> {
    match print(text).await {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write to stdout"))?
        }
        _ => Ok(()),
    }
}

/// Ready when it is time to abandon a write: some time after `stop` or `limit`.
pub(super) async fn given_up(stop: &CancellationToken, limit: Option<Instant>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = reached(limit) => {}
    }
    tokio::time::sleep(LAST_WRITE).await;
}
