//! Checking and syncing many files at once, on a thread.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::recording::{Output, OutputError};

use super::error::SinkError;

/// How many files are synced at once: the disk combines them.
const SYNCED_AT_ONCE: usize = 16;

/// A sync in progress.
pub(super) type Syncing = JoinHandle<Result<(), OutputError>>;

/// Starts to check `all` outputs and to sync the `dirty` ones.
pub(super) fn begin(all: Vec<Arc<Output>>, dirty: Vec<Arc<Output>>) -> Syncing {
    tokio::task::spawn_blocking(move || {
        (all.iter()).try_for_each(|output| output.check_still_there())?;
        sync(&dirty)
    })
}

/// Waits for the sync in progress, if there is one. Cancel safe.
pub(super) async fn end(syncing: &mut Option<Syncing>) -> Result<(), SinkError> {
    let Some(current) = syncing else {
        return Ok(());
    };
    let synced = current.await;
    *syncing = None;
    Ok(synced??)
}

/// Waits until all of `outputs` are on the disk.
fn sync(outputs: &[Arc<Output>]) -> Result<(), OutputError> {
    if outputs.len() <= SYNCED_AT_ONCE {
        return outputs.iter().try_for_each(|output| output.sync());
    }
    let share = outputs.len().div_ceil(SYNCED_AT_ONCE);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (outputs.chunks(share))
            .map(|share| scope.spawn(|| share.iter().try_for_each(|output| output.sync())))
            .collect();
        // A thread that panicked has reported it.
        (threads.into_iter()).try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })
}
