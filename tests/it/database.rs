//! Recordings in PostgreSQL, and back.

mod access;
mod outages;
mod refused;
mod resumed;
mod shared;
mod timescale;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;

use crate::harness::dice::Dice;
use crate::harness::metrics::Metrics;
use crate::harness::postgres::{Postgres, record_nothing};
use crate::harness::recording::{plain, random};
use crate::harness::rows::assert_same;

/// A file with the recording `csv`, removed when it is dropped.
fn file_of(csv: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(csv.as_bytes()).unwrap();
    file
}

/// A replay as fast as can be, to one viewer.
fn replay(from: impl AsRef<OsStr>) -> Metrics {
    Metrics::replay([from]).args(["--speed", "max", "--wait", "1"])
}

/// Replays `csv` into the database.
#[track_caller]
fn store(csv: &str, database: &str, flags: &[&str]) {
    let file = file_of(csv);
    let replay = replay(file.path()).start();
    let recorded = Metrics::record(replay.url())
        .args(["-o", database])
        .args(flags)
        .run();
    recorded.success();
    replay.wait().success();
}

/// Replays the database, and records what comes.
#[track_caller]
fn read_back(database: &str, flags: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.csv");
    let replay = replay(database).args(flags).start();
    Metrics::record(replay.url())
        .arg("-o")
        .arg(&out)
        .run()
        .success();
    replay.wait().success();
    std::fs::read_to_string(out).unwrap()
}

/// A server that has stored `csv`.
#[track_caller]
fn with_stored(csv: &str) -> Postgres {
    let postgres = Postgres::start();
    store(csv, &postgres.url(), &["--create"]);
    postgres
}

#[test]
fn what_went_in_comes_out_byte_for_byte() {
    let postgres = Postgres::start();
    for seed in 0..8 {
        let host = format!("host-{seed}");
        let recording = random(&mut Dice::seeded(seed), &host, 150);
        store(&recording.csv, &postgres.url(), &["--create"]);
        let counted = |what: &str| {
            let counts = postgres.sql(&format!(
                "SELECT (SELECT count(*) FROM metrics_sample WHERE host = '{host}'), \
                 (SELECT count(*) FROM metrics_event WHERE host = '{host}' AND alert IS NOT NULL), \
                 (SELECT count(*) FROM metrics_event WHERE host = '{host}' AND alert IS NULL)"
            ));
            let (alerts, gaps) = (recording.alerts, recording.gaps);
            let samples = recording.numbered.len() - alerts;
            assert_eq!(
                counts,
                format!("{samples}|{alerts}|{gaps}\n"),
                "{what} of seed {seed}"
            );
        };
        counted("the first time");
        // Whatever the database forgot about where it ends, what it has stays as it is.
        postgres.sql(&format!(
            "DELETE FROM metrics_position WHERE host = '{host}'"
        ));
        store(&recording.csv, &postgres.url(), &[]);
        counted("the second time");
        let back = read_back(&postgres.url(), &["--host", &host]);
        assert_same(&format!("seed {seed}"), &recording.csv, &back);
    }
}

#[test]
fn a_part_of_one_host_is_read() {
    let postgres = Postgres::start();
    for host in ["web-1", "web-2"] {
        store(&plain(host, 100, 1000), &postgres.url(), &["--create"]);
    }
    let whole = plain("web-2", 100, 1000);
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    // The first row is of the first second.
    let expected = lines[0].to_owned() + &lines[11..41].concat();
    for (start, end) in [("10s", "40s"), ("2026-11-24T14:00:11Z", "+30s")] {
        let part = read_back(
            &postgres.url(),
            &["--host", "web-2", "--start", start, "--end", end],
        );
        assert_same(start, &expected, &part);
    }
}

#[test]
fn queries_use_the_names_of_the_metrics() {
    let csv = plain("web-1", 180, 1000)
        .replace(",top,extra", ",cpu:0,top,extra")
        .replace(",120.25,,", ",120.25,31.5,,");
    let postgres = with_stored(&csv);
    let query = "SELECT time, cpu, activeUsers, instances FROM metrics_sample WHERE seq = 3";
    assert_eq!(
        postgres.sql(query),
        "2026-11-24 14:00:03+00|3|2|{\"cpu:0\": 31.5}\n"
    );
    let query = "SELECT time, samples, round(cpu::numeric, 2), cpu_min, cpu_max, requestsPerSecond \
                 FROM metrics_minute ORDER BY time";
    assert_eq!(
        postgres.sql(query),
        "2026-11-24 14:00:00+00|59|30.00|1|59|120.25\n\
         2026-11-24 14:01:00+00|60|56.17|0|99|120.25\n\
         2026-11-24 14:02:00+00|60|49.50|20|79|120.25\n\
         2026-11-24 14:03:00+00|1|80.00|80|80|120.25\n"
    );
    assert_eq!(
        postgres.sql("SELECT samples, cpu_max FROM metrics_hour"),
        "180|99\n"
    );
}

#[test]
fn what_psql_copies_out_is_a_recording() {
    let csv = plain("web-1", 50, 1000);
    let postgres = with_stored(&csv);
    let mut replay = replay("-").spawn();
    let copied = postgres.sql(&documented("COPY ("));
    let mut stdin = replay.stdin().take().unwrap();
    stdin.write_all(copied.as_bytes()).unwrap();
    drop(stdin);
    let url = replay.stdout_lines(1).remove(0);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.csv");
    Metrics::record(&url).arg("-o").arg(&out).run().success();
    replay.wait().success();
    let back = std::fs::read_to_string(out).unwrap();
    assert_same("through psql", &csv, &back);
}

#[test]
fn a_later_version_adds_its_columns() {
    let csv = plain("web-1", 50, 1000);
    let postgres = with_stored(&csv);
    // As if an earlier version without these two had made the tables.
    postgres.sql(
        "DROP VIEW metrics_minute; DROP VIEW metrics_hour;
         ALTER TABLE metrics_sample DROP COLUMN viewers, DROP COLUMN cputhrottled;
         UPDATE metrics_schema SET version = 0,
            columns = array_remove(array_remove(columns, 'viewers'), 'cpuThrottled')",
    );
    let record = || record_nothing(&postgres.url());
    let refused = record().run().code(1);
    refused
        .stderr_has("cpuThrottled, viewers")
        .stderr_has("add --create to add them");
    record().arg("--create").run().code(3);
    record().run().code(3);
    assert_eq!(
        postgres.sql(
            "SELECT (SELECT count(viewers) FROM metrics_sample), \
                  (SELECT count(viewers_max) FROM metrics_minute)"
        ),
        "0|0\n"
    );
    assert_same("afterwards", &csv, &read_back(&postgres.url(), &[]));
}

/// The statement in the documents that begins like this.
#[track_caller]
fn documented(beginning: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATING.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text
        .split("```sql\n")
        .skip(1)
        .filter_map(|it| it.split("```").next());
    let found = blocks
        .map(str::to_owned)
        .find(|it| it.starts_with(beginning));
    found.unwrap_or_else(|| panic!("no statement that begins with {beginning}"))
}

/// Thirty days that end now, of three hosts: each is busiest in another hour, and the disk of one of them fills up.
const GENERATED: &str = "
    INSERT INTO metrics_sample (time, host, stream, seq, cpu, disk)
    SELECT date_trunc('hour', now()) - interval '1 hour' * n, 'web-' || h, 'k3v9q2', 1000 - n,
        CASE WHEN n = 10 * h THEN 90 WHEN n > 168 THEN 20 ELSE 40 END,
        CASE WHEN h = 2 THEN 80 - n / 24.0 ELSE 50 END
    FROM generate_series(1, 720) AS n, generate_series(1, 3) AS h";

#[test]
fn the_documented_queries_answer_their_questions() {
    let postgres = Postgres::start();
    postgres.create_tables();
    postgres.sql(GENERATED);
    let busiest = postgres.sql(&format!(
        "SELECT host, (date_trunc('hour', now()) - time) / 10, cpu, samples FROM ({}) AS it",
        documented("SELECT DISTINCT ON (host)")
    ));
    assert_eq!(
        busiest,
        "web-1|01:00:00|90.0|1\nweb-2|02:00:00|90.0|1\nweb-3|03:00:00|90.0|1\n"
    );
    let weeks = postgres.sql(&documented("SELECT host,\n    percentile_cont"));
    assert_eq!(weeks, "web-1|40|20\nweb-2|40|20\nweb-3|40|20\n");
    // 80 % less an hour's growth now, and a point each day.
    assert_eq!(
        postgres.sql(&documented("SELECT host, round(((100 - max(disk))")),
        "web-2|20.0\n"
    );
    postgres.sql(&documented("DELETE FROM metrics_sample"));
    postgres.sql("UPDATE metrics_sample SET time = time - interval '80 days'");
    postgres.sql(&documented("DELETE FROM metrics_sample"));
    assert_eq!(
        postgres.sql("SELECT count(*) < 2160 AND 0 < count(*) FROM metrics_sample"),
        "t\n"
    );
}
