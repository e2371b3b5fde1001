//! Checking and syncing many files at once, on a thread.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::recording::{Output, OutputError};

use super::error::SinkError;

/// How many files are synced at once: the disk combines them.
const SYNCED_AT_ONCE: usize = 16;

/// A sync in progress.
pub(super) type Syncing = JoinHandle<Result<(), OutputError>>;

/// A sink that writes to files.
pub(super) trait SyncedFiles: Send {
    /// All outputs, to be checked, and those that were written to since the last call, to be synced.
    fn outputs(&mut self) -> (Vec<Arc<Output>>, Vec<Arc<Output>>);

    /// The sync in progress, if there is one.
    fn syncing(&mut self) -> &mut Option<Syncing>;
}

/// Checks the files and syncs what was written. Cancel safe: a sync that is in progress continues, and data doesn't wait
/// for a slow disk.
pub(super) async fn now(files: &mut impl SyncedFiles) -> Result<(), SinkError> {
    begin(files);
    end(files.syncing()).await
}

/// The same for everything written so far, after the sync in progress. A disk reports an error once: if that one gets
/// it, the next one doesn't.
pub(super) async fn at_last(files: &mut impl SyncedFiles) -> Result<(), SinkError> {
    let synced = end(files.syncing()).await;
    synced.and(now(files).await)
}

/// Starts a sync, unless one is in progress.
fn begin(files: &mut impl SyncedFiles) {
    if files.syncing().is_some() {
        return;
    }
    let (all, dirty) = files.outputs();
    *files.syncing() = Some(tokio::task::spawn_blocking(move || {
        (all.iter()).try_for_each(|output| output.check_still_there())?;
        sync(&dirty)
    }));
}

/// Waits for the sync in progress, if there is one. Cancel safe.
async fn end(syncing: &mut Option<Syncing>) -> Result<(), SinkError> {
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
