//! What cannot be used is said in one line, before anything else happens.

use crate::harness::metrics::{Metrics, Output};
use crate::harness::postgres::{Postgres, record_nothing};

/// Checks the status, that it is one line, and what is in it.
#[track_caller]
fn says(output: Output, code: i32, texts: &[&str]) {
    let output = output.code(code);
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.story());
    texts
        .iter()
        .fold(output, |output, text| output.stderr_has(text));
}

#[test]
fn tables_that_cannot_be_used() {
    let postgres = Postgres::start();
    let url = postgres.url();
    says(
        record_nothing(&url).run(),
        1,
        &[&url, "has no tables for metrics: add --create"],
    );
    says(Metrics::replay([&url]).run(), 1, &["has no recording"]);
    record_nothing(&url)
        .arg("--create")
        .run()
        .code(3)
        .stderr_has("127.0.0.1:1");
    says(
        Metrics::replay([&url]).run(),
        1,
        &["nothing to replay", "it has no host"],
    );

    postgres.sql("UPDATE metrics_schema SET version = 99");
    for run in [
        record_nothing(&url),
        record_nothing(&url).arg("--create"),
        Metrics::replay([&url]),
    ] {
        says(run.run(), 1, &["have version 99", "use a newer metrics"]);
    }
    postgres.sql("UPDATE metrics_schema SET version = 1");

    postgres.sql("CREATE ROLE reader LOGIN");
    let as_reader = postgres.url_of("reader", "metrics");
    says(
        record_nothing(&as_reader).run(),
        1,
        &["permission denied for table metrics_", "(42501)", "grant"],
    );

    postgres.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    let latin = postgres.url_of("metrics", "latin");
    says(
        record_nothing(&latin).arg("--create").run(),
        1,
        &["LATIN1", "ENCODING 'UTF8'"],
    );
}

#[test]
fn a_database_that_cannot_be_reached() {
    let postgres = Postgres::start();
    let none = postgres.url_of("metrics", "none");
    says(
        record_nothing(&none).run(),
        3,
        &[&none, "does not exist", "createdb"],
    );
    let nowhere = "postgres://metrics@127.0.0.1:1/metrics";
    says(
        record_nothing(nowhere).run(),
        3,
        &["cannot connect to", nowhere, "connection refused"],
    );
    says(
        Metrics::replay([nowhere]).run(),
        3,
        &["cannot connect to", "connection refused"],
    );
}

#[test]
fn flags_that_do_not_fit() {
    let refused = |args: &[&str], text: &str| {
        let output = Metrics::new().args(args).run();
        says(output.stderr_lacks("s3cret"), 2, &[text]);
    };
    let db = "postgres://127.0.0.1:1/m";
    refused(
        &["record", "-o", "postgres://ann:s3cret@db/m"],
        "PGPASSFILE",
    );
    refused(
        &["record", "-o", "postgres://db/m?password=s3cret"],
        "PGPASSFILE",
    );
    refused(&["replay", "postgres://ann:s3cret@db/m"], "PGPASSFILE");
    refused(&["record", "-o", "postgres://db/m?colour=red"], "'colour'");
    refused(
        &["record", "-o", "postgres://db/m?sslmode=maybe"],
        "verify-full",
    );
    refused(&["record", "-o", db, "--force"], "--force");
    refused(&["record", "-o", db, "--rotate", "1h"], "-o DIR/");
    refused(&["record", "-o", db, "--keep", "90d"], "add --create");
    refused(
        &["record", "-o", db, "--create", "--keep", "2d"],
        "at least",
    );
    refused(&["record", "-o", "x.csv", "--create"], "postgres://");
    refused(&["replay", "x.csv", "--host", "web-1"], "--host");
}
