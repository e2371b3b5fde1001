//! Rotated recordings: a directory for each host, with a file for each period.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::descriptors;
use crate::disk::Disk;
use crate::protocol::{Gap, Hello, HostName, Numbered, ResumePoint, Update};
use crate::recording::{
    Columns, Output, RotatedWriter, Rotation, RotationLimits, Tidier, files_in,
};

use super::destination::Existing;
use super::error::SinkError;
use super::interface::{Sink, Written};
use super::syncing::{self, SyncedFiles, Syncing};

/// How a recording is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationOptions {
    /// How much time a file covers.
    pub rotation: Rotation,
    /// How much is kept.
    pub limits: RotationLimits,
}

/// The directories of all hosts.
pub(super) struct RotatedFiles {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    rotation: Rotation,
    existing: Existing,
    hosts: BTreeMap<HostName, HostFiles>,
    /// `None` once it is closed.
    tidier: Option<Tidier>,
    syncing: Option<Syncing>,
}

/// The files of one host.
struct HostFiles {
    writer: RotatedWriter,
    gap: Option<Gap>,
    has_hello: bool,
    is_dirty: bool,
    written: Written,
    /// The confirmed time of the last message.
    time: u64,
}

impl RotatedFiles {
    /// Creates the directory, or opens the recordings in it to append to them.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: RotationOptions,
        existing: Existing,
    ) -> Result<Self, SinkError> {
        // There may be many hosts, each with a file.
        let _ = descriptors::raise();
        let failed = |source| SinkError::MakeDirectory {
            path: directory.into(),
            source,
        };
        disk.make_private_directory(directory).map_err(failed)?;
        let tidier = Tidier::start(Arc::clone(&disk), options.limits).map_err(failed)?;
        let mut files = Self {
            disk,
            directory: directory.into(),
            rotation: options.rotation,
            existing,
            hosts: BTreeMap::new(),
            tidier: Some(tidier),
            syncing: None,
        };
        if existing == Existing::Append {
            files.open_all()?;
        }
        Ok(files)
    }

    /// Opens the directories of all hosts that were recorded before.
    fn open_all(&mut self) -> Result<(), SinkError> {
        let failed = |source| SinkError::ListDirectory {
            path: self.directory.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in self.disk.list(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(host) = name.and_then(HostName::of_file_stem) else {
                continue;
            };
            if path.is_dir() && !files_in(&*self.disk, &path).map_err(failed)?.is_empty() {
                found.push(host);
            }
        }
        for host in found {
            self.add(host)?;
        }
        Ok(())
    }

    fn add(&mut self, host: HostName) -> Result<(), SinkError> {
        let directory = self.directory.join(host.file_stem());
        let writer = RotatedWriter::open(&self.disk, &directory, self.rotation)?;
        writer.must_be_of(&host)?;
        if let Some(tidier) = &self.tidier {
            tidier.tidy(directory, None);
        }
        let files = HostFiles {
            writer,
            gap: None,
            has_hello: false,
            is_dirty: false,
            written: Written::default(),
            time: 0,
        };
        self.hosts.insert(host, files);
        Ok(())
    }

    fn greet(&mut self, host: HostName, hello: &Hello) -> Result<(), SinkError> {
        if !self.hosts.contains_key(&host) {
            let directory = self.directory.join(host.file_stem());
            let files = files_in(&*self.disk, &directory);
            let holds_rows = files.is_ok_and(|files| !files.is_empty());
            if holds_rows && self.existing != Existing::Append {
                return Err(SinkError::HoldsRecordings { path: directory });
            }
            self.add(host.clone())?;
        }
        if let Some(files) = self.hosts.get_mut(&host) {
            let columns = Columns::announced(&hello.metrics, hello.containers);
            files.writer.set_columns(columns);
            files.has_hello = true;
        }
        Ok(())
    }

    fn write(&mut self, host: &HostName, update: Update) -> Result<(), SinkError> {
        if let Update::Hello(hello) = update {
            return self.greet(host.clone(), &hello);
        }
        let Some(files) = self.hosts.get_mut(host).filter(|files| files.has_hello) else {
            return Ok(());
        };
        match update {
            Update::Gap(gap) => files.gap = Some(gap),
            Update::Numbered(message) => self.push(host, message)?,
            Update::Hello(_) | Update::Heartbeat { .. } | Update::Summary(_) | Update::End => {}
        }
        Ok(())
    }

    fn push(&mut self, host: &HostName, message: Numbered) -> Result<(), SinkError> {
        let Some(files) = self.hosts.get_mut(host) else {
            return Ok(());
        };
        let timestamp = message.sample.timestamp;
        let pushed = files.writer.push(message, files.gap.take())?;
        files.is_dirty = true;
        files.written.rows += 1;
        files.written.bytes += pushed.bytes;
        files.written.gaps += u64::from(pushed.has_gap);
        files.written.note_time(timestamp);
        files.time = pushed.confirmed_time;
        let hosts = &self.hosts;
        if let (Some(tidier), Some(files)) = (&mut self.tidier, hosts.get(host)) {
            let times = || hosts.values().map(|files| files.time);
            let newest = || times().max().unwrap_or_default();
            tidier.follow(files.writer.directory(), pushed, newest);
        }
        Ok(())
    }
}

impl SyncedFiles for RotatedFiles {
    fn outputs(&mut self) -> (Vec<Arc<Output>>, Vec<Arc<Output>>) {
        let mut dirty = Vec::new();
        for files in self.hosts.values_mut() {
            if std::mem::take(&mut files.is_dirty) {
                dirty.extend(files.writer.output().cloned());
            }
        }
        let outputs = self.hosts.values().filter_map(|it| it.writer.output());
        (outputs.cloned().collect(), dirty)
    }

    fn syncing(&mut self) -> &mut Option<Syncing> {
        &mut self.syncing
    }
}

impl Sink for RotatedFiles {
    fn positions(&self) -> Vec<ResumePoint> {
        let points = self.hosts.values().filter_map(|files| {
            Some(ResumePoint {
                last: files.writer.last()?.clone(),
                past: files.writer.past().to_vec(),
            })
        });
        points.collect()
    }

    fn take(&mut self, host: HostName, update: Update) -> BoxFuture<'_, Result<(), SinkError>> {
        async move { self.write(&host, update) }.boxed()
    }

    fn sync(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        syncing::now(self).boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async {
            let synced = syncing::at_last(self).await;
            if let Some(tidier) = self.tidier.take() {
                tokio::task::spawn_blocking(|| tidier.finish()).await?;
            }
            synced
        }
        .boxed()
    }

    fn written(&self) -> Written {
        self.hosts.values().map(|files| files.written).sum()
    }

    fn name(&self) -> String {
        self.directory.display().to_string()
    }
}
