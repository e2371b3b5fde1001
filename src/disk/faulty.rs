//! A disk that fails at one operation, or from then on. Its files are real.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{Disk, SystemDisk};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The operation fails once.
    Once(FaultKind),
    /// It and everything after it fail.
    FromThenOn(FaultKind),
    /// A write takes half of its bytes, and the next write fails: a full disk.
    Half(FaultKind),
    /// A write takes half of its bytes, and nothing fails.
    Short,
    /// A read or write is interrupted by a signal, and nothing fails.
    Interrupted,
}

/// The error of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Io,
    Full,
    Quota,
    Permission,
}

impl FaultKind {
    fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::from_raw_os_error(5),
            Self::Full => ErrorKind::StorageFull.into(),
            Self::Quota => ErrorKind::QuotaExceeded.into(),
            Self::Permission => ErrorKind::PermissionDenied.into(),
        }
    }
}

const FAULTS: [Fault; 10] = [
    Fault::Once(FaultKind::Io),
    Fault::Once(FaultKind::Full),
    Fault::Once(FaultKind::Quota),
    Fault::Once(FaultKind::Permission),
    Fault::FromThenOn(FaultKind::Io),
    Fault::FromThenOn(FaultKind::Full),
    Fault::Half(FaultKind::Full),
    Fault::Half(FaultKind::Quota),
    Fault::Short,
    Fault::Interrupted,
];

/// Calls `attempt` with a disk that fails at its first operation, then at its second, until there are no more, with
/// every fault. Returns how many faults there were.
pub(crate) fn at_every_operation(mut attempt: impl FnMut(&Arc<FaultyDisk>)) -> usize {
    let mut faults = 0;
    for fault in FAULTS {
        for at in 0.. {
            let disk = Arc::new(FaultyDisk::new(fault, at));
            attempt(&disk);
            faults += usize::from(!disk.failed().is_empty());
            if disk.operations.load(Ordering::SeqCst) <= at {
                break;
            }
        }
    }
    faults
}

/// The disk of the system, with a fault.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    fault: Fault,
    /// The operation with the fault, from 0.
    at: usize,
    operations: AtomicUsize,
    failed: Mutex<Vec<&'static str>>,
}

impl FaultyDisk {
    fn new(fault: Fault, at: usize) -> Self {
        Self {
            fault,
            at,
            operations: AtomicUsize::new(0),
            failed: Mutex::default(),
        }
    }

    /// A disk without a fault.
    pub(crate) fn sound() -> Self {
        Self::new(Fault::Short, usize::MAX >> 1)
    }

    /// The operations that failed.
    pub(crate) fn failed(&self) -> Vec<&'static str> {
        self.failed.lock().unwrap().clone()
    }

    /// Whether an operation of this name failed.
    pub(crate) fn has_failed(&self, operation: &str) -> bool {
        self.failed().contains(&operation)
    }

    /// Whether one of these operations was not permitted.
    pub(crate) fn has_denied(&self, operations: &[&str]) -> bool {
        self.fault == Fault::Once(FaultKind::Permission)
            && (self.failed().iter()).any(|it| operations.contains(it))
    }

    /// Counts an operation. Returns how far it is after the one with the fault; negative before it.
    fn count(&self) -> isize {
        self.operations.fetch_add(1, Ordering::SeqCst).cast_signed() - self.at.cast_signed()
    }

    fn check(&self, operation: &'static str) -> io::Result<()> {
        match (self.fault, self.count()) {
            (Fault::Once(cause), 0) => Err(self.fail(operation, cause)),
            (Fault::FromThenOn(cause), 0..) => Err(self.fail(operation, cause)),
            _ => Ok(()),
        }
    }

    fn fail(&self, operation: &'static str, cause: FaultKind) -> io::Error {
        self.failed.lock().unwrap().push(operation);
        cause.error()
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        self.check("open")?;
        SystemDisk.open(path, options)
    }

    fn read(&self, file: &File, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.fault, self.count()) {
            (Fault::Once(cause), 0) | (Fault::FromThenOn(cause), 0..) => {
                Err(self.fail("read", cause))
            }
            (Fault::Interrupted, 0) => Err(ErrorKind::Interrupted.into()),
            _ => SystemDisk.read(file, buffer),
        }
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let half = &bytes[..bytes.len().div_ceil(2)];
        match (self.fault, self.count()) {
            (Fault::Once(cause), 0) | (Fault::FromThenOn(cause), 0..) | (Fault::Half(cause), 1) => {
                Err(self.fail("write", cause))
            }
            (Fault::Interrupted, 0) => Err(ErrorKind::Interrupted.into()),
            (Fault::Short | Fault::Half(_), 0) => SystemDisk.write(file, half),
            _ => SystemDisk.write(file, bytes),
        }
    }

    fn set_len(&self, file: &File, length: u64) -> io::Result<()> {
        self.check("set_len")?;
        SystemDisk.set_len(file, length)
    }

    fn make_like(&self, file: &File, other: &Metadata) -> io::Result<()> {
        self.check("make_like")?;
        SystemDisk.make_like(file, other)
    }

    /// Doesn't wait for the real disk: no test cuts the power.
    fn sync(&self, _: &File) -> io::Result<()> {
        self.check("sync")
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        self.check("sync_directory")
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check("link")?;
        SystemDisk.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check("rename")?;
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check("remove")?;
        SystemDisk.remove(path)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.check("make_directory")?;
        SystemDisk.make_directory(path)
    }

    fn make_private_directory(&self, path: &Path) -> io::Result<()> {
        self.check("make_private_directory")?;
        SystemDisk.make_private_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<fs::ReadDir> {
        self.check("list")?;
        SystemDisk.list(path)
    }
}
