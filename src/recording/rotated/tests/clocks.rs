//! Clocks that are wrong: files keep being closed, and what is kept does not depend on it.

use super::*;

const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const YEARS_MS: u64 = 73 * 365 * DAY_MS;

fn message(seq: u64, timestamp: u64) -> Numbered {
    let mut message = regular(1).remove(0).0;
    (message.seq, message.sample.timestamp) = (seq, timestamp);
    message
}

/// Writes messages of these times, with a file for each hour. Returns the names of the files and the number of each row.
fn written(times: &[u64], reopens: bool) -> Vec<(String, Vec<u64>)> {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
    let limits = RotationLimits {
        keep: Some(Duration::from_millis(30 * DAY_MS)),
        ..RotationLimits::default()
    };
    let open = || RotatedWriter::open(&disk, directory.path(), Rotation::HOURLY).unwrap();
    let mut tidier = Tidier::start(Arc::clone(&disk), limits).unwrap();
    let mut writer = open();
    for (seq, &time) in (1..).zip(times) {
        if reopens {
            drop(writer);
            tidier.finish();
            tidier = Tidier::start(Arc::clone(&disk), limits).unwrap();
            writer = open();
        }
        let pushed = writer.push(message(seq, time), None).unwrap();
        let newest = pushed.confirmed_time;
        tidier.follow(directory.path(), pushed, || newest);
    }
    drop(writer);
    tidier.finish();
    let files = files_in(&*disk, directory.path()).unwrap();
    let open_ones = files.iter().filter(|file| file.is_plain).count();
    assert_eq!(
        open_ones,
        usize::from(!times.is_empty()),
        "all others are closed"
    );
    let rows = |file: &RotatedFile| {
        let input = std::fs::File::open(file.path_in(directory.path())).unwrap();
        let rows = Reader::new(unpacked(input).unwrap(), "x.csv").unwrap();
        let numbered = rows.filter_map(|row| row.unwrap().into_numbered());
        numbered.map(|message| message.seq).collect()
    };
    let named = files.iter().map(|file| (file.stem.clone(), rows(file)));
    named.collect()
}

#[track_caller]
fn check(times: &[u64], expected: &[(&str, &[u64])]) {
    for reopens in [false, true] {
        let found = written(times, reopens);
        let found: Vec<_> = found
            .iter()
            .map(|(name, rows)| (&**name, &**rows))
            .collect();
        assert_eq!(found, expected, "reopened: {reopens}");
    }
}

#[test]
fn a_message_from_the_far_future_ends_neither_rotation_nor_history() {
    let day = |nth: u64| BEGIN_MS + nth * DAY_MS;
    check(
        &[day(0), day(1), day(1) + YEARS_MS, day(3), day(4), day(5)],
        &[
            ("2026-11-24T14", &[1]),
            ("2026-11-25T14", &[2]),
            ("2026-11-27T14", &[3, 4]),
            ("2026-11-28T14", &[5]),
            ("2026-11-29T14", &[6]),
        ],
    );
    // The clock is right again within the hour.
    let minute = |nth: u64| BEGIN_MS + nth * MINUTE_MS;
    check(
        &[
            minute(0),
            minute(1) + YEARS_MS,
            minute(2),
            minute(61),
            minute(121),
        ],
        &[
            ("2026-11-24T14", &[1]),
            ("2026-11-24T15", &[2, 3, 4]),
            ("2026-11-24T16", &[5]),
        ],
    );
}

#[test]
fn a_message_from_the_far_past_changes_no_name() {
    let minute = |nth: u64| BEGIN_MS + nth * MINUTE_MS;
    check(
        &[
            minute(0),
            minute(60),
            1000,
            minute(62),
            2000,
            3000,
            minute(120),
        ],
        &[
            ("2026-11-24T14", &[1]),
            ("2026-11-24T15", &[2, 3, 4, 5, 6]),
            ("2026-11-24T16", &[7]),
        ],
    );
}

#[test]
fn files_are_closed_even_if_the_clock_was_far_ahead_for_long() {
    let ahead = |nth: u64| BEGIN_MS + YEARS_MS + nth * HOUR_MS;
    let right = |nth: u64| BEGIN_MS + nth * HOUR_MS;
    check(
        &[
            ahead(0),
            ahead(1),
            right(2),
            right(2) + 1,
            right(3),
            right(4),
        ],
        &[
            ("2099-11-06T14", &[1]),
            ("2099-11-06T15", &[2, 3, 4]),
            ("2099-11-06T16", &[5]),
            ("2099-11-06T17", &[6]),
        ],
    );
}

#[test]
fn the_first_message_of_all_may_be_from_the_future() {
    let ahead = BEGIN_MS + YEARS_MS;
    check(
        &[ahead, BEGIN_MS, BEGIN_MS + HOUR_MS],
        &[("2026-11-24T14", &[1, 2]), ("2026-11-24T15", &[3])],
    );
}

#[test]
fn files_named_after_the_future_are_removed_by_the_time_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    for hour in ["2099-11-06T14", "2099-11-06T15", "2099-11-06T16"] {
        let path = directory.path().join(format!("{hour}.csv"));
        std::fs::write(&path, "x").unwrap();
        if hour != "2099-11-06T15" {
            let long_ago = std::time::SystemTime::now() - Duration::from_millis(40 * DAY_MS);
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }
    let limits = RotationLimits {
        keep: Some(Duration::from_millis(30 * DAY_MS)),
        ..RotationLimits::default()
    };
    let now = crate::millis::epoch_millis();
    pruning::prune(&SystemDisk, &[directory.path().into()], limits, now).unwrap();
    let files = files_in(&SystemDisk, directory.path()).unwrap();
    let stems: Vec<_> = files.iter().map(|file| &*file.stem).collect();
    assert_eq!(stems, ["2099-11-06T15", "2099-11-06T16"]);
}

#[test]
fn what_cannot_be_removed_or_compressed_keeps_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::sound());
    let mut writer = RotatedWriter::open(&disk, directory.path(), Rotation::HOURLY).unwrap();
    for seq in 0..5 {
        writer
            .push(message(seq + 1, BEGIN_MS + seq * HOUR_MS), None)
            .unwrap();
    }
    // A directory can neither be compressed nor be removed as a file.
    let blocked = directory.path().join("2026-11-24T14.csv");
    std::fs::remove_file(&blocked).unwrap();
    std::fs::create_dir(&blocked).unwrap();
    let tidier = Tidier::start(Arc::clone(&disk), RotationLimits::default()).unwrap();
    tidier.tidy(directory.path().into(), None);
    tidier.finish();
    let files = files_in(&*disk, directory.path()).unwrap();
    let plain: Vec<_> = files
        .iter()
        .filter(|it| it.is_plain)
        .map(|it| &*it.stem)
        .collect();
    assert_eq!(plain, ["2026-11-24T14", "2026-11-24T18"]);
    let limits = RotationLimits {
        keep: Some(Duration::from_millis(HOUR_MS)),
        ..RotationLimits::default()
    };
    let newest = BEGIN_MS + 4 * HOUR_MS;
    pruning::prune(&*disk, &[directory.path().into()], limits, newest).unwrap_err();
    let files = files_in(&*disk, directory.path()).unwrap();
    let left: Vec<_> = files.iter().map(|it| &*it.stem).collect();
    assert_eq!(
        left,
        [
            "2026-11-24T14",
            "2026-11-24T16",
            "2026-11-24T17",
            "2026-11-24T18"
        ]
    );
}
