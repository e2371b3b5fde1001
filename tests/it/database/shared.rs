//! What others do to the same database: other recorders, other programs, and people who delete old rows.

use super::resumed::{IndependentRecorder, recorder, stop, wait_for_stored};
use super::{file_of, read_back, with_stored};
use crate::harness::metrics::Metrics;
use crate::harness::postgres::{Postgres, record_nothing};
use crate::harness::recording::plain;
use crate::harness::rows::assert_same;

#[test]
fn two_recorders_at_once_store_each_row_once() {
    let postgres = Postgres::start();
    postgres.create_tables();
    let serve = Metrics::serve().start();
    let independent = IndependentRecorder::of(serve.url());
    let both = [(); 2].map(|()| recorder(serve.url(), &postgres));
    wait_for_stored(&postgres, 20);
    both.into_iter().for_each(stop);
    independent.assert_same_as(&postgres);
}

#[test]
fn several_create_the_tables_at_once() {
    let postgres = Postgres::start();
    let create = || record_nothing(&postgres.url()).arg("--create");
    let started = [(); 6].map(|()| create().spawn());
    for running in started {
        running.wait().code(3).stderr_has("127.0.0.1:1");
    }
    assert_eq!(postgres.sql("SELECT count(*) FROM metrics_schema"), "1\n");
}

#[test]
fn tables_of_another_program_are_left_alone() {
    let postgres = Postgres::start();
    postgres.sql("CREATE TABLE metrics_sample (id integer); CREATE SCHEMA ours");
    let record = |url: &str| record_nothing(url).arg("--create").run();
    record(&postgres.url())
        .code(1)
        .stderr_has("has a table metrics_sample that metrics didn't make")
        .stderr_has("csearch_path");
    assert_eq!(
        postgres.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'metrics\\_%'"),
        "1\n"
    );
    record(&format!("{}?options=-csearch_path%3Dours", postgres.url())).code(3);
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'";
    assert_eq!(postgres.sql(columns), "1\n");
    // One with the name of ours, but other columns.
    postgres
        .sql("DROP TABLE metrics_sample; CREATE TABLE metrics_schema (version text, columns text)");
    postgres.sql("INSERT INTO metrics_schema VALUES ('one', 'two')");
    let output = record(&postgres.url()).code(1);
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.story());
}

/// Where a recorder with fewer columns says how the rows of another one are to be read, nothing they have is lost.
#[test]
fn rows_of_a_recorder_with_more_columns() {
    let csv = plain("web-1", 20, 1000)
        .replace(",top,extra", ",load1,cpu:0,cpu:10,top,extra")
        .replace(",120.25,,", ",120.25,0.5,31.5,7,,");
    let postgres = with_stored(&csv);
    postgres.sql(
        "INSERT INTO metrics_header VALUES
         ('web-1', 'k3v9q2', 11, '{cpu,memory,activeUsers,requestsPerSecond}')",
    );
    assert_same("with both headers", &csv, &read_back(&postgres.url(), &[]));
}

#[test]
fn an_offset_counts_from_the_first_row_that_is_there() {
    // The clock is set back after the second row.
    let csv = plain("web-1", 60, 1000).replace("14:00:03.000Z", "13:59:03.000Z");
    let postgres = with_stored(&csv);
    let lines: Vec<_> = csv.split_inclusive('\n').collect();
    let part = |database: &str| read_back(database, &["--start", "10s", "--end", "+5s"]);
    let expected = lines[0].to_owned() + &lines[11..16].concat();
    let file = file_of(&csv);
    let replay = part(file.path().to_str().unwrap());
    assert_same("of the file", &expected, &replay);
    assert_same("of the database", &expected, &part(&postgres.url()));
    postgres.sql("DELETE FROM metrics_sample WHERE seq < 31");
    let expected = lines[0].to_owned() + &lines[41..46].concat();
    assert_same("of what is left", &expected, &part(&postgres.url()));
}

/// Names and values that a database could misread.
#[test]
fn odd_names_and_values_come_back_as_they_were() {
    let header = "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond,\
                  a'); DROP TABLE metrics_sample; --,\\N,\\.,\"q:\"\"x\"\"\",${x},q:\\u0000,top,extra\n";
    let rows = [
        r#"1e+308,5e-324,-1.7976931348623157e+308,0.1,1,2,3,4,5,6,,"#,
        r#",,,,0.30000000000000004,1e+16,-1e-7,9007199254740991,1.2345678901234568e+20,5e-324,,"#,
        r#",,,,,,,,,,"[{""pid"":1,""name"":""\u0000\\N\\.\t"",""cpu"":1,""memory"":2}]","{""\u0000"":1,""\n"":2,""\\"":3}""#,
        r#"0,0,0,0,0,0,0,0,0,0,[],"#,
    ];
    let mut csv = header.to_owned();
    for (rows, row) in (1..).zip(rows) {
        csv += &format!("2026-11-24T14:00:0{rows}.000Z,a.b_c-D,k3v9q2,{rows},,{row}\n");
    }
    csv += "9999-12-31T23:59:59.999Z,a.b_c-D,zzzzzzzz,,gap restarted,,,,,,,,,,,,\n";
    csv += "9999-12-31T23:59:59.999Z,a.b_c-D,zzzzzzzz,9007199254740991,,1,,,,,,,,,,,\n";
    csv = csv.replace("k3v9q2", "1");
    // What a replay of the file gives, as an independent recorder writes it.
    let file = file_of(&csv);
    let expected = read_back(file.path().to_str().unwrap(), &[]);
    assert_same("the file", &csv, &expected);
    let postgres = with_stored(&csv);
    assert_same("the database", &csv, &read_back(&postgres.url(), &[]));
}
