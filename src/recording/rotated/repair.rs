//! Going on after damage, as a crash or a failing disk leaves it: the newest file is put aside, and a new one begins with
//! the rows that can be read.

use std::io;
use std::path::{Path, PathBuf};

use super::super::columns::Columns;
use super::super::output_error::OutputError;
use super::super::reader::Reader;
use super::super::row::Row;
use super::super::transcript::Transcript;
use super::directory::{part, plain};
use super::packing::create;
use crate::disk::Disk;
use crate::wording::counted;

/// How many bytes are written at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Renames the plain file of `stem`, which is damaged as `error` says, and begins a new one with its readable rows. If
/// those cannot be written, they are only in the renamed file.
pub(super) fn put_aside(
    disk: &dyn Disk,
    directory: &Path,
    stem: &str,
    error: &OutputError,
) -> io::Result<()> {
    let (damaged, part) = (plain(directory, stem), part(directory, stem));
    let aside = unused_name(&damaged);
    let saved = save_rows(disk, &damaged, &part);
    disk.rename(&damaged, &aside)?;
    let saved = saved.and_then(|rows| {
        if rows > 0 {
            disk.rename(&part, &damaged)?;
        }
        Ok(rows)
    });
    let rows = counted(saved.unwrap_or(0), "row");
    let (reason, aside) = (error.reason(), aside.display());
    tracing::warn!("{reason}: {rows} kept; the damaged file is now '{aside}'");
    let _ = disk.remove(&part);
    disk.sync_directory(directory)
}

/// `….damaged`, or with a number, so that no earlier one is replaced.
fn unused_name(path: &Path) -> PathBuf {
    let name = |nth: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(".damaged");
        if nth > 1 {
            name.push(format!("-{nth}"));
        }
        PathBuf::from(name)
    };
    let mut names = (1..).map(name);
    let free = names.find(|it| it.symlink_metadata().is_err());
    // There always is one.
    free.unwrap_or_else(|| name(1))
}

/// Copies the rows up to the damage. Returns how many there were.
fn save_rows(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<u64> {
    let Ok(mut rows) = Reader::open(from) else {
        return Ok(0);
    };
    let file = create(disk, to)?;
    let mut transcript: Option<(Columns, Transcript)> = None;
    let (mut gap, mut count, mut out) = (None, 0, Vec::new());
    while let Some(Ok(row)) = rows.next() {
        let message = match row {
            Row::Gap { gap: found, .. } => {
                gap = Some(found);
                continue;
            }
            Row::Numbered(message) => message,
        };
        let (_, written) = match &mut transcript {
            Some(same) if same.0 == *rows.columns() => same,
            other => {
                let columns = rows.columns().clone();
                other.insert((columns.clone(), Transcript::of_columns(columns)))
            }
        };
        if let Some(gap) = gap.take() {
            written.gap(gap);
        }
        written.push(message, &mut out);
        count += 1;
        if CHUNK_BYTES <= out.len() {
            disk.write_all(&file, &out)?;
            out.clear();
        }
    }
    disk.write_all(&file, &out)?;
    disk.sync(&file)?;
    Ok(count)
}
