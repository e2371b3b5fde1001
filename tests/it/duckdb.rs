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

/// The SQL in docs/RECORDING.md that reads a directory.
fn directory_queries() -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/RECORDING.md");
    let text = std::fs::read_to_string(path).unwrap();
    let queries = text
        .lines()
        .filter(|line| line.contains("read_csv('recordings/"));
    queries
        .map(|line| line.trim_end_matches(';').to_owned())
        .collect()
}

#[test]
fn a_directory_of_compressed_files_is_read_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let mut csv = String::from("timestamp,host,stream,seq,event,cpu,memory,top,extra\n");
    for seq in 1..=59 {
        csv += &format!(
            "2026-11-24T14:0{}:{:02}.000Z,web-1,k3v9q2,{seq},,7,41,,\n",
            seq / 15,
            seq % 60
        );
    }
    csv += "2026-11-24T14:08:00.000Z,web-1,k3v9q2,60,,12.6,41.5,,\n";
    csv += "2026-11-24T14:09:00.000Z,web-1,k3v9q2,61,,5,41,,\n";
    std::fs::write(&file, &csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "max"])
        .start();
    let out = format!("{}/", dir.path().join("recordings").display());
    Metrics::record(replay.url())
        .args(["--rotate", "1m", "-o", &out])
        .run()
        .success();
    replay.wait().success();
    let queries = directory_queries();
    let [max, view] = &queries[..] else {
        panic!("{queries:?}")
    };
    assert_eq!(duckdb(dir.path(), max), "12.6\n");
    let all = view.split_once(" as ").unwrap().1;
    let count = format!("select count(*), max(cpu), min(host) from ({all})");
    assert_eq!(duckdb(dir.path(), &count), "61 12.6 web-1\n");
}
