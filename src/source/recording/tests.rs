//! Order: rows are put where they belong, and nowhere else.

use std::path::PathBuf;

use proptest::prelude::*;

use super::super::Seq;
use super::*;
use crate::recording::ReadError;

const HEADER: &str = "timestamp,host,stream,seq,event,cpu,top,extra\n";

/// A row at 2026-11-24T14:00:00Z plus `second`.
fn row(second: u64, host: &str, stream: &str, seq: u64) -> String {
    let (minute, second) = (second / 60, second % 60);
    format!("2026-11-24T14:{minute:02}:{second:02}.000Z,{host},{stream},{seq},,{seq},,\n")
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn add(&self, name: &str, rows: &str) -> Input {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, format!("{HEADER}{rows}")).unwrap();
        Input::File(path)
    }

    /// The names of the messages in order, and the warnings, without the directory.
    fn played(&self, inputs: &[Input]) -> Result<(Vec<String>, Vec<String>), String> {
        let directory = format!("{}/", self.0.path().display());
        let words = |error: ReadError| error.to_string().replace(&directory, "");
        let (survey, order) = survey(inputs, Window::default()).map_err(words)?;
        let run = PlaybackOptions {
            inputs: inputs.to_vec(),
            order,
            window: Window::default(),
            numbering: Numbering::Kept,
            again: false,
            rebase_to: None,
            interval: 1000,
        };
        let plays = Playback::new(run).map_err(words)?;
        let name = |play: Play| {
            let Seq::Kept(seq) = play.message.seq else {
                panic!("{play:?}");
            };
            format!("{}:{}:{seq}", play.host, play.message.stream)
        };
        let plays: Vec<_> = plays.map(|play| name(play.unwrap())).collect();
        assert_eq!(survey.rows, plays.len() as u64);
        let warnings = survey
            .warnings
            .iter()
            .map(|line| line.replace(&directory, ""));
        Ok((plays, warnings.collect()))
    }
}

fn names(host: &str, stream: &str, seqs: impl IntoIterator<Item = u64>) -> Vec<String> {
    let name = |seq| format!("{host}:{stream}:{seq}");
    seqs.into_iter().map(name).collect()
}

fn rows(stream: &str, seqs: impl IntoIterator<Item = u64>) -> String {
    seqs.into_iter()
        .map(|seq| row(seq, "a", stream, seq))
        .collect()
}

#[track_caller]
fn check(files: &[&str], expected: &[Vec<String>], warnings: &[&str]) {
    let directory = Files::new();
    let inputs = files
        .iter()
        .enumerate()
        .map(|(index, rows)| directory.add(&format!("{index}.csv"), rows));
    let inputs: Vec<_> = inputs.collect();
    let (played, said) = directory.played(&inputs).unwrap();
    assert_eq!(played, expected.concat());
    assert_eq!(said, warnings);
}

#[test]
fn rows_in_order_are_not_moved_whatever_their_times() {
    let back = [
        row(90, "a", "s2", 1),
        row(5, "a", "s2", 2),
        row(7, "a", "s1", 1),
        row(1, "a", "s1", 9),
    ];
    check(
        &[&back.concat()],
        &[names("a", "s2", [1, 2]), names("a", "s1", [1, 9])],
        &[],
    );
}

#[test]
fn displaced_rows_are_read_where_they_belong() {
    let moved = |count: u64| match count {
        1 => "0.csv: 1 row was out of order; it is replayed in order of stream and seq".to_owned(),
        _ => format!(
            "0.csv: {count} rows were out of order; they are replayed in order of stream and seq"
        ),
    };
    for (order, count) in [
        ((1..=138).rev().collect::<Vec<_>>(), 137),
        ((70..=138).chain(1..=69).collect(), 69),
        ((2..=50).chain([1]).collect(), 1),
        ([50].into_iter().chain(1..=49).collect(), 1),
        (
            (1..=20).chain([30]).chain(21..=29).chain(31..=40).collect(),
            1,
        ),
        ((1..=4).chain(6..=30).chain([5]).chain(31..=40).collect(), 1),
        (
            (1..=9)
                .chain([31, 33, 36])
                .chain(10..=30)
                .chain([40, 50])
                .collect(),
            3,
        ),
        (vec![1, 3, 2, 5, 4, 6], 2),
    ] {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        check(
            &[&rows("s1", order)],
            &[names("a", "s1", sorted)],
            &[&moved(count)],
        );
    }
}

#[test]
fn streams_keep_their_order_unless_they_interleave() {
    let s = |stream, seqs: std::ops::RangeInclusive<u64>| rows(stream, seqs);
    let in_order = |first, second| [names("a", first, 1..=4), names("a", second, 1..=4)];
    let ten = "0.csv: 2 rows were out of order; they are replayed in order of stream and seq";
    // In the file's order, whatever the ids, even though a row of the first is displaced.
    check(
        &[&[s("s2", 2..=4), s("s2", 1..=1), s("s1", 1..=4)].concat()],
        &in_order("s2", "s1"),
        &[&ten
            .replace("2 rows were", "1 row was")
            .replace("they are", "it is")
            .replace("their", "its")],
    );
    // Interleaved: by id.
    check(
        &[&[s("s2", 1..=2), s("s1", 1..=4), s("s2", 3..=4)].concat()],
        &in_order("s1", "s2"),
        &[ten],
    );
    // Newest first: reversed.
    let falling = |stream| rows(stream, (1..=4).rev());
    let six = &ten.replace("2 rows", "7 rows");
    check(
        &[&[falling("s2"), falling("s1")].concat()],
        &in_order("s1", "s2"),
        &[six],
    );
    check(
        &[&[falling("s1"), falling("s2")].concat()],
        &in_order("s2", "s1"),
        &[six],
    );
}

#[test]
fn hosts_of_a_file_are_merged_by_time() {
    let both = |seqs: &[u64]| -> String {
        let rows = seqs.iter().map(|&seq| {
            [
                row(2 * seq, "a", "s1", seq),
                row(2 * seq + 1, "b", "s1", seq),
            ]
        });
        rows.flatten().collect()
    };
    let expected: Vec<_> = (1..=6)
        .flat_map(|seq| [names("a", "s1", [seq]), names("b", "s1", [seq])])
        .collect();
    for order in [[6, 5, 4, 3, 2, 1], [4, 5, 6, 1, 2, 3]] {
        let directory = Files::new();
        let input = directory.add("0.csv", &both(&order));
        assert_eq!(
            directory.played(&[input]).unwrap().0,
            expected.concat(),
            "{order:?}"
        );
    }
}

#[test]
fn a_repeated_row_is_reported_and_omitted() {
    let told = |file: &str, count: u64| match count {
        1 => format!("{file}: 1 row repeats a message; it is omitted"),
        _ => format!("{file}: {count} rows repeat a message; they are omitted"),
    };
    for (order, count) in [
        (vec![1, 2, 2, 3], 1),
        (vec![1, 1, 1, 2, 3, 3], 3),
        (vec![1, 2, 3, 1, 2, 3], 3),
        (vec![1, 2, 3, 2], 1),
    ] {
        check(
            &[&rows("s1", order)],
            &[names("a", "s1", 1..=3)],
            &[&told("0.csv", count)],
        );
    }
    let interleaved = [row(1, "a", "s1", 1), row(1, "b", "s1", 1)].concat();
    check(
        &[&interleaved.repeat(2)],
        &[names("a", "s1", [1]), names("b", "s1", [1])],
        &[&told("0.csv", 2)],
    );
    check(
        &[&rows("s1", 1..=6), &rows("s1", 4..=9), &rows("s1", [9])],
        &[names("a", "s1", 1..=9)],
        &[&told("1.csv", 3), &told("2.csv", 1)],
    );
}

#[test]
fn two_different_rows_for_a_message_are_an_error() {
    let directory = Files::new();
    let other = |seq| rows("s1", [seq]).replace(&format!(",,{seq},,"), ",,77,,");
    for (rows, line, before) in [
        (rows("s1", 1..=3) + &other(3), 5, 4),
        (rows("s1", 1..=3) + &other(2), 5, 3),
        (rows("s1", [3, 2, 1]) + &other(2), 5, 3),
    ] {
        let seq = if before == 4 { 3 } else { 2 };
        let input = directory.add("x.csv", &rows);
        assert_eq!(
            directory.played(&[input]).unwrap_err(),
            format!(
                "x.csv:{line}: message {seq} of stream s1 differs from its row in x.csv:{before}; remove one of the two"
            )
        );
    }
    let inputs = [
        directory.add("x.csv", &rows("s1", 1..=3)),
        directory.add("y.csv", &other(2)),
    ];
    assert_eq!(
        directory.played(&inputs).unwrap_err(),
        "y.csv:2: message 2 of stream s1 differs from its row in x.csv:3; remove one of the two"
    );
}

#[test]
fn files_of_one_host_are_merged_by_number_where_a_clock_was_set_back() {
    let first: String = [(50, 1), (60, 2), (10, 4), (20, 6)]
        .map(|(at, seq)| row(at, "a", "s1", seq))
        .concat();
    let second: String = [(5, 3), (15, 5), (25, 7)]
        .map(|(at, seq)| row(at, "a", "s1", seq))
        .concat();
    check(&[&first, &second], &[names("a", "s1", 1..=7)], &[]);
    // Two servers with one name at once: all of one, then all of the other.
    let one: String = (1..5).map(|seq| row(2 * seq, "a", "s9", seq)).collect();
    let other: String = (1..5).map(|seq| row(2 * seq + 1, "a", "s5", seq)).collect();
    check(
        &[&one, &other],
        &[names("a", "s9", 1..5), names("a", "s5", 1..5)],
        &[],
    );
}

#[test]
fn a_row_keeps_its_line_its_columns_and_its_header() {
    let directory = Files::new();
    let mixed = [
        &rows("s1", [4]),
        "\n\n",
        "timestamp,host,stream,seq,memory\n2026-11-24T14:00:02.000Z,a,s1,2,7\n",
        HEADER,
        &rows("s1", [3, 1]),
    ];
    let input = directory.add("x.csv", &mixed.concat());
    assert_eq!(
        directory.played(&[input]).unwrap().0,
        names("a", "s1", 1..=4)
    );
    let differs = "2026-11-24T14:00:03.000Z,a,s1,3,,8,,\n";
    let input = directory.add("x.csv", &(mixed.concat() + differs));
    assert_eq!(
        directory.played(&[input]).unwrap_err(),
        "x.csv:10: message 3 of stream s1 differs from its row in x.csv:8; remove one of the two"
    );
}

proptest! {
    #[test]
    fn any_order_of_one_stream_is_sorted(order in Just((1..40_u64).collect::<Vec<_>>()).prop_shuffle(), hosts in 1..3_u64) {
        let file: String = order.iter().map(|&seq| row(seq, &format!("h{}", seq % hosts), "s1", seq)).collect();
        let directory = Files::new();
        let input = directory.add("x.csv", &file);
        let (played, _) = directory.played(&[input]).unwrap();
        for host in 0..hosts {
            let of_host = format!("h{host}:");
            let found: Vec<_> = played.iter().filter(|name| name.starts_with(&of_host)).cloned().collect();
            prop_assert_eq!(found, names(&format!("h{host}"), "s1", (1..40).filter(|seq| seq % hosts == host)));
        }
        prop_assert_eq!(played.len(), 39);
    }

    #[test]
    fn rows_whose_numbers_rise_never_move(steps in prop::collection::vec((0..3000_u64, 1..4_u64, prop::bool::weighted(0.1)), 1..40)) {
        let (mut stream, mut seq) = (40, 0);
        let mut file = String::new();
        let mut expected = Vec::new();
        for (second, step, restarts) in steps {
            if restarts {
                // A clock that was set back gives a lower id.
                (stream, seq) = (stream - 1, 0);
            }
            seq += step;
            file += &row(second, "a", &format!("s{stream}"), seq);
            expected.push(format!("a:s{stream}:{seq}"));
        }
        let directory = Files::new();
        let input = directory.add("x.csv", &file);
        prop_assert_eq!(directory.played(&[input]).unwrap(), (expected, vec![]));
    }
}
