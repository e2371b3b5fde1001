//! Reading a host's rows back, as the CSV that was recorded.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::address::DatabaseAddress;
use super::connect::Connector;
use super::error::DatabaseError;
use super::schema;
use super::stored::{HostReader, streams_of};
use super::wanted::{HostInDatabase, millis};

/// How many parts of the text wait for their reader.
const PARTS_AHEAD: usize = 2;

/// The time of each host's first row that is still there. Old rows may have been deleted, and the clock set back.
const FIRST_ROWS: &str = "
    SELECT host, coalesce((
        SELECT first.time FROM metrics_position p CROSS JOIN LATERAL (
            (SELECT seq, time FROM metrics_sample s WHERE s.host = p.host AND s.stream = p.stream ORDER BY seq LIMIT 1)
            UNION ALL
            (SELECT seq, time FROM metrics_event e WHERE e.host = p.host AND e.stream = p.stream AND alert IS NOT NULL
            ORDER BY seq LIMIT 1)
            ORDER BY seq LIMIT 1
        ) first WHERE p.host = known.host ORDER BY p.ordinal LIMIT 1
    ), first_time)
    FROM (SELECT host, min(first_time) AS first_time FROM metrics_position GROUP BY host) known ORDER BY host";

/// A replay may take its time: its transaction is idle while its reader is busy.
const NO_TIME_LIMIT: &str = "SET idle_in_transaction_session_timeout = 0";

/// The hosts whose rows a database has, in the order of their names.
///
/// # Errors
/// When the database cannot be read.
pub async fn hosts_in(address: DatabaseAddress) -> Result<Vec<HostInDatabase>, DatabaseError> {
    let connector = Connector::of(&address)?;
    let client = connector.connect().await?;
    if schema::versions(&client, &connector.name).await?.is_empty() {
        return Err(DatabaseError::NothingRecorded {
            database: connector.name,
        });
    }
    let rows = client.query(FIRST_ROWS, &[]).await;
    let rows = rows.map_err(|error| DatabaseError::failed(&connector.name, &error))?;
    let address = Arc::new(address);
    let hosts = rows.iter().filter_map(|row| {
        Some(HostInDatabase {
            address: Arc::clone(&address),
            host: row.get::<_, &str>(0).parse().ok()?,
            first: millis(row.get(1)),
            from: None,
            until: None,
        })
    });
    Ok(hosts.collect())
}

/// The rows of a host, as CSV. A thread reads them, a little ahead, through a cursor.
pub struct StoredRows {
    parts: Receiver<io::Result<Vec<u8>>>,
    part: Vec<u8>,
    at: usize,
}

impl StoredRows {
    /// Begins to read.
    ///
    /// # Errors
    /// When a thread cannot be started. Any other error comes from reading.
    pub fn open(wanted: HostInDatabase) -> io::Result<Self> {
        let (sender, parts) = sync_channel(PARTS_AHEAD);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("database".into())
            .spawn(move || {
                if let Err(error) = runtime.block_on(read(&wanted, &sender)) {
                    // The reader may be gone.
                    let _ = sender.send(Err(io::Error::other(error.to_string())));
                }
            })?;
        Ok(Self {
            parts,
            part: Vec::new(),
            at: 0,
        })
    }
}

impl Read for StoredRows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.part.len() {
            match self.parts.recv() {
                Ok(part) => (self.part, self.at) = (part?, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.part.len() - self.at);
        buffer[..count].copy_from_slice(&self.part[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

async fn read(
    wanted: &HostInDatabase,
    parts: &SyncSender<io::Result<Vec<u8>>>,
) -> Result<(), DatabaseError> {
    let connector = Connector::of(&wanted.address)?;
    let mut client = connector.connect().await?;
    let failed = |error| DatabaseError::failed(&connector.name, &error);
    client.batch_execute(NO_TIME_LIMIT).await.map_err(failed)?;
    // All of it as it is now, whatever is written meanwhile.
    let transaction = client
        .build_transaction()
        .read_only(true)
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await
        .map_err(failed)?;
    let streams = streams_of(&transaction, wanted).await.map_err(failed)?;
    let mut reader = HostReader::new(&transaction, wanted)
        .await
        .map_err(failed)?;
    let mut text = reader.beginning(&streams);
    for stream in streams {
        reader.open(stream).await.map_err(failed)?;
        while reader.read_on(&mut text).await.map_err(failed)? {
            if parts.send(Ok(std::mem::take(&mut text))).is_err() {
                // Whoever read has had enough.
                return Ok(());
            }
        }
    }
    if !text.is_empty() {
        let _ = parts.send(Ok(text));
    }
    Ok(())
}
