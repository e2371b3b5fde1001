//! The spool of `serve`, from its flags to the ring that it fills.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::{Finding, LONGEST, bytes, duration_in};
use crate::cmd::Failure;
use crate::disk::{SystemDisk, may_create_in};
use crate::hub::{HostPublisher, Hub, PastMessage, Retention};
use crate::millis::epoch_millis;
use crate::protocol::{Alert, HostName, StreamId};
use crate::recording::{inspect, lock_file};
use crate::source::host::in_use::{available_bytes, is_locked};
use crate::spool::{Spool, SpoolOptions};
use crate::view::value;
use crate::wording::cause;

/// Where what is served is kept.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Spool")]
pub(super) struct SpoolArgs {
    /// Keep what is served in DIR/HOST/
    ///
    /// For viewers that look back further, also after a restart.
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,

    /// Keep this much time in the spool, in files of an hour; at least 1h
    #[arg(long, value_name = "DURATION", default_value = "24h", requires = "spool", value_parser = duration_in("1h", LONGEST))]
    keep: Duration,

    /// Keep at most this much in the spool, but never less than the last 6 hours
    #[arg(long, value_name = "BYTES", default_value = "1GiB", requires = "spool", value_parser = bytes)]
    keep_bytes: u64,
}

impl SpoolArgs {
    /// What would come of the spool of `host`. Nothing is created or locked.
    pub(super) fn findings(&self, host: &HostName) -> Vec<Finding> {
        let Some(directory) = &self.spool else {
            return Vec::new();
        };
        let own = directory.join(host.file_stem());
        let shown = own.display();
        // The nearest one that exists: the others would be created in it.
        let existing = own
            .ancestors()
            .find(|it| it.exists() || it.as_os_str().is_empty());
        let existing = existing.filter(|it| !it.as_os_str().is_empty());
        let existing = existing.unwrap_or(Path::new("."));
        if let Err(error) = may_create_in(existing) {
            let existing = existing.display();
            return vec![Finding::Fault(format!(
                "the spool cannot write in '{existing}': {}",
                cause(&error)
            ))];
        }
        if is_locked(&lock_file(&own)) == Some(true) {
            return vec![Finding::Fault(format!(
                "the spool in '{shown}' is in use by another process"
            ))];
        }
        let damage = match existing_spool(&own, host) {
            Err(fault) => return vec![Finding::Fault(fault)],
            Ok(damage) => damage,
        };
        let room = available_bytes(existing).unwrap_or(u64::MAX);
        if room == 0 {
            let existing = existing.display();
            return vec![Finding::Fault(format!(
                "the spool cannot write in '{existing}': no space is left there"
            ))];
        }
        // What it holds makes room for what comes.
        let room = room.saturating_add(bytes_in(&own));
        let mut found = vec![Finding::Ready(format!("the spool is kept in '{shown}'"))];
        found.extend(damage.map(Finding::Notable));
        if room < self.keep_bytes {
            let (room, wanted) = (value(room as f64, "B"), value(self.keep_bytes as f64, "B"));
            found.push(Finding::Notable(format!(
                "only {room} are available for a spool of up to {wanted} (--keep-bytes)"
            )));
        }
        found
    }
}

/// What is wrong with the spool in `directory`: what keeps a server from using it, or else damage that it would repair.
fn existing_spool(directory: &Path, host: &HostName) -> Result<Option<String>, String> {
    match inspect(&SystemDisk, directory) {
        Err(error) if error.is_damage() => {
            let reason = error.reason();
            let cure = "it would be renamed to ….damaged, and its readable rows kept";
            Ok(Some(format!(
                "the newest file of the spool is damaged: {reason}; {cure}"
            )))
        }
        Err(error) => Err(format!("the spool cannot be continued: {}", error.reason())),
        Ok(Some(last)) if last.host != *host => {
            let (directory, of) = (directory.display(), last.host);
            Err(format!(
                "the spool in '{directory}' is of {of}, not of {host}"
            ))
        }
        Ok(_) => Ok(None),
    }
}

/// The size of the files in `directory`, as far as they can be seen.
fn bytes_in(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok().filter(Metadata::is_file));
    sizes.map(|file| file.len()).sum()
}

/// What an earlier run has left, and where this one is kept.
#[derive(Debug, Default)]
pub(super) struct EarlierRuns {
    spool: Option<Arc<Spool>>,
    tail: Vec<PastMessage>,
    /// Alerts that fire at its end.
    pub(super) firing: Vec<Alert>,
}

impl EarlierRuns {
    /// Opens the spool of `host`, if there is one, and reads what a ring that keeps `retain` begins with. `pace`: the
    /// interval and the heartbeat, in milliseconds.
    pub(super) async fn open(
        args: &SpoolArgs,
        host: &HostName,
        (retain, pace): (Duration, (u64, u64)),
    ) -> Result<Self, Failure> {
        let Some(directory) = args.spool.clone() else {
            return Ok(Self::default());
        };
        let options = SpoolOptions {
            directory,
            host: host.clone(),
            pace,
            keep: args.keep,
            keep_bytes: args.keep_bytes,
        };
        let opened = tokio::task::spawn_blocking(move || {
            let spool = Spool::open(options)?;
            Ok::<_, Failure>(Self {
                tail: spool.tail(retain),
                firing: spool.firing(),
                spool: Some(Arc::new(spool)),
            })
        });
        opened.await?
    }

    /// A hub whose viewers can look back as far as the spool goes.
    pub(super) fn hub(&self, retention: Retention) -> Hub {
        match &self.spool {
            Some(spool) => Hub::with_past(retention, Arc::clone(spool) as _),
            None => Hub::new(retention),
        }
    }

    /// The stream of this run: the time of its start, but above the last one, even if the clock was set back.
    pub(super) fn next_stream(&self) -> StreamId {
        let restored = self.tail.last().map(|last| last.message.stream);
        let spooled = self.spool.as_ref().and_then(|spool| spool.last_stream());
        let last = restored.max(spooled).map_or(0, |last| last.0);
        StreamId(epoch_millis().max(last + 1))
    }

    /// Fills the ring.
    pub(super) fn restore(&mut self, publisher: &HostPublisher) {
        for message in std::mem::take(&mut self.tail) {
            publisher.restore(message);
        }
    }

    /// Writes what waits to be written.
    pub(super) async fn close(self) -> Result<(), Failure> {
        if let Some(spool) = self.spool {
            tokio::task::spawn_blocking(move || spool.close()).await?;
        }
        Ok(())
    }
}
