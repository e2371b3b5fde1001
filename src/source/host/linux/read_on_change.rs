//! What a file or directory contained, read again only after it has changed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Files have the time of the kernel's last tick, and some filesystems that of the last second: two changes that
/// follow each other may have the same.
const RESOLUTION: Duration = Duration::from_secs(1);

/// The contents, as long as they are those of the file.
#[derive(Default)]
pub(super) struct ReadOnChange<T> {
    read: Option<(Stamp, T)>,
}

/// Tells one state of a file from all others, once it is older than [`RESOLUTION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// When it was changed, in seconds and nanoseconds.
    changed: (i64, i64),
    /// Whether that was long enough ago.
    is_settled: bool,
}

impl Stamp {
    fn of(metadata: &Metadata, now: SystemTime) -> Self {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let since_epoch = u64::try_from(changed.0).ok().and_then(|seconds| {
            let nanoseconds = u32::try_from(changed.1).ok()?;
            Some(Duration::new(seconds, nanoseconds))
        });
        let age = since_epoch.and_then(|changed| now.duration_since(UNIX_EPOCH + changed).ok());
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed,
            is_settled: age.is_some_and(|age| RESOLUTION <= age),
        }
    }
}

impl<T> ReadOnChange<T> {
    /// The contents of the file or directory at `path`, which `read` reads; `None` if it doesn't exist. One system call
    /// as long as nothing changes.
    pub(super) fn get(
        &mut self,
        path: &Path,
        read: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<Option<&T>> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.read = None;
                return Ok(None);
            }
            metadata => metadata?,
        };
        let now = Stamp::of(&metadata, SystemTime::now());
        // One that wasn't settled when it was read differs from now, when it is, and is read once more.
        let is_known = |(then, _): &(Stamp, T)| now.is_settled && *then == now;
        if !self.read.as_ref().is_some_and(is_known) {
            self.read = None;
            self.read = Some((now, read(path)?));
        }
        Ok(self.read.as_ref().map(|(_, contents)| contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_file_is_read_once_and_a_new_one_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "a").unwrap();
        let mut file = ReadOnChange::default();
        let mut reads = 0;
        let mut get = || {
            let read = |path: &Path| {
                reads += 1;
                fs::read_to_string(path)
            };
            file.get(&path, read).unwrap().cloned()
        };
        assert_eq!((get(), get()), (Some("a".into()), Some("a".into())));
        fs::write(&path, "b").unwrap();
        assert_eq!(get(), Some("b".into()));
        fs::remove_file(&path).unwrap();
        assert_eq!(get(), None);
        // The second time only if it was read within a second.
        assert!((2..=3).contains(&reads), "{reads}");
    }

    #[test]
    fn a_file_is_settled_a_second_after_its_change() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let metadata = file.as_file().metadata().unwrap();
        let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap();
        let changed = Duration::new(u64::try_from(metadata.ctime()).unwrap(), nanoseconds);
        let changed = UNIX_EPOCH + changed;
        let is_settled = |now| Stamp::of(&metadata, now).is_settled;
        assert!(!is_settled(changed));
        assert!(!is_settled(changed + RESOLUTION - Duration::from_nanos(1)));
        assert!(is_settled(changed + RESOLUTION));
        // The clock was set back.
        assert!(!is_settled(changed - RESOLUTION));
    }

    #[test]
    fn what_does_not_change_is_read_once() {
        let mut file = ReadOnChange::default();
        let mut get = |contents: u32| {
            file.get(Path::new("/usr"), |_| Ok(contents))
                .unwrap()
                .copied()
        };
        assert_eq!((get(1), get(2)), (Some(1), Some(1)));
    }
}
