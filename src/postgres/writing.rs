//! The thread that writes batches, and connects again whenever the connection is gone.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout_at;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::batch::{BatchEntry, GrowingBatch, RowBatch};
use super::connect::Connector;
use super::error::{DatabaseError, Remedy, reason};
use super::schema::ready_to_write;
use super::tables::{OF_EVENT, of_sample};
use crate::retry_waits::RetryWaits;
use crate::wording::counted;

/// The most messages in one transaction.
const BATCH_ROWS: u64 = 1000;

/// The bytes of lines after which a transaction takes no more, because some hosts have large messages.
const BATCH_BYTES: usize = 4 << 20;

/// The longest that a message waits for others.
const BATCH_TIME: Duration = Duration::from_secs(1);

/// The longest waits before the first new connection and before any.
const RETRY: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(10)];

/// How long to try to store a batch once there is nothing more to come. The server still has what isn't stored then.
const LAST_PATIENCE: Duration = Duration::from_secs(20);

/// How many messages are stored, for whoever waits.
pub(super) type StoredRowCount = watch::Sender<u64>;

/// Writes what arrives until there is no more, or it cannot be written.
pub(super) struct Writer {
    pub(super) connector: Connector,
    pub(super) client: Client,
    pub(super) messages: mpsc::Receiver<BatchEntry>,
    pub(super) stored: StoredRowCount,
    /// Cancelled when there is nothing more to come.
    closing: CancellationToken,
    statements: Statements,
    /// Whether it was said that rows are waiting.
    is_out: bool,
}

/// The statements of a transaction.
struct Statements {
    copy_samples: String,
    copy_events: String,
    insert_samples: String,
    insert_events: String,
}

impl Writer {
    pub(super) fn new(
        (connector, client): (Connector, Client),
        messages: mpsc::Receiver<BatchEntry>,
        stored: StoredRowCount,
        closing: CancellationToken,
    ) -> Self {
        Self {
            connector,
            client,
            messages,
            stored,
            closing,
            statements: Statements::new(),
            is_out: false,
        }
    }

    /// Writes until there is no more.
    ///
    /// # Errors
    /// When something cannot be written, and never will be.
    pub(super) async fn run(mut self) -> Result<(), DatabaseError> {
        ready_to_write(&self.client)
            .await
            .map_err(|error| DatabaseError::failed(&self.connector.name, &error))?;
        while let Some(batch) = self.collect().await {
            self.store(&batch).await?;
            self.stored.send_modify(|rows| *rows += batch.rows);
        }
        Ok(())
    }

    /// The next batch; `None` at the end.
    async fn collect(&mut self) -> Option<RowBatch> {
        let mut batch = GrowingBatch::default();
        batch.add(self.messages.recv().await?);
        let end = tokio::time::Instant::now() + BATCH_TIME;
        while batch.rows() < BATCH_ROWS && batch.bytes() < BATCH_BYTES {
            match timeout_at(end, self.messages.recv()).await {
                Ok(Some(entry)) => batch.add(entry),
                Ok(None) | Err(_) => break,
            }
        }
        Some(batch.finish())
    }

    /// Stores a batch, however long that takes; once there is nothing more to come, only for a while.
    async fn store(&mut self, batch: &RowBatch) -> Result<(), DatabaseError> {
        let closing = self.closing.clone();
        let patience = async {
            closing.cancelled().await;
            tokio::time::sleep(LAST_PATIENCE).await;
        };
        let mut why = "it doesn't answer".to_owned();
        tokio::select! {
            biased;
            stored = self.store_in_the_end(batch, &mut why) => stored?,
            () = patience => {
                let rows = batch.rows + self.messages.len() as u64;
                return Err(DatabaseError::NotStored {
                    rows: counted(rows, "row"),
                    database: self.connector.name.clone(),
                    reason: why,
                });
            }
        }
        if std::mem::take(&mut self.is_out) {
            tracing::warn!(
                "{}: rows are stored again, none was lost",
                self.connector.name
            );
        }
        Ok(())
    }

    /// Stores a batch, however long that takes. `why` is the reason for the last failure.
    async fn store_in_the_end(
        &mut self,
        batch: &RowBatch,
        why: &mut String,
    ) -> Result<(), DatabaseError> {
        let [first, longest] = RETRY;
        let mut waits = RetryWaits::new(first, longest);
        loop {
            let failed = match self.statements.store(&self.client, batch).await {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            if Remedy::of(&failed) == Remedy::GiveUp {
                return Err(DatabaseError::failed(&self.connector.name, &failed));
            }
            *why = reason(&failed);
            self.say_once(why);
            // A transaction that failed is over as soon as the connection is; a new one is cheap.
            loop {
                tokio::time::sleep(waits.next_wait()).await;
                match self.connect().await {
                    Ok(()) => break,
                    Err(Reconnection::Later(reason)) => *why = reason,
                    Err(Reconnection::Never(error)) => return Err(error),
                }
            }
        }
    }

    fn say_once(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_out, true) {
            tracing::warn!(
                "{}: {why}; rows wait until it takes them",
                self.connector.name
            );
        }
    }

    async fn connect(&mut self) -> Result<(), Reconnection> {
        let later = |error: DatabaseError| Reconnection::Later(error.to_string());
        self.connector = self.connector.renewed().map_err(later)?;
        let client = self.connector.connect().await.map_err(later)?;
        match ready_to_write(&client).await {
            Ok(()) => self.client = client,
            Err(error) if Remedy::of(&error) == Remedy::GiveUp => {
                return Err(Reconnection::Never(DatabaseError::failed(
                    &self.connector.name,
                    &error,
                )));
            }
            Err(error) => return Err(Reconnection::Later(reason(&error))),
        }
        Ok(())
    }
}

/// Why there is no new connection.
enum Reconnection {
    Later(String),
    Never(DatabaseError),
}

impl Statements {
    fn new() -> Self {
        let (samples, key) = (of_sample(), "host, stream, seq");
        // In the order of the key, so that two writers don't wait for each other.
        let insert = |table: &str, columns: &str, key: &str| {
            format!(
                "INSERT INTO metrics_{table} ({columns}) SELECT {columns} FROM pg_temp.metrics_incoming_{table} \
                 ORDER BY {key} ON CONFLICT DO NOTHING"
            )
        };
        Self {
            copy_samples: format!("COPY pg_temp.metrics_incoming_sample ({samples}) FROM STDIN"),
            copy_events: format!("COPY pg_temp.metrics_incoming_event ({OF_EVENT}) FROM STDIN"),
            insert_samples: insert("sample", &samples, key),
            insert_events: insert("event", OF_EVENT, "host, stream, seq, kind"),
        }
    }

    /// Stores a batch in one transaction. What is there already stays as it is.
    async fn store(&self, client: &Client, batch: &RowBatch) -> Result<(), tokio_postgres::Error> {
        client.batch_execute("BEGIN").await?;
        if !batch.samples.is_empty() {
            copy(client, &self.copy_samples, &batch.samples).await?;
            client.batch_execute(&self.insert_samples).await?;
        }
        if !batch.events.is_empty() {
            copy(client, &self.copy_events, &batch.events).await?;
            client.batch_execute(&self.insert_events).await?;
        }
        for header in &batch.headers {
            let insert = "INSERT INTO metrics_header (host, stream, seq, columns) VALUES ($1, $2, $3, $4) \
                          ON CONFLICT DO NOTHING";
            client
                .execute(
                    insert,
                    &[&header.host, &header.stream, &header.seq, &header.columns],
                )
                .await?;
        }
        let ends = &batch.ends;
        let insert = "INSERT INTO metrics_position AS known (host, stream, seq, first_time, last_time) \
            SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[]) \
            ON CONFLICT (host, stream) DO UPDATE SET seq = greatest(known.seq, excluded.seq), \
            first_time = least(known.first_time, excluded.first_time), \
            last_time = greatest(known.last_time, excluded.last_time)";
        client
            .execute(
                insert,
                &[
                    &ends.hosts,
                    &ends.streams,
                    &ends.numbers,
                    &ends.first,
                    &ends.last,
                ],
            )
            .await?;
        client.batch_execute("COMMIT").await
    }
}

async fn copy(
    client: &Client,
    statement: &str,
    lines: &Bytes,
) -> Result<(), tokio_postgres::Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(statement).await?);
    sink.send(lines.clone()).await?;
    sink.finish().await?;
    Ok(())
}
