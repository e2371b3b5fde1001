//! Where `record` writes a stream: files now; whatever implements [`Sink`] later.
//!
//! A command opens a sink by its [`Destination`] and knows nothing but the interface: where its contents end
//! ([`Sink::positions`]), one message at a time ([`Sink::take`]), the disk ([`Sink::sync`]), the end ([`Sink::close`]),
//! and what was written ([`Sink::written`]).

mod destination;
mod error;
mod file_name;
mod files;
mod host_file;
mod interface;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use destination::{Destination, Existing};
pub use error::SinkError;
pub use file_name::BadName;
pub use interface::{Sink, Written};

use crate::disk::SystemDisk;

use files::Files;

/// Opens the sink for `destination`. Opening waits on a thread: a named pipe opens only when somebody reads it.
///
/// # Errors
/// When the destination cannot be had, so that a person hears of it before anything is connected.
pub async fn open(
    destination: Destination,
    existing: Existing,
) -> Result<Box<dyn Sink>, SinkError> {
    let opening = move || Files::open(Arc::new(SystemDisk), destination, existing);
    let files = tokio::task::spawn_blocking(opening).await??;
    Ok(Box::new(files))
}
