//! The flags about rotation.

use std::time::Duration;

use crate::cli::{LONGEST, bytes, duration_in};
use crate::cmd::Failure;
use crate::recording::{Rotation, RotationLimits};
use crate::sink::{Destination, RotationOptions};

/// How a recording is rotated.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Rotation")]
pub(super) struct RotationArgs {
    /// Begin a file this often, such as 1h
    ///
    /// In DIR/HOST/; the previous one is compressed.
    #[arg(long, value_name = "DURATION")]
    rotate: Option<Rotation>,

    /// Remove files that ended this long ago
    ///
    /// Counted back from the newest row. With --create and TimescaleDB: remove rows of that age, such as 90d.
    #[arg(long, value_name = "DURATION", value_parser = duration_in("1m", LONGEST))]
    keep: Option<Duration>,

    /// Remove the oldest files while all of them take more than this, such as 2GiB
    #[arg(long, value_name = "BYTES", requires = "rotate", value_parser = bytes)]
    keep_bytes: Option<u64>,
}

impl RotationArgs {
    /// How long files, or the rows of a database, are kept.
    pub(super) fn keep(&self) -> Option<Duration> {
        self.keep
    }

    /// The rotation that was asked for. It needs a directory, and never replaces files.
    pub(super) fn options(
        &self,
        destination: &Destination,
        force: bool,
    ) -> Result<Option<RotationOptions>, Failure> {
        let Some(rotation) = self.rotate else {
            if self.keep.is_some() && !matches!(destination, Destination::Database { .. }) {
                return Err(Failure::usage(
                    "--keep needs --rotate, or a database and --create",
                ));
            }
            return Ok(None);
        };
        if !matches!(destination, Destination::Directory(_)) {
            return Err(Failure::usage(
                "--rotate writes several files: name a directory for them with -o DIR/",
            ));
        }
        if force {
            return Err(Failure::usage(
                "--rotate replaces no files: use --append to continue a recording, or another directory",
            ));
        }
        let limits = RotationLimits {
            keep: self.keep,
            keep_bytes: self.keep_bytes,
            spared: Duration::ZERO,
        };
        Ok(Some(RotationOptions { rotation, limits }))
    }
}
