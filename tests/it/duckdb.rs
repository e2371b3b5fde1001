//! What docs/RECORDING.md and README.md say about DuckDB, checked with DuckDB.

use std::process::Command;

use crate::harness::metrics::Metrics;
use crate::harness::rows::assert_same;

/// test.sh installs it there.
const DUCKDB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp/duckdb");

/// DuckDB infers the type of a column from this many rows.
const SAMPLED: usize = 20_480;

/// Runs `sql` in `directory`; each row of the result as a line.
#[track_caller]
fn duckdb(directory: &std::path::Path, sql: &str) -> String {
    let script = "import duckdb, sys\nfor row in duckdb.sql(sys.argv[1]).fetchall(): print(*row)";
    let output = Command::new("python3")
        .args(["-c", script, sql])
        .env("PYTHONPATH", DUCKDB)
        .env("TZ", "UTC")
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("python3 is needed for this test: {error}"));
    assert!(
        output.status.success(),
        "{}\ntest.sh installs duckdb, or: pip3 install --target target/tmp/duckdb duckdb",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A recording whose `cpu` has whole numbers in all rows but the last.
fn whole_but_for_the_last() -> String {
    let mut csv = String::from("timestamp,host,stream,seq,event,cpu,memory,top,extra\n");
    for seq in 1..=SAMPLED {
        csv += &format!("2026-11-24T14:07:31.204Z,web-1,k3v9q2,{seq},,7,41,,\n");
    }
    csv + &format!(
        "2026-11-24T14:07:31.204Z,web-1,k3v9q2,{},,12.6,41.5,,\n",
        SAMPLED + 1
    )
}

#[test]
fn numbers_are_exact_if_all_rows_are_sampled() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("incident.csv"), whole_but_for_the_last()).unwrap();
    let max = |from: &str| {
        duckdb(
            dir.path(),
            &format!("select max(cpu), max(memory) from {from} where event is null"),
        )
    };
    // The reason for the advice in the documents. If DuckDB stops rounding, they can be shorter.
    assert_eq!(max("'incident.csv'"), "13 42\n");
    assert_eq!(
        max("read_csv('incident.csv', sample_size=-1)"),
        "12.6 41.5\n"
    );
    assert_eq!(
        max("read_csv('incident.csv', types={'cpu': 'DOUBLE', 'memory': 'DOUBLE'})"),
        "12.6 41.5\n"
    );
    for document in ["README.md", "docs/RECORDING.md"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains("read_csv('incident.csv', sample_size=-1)"),
            "{document}"
        );
    }
}

#[test]
fn a_recording_written_by_duckdb_is_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let csv = whole_but_for_the_last();
    std::fs::write(dir.path().join("incident.csv"), &csv).unwrap();
    let copy = "copy (select * from read_csv('incident.csv', sample_size=-1) order by seq desc limit 9) to 'copy.csv'";
    duckdb(dir.path(), copy);
    let replay = Metrics::replay([dir.path().join("copy.csv")])
        .args(["--wait", "1", "--speed", "max"])
        .start();
    let output = Metrics::record(replay.url()).run().success();
    let lines: Vec<_> = csv.split_inclusive('\n').collect();
    let last = [&lines[..1], &lines[lines.len() - 9..]].concat().concat();
    assert_same("the last rows", &last, output.text());
    replay.wait().success();
}
