//! Whatever is written, when and how often the writer is restarted: the files hold it once, in order, and copying them
//! message by message gives the same files.

mod clocks;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Columns, Reader, Rotation, Row, unpacked};
use super::*;
use crate::disk::faulty::{FaultyDisk, at_every_operation};
use crate::disk::{Disk, SystemDisk};
use crate::protocol::{Gap, GapReason, Numbered, Sample, StreamId};

const BEGIN_MS: u64 = 1_795_528_800_000; // 2026-11-24T14:00:00Z
const MINUTE_MS: u64 = 60_000;

/// One message, as the one before it leads to it.
#[derive(Debug, Clone, Copy)]
struct Step {
    minutes: i64,
    restarts_stream: bool,
    missing: u64,
    columns: usize,
    /// Whether the writer is opened again before it.
    reopens: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let minutes = prop_oneof![
        12 => 0..20_i64,
        2 => 20..300_i64,
        2 => -300..0_i64,
        1 => 300..9000_i64,
        1 => -9000..-300_i64,
    ];
    let step = (
        minutes,
        prop::bool::weighted(0.1),
        0..3_u64,
        1..4_usize,
        prop::bool::weighted(0.15),
    );
    let step = step.prop_map(
        |(minutes, restarts_stream, missing, columns, reopens)| Step {
            minutes,
            restarts_stream,
            missing,
            columns,
            reopens,
        },
    );
    prop::collection::vec(step, 1..40)
}

const NAMES: [&str; 3] = ["cpu", "load1", "disk:/"];

/// The messages of `steps`, each with the columns announced before it.
fn messages(steps: &[Step]) -> Vec<(Numbered, usize)> {
    let (mut time, mut stream, mut seq) = (BEGIN_MS.cast_signed(), 1, 0);
    let mut columns = 1;
    let message = |step: &Step| {
        time += step.minutes * MINUTE_MS.cast_signed();
        if step.restarts_stream {
            (stream, seq) = (stream + 1, 0);
        }
        seq += 1 + step.missing;
        columns = columns.max(step.columns);
        let value = |name: &&str| ((*name).into(), f64::from(u32::try_from(seq).unwrap()));
        let sample = Sample {
            timestamp: time.cast_unsigned(),
            values: NAMES[..step.columns].iter().map(value).collect(),
            top: None,
            containers: (columns == 3).then(Vec::new),
        };
        let message = Numbered {
            host: "web-1".parse().unwrap(),
            stream: StreamId(stream),
            seq,
            alert: None,
            sample,
        };
        (message, columns)
    };
    steps.iter().map(message).collect()
}

fn gap_between(last: Option<&Numbered>, next: &Numbered) -> Option<Gap> {
    let last = last?;
    let (from, to, reason) = if last.stream != next.stream {
        (None, None, GapReason::Restarted)
    } else if last.seq + 1 < next.seq {
        (Some(last.seq + 1), Some(next.seq - 1), GapReason::Expired)
    } else {
        return None;
    };
    Some(Gap { from, to, reason })
}

fn open(disk: &Arc<dyn Disk>, directory: &Path) -> RotatedWriter {
    RotatedWriter::open(disk, directory, "15m".parse::<Rotation>().unwrap()).unwrap()
}

/// Every message in `directory`, with the columns of its file.
fn read(directory: &Path) -> Vec<(Numbered, Columns)> {
    let mut messages = Vec::new();
    for file in files_in(&SystemDisk, directory).unwrap() {
        let path = file.path_in(directory);
        let input = unpacked(std::fs::File::open(&path).unwrap()).unwrap();
        let mut reader = Reader::new(input, "x.csv").unwrap();
        while let Some(row) = reader.next() {
            let columns = reader.columns().clone();
            if let Row::Numbered(message) = row.unwrap() {
                messages.push((message, columns));
            }
        }
        assert_eq!(reader.torn(), None);
    }
    messages
}

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    files.collect()
}

fn write_all(directory: &Path, steps: &[Step], messages: &[(Numbered, usize)]) {
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
    let start = || Tidier::start(Arc::clone(&disk), RotationLimits::default()).unwrap();
    let mut tidier = start();
    let mut writer = open(&disk, directory);
    let mut last = None;
    for (step, (message, columns)) in steps.iter().zip(messages) {
        if step.reopens {
            drop(writer);
            // The next process begins when the one before has ended, with everything that it was doing.
            tidier.finish();
            tidier = start();
            writer = open(&disk, directory);
            assert_eq!(writer.last().cloned(), last.map(Numbered::position));
        }
        writer.set_columns(Columns::new(&NAMES[..*columns]).with_containers(*columns == 3));
        let pushed = writer
            .push(message.clone(), gap_between(last, message))
            .unwrap();
        last = Some(message);
        if let Some(closed) = pushed.closed {
            tidier.tidy(directory.into(), Some(closed));
        }
    }
    tidier.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_copy_of_a_rotated_recording_is_the_same_files(steps in steps()) {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let messages = messages(&steps);
        write_all(one.path(), &steps, &messages);
        let found = read(one.path());
        let all: Vec<_> = messages.iter().map(|(message, _)| message.position()).collect();
        let kept: Vec<_> = found.iter().map(|(message, _)| message.position()).collect();
        prop_assert_eq!(all, kept);

        let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
        let tidier = Tidier::start(Arc::clone(&disk), RotationLimits::default()).unwrap();
        let mut writer = open(&disk, two.path());
        let mut last: Option<&Numbered> = None;
        for (message, columns) in &found {
            writer.set_columns(columns.clone());
            let pushed = writer.push(message.clone(), gap_between(last, message)).unwrap();
            last = Some(message);
            if let Some(closed) = pushed.closed {
                tidier.tidy(two.path().into(), Some(closed));
            }
        }
        drop(writer);
        tidier.finish();
        prop_assert_eq!(contents(one.path()), contents(two.path()));
    }
}

/// Ten minutes each.
fn regular(count: usize) -> Vec<(Numbered, usize)> {
    let step = Step {
        minutes: 10,
        restarts_stream: false,
        missing: 0,
        columns: 2,
        reopens: false,
    };
    messages(&vec![step; count])
}

#[test]
fn whatever_fails_no_message_is_lost_or_written_twice() {
    let faults = at_every_operation(|disk| {
        let directory = tempfile::tempdir().unwrap();
        let messages = regular(8);
        let faulty: Arc<dyn Disk> = Arc::clone(disk) as Arc<dyn Disk>;
        let mut written = 0;
        if let Ok(mut writer) =
            RotatedWriter::open(&faulty, directory.path(), "15m".parse().unwrap())
        {
            writer.set_columns(Columns::new(&NAMES[..2]));
            for (message, _) in &messages[..5] {
                let Ok(pushed) = writer.push(message.clone(), None) else {
                    break;
                };
                written += 1;
                if pushed.closed.is_some() {
                    let tidier =
                        Tidier::start(Arc::clone(&faulty), RotationLimits::default()).unwrap();
                    tidier.tidy(directory.path().into(), pushed.closed);
                    tidier.finish();
                }
            }
        }
        let sound: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
        let mut writer = open(&sound, directory.path());
        writer.set_columns(Columns::new(&NAMES[..2]));
        for (message, _) in &messages[written..] {
            writer.push(message.clone(), None).unwrap();
        }
        drop(writer);
        let found = read(directory.path());
        let found: Vec<_> = found.iter().map(|(message, _)| message.seq).collect();
        assert_eq!(found, (1..=8).collect::<Vec<_>>(), "{disk:?}");
    });
    assert!(faults > 50, "only {faults} faults");
}

#[test]
fn old_files_are_removed_by_age_and_by_bytes() {
    let hour = Duration::from_secs(3600);
    let remaining = |limits: RotationLimits| {
        let directory = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
        let tidier = Tidier::start(Arc::clone(&disk), limits).unwrap();
        let mut writer = open(&disk, directory.path());
        let messages = regular(48);
        for (message, _) in &messages {
            let time = message.sample.timestamp;
            let pushed = writer.push(message.clone(), None).unwrap();
            tidier.tidy(directory.path().into(), pushed.closed);
            tidier.prune(time);
        }
        tidier.finish();
        let files = files_in(&*disk, directory.path()).unwrap();
        let bytes: u64 = files.iter().map(|it| it.bytes_in(directory.path())).sum();
        let newest = messages.last().unwrap().0.sample.timestamp;
        let oldest = files.first().unwrap().period.start;
        (files.len(), bytes, Duration::from_millis(newest - oldest))
    };
    let (all, bytes, span) = remaining(RotationLimits::default());
    assert!(all > 30 && span >= hour * 7, "{all} files, {span:?}");
    let (_, _, aged) = remaining(RotationLimits {
        keep: Some(hour),
        ..RotationLimits::default()
    });
    assert!(hour <= aged && aged <= hour + hour / 2, "{aged:?}");
    let (_, small, _) = remaining(RotationLimits {
        keep_bytes: Some(bytes / 2),
        ..RotationLimits::default()
    });
    assert!(
        small <= bytes / 2 && bytes / 3 < small,
        "{small} of {bytes}"
    );
    let (_, _, spared) = remaining(RotationLimits {
        keep_bytes: Some(1),
        spared: hour * 6,
        ..RotationLimits::default()
    });
    assert!(hour * 6 <= spared && spared < hour * 7, "{spared:?}");
    let (one, ..) = remaining(RotationLimits {
        keep_bytes: Some(1),
        ..RotationLimits::default()
    });
    assert_eq!(one, 1, "the open file stays");
}

#[test]
fn a_second_writer_is_refused_and_an_interrupted_compression_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
    std::fs::write(directory.path().join(".2026-11-24T1400.csv.gz.part"), "x").unwrap();
    let first = open(&disk, directory.path());
    let second = RotatedWriter::open(&disk, directory.path(), Rotation::HOURLY);
    let error = second.unwrap_err().to_string();
    assert!(error.contains("by another process"), "{error}");
    drop(first);
    open(&disk, directory.path());
    assert_eq!(
        contents(directory.path()).into_keys().collect::<Vec<_>>(),
        [".lock"]
    );
}

#[test]
fn a_closed_file_is_never_reopened() {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
    let messages = regular(3);
    let mut writer = open(&disk, directory.path());
    writer.push(messages[2].0.clone(), None).unwrap();
    drop(writer);
    // Somebody has compressed the newest file, and then the clock is set back.
    packing::pack(&*disk, directory.path(), "2026-11-24T1430").unwrap();
    let before = contents(directory.path());
    let mut writer = open(&disk, directory.path());
    assert_eq!(writer.last(), Some(&messages[2].0.position()));
    let mut late = messages[0].0.clone();
    late.seq = 4;
    writer.push(late, None).unwrap();
    let after = contents(directory.path());
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes));
    assert!(
        after.contains_key("2026-11-24T1445.csv"),
        "{:?}",
        after.keys()
    );
}

/// The lines of the file that sums up a closed one.
fn minutes_of(directory: &Path, stem: &str) -> String {
    let path = directory.join(format!("{stem}.minutes"));
    let input = unpacked(std::fs::File::open(path).unwrap()).unwrap();
    std::io::read_to_string(input).unwrap()
}

fn check_entries(directory: &Path) {
    let mut reader = MinutesReader::open(directory, "2026-11-24T14").unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        entries.push(entry);
    }
    let [MinutesEntry::Rows(first), MinutesEntry::Alert(alert), ..] = &entries[..] else {
        panic!("{entries:?}")
    };
    let summary = first.values.summary(0, 1);
    assert_eq!(
        (
            summary.count,
            summary.max.get("cpu"),
            summary.min.get("load1")
        ),
        (3, Some(6.0), Some(7.0))
    );
    assert_eq!(alert.position().to_string(), "a:s1:3");
    assert_eq!(reader.columns(), &Columns::new(["cpu", "load1"]));
}

#[test]
fn a_closed_file_is_summed_up_by_the_minute() {
    let directory = tempfile::tempdir().unwrap();
    let rows = "\
        timestamp,host,stream,seq,event,cpu,load1,extra\n\
        2026-11-24T14:00:00.000Z,a,s1,1,,5,7,\n\
        2026-11-24T14:00:20.000Z,a,s1,2,,6,7,\"{\"\"queue\"\":1}\"\n\
        2026-11-24T14:00:20.000Z,a,s1,3,\"alert {\"\"name\"\":\"\"n\"\",\"\"state\"\":\"\"firing\"\"}\",6,7,\n\
        2026-11-24T14:00:59.999Z,a,s1,4,,5,7,\n\
        2026-11-24T14:01:00.000Z,a,s1,5,,8,,\n\
        2026-11-24T14:01:30.000Z,a,s1,,gap expired 6-9,,,\n\
        2026-11-24T14:01:30.000Z,a,s1,10,,9,,\n\
        2026-11-24T14:01:40.000Z,a,s2,,gap restarted,,,\n\
        2026-11-24T14:01:40.000Z,a,s2,1,,3,,\n\
        2026-11-24T14:02:00.000Z,a,s2,2,,3";
    std::fs::write(directory.path().join("2026-11-24T14.csv"), rows).unwrap();
    std::fs::write(directory.path().join("2026-11-24T15.csv"), rows).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
    let tidy = || {
        let tidier = Tidier::start(Arc::clone(&disk), RotationLimits::default()).unwrap();
        tidier.tidy(directory.path().into(), None);
        tidier.finish();
    };
    tidy();
    let lines = minutes_of(directory.path(), "2026-11-24T14");
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(
        lines[..2],
        [
            r#"{"minutes":1,"metrics":["cpu","load1"],"containers":false}"#,
            r#"{"from":1795528800000,"stream":"s1","first":1,"last":4,"count":3,"values":{"cpu":[5.33333,5,6],"load1":[7],"queue":[1,1,1,1]}}"#,
        ]
    );
    assert!(
        lines[2].starts_with(r#"{"type":"alert","host":"a","seq":3,"#),
        "{}",
        lines[2]
    );
    assert_eq!(
        lines[3..],
        [
            r#"{"from":1795528860000,"stream":"s1","first":5,"last":5,"count":1,"values":{"cpu":[8]}}"#,
            r#"{"from":1795528860000,"stream":"s1","first":10,"last":10,"count":1,"values":{"cpu":[9]}}"#,
            r#"{"from":1795528860000,"stream":"s2","first":1,"last":1,"count":1,"values":{"cpu":[3]}}"#,
        ]
    );
    check_entries(directory.path());
    // What is missing is written again, and the open file has none.
    std::fs::remove_file(directory.path().join("2026-11-24T14.minutes")).unwrap();
    tidy();
    assert_eq!(
        minutes_of(directory.path(), "2026-11-24T14")
            .lines()
            .count(),
        6
    );
    assert!(!directory.path().join("2026-11-24T15.minutes").exists());
}

#[test]
fn whatever_fails_a_file_of_minutes_is_whole_or_missing() {
    let faults = at_every_operation(|disk| {
        let directory = tempfile::tempdir().unwrap();
        let sound: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
        let mut writer = open(&sound, directory.path());
        for (message, _) in &regular(6) {
            writer.push(message.clone(), None).unwrap();
        }
        drop(writer);
        let faulty: Arc<dyn Disk> = Arc::clone(disk) as Arc<dyn Disk>;
        let tidier = Tidier::start(faulty, RotationLimits::default()).unwrap();
        tidier.tidy(directory.path().into(), None);
        tidier.finish();
        for file in files_in(&SystemDisk, directory.path()).unwrap() {
            if file.has_minutes {
                let mut reader = MinutesReader::open(directory.path(), &file.stem).unwrap();
                let mut rows = 0;
                while reader.next_entry().unwrap().is_some() {
                    rows += 1;
                }
                assert!(rows > 0, "{disk:?}");
            }
        }
    });
    assert!(faults > 20, "only {faults} faults");
}
