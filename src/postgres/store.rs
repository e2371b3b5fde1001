//! Storing messages in a database.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::address::DatabaseAddress;
use super::batch::BatchEntry;
use super::connect::Connector;
use super::error::DatabaseError;
use super::rows::{LineEncoder, columns_of, names_of, push_gap};
use super::schema::{self, SchemaRequest};
use super::writing::Writer;
use crate::protocol::{Gap, Hello, HostName, Numbered, Position, ResumePoint, StreamId};
use crate::recording::Columns;

/// How many messages may wait for the database. Beyond that, the server's own history is the buffer.
const BACKLOG_ROWS: usize = 2000;

/// How many bytes of lines may wait: some hosts have large messages.
const BACKLOG_BYTES: u32 = 4 << 20;

/// Stores the messages of one or more hosts.
pub struct RowStore {
    name: String,
    opened: OpenedDatabase,
    hosts: HashMap<HostName, StoredHost>,
    /// `None` once it is closed.
    messages: Option<mpsc::Sender<BatchEntry>>,
    /// The bytes that may still wait.
    room: Arc<Semaphore>,
    /// Cancelled when it is closed.
    closing: CancellationToken,
    taken: u64,
    stored: watch::Receiver<u64>,
    outcome: Option<oneshot::Receiver<Result<(), DatabaseError>>>,
}

/// What one message added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredCounts {
    /// Bytes of its lines.
    pub bytes: u64,
    /// Whether a gap precedes it.
    pub has_gap: bool,
}

/// What the database had when it was opened.
#[derive(Debug, Default)]
struct OpenedDatabase {
    positions: Vec<ResumePoint>,
    /// The columns of each host's last rows.
    columns: HashMap<HostName, Columns>,
}

struct StoredHost {
    encoder: LineEncoder,
    /// Whether the next message begins new columns.
    has_new_columns: bool,
    has_rows: bool,
    gap: Option<Gap>,
}

impl RowStore {
    /// Connects, and checks or creates the tables.
    ///
    /// # Errors
    /// When there is no connection, or the tables cannot be used.
    pub async fn open(
        address: &DatabaseAddress,
        request: SchemaRequest,
    ) -> Result<Self, DatabaseError> {
        let connector = Connector::of(address)?;
        let name = connector.name.clone();
        let (opened_sender, opened) = oneshot::channel();
        let (messages, received) = mpsc::channel(BACKLOG_ROWS);
        let (stored_sender, stored) = watch::channel(0);
        let (outcome_sender, outcome) = oneshot::channel();
        let closing = CancellationToken::new();
        let closed = closing.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let work = async move {
            let client = match open(&connector, request).await {
                Ok((client, opened)) => {
                    // Nobody waits for it if it was cancelled meanwhile.
                    let _ = opened_sender.send(Ok(opened));
                    client
                }
                Err(error) => {
                    let _ = opened_sender.send(Err(error));
                    return Ok(());
                }
            };
            Writer::new((connector, client), received, stored_sender, closed)
                .run()
                .await
        };
        thread::Builder::new()
            .name("database".into())
            .spawn(move || {
                let _ = outcome_sender.send(runtime.block_on(work));
            })?;
        let stopped = |_| DatabaseError::Thread(std::io::Error::other("the thread stopped"));
        let opened = opened.await.map_err(stopped)??;
        Ok(Self {
            name,
            opened,
            hosts: HashMap::new(),
            messages: Some(messages),
            room: Arc::new(Semaphore::new(BACKLOG_BYTES as usize)),
            closing,
            taken: 0,
            stored,
            outcome: Some(outcome),
        })
    }

    /// The name of the database in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where each host ends.
    #[must_use]
    pub fn positions(&self) -> Vec<ResumePoint> {
        self.opened.positions.clone()
    }

    /// Begins a host, or changes its columns.
    pub fn begin(&mut self, host: &HostName, hello: &Hello) {
        let names = hello.metrics.iter().map(|metric| metric.name.as_str());
        let columns = Columns::new(names).with_containers(hello.containers);
        let known = self.hosts.get(host).map(|it| it.encoder.columns());
        if known == Some(&columns) {
            return;
        }
        let stored = known.or_else(|| self.opened.columns.get(host));
        let has_new_columns = stored != Some(&columns);
        let encoder = LineEncoder::new(columns);
        match self.hosts.get_mut(host) {
            Some(it) => (it.encoder, it.has_new_columns) = (encoder, true),
            None => {
                let has_rows = self.opened.columns.contains_key(host);
                let new = StoredHost {
                    encoder,
                    has_new_columns,
                    has_rows,
                    gap: None,
                };
                self.hosts.insert(host.clone(), new);
            }
        }
    }

    /// Keeps a gap until the next message.
    pub fn gap(&mut self, host: &HostName, gap: Gap) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.gap = Some(gap);
        }
    }

    /// Takes a message, and waits while too many wait already. `None` if its host hasn't begun.
    ///
    /// # Errors
    /// When messages can no longer be stored.
    pub async fn push(
        &mut self,
        message: &Numbered,
    ) -> Result<Option<StoredCounts>, DatabaseError> {
        let Some(host) = self.hosts.get_mut(&message.host) else {
            return Ok(None);
        };
        let seq = i64::try_from(message.seq).map_err(|_| DatabaseError::Failed {
            database: self.name.clone(),
            reason: format!(
                "the number {} of {} is too great for a bigint",
                message.seq, message.host
            ),
        })?;
        let (mut samples, mut events) = (Vec::new(), Vec::new());
        let has_rows = std::mem::replace(&mut host.has_rows, true);
        let gap = host.gap.take().filter(|_| has_rows);
        if let Some(gap) = gap {
            push_gap(gap, message, &mut events);
        }
        if message.alert.is_some() {
            host.encoder.alert(message, &mut events);
        } else {
            host.encoder.sample(message, &mut samples);
        }
        let is_new = std::mem::take(&mut host.has_new_columns);
        let bytes = (samples.len() + events.len()) as u64;
        let entry = BatchEntry {
            host: message.host.clone(),
            stream: message.stream,
            seq,
            time: message.sample.timestamp,
            samples,
            events,
            columns: is_new.then(|| names_of(host.encoder.columns())),
            // One that is larger than all the room waits until it is alone.
            room: room(&self.room, bytes).await,
        };
        let sent = match &self.messages {
            Some(messages) => messages.send(entry).await.is_ok(),
            None => false,
        };
        if !sent {
            self.ended().await?;
        }
        self.taken += 1;
        Ok(Some(StoredCounts {
            bytes,
            has_gap: gap.is_some(),
        }))
    }

    /// Waits until everything taken so far is stored.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn sync(&mut self) -> Result<(), DatabaseError> {
        let taken = self.taken;
        if self
            .stored
            .wait_for(|stored| *stored >= taken)
            .await
            .is_err()
        {
            self.ended().await?;
        }
        Ok(())
    }

    /// Stores what is left, and disconnects.
    ///
    /// # Errors
    /// When something cannot be stored.
    pub async fn close(&mut self) -> Result<(), DatabaseError> {
        self.messages = None;
        self.closing.cancel();
        self.ended().await
    }

    /// How it ended.
    async fn ended(&mut self) -> Result<(), DatabaseError> {
        match self.outcome.take() {
            Some(outcome) => outcome
                .await
                .unwrap_or_else(|_| Err(std::io::Error::other("the thread stopped").into())),
            None => Ok(()),
        }
    }
}

/// Waits until there is room for `bytes`. Without a writer there always is, because what waited is gone.
async fn room(room: &Arc<Semaphore>, bytes: u64) -> Option<OwnedSemaphorePermit> {
    let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(BACKLOG_BYTES);
    Arc::clone(room).acquire_many_owned(wanted).await.ok()
}

async fn open(
    connector: &Connector,
    request: SchemaRequest,
) -> Result<(Client, OpenedDatabase), DatabaseError> {
    let client = connector.connect().await?;
    for note in schema::ready(&client, &connector.name, request).await? {
        tracing::warn!("{}: {note}", connector.name);
    }
    let failed = |error| DatabaseError::failed(&connector.name, &error);
    let positions = positions(&client).await.map_err(failed)?;
    let columns = columns(&client).await.map_err(failed)?;
    let opened = OpenedDatabase { positions, columns };
    Ok((client, opened))
}

/// Where each host ends: streams are in the order in which they were first stored.
async fn positions(client: &Client) -> Result<Vec<ResumePoint>, tokio_postgres::Error> {
    let asked = "SELECT host, stream, seq FROM metrics_position ORDER BY host, ordinal";
    let mut points: Vec<ResumePoint> = Vec::new();
    for row in client.query(asked, &[]).await? {
        let (host, stream, seq): (&str, &str, i64) = (row.get(0), row.get(1), row.get(2));
        let (Ok(host), Ok(stream), Ok(seq)) = (
            host.parse::<HostName>(),
            stream.parse::<StreamId>(),
            seq.try_into(),
        ) else {
            continue;
        };
        let last = Position { host, stream, seq };
        match points.last_mut() {
            Some(point) if point.last.host == last.host => {
                let before = std::mem::replace(&mut point.last, last);
                point.past.push(before.stream);
            }
            _ => points.push(ResumePoint {
                last,
                past: Vec::new(),
            }),
        }
    }
    Ok(points)
}

/// The columns of each host's last rows.
async fn columns(client: &Client) -> Result<HashMap<HostName, Columns>, tokio_postgres::Error> {
    let asked = "SELECT DISTINCT ON (host) host, columns FROM metrics_header \
                 JOIN metrics_position USING (host, stream) ORDER BY host, ordinal DESC, metrics_header.seq DESC";
    let rows = client.query(asked, &[]).await?;
    let columns = rows.iter().filter_map(|row| {
        let (host, names): (&str, Vec<String>) = (row.get(0), row.get(1));
        Some((host.parse().ok()?, columns_of(&names)))
    });
    Ok(columns.collect())
}
