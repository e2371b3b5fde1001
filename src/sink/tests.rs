//! Every disk operation fails, once or from then on: the files stay intact, and the failure is reported.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::disk::Disk;
use crate::disk::faulty::{FaultyDisk, at_every_operation};
use crate::protocol::{
    Gap, GapReason, Hello, HostName, Numbered, Sample, StreamId, Update, describe,
};
use crate::recording::{Reader, Row};

use super::files::Files;
use super::{Destination, Existing, Sink, SinkError};

const STREAM: StreamId = StreamId(1_764_000_000_000);

/// The numbers of a host's messages, with a gap in them.
const NUMBERS: [u64; 5] = [1, 2, 5, 6, 7];

/// The state before a run, and what the run does.
#[derive(Debug, Clone, Copy)]
struct Case {
    existing: Existing,
    /// In one file, or in a directory.
    hosts: &'static [&'static str],
    before: Before,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Empty,
    /// Two rows and a part of the third.
    Torn,
    /// Another recording.
    Other,
}

const ONE: &[&str] = &["web-1"];
const TWO: &[&str] = &["web-1", "web-2"];

const CASES: [Case; 8] = [
    Case::new(Existing::Keep, ONE, Before::Nothing),
    Case::new(Existing::Keep, TWO, Before::Nothing),
    Case::new(Existing::Replace, ONE, Before::Other),
    Case::new(Existing::Replace, TWO, Before::Other),
    Case::new(Existing::Append, ONE, Before::Nothing),
    Case::new(Existing::Append, ONE, Before::Empty),
    Case::new(Existing::Append, ONE, Before::Torn),
    Case::new(Existing::Append, TWO, Before::Torn),
];

impl Case {
    const fn new(existing: Existing, hosts: &'static [&'static str], before: Before) -> Self {
        Self {
            existing,
            hosts,
            before,
        }
    }

    fn destination(&self, directory: &Path) -> Destination {
        match self.hosts {
            [host] => Destination::File(directory.join(format!("{host}.csv"))),
            _ => Destination::Directory(directory.into()),
        }
    }

    /// Whether the old file may have been overwritten, because no other one can take its place.
    fn may_overwrite(&self, disk: &FaultyDisk) -> bool {
        self.existing == Existing::Replace && disk.has_denied(&["open", "make_like", "rename"])
    }

    /// What is in the file of a host before the run.
    fn bytes_before(&self, whole: &[u8]) -> Option<Vec<u8>> {
        match self.before {
            Before::Nothing => None,
            Before::Empty => Some(Vec::new()),
            Before::Torn => {
                let two_rows = whole.split_inclusive(|&byte| byte == b'\n').take(3);
                let length = two_rows.map(<[u8]>::len).sum::<usize>();
                Some(whole[..length + 30].to_vec())
            }
            Before::Other => Some(b"another recording\n".repeat(99)),
        }
    }
}

#[test]
fn every_failure_leaves_the_files_intact_and_is_reported() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    for case in CASES {
        let directory = TempDir::new().unwrap();
        let whole = runtime.block_on(whole_recordings(directory.path()));
        let faults = at_every_operation(|disk| runtime.block_on(attempt(case, &whole, disk)));
        assert!(faults > 50, "{case:?}: only {faults} faults");
    }
}

/// Undisturbed recordings of both hosts.
async fn whole_recordings(directory: &Path) -> Vec<Vec<u8>> {
    let case = Case::new(Existing::Keep, TWO, Before::Nothing);
    let disk = Arc::new(FaultyDisk::sound());
    let (rows, result) = record(disk, case.destination(directory), case).await;
    assert_eq!((rows, result.is_ok()), (2 * NUMBERS.len() as u64, true));
    let read = |host: &&str| fs::read(directory.join(format!("{host}.csv"))).unwrap();
    TWO.iter().map(read).collect()
}

/// Records with a fault, checks the files, and continues without one.
async fn attempt(case: Case, whole: &[Vec<u8>], disk: &Arc<FaultyDisk>) {
    let place = TempDir::new().unwrap();
    let directory = place.path();
    for (host, whole) in case.hosts.iter().zip(whole) {
        if let Some(bytes) = case.bytes_before(whole) {
            fs::write(directory.join(format!("{host}.csv")), bytes).unwrap();
        }
    }
    let (rows, result) = record(Arc::clone(disk) as _, case.destination(directory), case).await;
    let context = format!("{case:?} {disk:?} {rows} rows, {result:?}");
    // An empty file is removed at a point where failures can no longer be reported.
    let must_report = disk.failed().iter().any(|&operation| operation != "remove");
    if !case.may_overwrite(disk) {
        assert_eq!(result.is_err(), must_report, "{context}");
    }
    check_files(case, whole, disk, (directory, rows), &context);

    if matches!(case.before, Before::Other) {
        return;
    }
    let case = Case {
        existing: Existing::Append,
        ..case
    };
    let sound = Arc::new(FaultyDisk::sound());
    let (_, result) = record(sound, case.destination(directory), case).await;
    result.expect(&context);
    for (host, whole) in case.hosts.iter().zip(whole) {
        let bytes = fs::read(directory.join(format!("{host}.csv"))).unwrap();
        assert_eq!(bytes, *whole, "{context}");
    }
}

fn check_files(
    case: Case,
    whole: &[Vec<u8>],
    disk: &FaultyDisk,
    (directory, rows): (&Path, u64),
    context: &str,
) {
    let names: Vec<_> = (fs::read_dir(directory).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let is_ours =
        |name: &String| (case.hosts.iter()).any(|host| name.strip_suffix(".csv") == Some(host));
    let is_left = |name: &String| name.ends_with(".new") && disk.has_failed("remove");
    let are_known = names.iter().all(|name| is_ours(name) || is_left(name));
    assert!(are_known, "{names:?}: {context}");
    let mut found = 0;
    for (host, whole) in case.hosts.iter().zip(whole) {
        let before = case.bytes_before(whole);
        let bytes = fs::read(directory.join(format!("{host}.csv"))).ok();
        let kept = if case.before == Before::Torn { 2 } else { 0 };
        if bytes == before {
            continue;
        }
        let Some(bytes) = bytes else {
            panic!("{host} is gone: {context}");
        };
        let could_not_clean_up = disk.has_failed("set_len") || disk.has_failed("remove");
        assert!(whole.starts_with(&bytes), "{host}: {context}");
        let (numbered, is_whole) = read(&bytes);
        assert!(is_whole || could_not_clean_up, "{host}: {context}");
        assert!(
            !bytes.is_empty() || case.may_overwrite(disk) || could_not_clean_up,
            "{host} is empty: {context}"
        );
        found += numbered.saturating_sub(kept);
    }
    assert_eq!(found, rows, "as many rows as were reported: {context}");
}

/// How many numbered rows a reader finds, and whether the last line is one of them.
fn read(bytes: &[u8]) -> (u64, bool) {
    if bytes.is_empty() {
        return (0, true);
    }
    let Ok(mut reader) = Reader::new(bytes, "x.csv") else {
        return (0, false);
    };
    let rows: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    let is_numbered = |row: &Row| matches!(row, Row::Numbered(_));
    let numbered = rows.iter().filter(|row| is_numbered(row)).count() as u64;
    let ends_with_row = rows.last().is_some_and(is_numbered);
    (numbered, ends_with_row && reader.torn().is_none())
}

/// One run of the sink from opening to closing, continuing the files: how many rows it reports, and its result.
async fn record(
    disk: Arc<dyn Disk>,
    destination: Destination,
    case: Case,
) -> (u64, Result<(), SinkError>) {
    let mut sink = match Files::open(disk, destination, case.existing) {
        Ok(sink) => sink,
        Err(error) => return (0, Err(error)),
    };
    let taken = take_all(&mut sink, case.hosts).await;
    let closed = sink.close().await;
    (sink.written().rows, taken.and(closed))
}

async fn take_all(sink: &mut dyn Sink, hosts: &[&str]) -> Result<(), SinkError> {
    let positions = sink.positions();
    for host in hosts {
        let host: HostName = host.parse().unwrap();
        let known = positions.iter().find(|point| point.last.host == host);
        let last = known.map_or(0, |point| point.last.seq);
        let hello = Hello {
            metrics: [describe("cpu", 1)].into(),
            ..Hello::default()
        };
        sink.take(host.clone(), Update::Hello(Box::new(hello)))
            .await?;
        for seq in NUMBERS.into_iter().filter(|seq| last < *seq) {
            if seq == 5 {
                sink.take(host.clone(), Update::Gap(GAP)).await?;
            }
            sink.take(host.clone(), sample(&host, seq)).await?;
            if seq % 2 == 0 {
                sink.sync().await?;
            }
        }
    }
    Ok(())
}

const GAP: Gap = Gap {
    from: Some(3),
    to: Some(4),
    reason: GapReason::Expired,
};

fn sample(host: &HostName, seq: u64) -> Update {
    let sample = Sample {
        timestamp: 1_764_000_000_000 + seq * 1000,
        values: vec![("cpu".into(), 12.5)],
        ..Sample::default()
    };
    Update::Numbered(Numbered {
        host: host.clone(),
        stream: STREAM,
        seq,
        alert: None,
        sample,
    })
}
