//! A spool with damaged files: what follows them is read, and the newest one is continued as far as it can be read.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use super::*;
use crate::recording::unpacked;

/// A spool with 30 messages in six files, all but the last one compressed.
fn closed_spool() -> (tempfile::TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(directory.path());
    keep(&spool, 1, 1..=30);
    spool.close();
    drop(spool);
    let files = files_in(&SystemDisk, &directory.path().join("web-1")).unwrap();
    let host = directory.path().join("web-1");
    let paths: Vec<_> = files.iter().map(|file| file.path_in(&host)).collect();
    assert_eq!(paths.len(), 6, "{paths:?}");
    (directory, paths)
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let mut input = unpacked(fs::File::open(path).unwrap()).unwrap();
    input.read_to_string(&mut text).unwrap();
    text
}

/// Puts `text` in the place of a file, uncompressed.
fn replace(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path.to_str().unwrap().trim_end_matches(".gz"), text).unwrap();
}

/// Damages a file in one of several ways, and says which of its rows can still be read, from 0.
fn damage(path: &Path, way: usize) -> Vec<u64> {
    let whole = text(path);
    let name = path.to_str().unwrap().trim_end_matches(".gz");
    let _ = fs::remove_file(Path::new(name).with_extension("minutes"));
    let mut lines: Vec<&str> = whole.split_inclusive('\n').collect();
    match way {
        0 => fs::write(path, "garbage\n").unwrap(),
        1 => fs::write(path, vec![0; 500]).unwrap(),
        2 => {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..20]).unwrap();
        }
        3 => {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }
        4 => {
            lines[3] = "2026-11-24T20:30:00.000Z,web-1,\0\0\0\0\n";
            replace(path, &lines.concat());
            return vec![0, 1, 3, 4, 5];
        }
        _ => {
            lines[6] = "2026-11-24T20:50:00.000Z,web-1,1,99,,\0\0,,\n";
            replace(path, &lines.concat());
            return vec![0, 1, 2, 3, 4];
        }
    }
    Vec::new()
}

#[test]
fn a_damaged_hour_hides_no_other() {
    for way in 0..6 {
        let (directory, files) = closed_spool();
        // Files hold 5, 6, 6, 6, 6 and 1 messages: this one has 12 to 17.
        let readable = damage(&files[2], way);
        let spool = open(directory.path());
        let rest = |from: u64| {
            let readable = readable.iter().map(|nth| (1, 12 + nth)).collect();
            [span(1, from..=11), readable, span(1, 18..=30)].concat()
        };
        let after = |seq| PastFrom::After(StreamId(1), seq);
        assert_eq!(found(&spool, PastFrom::Since(0), None), rest(1), "{way}");
        assert_eq!(found(&spool, after(3), None), rest(4), "{way}");
        assert_eq!(found(&spool, after(20), None), span(1, 21..=30), "{way}");
        assert_eq!(found(&spool, PastFrom::Last(99), None), rest(1), "{way}");
        // A row whose head can be read counts, even if its values cannot.
        let count = 15 + readable.len() as u64 + u64::from(way == 5);
        let last = PastFrom::Last(count);
        assert_eq!(found(&spool, last, None), rest(10), "{way}");
        assert_eq!(spool.tail(Duration::from_secs(900)), {
            let all = PastFrom::Since(0);
            spool.state.collect(all)
        });
        spool.close();
    }
}

#[test]
fn a_spool_goes_on_after_its_newest_file_is_damaged() {
    for way in 0..6 {
        let (directory, mut files) = closed_spool();
        // The newest one is now the plain file with 24 to 29, or the compressed one.
        fs::remove_file(files.pop().unwrap()).unwrap();
        let newest = files.pop().unwrap();
        if way != 2 {
            let whole = text(&newest);
            replace(&newest, &whole);
        }
        let plain = PathBuf::from(newest.to_str().unwrap().trim_end_matches(".gz"));
        let readable = damage(if way == 2 { &newest } else { &plain }, way);
        let spool = open(directory.path());
        assert_eq!(spool.last_stream(), Some(StreamId(1)));
        keep(&spool, 2, 1..=2);
        let readable = readable.iter().map(|nth| (1, 24 + nth)).collect();
        let expected = [span(1, 1..=23), readable, span(2, 1..=2)].concat();
        assert_eq!(found(&spool, PastFrom::Since(0), None), expected, "{way}");
        assert_eq!(spool.status().unwrap().paused, None);
        spool.close();
        let aside = plain.with_extension("csv.damaged");
        // What is compressed stays, and so does a file that is only damaged in the middle.
        assert_eq!(aside.exists(), ![2, 4].contains(&way), "{way}");
    }
}

#[test]
fn rows_of_another_program_are_kept_and_continued() {
    let (directory, mut files) = closed_spool();
    let newest = files.pop().unwrap();
    let edited = text(&newest).replace('\n', "\r\n");
    fs::write(&newest, &edited).unwrap();
    let spool = open(directory.path());
    keep(&spool, 2, 1..=1);
    let expected = [span(1, 1..=30), span(2, 1..=1)].concat();
    assert_eq!(found(&spool, PastFrom::Since(0), None), expected);
    spool.close();
    drop(spool);
    let aside = newest.with_extension("csv.damaged");
    assert_eq!(fs::read_to_string(aside).unwrap(), edited);
    // The next damage doesn't replace what was put aside before.
    let newest = files_in(&SystemDisk, &directory.path().join("web-1")).unwrap();
    let newest = newest
        .last()
        .unwrap()
        .path_in(&directory.path().join("web-1"));
    for name in ["csv.damaged", "csv.damaged-2"] {
        fs::write(&newest, "garbage\n").unwrap();
        open(directory.path()).close();
        assert!(newest.with_extension(name).exists(), "{name}");
    }
}

#[test]
fn a_spool_of_another_host_is_refused() {
    let (directory, _) = closed_spool();
    fs::rename(
        directory.path().join("web-1"),
        directory.path().join("web-2"),
    )
    .unwrap();
    let other = SpoolOptions {
        host: "web-2".parse().unwrap(),
        ..options(directory.path())
    };
    let error = Spool::open(other).unwrap_err().to_string();
    assert!(
        error.contains("is a recording of web-1, not of web-2"),
        "{error}"
    );
}
