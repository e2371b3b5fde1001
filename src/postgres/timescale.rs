//! What TimescaleDB adds to the tables.

use std::time::Duration;

use tokio_postgres::Client;

use super::error::reason;
use super::tables::{ROLLUPS, Rollup, aggregated, column_of};

/// How far back the aggregates take in rows that arrive late, in days. Rows are kept for longer.
const LATE_DAYS: u64 = 3;

/// The shortest time that rows may be kept.
pub const LEAST_KEPT: Duration = Duration::from_secs((LATE_DAYS + 1) * 86_400);

/// What a database has of TimescaleDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    /// Nothing.
    None,
    /// Hypertables alone.
    Apache,
    /// Everything.
    Community,
}

/// What the database has. Turns the extension on if it is there; says so if that is impossible.
pub(super) async fn edition(
    client: &Client,
    notes: &mut Vec<String>,
) -> Result<Edition, tokio_postgres::Error> {
    let known = "SELECT installed_version IS NOT NULL FROM pg_available_extensions WHERE name = 'timescaledb'";
    let Some(row) = client.query_opt(known, &[]).await? else {
        return Ok(Edition::None);
    };
    let is_on: bool = row.get(0);
    if !is_on && let Err(error) = client.batch_execute("CREATE EXTENSION timescaledb").await {
        notes.push(format!(
            "TimescaleDB is here but cannot be turned on: {}; plain tables are used",
            reason(&error)
        ));
        return Ok(Edition::None);
    }
    let license = client
        .query_one("SELECT current_setting('timescaledb.license', true)", &[])
        .await?;
    let license: Option<String> = license.get(0);
    if license.as_deref() == Some("apache") {
        notes.push(
            "TimescaleDB has the Apache license here: compression, continuous aggregates and retention are left out"
                .into(),
        );
        return Ok(Edition::Apache);
    }
    Ok(Edition::Community)
}

/// Makes hypertables, with chunks of a day. The key was created with the table, before compression is turned on.
pub(super) const HYPERTABLES: &str = "
    SELECT create_hypertable('metrics_sample', 'time', chunk_time_interval => INTERVAL '1 day',
        if_not_exists => true, migrate_data => true);
    SELECT create_hypertable('metrics_event', 'time', chunk_time_interval => INTERVAL '7 days',
        if_not_exists => true, migrate_data => true);";

/// Compresses chunks after a day, unless that is on already: the settings cannot change while chunks are compressed.
pub(super) const COMPRESSION: &str = "
    DO $$ BEGIN
        IF NOT (SELECT compression_enabled FROM timescaledb_information.hypertables
                WHERE hypertable_schema = current_schema() AND hypertable_name = 'metrics_sample') THEN
            ALTER TABLE metrics_sample SET (timescaledb.compress, timescaledb.compress_segmentby = 'host',
                timescaledb.compress_orderby = 'time, stream, seq');
        END IF;
    END $$;
    SELECT add_compression_policy('metrics_sample', INTERVAL '1 day', if_not_exists => true);";

/// Removes rows after `keep`.
pub(super) fn retention(keep: Duration) -> String {
    let of = |table: &str| {
        format!(
            "SELECT remove_retention_policy('{table}', if_exists => true);
             SELECT add_retention_policy('{table}', INTERVAL '{} seconds');",
            keep.as_secs()
        )
    };
    of("metrics_sample") + &of("metrics_event")
}

impl Rollup {
    fn aggregate(self, version: i32) -> String {
        format!("{}_v{version}", self.view)
    }

    /// The continuous aggregate of the metrics that `version` added. It cannot gain columns, and is never dropped,
    /// because it may be the only memory of rows that are no longer kept.
    pub(super) fn continuous(self, version: i32, metrics: &[String]) -> String {
        let (name, width, aggregated) = (self.aggregate(version), self.width, aggregated(metrics));
        format!(
            "CREATE MATERIALIZED VIEW IF NOT EXISTS {name}
             WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
             SELECT time_bucket(INTERVAL '{width}', time) AS time, host, count(*) AS samples, {aggregated}
             FROM metrics_sample GROUP BY 1, 2 WITH NO DATA;
             SELECT add_continuous_aggregate_policy('{name}', start_offset => INTERVAL '{LATE_DAYS} days',
                end_offset => INTERVAL '{width}', schedule_interval => INTERVAL '{width}', if_not_exists => true);"
        )
    }

    /// The view over the aggregates of all versions, each with the metrics it added.
    pub(super) fn joined(self, versions: &[(i32, Vec<String>)]) -> String {
        let Self { view, .. } = self;
        let mut columns = Vec::new();
        let mut from = String::new();
        let mut counts = Vec::new();
        for (nth, (version, metrics)) in versions.iter().enumerate() {
            let name = self.aggregate(*version);
            let join = format!(" FULL JOIN {name} USING (time, host)");
            from.push_str(if nth == 0 { &name } else { &join });
            counts.push(format!("{name}.samples"));
            columns.extend(metrics.iter().flat_map(|metric| {
                let column = column_of(metric);
                ["", "_min", "_max"].map(|end| format!("{name}.{column}{end}"))
            }));
        }
        let (counts, columns) = (counts.join(", "), columns.join(", "));
        format!(
            "CREATE OR REPLACE VIEW {view} AS SELECT time, host, coalesce({counts}) AS samples, {columns} FROM {from};"
        )
    }

    /// Takes in the rows that are already there. Not in a transaction.
    pub(super) fn refresh(self, version: i32) -> String {
        format!(
            "CALL refresh_continuous_aggregate('{}', NULL, NULL)",
            self.aggregate(version)
        )
    }
}

/// Takes the rows that are already there into the aggregates of a version.
pub(super) async fn refresh(client: &Client, version: i32) -> Result<(), tokio_postgres::Error> {
    for rollup in ROLLUPS {
        client.batch_execute(&rollup.refresh(version)).await?;
    }
    Ok(())
}
