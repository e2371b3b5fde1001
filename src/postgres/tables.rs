//! The tables, as SQL.

use crate::protocol::catalogue;

/// The version of the tables that this program makes. A version that adds metrics to the catalogue has the next number.
pub(super) const VERSION: i32 = 1;

/// The metrics with a column of their own: those of the catalogue that have a value for the whole machine.
pub(super) fn measured() -> impl Iterator<Item = &'static str> {
    let whole = catalogue().iter().filter(|entry| entry.exposed.is_some());
    whole.map(|entry| entry.name)
}

/// The column of a metric. PostgreSQL folds unquoted names to lower case, so `memoryUsed` works in a query as it is.
pub(super) fn column_of(metric: &str) -> String {
    metric.to_ascii_lowercase()
}

/// The columns of `metrics_sample` around those of the metrics.
pub(super) const LEADING: [&str; 4] = ["time", "host", "stream", "seq"];
pub(super) const TRAILING: [&str; 4] = ["instances", "containers", "top", "extra"];

/// The columns of `metrics_event`.
pub(super) const OF_EVENT: &str = "time, host, stream, seq, kind, alert, sample, gap_from, gap_to";

/// All columns of `metrics_sample`, in the order in which rows have them.
pub(super) fn of_sample() -> String {
    let leading = LEADING.iter().map(ToString::to_string);
    let trailing = TRAILING.iter().map(ToString::to_string);
    let all: Vec<_> = leading
        .chain(measured().map(column_of))
        .chain(trailing)
        .collect();
    all.join(", ")
}

/// Tables without the columns of the metrics, which are added according to the version.
pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS metrics_schema (
        version integer PRIMARY KEY,
        columns text[] NOT NULL,
        created timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS metrics_sample (
        time timestamptz NOT NULL,
        host text COLLATE \"C\" NOT NULL,
        stream text COLLATE \"C\" NOT NULL,
        seq bigint NOT NULL,
        instances jsonb,
        containers json,
        top json,
        extra json,
        PRIMARY KEY (host, stream, seq, time)
    );
    CREATE TABLE IF NOT EXISTS metrics_event (
        time timestamptz NOT NULL,
        host text COLLATE \"C\" NOT NULL,
        stream text COLLATE \"C\" NOT NULL,
        seq bigint NOT NULL,
        kind text NOT NULL,
        alert json,
        sample json,
        gap_from bigint,
        gap_to bigint,
        PRIMARY KEY (host, stream, seq, kind, time)
    );
    CREATE TABLE IF NOT EXISTS metrics_header (
        host text COLLATE \"C\" NOT NULL,
        stream text COLLATE \"C\" NOT NULL,
        seq bigint NOT NULL,
        columns text[] NOT NULL,
        PRIMARY KEY (host, stream, seq)
    );
    CREATE TABLE IF NOT EXISTS metrics_position (
        ordinal bigint GENERATED ALWAYS AS IDENTITY,
        host text COLLATE \"C\" NOT NULL,
        stream text COLLATE \"C\" NOT NULL,
        seq bigint NOT NULL,
        first_time timestamptz NOT NULL,
        last_time timestamptz NOT NULL,
        PRIMARY KEY (host, stream)
    );";

/// The tables of each connection that rows arrive in. COPY knows no ON CONFLICT. Where TimescaleDB limits how much of a
/// compressed chunk an insert may look at, late rows of many hosts would never get in, so the limit is lifted.
pub(super) const INCOMING: &str = "
    CREATE TEMPORARY TABLE IF NOT EXISTS metrics_incoming_sample (LIKE metrics_sample) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE IF NOT EXISTS metrics_incoming_event (LIKE metrics_event) ON COMMIT DELETE ROWS;
    SELECT set_config(name, '0', false) FROM pg_settings
    WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction';";

/// The names of all tables and views.
pub(super) const NAMES: [&str; 7] = [
    "metrics_schema",
    "metrics_sample",
    "metrics_event",
    "metrics_header",
    "metrics_position",
    "metrics_minute",
    "metrics_hour",
];

/// Adds a column for each of `metrics`.
pub(super) fn added(metrics: &[String]) -> String {
    let columns = metrics.iter().map(|metric| {
        format!(
            "ADD COLUMN IF NOT EXISTS {} double precision",
            column_of(metric)
        )
    });
    let columns: Vec<_> = columns.collect();
    format!("ALTER TABLE metrics_sample {};", columns.join(", "))
}

/// A view with a row for each host and length of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rollup {
    pub(super) view: &'static str,
    pub(super) width: &'static str,
}

/// The views.
pub(super) const ROLLUPS: [Rollup; 2] = [
    Rollup {
        view: "metrics_minute",
        width: "1 minute",
    },
    Rollup {
        view: "metrics_hour",
        width: "1 hour",
    },
];

/// The mean, the least and the greatest of each metric.
pub(super) fn aggregated(metrics: &[String]) -> String {
    let parts = metrics.iter().map(|metric| {
        let column = column_of(metric);
        format!("avg({column}) AS {column}, min({column}) AS {column}_min, max({column}) AS {column}_max")
    });
    parts.collect::<Vec<_>>().join(", ")
}

impl Rollup {
    /// When a row begins, on plain PostgreSQL.
    fn begin(self) -> String {
        format!(
            "date_bin('{}', time, TIMESTAMPTZ '2000-01-01 00:00:00+00')",
            self.width
        )
    }

    /// The view and its index on plain PostgreSQL: it sums up when it is asked, and the index finds the rows.
    pub(super) fn plain(self, metrics: &[String]) -> String {
        let Self { view, .. } = self;
        let (begin, aggregated) = (self.begin(), aggregated(metrics));
        format!(
            "CREATE INDEX IF NOT EXISTS {view}_begin ON metrics_sample USING brin (({begin}));
             CREATE OR REPLACE VIEW {view} AS SELECT {begin} AS time, host, count(*) AS samples, {aggregated}
             FROM metrics_sample GROUP BY 1, 2;"
        )
    }
}

/// The index by time on plain PostgreSQL.
pub(super) const INDEX: &str =
    "CREATE INDEX IF NOT EXISTS metrics_sample_time ON metrics_sample USING brin (time);";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_column_has_a_name_of_its_own() {
        let all = of_sample();
        let names: Vec<_> = all.split(", ").collect();
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        assert!(names.contains(&"memoryused") && names.contains(&"cpu"));
    }

    #[test]
    fn a_new_metric_needs_a_new_version() {
        // If this fails, raise VERSION and put the new number here: aggregates of an earlier version cannot gain
        // columns.
        assert_eq!((VERSION, measured().count()), (1, 64));
    }
}
