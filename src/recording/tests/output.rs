//! Files that grow: created, continued, truncated, full and deleted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::disk::{Disk, SystemDisk};
use crate::protocol::{Gap, GapReason};
use crate::recording::{Appended, Columns, Encoder, Output, OutputError, Reader, Resume};

use super::rows::{encode, gap_row, sample_row};

/// Where the child process of the test with the size limit writes to.
const BOUNDED: &str = "METRICS_TEST_BOUNDED_FILE";

/// A directory for one file, empty except for what the test puts there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(bytes: &[u8]) -> Self {
        let place = Self::new();
        fs::write(place.path(), bytes).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("x.csv")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }
}

fn create(path: &Path, force: bool) -> Result<Output, OutputError> {
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
    Output::create(&disk, path, force)
}

pub(super) fn append_to(path: &Path) -> Result<Appended, OutputError> {
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
    Output::append(&disk, path)
}

/// The error with its cause, as `metrics` prints it, without the directory.
fn words(place: &Place, error: OutputError) -> String {
    let path = place.path().display().to_string();
    format!("{:#}", anyhow::Error::from(error)).replace(&path, "x.csv")
}

fn columns() -> Columns {
    Columns::new(["cpu", "a,\"b\""])
}

pub(super) fn three_rows() -> Vec<u8> {
    let rows = [1, 2, 3].map(|seq| sample_row(seq, &[("cpu", 1.5)]));
    encode(&columns(), &rows)
}

fn gap() -> Gap {
    Gap {
        from: Some(13),
        to: Some(57),
        reason: GapReason::Expired,
    }
}

#[track_caller]
fn append(place: &Place) -> (Output, Resume) {
    let Appended { output, resume } = append_to(&place.path()).unwrap();
    (output, resume.expect("a recording to go on with"))
}

#[test]
fn a_new_file_whose_directory_is_gone_at_the_first_sync_was_deleted() {
    let place = Place::new();
    let output = create(&place.path(), false).unwrap();
    output.write(b"a\n").unwrap();
    fs::remove_dir_all(place.0.path()).unwrap();
    let error = words(&place, output.sync().unwrap_err());
    assert!(error.contains("was deleted"), "{error}");
}

#[test]
fn a_new_file_has_the_rows_at_once() {
    let place = Place::new();
    let output = create(&place.path(), false).unwrap();
    output.write(b"a\n").unwrap();
    assert_eq!(place.bytes(), b"a\n");
    output.write(b"b\nc\n").unwrap();
    assert_eq!(place.bytes(), b"a\nb\nc\n");
    output.sync().unwrap();
    output.check_still_there().unwrap();
    drop(output);
    assert_eq!(place.bytes(), b"a\nb\nc\n");
}

#[test]
fn an_existing_file_is_replaced_only_with_force_and_only_by_rows() {
    let place = Place::with(b"precious\n");
    let error = create(&place.path(), false).unwrap_err();
    assert_eq!(
        words(&place, error),
        "'x.csv' exists: use --append to continue it, or --force to replace it"
    );
    let output = create(&place.path(), true).unwrap();
    drop(output);
    assert_eq!(place.bytes(), b"precious\n");
    let output = create(&place.path(), true).unwrap();
    output.write(b"new\n").unwrap();
    output.write(b"row\n").unwrap();
    assert_eq!(place.bytes(), b"new\nrow\n");
}

#[test]
fn an_empty_file_is_removed() {
    let place = Place::new();
    drop(create(&place.path(), false).unwrap());
    assert!(!place.path().exists());
    drop(append_to(&place.path()).unwrap());
    assert!(!place.path().exists());
    fs::write(place.path(), b"").unwrap();
    drop(create(&place.path(), false).unwrap());
    assert!(place.path().exists(), "not ours to remove");
}

#[test]
fn only_one_process_records_into_a_file() {
    let place = Place::with(&three_rows());
    let (_output, _) = append(&place);
    for refused in [
        append_to(&place.path()).map(drop),
        create(&place.path(), true).map(drop),
    ] {
        assert_eq!(
            words(&place, refused.unwrap_err()),
            "'x.csv' is being recorded into by another process"
        );
    }
    assert_eq!(place.bytes(), three_rows());
}

#[test]
fn a_recording_is_continued_after_its_last_row() {
    let place = Place::with(&three_rows());
    let (output, resume) = append(&place);
    assert_eq!(resume.columns, columns());
    assert_eq!(resume.last, Some("web-1:k3v9q2:3".parse().unwrap()));
    assert_eq!(resume.cut_bytes, 0);
    let mut rows = Vec::new();
    Encoder::new(resume.columns).row(&sample_row(4, &[("cpu", 2.0)]), &mut rows);
    output.write(&rows).unwrap();
    assert_eq!(place.bytes(), [three_rows(), rows].concat());
}

#[test]
fn a_recording_cut_anywhere_by_a_crash_is_continued() {
    let whole = three_rows();
    let ends: Vec<usize> = (whole.iter().enumerate())
        .filter(|&(_, &byte)| byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    for len in 0..=whole.len() {
        let place = Place::with(&whole[..len]);
        let Appended { output, resume } = append_to(&place.path()).unwrap();
        let complete = ends.iter().filter(|&&end| end <= len).count();
        let kept = complete.checked_sub(1).map_or(0, |nth| ends[nth]);
        assert_eq!(place.bytes(), whole[..kept], "{len} bytes");
        assert_eq!(resume.is_some(), complete > 0);
        if let Some(resume) = resume {
            let last = resume.last.map_or(0, |last| last.seq);
            assert_eq!(last, complete as u64 - 1);
            assert_eq!(resume.cut_bytes, (len - kept) as u64);
        }
        output.write(&whole[kept..]).unwrap();
        assert_eq!(place.bytes(), whole);
    }
}

#[test]
fn a_gap_without_its_message_is_cut_off() {
    let first = sample_row(12, &[("cpu", 1.0)]);
    let next = sample_row(58, &[("cpu", 1.0)]);
    let kept = encode(&columns(), std::slice::from_ref(&first));
    let place = Place::with(&encode(&columns(), &[first.clone(), gap_row(gap())]));
    let (_, resume) = append(&place);
    assert_eq!(resume.last.unwrap().seq, 12);
    assert_eq!(place.bytes(), kept);

    let whole = encode(&columns(), &[first, gap_row(gap()), next]);
    let torn = &whole[..whole.len() - 1];
    let place = Place::with(torn);
    let (_, resume) = append(&place);
    assert_eq!(resume.cut_bytes, (torn.len() - kept.len()) as u64);
    assert_eq!(place.bytes(), kept);

    let place = Place::with(&whole);
    assert_eq!(append(&place).1.last.unwrap().seq, 58);
    assert_eq!(place.bytes(), whole);
}

#[test]
fn the_last_header_of_a_concatenation_counts() {
    let other = encode(&Columns::new(["x"]), &[]);
    let place = Place::with(&[three_rows(), other].concat());
    let (_, resume) = append(&place);
    assert_eq!(resume.columns, Columns::new(["x"]));
    assert_eq!(resume.last.unwrap().seq, 3);
}

#[test]
fn only_a_recording_is_appended_to() {
    let check = |bytes: &[u8], expected: &str| {
        let place = Place::with(bytes);
        let error = append_to(&place.path()).unwrap_err();
        assert_eq!(words(&place, error), expected);
        assert_eq!(place.bytes(), bytes, "left as it was");
    };
    let cure = "; record into another file, or use --force to replace this one";
    check(
        b"time,cpu\n1,2\n3",
        &format!(
            "cannot append: x.csv:1: not a recording: the header lacks 'timestamp'; a recording has the columns timestamp, host, stream and seq{cure}"
        ),
    );
    check(
        b"no line",
        &format!(
            "cannot append: x.csv:1: not a recording: the header lacks 'timestamp'; a recording has the columns timestamp, host, stream and seq{cure}"
        ),
    );
    let spoilt = String::from_utf8(three_rows())
        .unwrap()
        .replace("3,,1.5", "3,,1,5");
    check(
        spoilt.as_bytes(),
        &format!("cannot append: x.csv:4: has 10 cells, the header has 9{cure}"),
    );
    let mut endless = three_rows();
    endless.resize(endless.len() + 16 * 1024 * 1024, b'7');
    check(
        &endless,
        &format!(
            "cannot append: x.csv:5: the row does not end within 16 MiB; is a closing quote missing?{cure}"
        ),
    );
    let edited = String::from_utf8(three_rows()).unwrap();
    for edited in [
        edited.replace('\n', "\r\n"),
        edited.replacen("top,extra", "extra,top", 1),
        edited.replacen("cpu", "\"cpu\"", 1),
        format!("\u{feff}{edited}"),
    ] {
        check(
            edited.as_bytes(),
            "'x.csv' has columns, quotes or line endings that `metrics record` does not write: record into another file",
        );
    }
}

#[test]
fn a_directory_or_no_directory_is_named() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    for refused in [
        create(&place.path(), true).map(drop),
        append_to(&place.path()).map(drop),
    ] {
        assert_eq!(
            words(&place, refused.unwrap_err()),
            "'x.csv' is a directory: write 'x.csv/' for one file per host in it"
        );
    }
    let error = create(&place.path().join("y/z.csv"), false).unwrap_err();
    assert_eq!(
        words(&place, error),
        "cannot open 'x.csv/y/z.csv': there is no directory 'x.csv/y': create it first (mkdir -p 'x.csv/y')"
    );
}

/// What another program may do to a file that is being written, and the message about it; none if it does no harm.
#[cfg(unix)]
const DONE_BY_OTHERS: &[(&str, Option<&str>)] = &[
    ("rm x.csv", Some("was deleted")),
    (
        "rm x.csv; mkdir x.csv",
        Some("was replaced by another file"),
    ),
    ("rm -r ../place", Some("was deleted")),
    ("mv x.csv x.csv.1", Some("was moved or renamed")),
    ("mv x.csv x.csv.1; : > x.csv", Some("was moved or renamed")),
    ("mv ../place ../elsewhere", Some("was moved or renamed")),
    (
        "cp x.csv y; mv y x.csv",
        Some("was replaced by another file"),
    ),
    (
        "sed -i s/cpu/CPU/ x.csv",
        Some("was replaced by another file"),
    ),
    ("rm x.csv; ln -s nowhere x.csv", Some("was deleted")),
    (": > x.csv", Some("was truncated")),
    ("cp x.csv x.csv.1; : > x.csv", Some("was truncated")),
    ("truncate -s -30 x.csv", Some("was truncated")),
    ("truncate -s -1 x.csv", Some("was truncated")),
    (": > x.csv; seq 1000 >> x.csv", Some("was written to")),
    (": > x.csv; echo 1 >> x.csv", Some("was truncated")),
    ("echo '# a note' >> x.csv", Some("was written to")),
    ("truncate -s +1 x.csv", Some("was written to")),
    (
        "printf Timestamp | dd of=x.csv conv=notrunc 2>/dev/null",
        Some("was overwritten"),
    ),
    (
        "tr 0-9 1-90 < x.csv > y; cat y > x.csv",
        Some("was overwritten"),
    ),
    (
        "size=$(wc -c < x.csv); printf '?' | dd of=x.csv bs=1 seek=$((size - 2)) conv=notrunc 2>/dev/null",
        Some("was overwritten"),
    ),
    ("cp x.csv y; cat y > x.csv", None),
    ("chmod 000 x.csv", None),
    ("touch x.csv", None),
    ("ln x.csv y", None),
    ("mv x.csv y; mv y x.csv", None),
    ("mv x.csv y; ln -s y x.csv", None),
];

#[cfg(unix)]
#[test]
fn changes_by_other_programs_are_noticed_and_end_the_recording() {
    for &(script, expected) in DONE_BY_OTHERS {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("place");
        fs::create_dir(&directory).unwrap();
        let path = directory.join("x.csv");
        let output = create(&path, false).unwrap();
        output.write(&three_rows()).unwrap();
        output.check_still_there().unwrap();
        let status = Command::new("sh")
            .args(["-c", script])
            .current_dir(&directory)
            .status();
        assert!(status.unwrap().success(), "{script}");
        let files = || all_bytes(parent.path());
        let before = files();
        let noticed = output
            .check_still_there()
            .map_err(|error| error.to_string());
        match expected {
            None => {
                assert_eq!(noticed, Ok(()), "{script}");
                output.write(b"more\n").unwrap();
            }
            Some(expected) => {
                let error = noticed.unwrap_err();
                assert!(error.contains(expected), "{script}: {error}");
                if error.contains("truncated") || error.contains("written to") {
                    let error = output.write(b"more\n").unwrap_err().to_string();
                    assert!(error.contains(expected), "{script}: {error}");
                    assert_eq!(files(), before, "{script}");
                }
            }
        }
    }
}

/// The bytes of every file below `directory`, in the order of their paths.
#[cfg(unix)]
fn all_bytes(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(all_bytes(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap_or_default()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_file_that_is_yet_to_be_replaced_is_checked_too() {
    let place = Place::with(b"precious\n");
    let output = create(&place.path(), true).unwrap();
    output.check_still_there().unwrap();
    fs::write(place.path(), b"even more precious\n").unwrap();
    let error = output.write(b"a\n").unwrap_err();
    assert_eq!(
        words(&place, error),
        "'x.csv' was written to by another program while recording"
    );
    assert_eq!(place.bytes(), b"even more precious\n");
}

/// One thread checks while another writes: our own writes must not look like another program's.
#[test]
fn checking_during_a_write_raises_no_false_alarm() {
    let place = Place::with(b"old\n");
    let output = create(&place.path(), true).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..2000).for_each(|_| output.write(b"a row\n").unwrap()));
        while !writer.is_finished() {
            output.check_still_there().unwrap();
        }
    });
    output.check_still_there().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_named() {
    let full = Path::new("/dev/full");
    for output in [
        create(full, false).unwrap(),
        append_to(full).unwrap().output,
    ] {
        let error = anyhow::Error::from(output.write(b"a\n").unwrap_err());
        assert_eq!(
            format!("{error:#}"),
            "cannot write '/dev/full': No space left on device (os error 28)"
        );
        output.sync().unwrap();
        output.check_still_there().unwrap();
    }
}

/// The kernel accepts part of the last batch and refuses the rest, as on a full disk: the test runs itself as a child
/// with a limit on file sizes.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_grow_keeps_complete_rows_only() {
    if let Some(path) = std::env::var_os(BOUNDED) {
        let output = create(Path::new(&path), false).unwrap();
        output.write(&encode(&columns(), &[])).unwrap();
        let mut encoder = Encoder::new(columns());
        let error = (1..)
            .step_by(3)
            .find_map(|seq| {
                let mut batch = Vec::new();
                for seq in seq..seq + 3 {
                    encoder.row(&sample_row(seq, &[("cpu", 1.5)]), &mut batch);
                }
                output.write(&batch).err()
            })
            .unwrap();
        panic!("{:#}", anyhow::Error::from(error));
    }
    let place = Place::new();
    let name = "recording::tests::output::a_file_that_cannot_grow_keeps_complete_rows_only";
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(BOUNDED, place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    let expected = format!(
        "cannot write '{}': File too large (os error 27)",
        place.path().display()
    );
    assert!(said.contains(&expected), "{said}");
    let file = place.bytes();
    assert!(file.ends_with(b"\n"));
    let mut reader = Reader::open(&place.path()).unwrap();
    let rows = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(reader.torn(), None);
    let with = |count: usize| {
        let rows: Vec<_> = (1..=count as u64)
            .map(|seq| sample_row(seq, &[("cpu", 1.5)]))
            .collect();
        encode(&columns(), &rows)
    };
    assert_eq!(file, with(rows.len()));
    // Shells count in blocks of 512 or 1024 bytes.
    let limit = if file.len() > 2048 { 4096 } else { 2048 };
    let one_more = with(rows.len() + 1);
    assert!(one_more.len() > limit, "what fits of a batch stays");
}
