//! The commands of README.md and docs/RECORDING.md that read a recording with pandas and gnuplot, run as they are
//! written.

use std::path::Path;
use std::process::Command;

/// test.sh installs it there.
const PANDAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp/pandas");
const NEED: &str = "test.sh installs gnuplot, and pandas into target/tmp/pandas";

/// `incident.csv`, whose CPU rises from 1 to 55 and then jumps to 99.5, and the same as a rotated recording: a closed
/// hour, and a newer one with a column more.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let host = dir.path().join("recordings/web-1");
    std::fs::create_dir_all(&host).unwrap();
    let row = |seq: u32, values: &str| {
        let second = seq - 1;
        format!("2026-11-24T14:07:{second:02}.204Z,web-1,k3v9q2,{seq},,{values},,\n")
    };
    let header = "timestamp,host,stream,seq,event,cpu,memory,top,extra\n".to_owned();
    let rising: String = (1..=55).map(|seq| row(seq, &format!("{seq},41"))).collect();
    let jumped: String = (56..=60).map(|seq| row(seq, "99.5,41")).collect();
    std::fs::write(
        dir.path().join("incident.csv"),
        format!("{header}{rising}{jumped}"),
    )
    .unwrap();
    let closed = host.join("2026-11-24T14-06.csv");
    std::fs::write(&closed, format!("{header}{rising}")).unwrap();
    assert!(Command::new("gzip").arg(closed).status().unwrap().success());
    let wider = "timestamp,host,stream,seq,event,cpu,swap,memory,top,extra\n".to_owned();
    let jumped: String = (56..=60).map(|seq| row(seq, "99.5,7,41")).collect();
    std::fs::write(host.join("2026-11-24T14-07.csv"), wider + &jumped).unwrap();
    dir
}

/// Runs a line of shell in `dir`; gnuplot draws with characters.
#[track_caller]
fn shell(dir: &Path, line: &str) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-c", line]).current_dir(dir);
    let output = bash
        .envs([("PYTHONPATH", PANDAS), ("GNUTERM", "dumb")])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {error}\n{NEED}");
    String::from_utf8(output.stdout).unwrap()
}

fn read(document: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap()
}

/// What a document has from `start` to `end`, both included.
#[track_caller]
fn part<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text
        .find(start)
        .unwrap_or_else(|| panic!("no {start:?} in the document"));
    let length = text[from..].find(end).unwrap() + end.len();
    &text[from..from + length]
}

#[test]
fn pandas_reads_a_file_as_documented() {
    let dir = directory();
    let command = part(&read("README.md"), "python3 -c \"import pandas", ")\"").to_owned();
    let described = shell(dir.path(), &command);
    let value = |name: &str| {
        let mut lines = described.lines();
        let line = lines.find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>()
    };
    assert_eq!((value("count"), value("max")), (Ok(60.0), Ok(99.5)));

    let document = read("docs/RECORDING.md");
    let script = part(&document, "import pandas\n", "index=False)");
    shell(dir.path(), &format!("python3 -c '{script}'"));
    let busy = std::fs::read_to_string(dir.path().join("busy.csv")).unwrap();
    assert_eq!(busy.lines().count(), 1 + 10, "{busy}");
}

#[test]
fn pandas_reads_a_directory_as_documented() {
    let dir = directory();
    let document = read("docs/RECORDING.md");
    let script = part(&document, "import glob, pandas\n", "ignore_index=True)");
    let print = "print(len(rows), rows.cpu.max(), rows.swap.count(), rows.timestamp.max())";
    let printed = shell(dir.path(), &format!("python3 -c '{script}\n{print}'"));
    assert_eq!(printed, "60 99.5 5 2026-11-24 14:07:59.204000+00:00\n");
}

/// The curve is low at the left and high at the right.
#[track_caller]
fn assert_rises(plot: &str) {
    let rows: Vec<&str> = plot.lines().filter(|line| line.contains('*')).collect();
    assert!(10 < rows.len(), "{plot}");
    let first = |row: &str| row.find('*').unwrap();
    assert!(first(rows[rows.len() - 1]) < first(rows[0]), "{plot}");
}

#[test]
fn gnuplot_draws_a_file_and_a_directory_as_documented() {
    let dir = directory();
    let readme = read("README.md");
    assert_rises(&shell(
        dir.path(),
        part(&readme, "gnuplot -p", "with lines\""),
    ));
    let document = read("docs/RECORDING.md");
    assert_rises(&shell(
        dir.path(),
        part(&document, "zcat -f", "with lines\""),
    ));
}
