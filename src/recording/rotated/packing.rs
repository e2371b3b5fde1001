//! Compressing closed files.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::lines::{is_gap, is_header};
use super::super::opening::private;
use super::directory::{packed, part, plain};
use crate::disk::{Disk, DiskReader};

/// Compresses a closed file. At every moment, the plain file is complete or the compressed one is.
///
/// # Errors
/// When that fails; the plain file then stays.
pub(super) fn pack(disk: &dyn Disk, directory: &Path, stem: &str) -> io::Result<()> {
    let (from, to, part) = (
        plain(directory, stem),
        packed(directory, stem),
        part(directory, stem),
    );
    let written = write(disk, &from, &part).and_then(|()| disk.rename(&part, &to));
    if let Err(error) = written {
        let _ = disk.remove(&part);
        return Err(error);
    }
    disk.sync_directory(directory)?;
    disk.remove(&from)?;
    disk.sync_directory(directory)
}

fn write(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    let source = disk.open(from, OpenOptions::new().read(true))?;
    let target = create(disk, to)?;
    let source = BufReader::new(DiskReader {
        disk,
        file: &source,
    });
    let target = DiskWriter {
        disk,
        file: &target,
    };
    // Without a name or a time, so that the same rows give the same bytes.
    let mut encoder = GzEncoder::new(target, Compression::default());
    copy_whole_rows(source, &mut encoder)?;
    let target = encoder.finish()?;
    disk.sync(target.file)
}

/// Creates a file for its owner, in place of one that is there.
pub(super) fn create(disk: &dyn Disk, path: &Path) -> io::Result<File> {
    match disk.remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    disk.open(path, private(options.write(true).create_new(true)))
}

/// Leaves out what a crash has cut off at the end: part of a row, or a header or a gap without the message after it.
fn copy_whole_rows(mut from: impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let (mut lines, mut begin) = (Vec::new(), 0);
    loop {
        from.read_until(b'\n', &mut lines)?;
        let line = &lines[begin..];
        if !line.ends_with(b"\n") {
            return Ok(());
        }
        begin = lines.len();
        if !is_header(line) && !is_gap(line) {
            to.write_all(&lines)?;
            lines.clear();
            begin = 0;
        }
    }
}

/// A file that is written through a [`Disk`].
pub(super) struct DiskWriter<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) file: &'a File,
}

impl Write for DiskWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write(self.file, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
