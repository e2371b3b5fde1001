//! The same format, read and written by Python's csv module.

use std::io::{Seek, Write};
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::protocol::{Alert, AlertState, Gap, GapReason, Process};
use crate::recording::{Columns, Row};

use super::rows::{any_file, encode, gap_row, message, read, sample_row};

/// What python.py prints, with these arguments and this input. Without Python the test fails.
fn python(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input).unwrap();
    stdin.rewind().unwrap();
    let output = Command::new("python3")
        .args(["-c", include_str!("python.py")])
        .args(arguments)
        .stdin(Stdio::from(stdin))
        .output()
        .expect("python3 must be installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    output.stdout
}

fn with_top(mut row: Row, processes: Vec<Process>) -> Row {
    message(&mut row).unwrap().sample.top = Some(processes);
    row
}

fn alerting(mut row: Row) -> Row {
    let alert = Alert {
        name: "busy, very".into(),
        rule: "cpu > 90 for 30s".into(),
        state: AlertState::Firing,
        metric: "cpu".into(),
        value: Some(97.5),
        threshold: Some(90.0),
        since: 1_795_529_251_204,
    };
    message(&mut row).unwrap().alert = Some(Box::new(alert));
    row
}

fn of_db(mut row: Row) -> Row {
    let (host, stream) = match &mut row {
        Row::Numbered(message) => (&mut message.host, &mut message.stream),
        Row::Gap { host, stream, .. } => (host, stream),
    };
    *host = "db.2".parse().unwrap();
    *stream = "k3v9zz".parse().unwrap();
    row
}

/// The rows that python.py writes.
fn expected_rows() -> Vec<Row> {
    let gap = |from, to, reason| gap_row(Gap { from, to, reason });
    let process = Process {
        pid: 812,
        name: "it's \"x\",\n".into(),
        cpu: 9.5,
        memory: 1.0,
        ..Process::default()
    };
    vec![
        with_top(
            sample_row(41, &[("cpu", 7.0), ("users", 0.5)]),
            vec![process],
        ),
        with_top(
            alerting(sample_row(42, &[("cpu", 97.5), ("a \"b\", é", 1e300)])),
            vec![],
        ),
        gap(Some(43), Some(57), GapReason::Expired),
        sample_row(58, &[("cpu", 1.0), ("läte", 7.0), ("x y", -0.25)]),
        of_db(gap(None, None, GapReason::Restarted)),
        of_db(sample_row(1, &[("users", 3.0)])),
    ]
}

#[test]
fn rows_written_by_python_are_read() {
    for style in ["default", "all", "nonnumeric", "unix", "excel"] {
        let file = python(&["write", style], b"");
        let (columns, rows) = read(&file).unwrap_or_else(|error| panic!("{style}: {error}"));
        assert_eq!(columns, Columns::new(["cpu", "a \"b\", é", "users"]));
        assert_eq!(rows, expected_rows(), "{style}");
    }
}

#[test]
fn python_reads_and_writes_the_same_cells() {
    let mut runner = TestRunner::deterministic();
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let (columns, some) = any_file().new_tree(&mut runner).unwrap().current();
        names.extend(columns.names().iter().cloned());
        rows.extend(some);
    }
    rows.extend(expected_rows());
    let file = encode(&Columns::new(names), &rows);
    let again = python(&["rewrite"], &file);
    assert_eq!(
        String::from_utf8(again).unwrap(),
        String::from_utf8(file).unwrap()
    );
}
