//! One file per host, or one for the only host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Known, Received};
use crate::cmd::{Failure, announce};
use crate::descriptors;
use crate::protocol::{Body, Hello, HostName};
use crate::recording::{Appended, Output, OutputError, Resume, Transcript};

/// Where rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Stdout,
    File(PathBuf),
    /// One file per host in here.
    Directory(PathBuf),
}

impl Target {
    pub(super) fn new(output: &Path) -> Self {
        if output.as_os_str() == "-" {
            Self::Stdout
        } else if super::is_directory(output) {
            Self::Directory(output.into())
        } else {
            Self::File(output.into())
        }
    }
}

/// What has been written by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) gaps: u64,
}

/// The open files.
pub(super) struct Files {
    target: Target,
    force: bool,
    append: bool,
    /// How many samples of each host are wanted.
    wanted: Option<u64>,
    /// Opened before anything is connected, so that a file that cannot be had is told at once.
    opened: Vec<(Option<HostName>, Opened)>,
    files: BTreeMap<HostName, HostFile>,
    saving: Option<tokio::task::JoinHandle<Result<(), OutputError>>>,
    line: Vec<u8>,
}

/// A file that no host has brought a message for yet.
struct Opened {
    output: Arc<Output>,
    resume: Option<Resume>,
}

impl From<Appended> for Opened {
    fn from(Appended { output, resume }: Appended) -> Self {
        let output = Arc::new(output);
        Self { output, resume }
    }
}

/// One host's file.
struct HostFile {
    output: Arc<Output>,
    transcript: Transcript,
    is_dirty: bool,
    samples: u64,
    written: Written,
}

impl Files {
    /// Opens what can be opened before the hosts are known.
    pub(super) fn new(
        target: Target,
        force: bool,
        append: bool,
        wanted: Option<u64>,
    ) -> Result<Self, Failure> {
        let opened = match &target {
            Target::Stdout => vec![(None, created(Output::stdout()?))],
            Target::File(path) => vec![open(path, force, append)?],
            Target::Directory(directory) => {
                // A file for each host.
                let _ = descriptors::raise();
                let made = std::fs::create_dir_all(directory);
                made.map_err(|error| {
                    anyhow::anyhow!("cannot make '{}': {error}", directory.display())
                })?;
                if append {
                    recordings_in(directory)?
                } else {
                    Vec::new()
                }
            }
        };
        let (files, line) = (BTreeMap::new(), Vec::new());
        Ok(Self {
            target,
            force,
            append,
            wanted,
            opened,
            files,
            saving: None,
            line,
        })
    }

    /// Where the files that are gone on with end, and which streams are in them.
    pub(super) fn known(&self) -> Vec<Known> {
        let known = |(_, opened): &(_, Opened)| {
            let resume = opened.resume.as_ref()?;
            Some(Known {
                last: resume.last.clone()?,
                past: resume.past.clone(),
            })
        };
        self.opened.iter().filter_map(known).collect()
    }

    /// Takes in a message: a row in its host's file, if it is numbered. May be dropped where that takes too long; the row
    /// then may or may not be written, and nothing else can be.
    pub(super) async fn take(&mut self, received: Received) -> Result<(), Failure> {
        let Received {
            host,
            stream,
            message,
            ..
        } = received;
        let (seq, alert, sample) = match message.body {
            Body::Hello(hello) => return self.open(host, &hello),
            Body::Gap(gap) => {
                if let Some(file) = self.files.get_mut(&host) {
                    file.transcript.gap(gap);
                }
                return Ok(());
            }
            Body::Metric {
                seq: Some(seq),
                sample,
            } => (seq, None, sample),
            Body::Alert {
                seq: Some(seq),
                alert,
                sample,
            } => (seq, Some(alert), sample),
            _ => return Ok(()),
        };
        let Some(file) = self.files.get_mut(&host) else {
            return Ok(());
        };
        if self.wanted.is_some_and(|wanted| file.samples >= wanted) {
            return Ok(());
        }
        file.samples += u64::from(alert.is_none());
        self.line.clear();
        let told = file
            .transcript
            .push((host, stream, seq), alert, sample, &mut self.line);
        let bytes = self.line.len() as u64;
        if file.output.may_wait() {
            let (output, line) = (Arc::clone(&file.output), std::mem::take(&mut self.line));
            tokio::task::spawn_blocking(move || output.write(&line)).await??;
        } else {
            file.output.write(&self.line)?;
        }
        file.written.gaps += u64::from(told);
        file.written.rows += 1;
        file.written.bytes += bytes;
        file.is_dirty = true;
        Ok(())
    }

    fn open(&mut self, host: HostName, hello: &Hello) -> Result<(), Failure> {
        if self.files.contains_key(&host) {
            return Ok(());
        }
        let Opened { output, resume } = match &self.target {
            Target::Stdout | Target::File(_) => self.take_only(&host)?,
            Target::Directory(directory) => {
                let path = directory.join(format!("{}.csv", host.file_stem()));
                let opened = self
                    .opened
                    .iter()
                    .position(|(of, _)| of.as_ref() == Some(&host));
                match opened {
                    Some(index) => self.opened.swap_remove(index).1,
                    None => open(&path, self.force, self.append)?.1,
                }
            }
        };
        let file = HostFile::new(output, resume, hello);
        self.files.insert(host, file);
        Ok(())
    }

    /// The only file, for the first host.
    fn take_only(&mut self, host: &HostName) -> Result<Opened, Failure> {
        let Some((of, opened)) = self.opened.pop() else {
            let first = self
                .files
                .keys()
                .next()
                .map(ToString::to_string)
                .unwrap_or_default();
            return Err(Failure::usage(format!(
                "{first} and {host} are both here: write one file per host with -o DIR/, or choose one with --host"
            )));
        };
        match of {
            Some(other) if other != *host => Err(other_host(&opened, &other, host)),
            _ => Ok(opened),
        }
    }

    /// Whether every host has as many samples as were asked for.
    pub(super) fn have_enough(&self) -> bool {
        let enough = |wanted| {
            !self.files.is_empty() && self.files.values().all(|file| file.samples >= wanted)
        };
        self.wanted.is_some_and(enough)
    }

    pub(super) fn written(&self) -> Written {
        self.files
            .values()
            .fold(Written::default(), |sum, HostFile { written, .. }| {
                Written {
                    rows: sum.rows + written.rows,
                    bytes: sum.bytes + written.bytes,
                    gaps: sum.gaps + written.gaps,
                }
            })
    }

    /// Begins to look whether the files are still there and to send what was written to the disk, unless it still goes on
    /// from before: data do not wait for a slow disk. [`Files::saved`] tells what came of it.
    pub(super) fn save(&mut self) {
        if self.saving.is_some() {
            return;
        }
        let dirty: Vec<_> = (self.files.values_mut())
            .filter_map(HostFile::take_dirty)
            .collect();
        let idle = self.opened.iter().map(|(_, opened)| &opened.output);
        let all: Vec<_> = (self.files.values().map(|file| &file.output))
            .chain(idle)
            .map(Arc::clone)
            .collect();
        self.saving = Some(tokio::task::spawn_blocking(move || {
            all.iter()
                .try_for_each(|output| output.check_still_there())?;
            sync(&dirty)
        }));
    }

    /// Waits for the end of what [`Files::save`] began; forever, if it began nothing. Cancel safe.
    pub(super) async fn saved(&mut self) -> Result<(), Failure> {
        let Some(saving) = &mut self.saving else {
            return std::future::pending().await;
        };
        let saved = saving.await;
        self.saving = None;
        Ok(saved??)
    }

    /// Sends everything to the disk.
    pub(super) fn close(&mut self) -> Result<(), OutputError> {
        (self.files.values()).try_for_each(|file| file.output.check_still_there())?;
        // What is being saved may not be on the disk yet.
        let is_saving = self.saving.is_some();
        let unsaved: Vec<_> = (self.files.values())
            .filter(|file| file.is_dirty || is_saving)
            .map(|file| Arc::clone(&file.output))
            .collect();
        sync(&unsaved)
    }

    /// What was recorded, in a line; nothing if there is nothing to tell.
    pub(super) fn summary(&self, elapsed: Duration) -> Option<String> {
        let Written { rows, gaps, .. } = self.written();
        let name = match &self.target {
            Target::Stdout => "standard output".to_owned(),
            Target::File(path) | Target::Directory(path) => path.display().to_string(),
        };
        let gaps = match gaps {
            0 => String::new(),
            1 => ", 1 gap".to_owned(),
            more => format!(", {more} gaps"),
        };
        let rows = if rows == 1 {
            "1 row".to_owned()
        } else {
            format!("{rows} rows")
        };
        (self.written().rows > 0)
            .then(|| format!("Wrote {name}: {rows} in {}{gaps}.", announce::span(elapsed)))
    }
}

impl HostFile {
    fn new(output: Arc<Output>, resume: Option<Resume>, hello: &Hello) -> Self {
        let transcript = match resume {
            Some(resume) => Transcript::resumed(resume.columns, resume.last.is_some()),
            None => Transcript::new(hello),
        };
        Self {
            output,
            transcript,
            is_dirty: false,
            samples: 0,
            written: Written::default(),
        }
    }

    fn take_dirty(&mut self) -> Option<Arc<Output>> {
        std::mem::take(&mut self.is_dirty).then(|| Arc::clone(&self.output))
    }
}

/// So many files are sent to the disk at once: it takes them together.
const SYNCED_AT_ONCE: usize = 16;

/// Waits until the disk has all of `outputs`.
fn sync(outputs: &[Arc<Output>]) -> Result<(), OutputError> {
    if outputs.len() <= SYNCED_AT_ONCE {
        return outputs.iter().try_for_each(|output| output.sync());
    }
    let share = outputs.len().div_ceil(SYNCED_AT_ONCE);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (outputs.chunks(share))
            .map(|share| scope.spawn(|| share.iter().try_for_each(|output| output.sync())))
            .collect();
        // A thread that panics has reported it.
        (threads.into_iter()).try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })
}

fn other_host(opened: &Opened, of: &HostName, host: &HostName) -> Failure {
    let name = opened.output.name();
    Failure::usage(format!(
        "'{name}' is a recording of {of}, not of {host}: use another file"
    ))
}

/// Opens one file, and says whose it is if rows are in it.
fn open(path: &Path, force: bool, append: bool) -> Result<(Option<HostName>, Opened), Failure> {
    if !append {
        let output = Output::create(path, force).map_err(|error| match error {
            OutputError::Exists { .. } => Failure {
                exit: crate::cmd::Exit::Usage,
                error: error.into(),
            },
            other => other.into(),
        })?;
        return Ok((None, created(output)));
    }
    let appended = Output::append(path)?;
    let host = appended
        .resume
        .as_ref()
        .and_then(|resume| Some(resume.last.as_ref()?.host.clone()));
    Ok((host, appended.into()))
}

fn created(output: Output) -> Opened {
    Opened {
        output: Arc::new(output),
        resume: None,
    }
}

/// The recordings in a directory, to go on with.
fn recordings_in(directory: &Path) -> Result<Vec<(Option<HostName>, Opened)>, Failure> {
    let mut opened = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let host = path.file_name().and_then(|name| {
            let stem = name.to_str()?.strip_suffix(".csv")?;
            HostName::of_file_stem(stem)
        });
        if let Some(host) = host {
            let (of, file) = open(&path, false, true)?;
            if let Some(of) = of.filter(|of| *of != host) {
                return Err(other_host(&file, &of, &host));
            }
            opened.push((Some(host), file));
        }
    }
    Ok(opened)
}
