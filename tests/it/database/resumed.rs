//! Whatever is killed, nothing is lost and nothing is stored twice.

use std::time::Duration;

use rustix::process::Signal;

use super::{file_of, read_back, replay};
use crate::harness::dice::Dice;
use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::postgres::Postgres;
use crate::harness::recording::{plain, random};
use crate::harness::rows::assert_same;
use crate::harness::{PATIENCE, wait_for};

/// How many times each is killed. A script tries more.
fn kills() -> u64 {
    std::env::var("METRICS_TEST_KILLS").map_or(3, |it| it.parse().unwrap())
}

pub(super) fn recorder(url: &str, postgres: &Postgres) -> Running {
    Metrics::record(url)
        .args(["--since", "1h", "-o", &postgres.url()])
        .spawn()
}

#[track_caller]
pub(super) fn stop(recorder: Running) {
    recorder.signal(Signal::INT);
    recorder.wait().success();
}

/// How many messages the database has, if it answers.
pub(super) fn stored(postgres: &Postgres) -> u64 {
    let count = postgres.sql(
        "SELECT (SELECT count(*) FROM metrics_sample) + (SELECT count(*) FROM metrics_event WHERE alert IS NOT NULL)",
    );
    count.trim().parse().unwrap()
}

#[track_caller]
pub(super) fn wait_for_stored(postgres: &Postgres, rows: u64) {
    wait_for(
        PATIENCE,
        || (rows <= stored(postgres)).then_some(()),
        || format!("{} of {rows} rows", stored(postgres)),
    );
}

/// A recorder that knows nothing of the database: what it writes to a file is what the database must have.
pub(super) struct IndependentRecorder {
    dir: tempfile::TempDir,
    running: Running,
}

impl IndependentRecorder {
    pub(super) fn of(url: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let running = Metrics::record(url)
            .args(["--since", "1h", "-o"])
            .arg(dir.path().join("beside.csv"))
            .spawn();
        Self { dir, running }
    }

    /// Ends it. The database has the rows that it wrote so far, and no others.
    #[track_caller]
    pub(super) fn assert_same_as(self, postgres: &Postgres) {
        let rows = usize::try_from(stored(postgres)).unwrap();
        let file = self.dir.path().join("beside.csv");
        wait_for_rows(&file, rows);
        stop(self.running);
        let whole = std::fs::read_to_string(file).unwrap();
        let expected: String = whole.split_inclusive('\n').take(rows + 1).collect();
        assert_same("the database", &expected, &read_back(&postgres.url(), &[]));
    }
}

#[test]
fn kills_of_the_recorder_and_the_database_at_random_moments() {
    let mut postgres = Postgres::start();
    postgres.create_tables();
    let serve = Metrics::serve().start();
    let independent = IndependentRecorder::of(serve.url());
    let mut dice = Dice::seeded(17);
    let mut running = recorder(serve.url(), &postgres);
    for kill in 0..2 * kills() {
        std::thread::sleep(Duration::from_millis(dice.within(0..2500)));
        if kill % 2 == 0 {
            running.kill9();
            running = recorder(serve.url(), &postgres);
        } else {
            postgres.kill9();
            postgres.start_again();
            // It had only just been started, and has found no database.
            if !running.is_running() {
                running.wait().code(3);
                running = recorder(serve.url(), &postgres);
            }
        }
    }
    let had = stored(&postgres);
    wait_for_stored(&postgres, had + 2);
    stop(running);
    independent.assert_same_as(&postgres);
}

#[test]
fn a_database_that_is_down_costs_nothing() {
    let mut postgres = Postgres::start();
    postgres.create_tables();
    // More than may wait, so that the recorder stops reading meanwhile.
    let recording = random(&mut Dice::seeded(5), "web-1", 6000);
    let file = file_of(&recording.csv);
    let replay = replay(file.path()).start();
    let running = recorder(replay.url(), &postgres);
    wait_for_stored(&postgres, 1);
    postgres.stop();
    running.wait_for_stderr("rows wait until it takes them");
    std::thread::sleep(Duration::from_secs(3));
    postgres.start_again();
    let output = running.wait().success();
    assert_eq!(
        output.stderr.matches("rows wait until").count(),
        1,
        "{}",
        output.story()
    );
    output.stderr_has("none was lost");
    replay.wait().success();
    assert_same(
        "afterwards",
        &recording.csv,
        &read_back(&postgres.url(), &[]),
    );
}

/// Errors that pass: each is raised for a while when rows are inserted.
#[test]
fn a_full_disk_and_other_errors_that_pass() {
    let postgres = Postgres::start();
    postgres.create_tables();
    postgres.sql(
        "CREATE TABLE fault (code text, message text);
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE it fault; BEGIN
            SELECT * INTO it FROM fault LIMIT 1;
            IF FOUND THEN RAISE EXCEPTION '%', it.message USING ERRCODE = it.code; END IF;
            RETURN NEW;
         END $$;
         CREATE TRIGGER failing BEFORE INSERT ON metrics_sample FOR EACH ROW EXECUTE FUNCTION fail();",
    );
    for (nth, (code, message)) in [
        ("53100", "could not extend file: No space left on device"),
        (
            "40001",
            "could not serialize access due to concurrent update",
        ),
        ("40P01", "deadlock detected"),
        (
            "57P01",
            "terminating connection due to administrator command",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let csv = plain(&format!("host-{nth}"), 50, 1000);
        let file = file_of(&csv);
        postgres.sql(&format!("INSERT INTO fault VALUES ('{code}', '{message}')"));
        let replay = replay(file.path()).start();
        let running = recorder(replay.url(), &postgres);
        running.wait_for_stderr(&format!(
            "{message} ({code}); rows wait until it takes them"
        ));
        postgres.sql("DELETE FROM fault");
        running.wait().success();
        replay.wait().success();
        assert_same(
            code,
            &csv,
            &read_back(&postgres.url(), &["--host", &format!("host-{nth}")]),
        );
    }
}

#[test]
fn rights_that_are_taken_away_end_it_and_it_can_be_continued() {
    let postgres = Postgres::start();
    postgres.create_tables();
    postgres.sql(
        "CREATE ROLE writer LOGIN;
         GRANT SELECT, INSERT, UPDATE ON metrics_schema, metrics_sample, metrics_event, metrics_header, metrics_position
         TO writer",
    );
    let serve = Metrics::serve().start();
    let as_writer = postgres.url_of("writer", "metrics");
    let record = || Metrics::record(serve.url()).args(["--since", "1h", "-o", &as_writer]);
    let running = record().spawn();
    wait_for_stored(&postgres, 2);
    postgres.sql("REVOKE INSERT ON metrics_sample FROM writer");
    let output = running.wait().code(1);
    assert_eq!(
        output
            .stderr
            .matches("permission denied for table metrics_sample")
            .count(),
        1,
        "{}",
        output.story()
    );
    postgres.sql("GRANT INSERT ON metrics_sample TO writer");
    let had = stored(&postgres);
    let running = record().spawn();
    wait_for_stored(&postgres, had + 3);
    stop(running);
    let holes = "SELECT count(*) FROM (SELECT seq - lag(seq) OVER (ORDER BY seq) AS step FROM metrics_sample) s \
                 WHERE step <> 1";
    assert_eq!(postgres.sql(holes), "0\n");
}

#[test]
fn a_connection_that_is_lost_in_the_middle_of_a_copy() {
    let postgres = Postgres::start();
    postgres.create_tables();
    let recording = random(&mut Dice::seeded(23), "web-1", 9000);
    let file = file_of(&recording.csv);
    let replay = replay(file.path()).start();
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            postgres.sql(
                "DO $$ DECLARE kills int := 0; BEGIN
                    WHILE kills < 3 LOOP
                        PERFORM pg_stat_clear_snapshot();
                        SELECT kills + count(pg_terminate_backend(pid)) INTO kills FROM pg_stat_activity
                        WHERE query LIKE 'COPY pg_temp%' AND state = 'active' AND pid <> pg_backend_pid();
                    END LOOP;
                 END $$",
            )
        });
        let output = recorder(replay.url(), &postgres).wait().success();
        output.stderr_has("none was lost");
        killer.join().unwrap();
    });
    replay.wait().success();
    assert_same(
        "afterwards",
        &recording.csv,
        &read_back(&postgres.url(), &[]),
    );
}
