//! A rotated recording: the messages of one host in a directory of files, one for each period.
//!
//! A message belongs to the file of its timestamp's period; a file is closed by the first message of a later period and
//! never reopened, so earlier timestamps stay in the open one. A [`Tidier`] compresses closed files and removes the
//! oldest ones on a thread of its own.

mod directory;
mod minutes;
mod packing;
mod pruning;
mod repair;
#[cfg(test)]
mod tests;
mod tidier;
mod writer;

pub use directory::{RotatedFile, files_in, lock_file, sums_up};
pub use minutes::{MINUTE_MS, MinuteOfRows, MinutesEntry, MinutesReader};
pub use pruning::{RotationLimits, remove_oldest};
pub use tidier::Tidier;
pub use writer::{Pushed, RotatedWriter, inspect};
