//! The destinations that `record` writes a stream to: files, or a database.
//!
//! A command opens a sink with its [`Destination`] and knows only the interface: where the contents end
//! ([`Sink::positions`]), writing a message ([`Sink::take`]), syncing ([`Sink::sync`]), closing ([`Sink::close`]), and
//! what was written ([`Sink::written`]).

mod database;
mod destination;
mod error;
mod file_name;
mod files;
mod host_file;
mod interface;
mod rotated;
mod syncing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use destination::{Destination, Existing};
pub use error::SinkError;
pub use file_name::BadName;
pub use interface::{Sink, Written};
pub use rotated::RotationOptions;

use crate::disk::SystemDisk;
use crate::postgres::RowStore;

use database::DatabaseSink;
use files::Files;
use rotated::RotatedFiles;

/// Opens the sink for `destination`; only a directory can have a `rotation`. Files are opened on a thread, because opening a
/// named pipe waits for its reader.
///
/// # Errors
/// When the destination cannot be opened; that is reported before anything is connected.
pub async fn open(
    destination: Destination,
    existing: Existing,
    rotation: Option<RotationOptions>,
) -> Result<Box<dyn Sink>, SinkError> {
    if let Destination::Database { address, request } = destination {
        let store = RowStore::open(&address, request).await?;
        return Ok(Box::new(DatabaseSink::new(store)));
    }
    let opening = move || -> Result<Box<dyn Sink>, SinkError> {
        let disk = Arc::new(SystemDisk);
        match (destination, rotation) {
            (Destination::Directory(directory), Some(rotation)) => {
                let files = RotatedFiles::open(disk, &directory, rotation, existing)?;
                Ok(Box::new(files))
            }
            (destination, _) => Ok(Box::new(Files::open(disk, destination, existing)?)),
        }
    };
    tokio::task::spawn_blocking(opening).await?
}
