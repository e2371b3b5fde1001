//! Recordings as files: standard output, one file for the only host, or one per host in a directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::descriptors;
use crate::disk::Disk;
use crate::protocol::{Hello, HostName, ResumePoint, Update};
use crate::recording::{Output, OutputError};

use super::destination::{Destination, Existing};
use super::error::SinkError;
use super::file_name;
use super::host_file::{HostFile, OpenedFile};
use super::interface::{Sink, Written};
use super::syncing::{self, SyncedFiles, Syncing};

/// The open files.
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    destination: Destination,
    existing: Existing,
    /// Opened before anything is connected, each with the host in it, so that a file that cannot be opened is reported
    /// at once.
    opened: Vec<(Option<HostName>, OpenedFile)>,
    files: BTreeMap<HostName, HostFile>,
    /// The sync in progress.
    syncing: Option<Syncing>,
}

impl Files {
    /// Opens the files that can be opened before the hosts are known.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        destination: Destination,
        existing: Existing,
    ) -> Result<Self, SinkError> {
        let opened = match &destination {
            Destination::Stdout => vec![(None, Output::stdout(&disk)?.into())],
            Destination::File(path) => {
                file_name::check(path)?;
                vec![open_file(&disk, path, existing)?]
            }
            Destination::Directory(directory) => open_directory(&disk, directory, existing)?,
            // Another sink's.
            Destination::Database { .. } => Vec::new(),
        };
        Ok(Self {
            disk,
            destination,
            existing,
            opened,
            files: BTreeMap::new(),
            syncing: None,
        })
    }

    fn add(&mut self, host: HostName, hello: &Hello) -> Result<(), SinkError> {
        if self.files.contains_key(&host) {
            return Ok(());
        }
        let opened = match &self.destination {
            Destination::Stdout | Destination::File(_) | Destination::Database { .. } => {
                self.take_only(&host)?
            }
            Destination::Directory(directory) => {
                let path = directory.join(format!("{}.csv", host.file_stem()));
                let is_of_host = |(of, _): &(Option<_>, _)| of.as_ref() == Some(&host);
                match self.opened.iter().position(is_of_host) {
                    Some(index) => self.opened.swap_remove(index).1,
                    None => open_file(&self.disk, &path, self.existing)?.1,
                }
            }
        };
        self.files.insert(host, HostFile::new(opened, hello));
        Ok(())
    }

    /// The only file, for the first host.
    fn take_only(&mut self, host: &HostName) -> Result<OpenedFile, SinkError> {
        match self.opened.pop() {
            Some((Some(of), opened)) if of != *host => Err(other_host(&opened, of, host)),
            Some((_, opened)) => Ok(opened),
            // Without a first host, the file was lost with an error, after which nothing may be written.
            None => Err(SinkError::SeveralHosts {
                first: self.files.keys().next().unwrap_or(host).clone(),
                other: host.clone(),
            }),
        }
    }

    async fn write(&mut self, host: HostName, update: Update) -> Result<(), SinkError> {
        if let Update::Hello(hello) = update {
            return self.add(host, &hello);
        }
        let Some(file) = self.files.get_mut(&host) else {
            return Ok(());
        };
        match update {
            Update::Gap(gap) => file.gap(gap),
            Update::Numbered(message) => file.write(message).await?,
            Update::Hello(_) | Update::Heartbeat { .. } | Update::Summary(_) | Update::End => {}
        }
        Ok(())
    }
}

impl SyncedFiles for Files {
    fn outputs(&mut self) -> (Vec<Arc<Output>>, Vec<Arc<Output>>) {
        let dirty = (self.files.values_mut())
            .filter_map(HostFile::take_dirty)
            .collect();
        let idle = self.opened.iter().map(|(_, opened)| &opened.output);
        let all = (self.files.values().map(|file| &file.output))
            .chain(idle)
            .map(Arc::clone)
            .collect();
        (all, dirty)
    }

    fn syncing(&mut self) -> &mut Option<Syncing> {
        &mut self.syncing
    }
}

impl Sink for Files {
    fn positions(&self) -> Vec<ResumePoint> {
        let point = |(_, opened): &(_, OpenedFile)| {
            let resume = opened.resume.as_ref()?;
            Some(ResumePoint {
                last: resume.last.clone()?,
                past: resume.past.clone(),
            })
        };
        self.opened.iter().filter_map(point).collect()
    }

    fn take(&mut self, host: HostName, update: Update) -> BoxFuture<'_, Result<(), SinkError>> {
        self.write(host, update).boxed()
    }

    fn sync(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        syncing::now(self).boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        syncing::at_last(self).boxed()
    }

    fn written(&self) -> Written {
        self.files.values().map(|file| file.written).sum()
    }

    fn name(&self) -> String {
        self.destination.name()
    }
}

fn other_host(opened: &OpenedFile, of: HostName, host: &HostName) -> SinkError {
    let error = OutputError::OtherHost {
        name: opened.output.name(),
        of,
        host: host.clone(),
    };
    error.into()
}

/// Opens one file, and returns its host if it has rows.
fn open_file(
    disk: &Arc<dyn Disk>,
    path: &Path,
    existing: Existing,
) -> Result<(Option<HostName>, OpenedFile), OutputError> {
    if existing != Existing::Append {
        let output = Output::create(disk, path, existing == Existing::Replace)?;
        return Ok((None, output.into()));
    }
    let appended = Output::append(disk, path)?;
    let last = appended.resume.as_ref().and_then(|it| it.last.as_ref());
    Ok((last.map(|last| last.host.clone()), appended.into()))
}

/// Creates a directory, or opens the recordings in it to append to them.
fn open_directory(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    existing: Existing,
) -> Result<Vec<(Option<HostName>, OpenedFile)>, SinkError> {
    // There may be many hosts, each with a file.
    let _ = descriptors::raise();
    disk.make_directory(directory)
        .map_err(|source| SinkError::MakeDirectory {
            path: directory.into(),
            source,
        })?;
    if existing == Existing::Append {
        recordings_in(disk, directory)
    } else {
        Ok(Vec::new())
    }
}

/// Opens the recordings in a directory to append to them.
fn recordings_in(
    disk: &Arc<dyn Disk>,
    directory: &Path,
) -> Result<Vec<(Option<HostName>, OpenedFile)>, SinkError> {
    let failed = |source| SinkError::ListDirectory {
        path: directory.into(),
        source,
    };
    let mut opened = Vec::new();
    for entry in disk.list(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let host = path.file_name().and_then(|name| {
            let stem = name.to_str()?.strip_suffix(".csv")?;
            HostName::of_file_stem(stem)
        });
        if let Some(host) = host {
            let (of, file) = open_file(disk, &path, Existing::Append)?;
            if let Some(of) = of.filter(|of| *of != host) {
                return Err(other_host(&file, of, &host));
            }
            opened.push((Some(host), file));
        }
    }
    Ok(opened)
}
