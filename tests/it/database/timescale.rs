//! TimescaleDB's part of the tables, run in PostgreSQL as WebAssembly. COPY from a client doesn't work there: that part
//! is tested with Debian's PostgreSQL.

use std::io::Write as _;

use crate::harness::metrics::{Metrics, Output, Running};
use crate::harness::postgres::record_nothing;

/// test.sh installs it there.
const PGLITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp/pglite");

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/pglite.mjs");

struct Timescale {
    node: Running,
    port: u16,
    /// Lines of its output so far.
    lines: usize,
}

impl Timescale {
    #[track_caller]
    fn start() -> Self {
        assert!(
            std::path::Path::new(PGLITE).is_dir(),
            "test.sh installs {PGLITE}"
        );
        let node = Metrics::program("node").args([SERVER, PGLITE]).spawn();
        let line = node.stdout_lines(1).remove(0);
        let port = line
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("{line}"));
        Self {
            port: port.parse().unwrap(),
            node,
            lines: 1,
        }
    }

    /// Creates the tables, and doesn't find a server to record.
    #[track_caller]
    fn create(&self, flags: &[&str]) -> Output {
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        );
        record_nothing(&url)
            .arg("--create")
            .args(flags)
            .env("PGPASSWORD", "postgres")
            .run()
            .code(3)
            .stderr_has("127.0.0.1:1")
    }

    /// The rows of the last statement, as JSON.
    #[track_caller]
    fn sql(&mut self, sql: &str) -> String {
        let line = serde_json::to_string(sql).unwrap() + "\n";
        let stdin = self.node.stdin().as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        self.lines += 1;
        let answer = self.node.stdout_lines(self.lines).pop().unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert!(answer.get("error").is_none(), "{sql}: {answer}");
        let results = answer.as_array().unwrap();
        results.last().map(ToString::to_string).unwrap_or_default()
    }
}

/// A sample each minute of the last four days.
const ROWS: &str = "
    INSERT INTO metrics_sample (time, host, stream, seq, cpu, viewers)
    SELECT now() - interval '1 minute' * n, 'web-1', 'k3v9q2', 6000 - n, n % 100, 1
    FROM generate_series(1, 5760) AS n ON CONFLICT DO NOTHING";

#[test]
fn hypertable_compression_aggregates_and_retention() {
    let mut database = Timescale::start();
    database.create(&["--keep", "90d"]).stderr_lacks("left out");
    database.create(&[]).stderr_lacks("left out");
    let hypertables = "SELECT hypertable_name, compression_enabled FROM timescaledb_information.hypertables ORDER BY 1";
    assert_eq!(
        database.sql(hypertables),
        r#"[{"compression_enabled":false,"hypertable_name":"metrics_event"},{"compression_enabled":true,"hypertable_name":"metrics_sample"}]"#
    );
    let jobs = "SELECT proc_name, count(*) FROM timescaledb_information.jobs \
                WHERE job_id >= 1000 GROUP BY 1 ORDER BY 1";
    let jobs = database.sql(jobs);
    for (job, count) in [
        ("policy_compression", 1),
        ("policy_refresh_continuous_aggregate", 2),
        ("policy_retention", 2),
    ] {
        let found = jobs.contains(&format!(r#"{{"count":{count},"proc_name":"{job}"}}"#));
        assert!(found, "{job}: {jobs}");
    }

    database.sql(ROWS);
    let compressed = "SELECT count(compress_chunk(it)) > 1 AS many \
                      FROM show_chunks('metrics_sample', older_than => interval '1 day') AS it";
    assert_eq!(database.sql(compressed), r#"[{"many":true}]"#);
    // Into compressed chunks: the same rows again, and one that is new.
    database.sql("INSERT INTO metrics_sample SELECT * FROM metrics_sample ON CONFLICT DO NOTHING");
    database.sql(
        "INSERT INTO metrics_sample (time, host, stream, seq) VALUES (now() - interval '3 days', 'web-1', 'k3v9q2', 1)
         ON CONFLICT DO NOTHING",
    );
    assert_eq!(
        database.sql("SELECT count(*) AS n FROM metrics_sample"),
        r#"[{"n":5761}]"#
    );

    for view in ["metrics_minute", "metrics_hour"] {
        database.sql(&format!(
            "CALL refresh_continuous_aggregate('{view}_v1', NULL, NULL)"
        ));
        let sum = format!("SELECT sum(samples)::int AS n, max(cpu_max) AS most FROM {view}");
        assert_eq!(database.sql(&sum), r#"[{"most":99,"n":5761}]"#);
    }
    // The history of an aggregate outlives the rows.
    database.sql("SELECT drop_chunks('metrics_sample', older_than => interval '2 days')");
    assert_eq!(
        database.sql("SELECT count(*) < 5761 AS fewer FROM metrics_sample"),
        r#"[{"fewer":true}]"#
    );
    assert_eq!(
        database.sql("SELECT sum(samples)::int AS n FROM metrics_hour"),
        r#"[{"n":5761}]"#
    );
}

#[test]
fn a_later_version_adds_an_aggregate_of_its_own() {
    let mut database = Timescale::start();
    database.create(&[]);
    // As if an earlier version without `viewers` had made the tables.
    database.sql(
        "DROP VIEW metrics_minute; DROP VIEW metrics_hour;
         DROP MATERIALIZED VIEW metrics_minute_v1; DROP MATERIALIZED VIEW metrics_hour_v1;
         ALTER TABLE metrics_sample DROP COLUMN viewers;
         UPDATE metrics_schema SET version = 0, columns = array_remove(columns, 'viewers')",
    );
    database.create(&[]);
    database.sql(ROWS);
    let sum = "SELECT sum(samples)::int AS n, max(cpu_max) AS most, max(viewers) AS viewers FROM metrics_minute";
    assert_eq!(database.sql(sum), r#"[{"most":99,"n":5760,"viewers":1}]"#);
    let aggregates =
        "SELECT view_name AS name FROM timescaledb_information.continuous_aggregates ORDER BY 1";
    let names = database.sql(aggregates);
    for name in [
        "metrics_minute_v0",
        "metrics_minute_v1",
        "metrics_hour_v0",
        "metrics_hour_v1",
    ] {
        assert!(names.contains(name), "{names}");
    }
}
