//! Leaves out the files of rotated recordings that have no row in the window, without reading their rows.

use std::path::{Path, PathBuf};

use super::Input;
use super::series::Series;
use super::window::Window;
use crate::postgres::HostInDatabase;
use crate::recording::{MinutesEntry, MinutesReader, Period, ReadError, RowHeads};

/// The inputs that may have rows in `window`, and the window with times in place of offsets, where those are known.
///
/// A row is in the file of its period or, if the clock was set back, in a later one. So all rows of a file are earlier than
/// the next one begins. A file that begins after the window may have a row in it; the file that sums it up by the minute
/// says whether it has.
///
/// # Errors
/// When the first row of a recording is needed and cannot be read.
pub fn seek(inputs: Vec<Input>, window: Window) -> Result<(Vec<Input>, Window), ReadError> {
    let first = first_of(&inputs, window)?;
    let window = first.map_or(window, |first| window.with_first(first));
    if window.counts_from_first() {
        return Ok((inputs, window));
    }
    let narrowed = inputs.into_iter().map(|input| match input {
        Input::Rotated(files) => Input::Rotated(wanted(files, window)),
        Input::Database(host) => Input::Database(HostInDatabase {
            from: window.starts_at(),
            until: window.ends_at(),
            ..host
        }),
        other => other,
    });
    Ok((narrowed.collect(), window))
}

/// The time of the very first row, if the window counts from it and it can be found at once.
fn first_of(inputs: &[Input], window: Window) -> Result<Option<u64>, ReadError> {
    // The rows of other inputs may be out of order.
    let is_in_order = |input: &Input| matches!(input, Input::Rotated(_) | Input::Database(_));
    if !window.counts_from_first() || !inputs.iter().all(is_in_order) {
        return Ok(None);
    }
    let mut times = Vec::new();
    for input in inputs {
        if let Input::Rotated(files) = input {
            let row = Series::open(files, true, false)?.next()?;
            times.extend(row.map(|found| found.message.sample.timestamp));
        }
        if let Input::Database(host) = input {
            times.push(host.first);
        }
    }
    Ok(times.into_iter().min())
}

/// The files of one recording that may have rows in the window; at least one, so that its host is known.
fn wanted(files: Vec<PathBuf>, window: Window) -> Vec<PathBuf> {
    let begins: Vec<_> = files.iter().map(|file| begin_of(file)).collect();
    let first = window.starts_at().map_or(0, |start| {
        let over = begins
            .iter()
            .skip(1)
            .take_while(|next| next.is_some_and(|next| next <= start));
        over.count()
    });
    let is_wanted = |&at: &usize| {
        let end = window.ends_at();
        end.is_none_or(|end| {
            begins[at].is_none_or(|begin| begin < end) || has_earlier(&files[at], end)
        })
    };
    let wanted: Vec<_> = (first..files.len()).filter(is_wanted).collect();
    let mut files = files.into_iter().enumerate();
    if wanted.is_empty() {
        return files.next().map(|(_, file)| file).into_iter().collect();
    }
    files
        .filter(|(at, _)| wanted.contains(at))
        .map(|(_, file)| file)
        .collect()
}

/// When the period of a file begins, in milliseconds since the epoch.
fn begin_of(file: &Path) -> Option<u64> {
    Period::of_stem(stem_of(file)?).map(|period| period.start)
}

/// The name of a file without what follows the first dot.
fn stem_of(file: &Path) -> Option<&str> {
    file.file_name()?.to_str()?.split('.').next()
}

/// Whether a file has a row before `end`, or might have.
fn has_earlier(file: &Path, end: u64) -> bool {
    by_minutes(file, end)
        .or_else(|| by_heads(file, end))
        .unwrap_or(true)
}

fn by_minutes(file: &Path, end: u64) -> Option<bool> {
    let mut minutes = MinutesReader::open(file.parent()?, stem_of(file)?).ok()?;
    while let Some(entry) = minutes.next_entry().ok()? {
        if matches!(entry, MinutesEntry::Rows(rows) if rows.from < end) {
            return Some(true);
        }
    }
    Some(false)
}

fn by_heads(file: &Path, end: u64) -> Option<bool> {
    let mut rows = RowHeads::open(file).ok()?;
    while let Some(row) = rows.next_row().ok()? {
        if row.timestamp < end {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::super::window::Bound;
    use super::*;

    fn recording(directory: &Path, rows: &[(&str, &str)]) -> Input {
        let mut files = Vec::new();
        for (file, time) in rows {
            let path = directory.join(file);
            let mut text = std::fs::read_to_string(&path)
                .unwrap_or_else(|_| "timestamp,host,stream,seq,event,cpu,top,extra\n".into());
            text.push_str(&format!(
                "2026-11-24T{time}:00.000Z,a,s1,{},,5,,\n",
                files.len() + 1
            ));
            std::fs::write(&path, text).unwrap();
            if !files.contains(&path) {
                files.push(path);
            }
        }
        Input::Rotated(files)
    }

    fn names(inputs: &[Input]) -> Vec<&str> {
        let [Input::Rotated(files)] = inputs else {
            panic!("{inputs:?}")
        };
        files
            .iter()
            .map(|file| &stem_of(file).unwrap()[11..])
            .collect()
    }

    #[test]
    fn only_files_with_rows_in_the_window_are_left() {
        let directory = tempfile::tempdir().unwrap();
        let rows = [
            ("2026-11-24T14.csv", "14:30"),
            ("2026-11-24T15.csv", "15:10"),
            ("2026-11-24T17.csv", "17:10"),
            ("2026-11-24T18.csv", "18:10"),
            // The clock was set back.
            ("2026-11-24T18.csv", "15:20"),
            ("2026-11-24T19.csv", "19:10"),
        ];
        let input = recording(directory.path(), &rows);
        let at = |time: &str| format!("2026-11-24T{time}").parse::<Bound>().unwrap();
        for (start, end, expected) in [
            (None, None, &["14", "15", "17", "18", "19"][..]),
            (Some("15:00"), None, &["15", "17", "18", "19"]),
            (Some("16:59"), None, &["15", "17", "18", "19"]),
            (Some("17:00"), None, &["17", "18", "19"]),
            (Some("23:00"), None, &["19"]),
            (None, Some("15:00"), &["14"]),
            (None, Some("15:01"), &["14", "15"]),
            (None, Some("15:21"), &["14", "15", "18"]),
            (None, Some("17:01"), &["14", "15", "17", "18"]),
            (Some("17:00"), Some("18:00"), &["17", "18"]),
            (None, Some("10:00"), &["14"]),
        ] {
            let window = Window::new(start.map(at), end.map(at));
            let (inputs, same) = seek(vec![input.clone()], window).unwrap();
            assert_eq!(same, window);
            assert_eq!(names(&inputs), expected, "{start:?} {end:?}");
        }
        // The first row is of 14:30.
        let offset = |text: &str| Some(text.parse::<Bound>().unwrap());
        let window = Window::new(offset("2h30m"), offset("+1h"));
        let (inputs, window) = seek(vec![input], window).unwrap();
        assert_eq!(names(&inputs), ["17", "18"]);
        assert_eq!(window, Window::new(Some(at("17:00")), Some(at("18:00"))));
    }
}
