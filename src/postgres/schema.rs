//! Checks the tables, and creates them where that was asked for.

use std::time::Duration;

use tokio_postgres::Client;

use super::error::DatabaseError;
use super::tables::{self, INCOMING, NAMES, ROLLUPS, VERSION, measured};
use super::timescale::{self, COMPRESSION, Edition, HYPERTABLES};

/// PostgreSQL's first version with `date_bin`.
const LEAST_SERVER: i32 = 14;

/// Only one of several that are started together creates the tables. If it fails, its connection ends, and so does its
/// turn.
const TAKE_TURN: &str = "SELECT pg_advisory_lock(7061746)";
const END_TURN: &str = "SELECT pg_advisory_unlock(7061746)";

/// What may be done to the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SchemaRequest {
    /// Whether to create what is missing.
    pub create: bool,
    /// How long rows are kept, where the database can remove them by itself.
    pub keep: Option<Duration>,
}

/// The versions of the tables, and the metrics that each added.
type Versions = Vec<(i32, Vec<String>)>;

/// Makes the tables ready for `client`, which calls the database `name`. Returns what was left out, one line each.
///
/// # Errors
/// When they cannot be used, or something failed.
pub(super) async fn ready(
    client: &Client,
    name: &str,
    request: SchemaRequest,
) -> Result<Vec<String>, DatabaseError> {
    check_server(client, name).await?;
    if request.create {
        let failed = |error| DatabaseError::failed(&name, &error);
        client.batch_execute(TAKE_TURN).await.map_err(failed)?;
        let notes = create(client, name, request.keep).await?;
        client.batch_execute(END_TURN).await.map_err(failed)?;
        return Ok(notes);
    }
    let versions = versions(client, name).await?;
    if versions.is_empty() {
        return Err(DatabaseError::NoTables {
            database: name.into(),
        });
    }
    let missing = missing(&versions);
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    Err(DatabaseError::OldTables {
        database: name.into(),
        columns: missing.join(", "),
    })
}

/// Makes the tables that rows arrive in.
pub(super) async fn ready_to_write(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(INCOMING).await
}

async fn check_server(client: &Client, name: &str) -> Result<(), DatabaseError> {
    let failed = |error| DatabaseError::failed(&name, &error);
    let asked = "SELECT current_setting('server_encoding'), current_setting('server_version_num')::int / 10000";
    let row = client.query_one(asked, &[]).await.map_err(failed)?;
    let (encoding, version): (String, i32) = (row.get(0), row.get(1));
    if encoding != "UTF8" {
        return Err(DatabaseError::Encoding {
            database: name.into(),
            encoding,
        });
    }
    if version < LEAST_SERVER {
        return Err(DatabaseError::Failed {
            database: name.into(),
            reason: format!(
                "PostgreSQL {version} is too old: version {LEAST_SERVER} or later is needed"
            ),
        });
    }
    Ok(())
}

/// The versions that the database has.
pub(super) async fn versions(client: &Client, name: &str) -> Result<Versions, DatabaseError> {
    let failed = |error| DatabaseError::failed(&name, &error);
    let there = client
        .query_one("SELECT to_regclass('metrics_schema') IS NOT NULL", &[])
        .await
        .map_err(failed)?;
    if !there.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let asked = "SELECT version::int, columns::text[] FROM metrics_schema ORDER BY 1";
    let rows = client.query(asked, &[]).await.map_err(failed)?;
    let versions: Versions = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    match versions.last() {
        Some(&(found, _)) if found > VERSION => Err(DatabaseError::NewTables {
            database: name.into(),
            found,
            known: VERSION,
        }),
        _ => Ok(versions),
    }
}

/// The metrics that have no column yet.
fn missing(versions: &Versions) -> Vec<String> {
    let known = |metric: &str| {
        versions
            .iter()
            .any(|(_, metrics)| metrics.iter().any(|it| it == metric))
    };
    let missing = measured().filter(|metric| !known(metric));
    missing.map(str::to_owned).collect()
}

async fn create(
    client: &Client,
    name: &str,
    keep: Option<Duration>,
) -> Result<Vec<String>, DatabaseError> {
    let failed = |error| DatabaseError::failed(&name, &error);
    let versions = versions(client, name).await?;
    if versions.is_empty() {
        check_names(client, name).await?;
    }
    let mut notes = Vec::new();
    let edition = timescale::edition(client, &mut notes)
        .await
        .map_err(failed)?;
    if keep.is_some() && edition != Edition::Community {
        notes.push(
            "--keep is left out, because TimescaleDB would do it: delete old rows yourself, as docs/OPERATING.md shows"
                .into(),
        );
    }
    let fresh = missing(&versions);
    let statements = statements(versions, &fresh, edition, keep);
    // Without errors in between, so that all of it happens or nothing.
    client
        .batch_execute(&format!("BEGIN; {statements} COMMIT"))
        .await
        .map_err(failed)?;
    if edition == Edition::Community && !fresh.is_empty() {
        timescale::refresh(client, VERSION).await.map_err(failed)?;
    }
    Ok(notes)
}

/// Checks that nobody else has a table with one of our names, which would then be changed.
async fn check_names(client: &Client, name: &str) -> Result<(), DatabaseError> {
    let asked = "SELECT relname::text FROM pg_class WHERE relname = ANY($1) AND pg_table_is_visible(oid) LIMIT 1";
    let taken = client.query_opt(asked, &[&NAMES.as_slice()]).await;
    match taken.map_err(|error| DatabaseError::failed(&name, &error))? {
        Some(row) => Err(DatabaseError::NameTaken {
            database: name.into(),
            table: row.get(0),
        }),
        None => Ok(()),
    }
}

/// Everything that creates the tables, for a database that has `versions`, with the metrics that are new.
fn statements(
    mut versions: Versions,
    fresh: &[String],
    edition: Edition,
    keep: Option<Duration>,
) -> String {
    let mut sql = vec![tables::TABLES.to_owned()];
    if !fresh.is_empty() {
        let names = fresh.join(",");
        sql.push(tables::added(fresh));
        sql.push(format!(
            "INSERT INTO metrics_schema (version, columns) VALUES ({VERSION}, '{{{names}}}') ON CONFLICT DO NOTHING;"
        ));
        versions.push((VERSION, fresh.to_vec()));
    }
    if edition != Edition::None {
        sql.push(HYPERTABLES.to_owned());
    }
    if edition == Edition::Community {
        sql.push(COMPRESSION.to_owned());
        let continuous = |rollup: tables::Rollup| {
            let each = versions
                .iter()
                .map(move |(version, metrics)| rollup.continuous(*version, metrics));
            each.collect::<String>() + &rollup.joined(&versions)
        };
        sql.extend(ROLLUPS.map(continuous));
        sql.extend(keep.map(timescale::retention));
    } else {
        let metrics: Vec<String> = versions
            .iter()
            .flat_map(|(_, metrics)| metrics.clone())
            .collect();
        if edition == Edition::None {
            sql.push(tables::INDEX.to_owned());
        }
        sql.extend(ROLLUPS.map(|rollup| rollup.plain(&metrics)));
    }
    sql.concat()
}
