//! A host's rows in the database, stream by stream, each in the order of its numbers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::Deserialize;
use tokio_postgres::{Portal, Row as TableRow, Transaction};

use super::rows::columns_of;
use super::tables::{TRAILING, column_of, measured};
use super::wanted::{HostInDatabase, millis, system_time};
use crate::protocol::{Alert, Numbered, Sample, StreamId};
use crate::recording::{Columns, Encoder, Row};

/// How many rows the database hands over at a time.
const ROWS_AT_A_TIME: i32 = 500;

/// How many columns of a sample's row precede those of the metrics.
const OTHERS: usize = 6;

/// A stream, and its place among those of its host.
#[derive(Debug, Clone)]
pub(super) struct StoredStream {
    name: String,
    stream: StreamId,
    /// The columns of its rows, each from a number on.
    headers: Vec<(i64, Columns)>,
}

/// The streams that may have rows in the window, in the order in which they were stored. The first header of each is
/// the one in force where it begins.
pub(super) async fn streams_of(
    transaction: &Transaction<'_>,
    wanted: &HostInDatabase,
) -> Result<VecDeque<StoredStream>, tokio_postgres::Error> {
    let host = wanted.host.as_str();
    let asked = "SELECT stream, first_time, last_time FROM metrics_position WHERE host = $1 ORDER BY ordinal";
    let streams = transaction.query(asked, &[&host]).await?;
    let asked =
        "SELECT stream, seq, columns FROM metrics_header WHERE host = $1 ORDER BY stream, seq";
    let mut headers: HashMap<String, Vec<(i64, Columns)>> = HashMap::new();
    for row in transaction.query(asked, &[&host]).await? {
        let names: Vec<String> = row.get(2);
        headers
            .entry(row.get(0))
            .or_default()
            .push((row.get(1), columns_of(&names)));
    }
    let mut found = VecDeque::new();
    let mut in_force = Columns::new(measured());
    for row in streams {
        let name: String = row.get(0);
        let mut of_stream = headers.remove(&name).unwrap_or_default();
        of_stream.insert(0, (0, in_force.clone()));
        if let Some((_, last)) = of_stream.last() {
            in_force = last.clone();
        }
        let (first, last) = (millis(row.get(1)), millis(row.get(2)));
        let is_wanted = wanted.until.is_none_or(|until| first < until)
            && wanted.from.is_none_or(|from| from <= last);
        if let Ok(stream) = name.parse()
            && is_wanted
        {
            found.push_back(StoredStream {
                name,
                stream,
                headers: of_stream,
            });
        }
    }
    Ok(found)
}

/// Reads a host's streams, one after the other.
pub(super) struct HostReader<'a> {
    transaction: &'a Transaction<'a>,
    wanted: &'a HostInDatabase,
    encoder: Option<Encoder>,
    stream: Option<StoredStream>,
    samples: Cursor,
    events: Cursor,
    places: ValuePlaces,
    statements: [String; 2],
}

/// Rows through a cursor.
#[derive(Default)]
struct Cursor {
    portal: Option<Portal>,
    rows: VecDeque<TableRow>,
    is_over: bool,
}

impl<'a> HostReader<'a> {
    pub(super) async fn new(
        transaction: &'a Transaction<'a>,
        wanted: &'a HostInDatabase,
    ) -> Result<Self, tokio_postgres::Error> {
        let values: Vec<_> = measured().map(column_of).collect();
        let json = TRAILING.map(|column| format!("{column}::text"));
        let window = "host = $1 AND stream = $2 AND ($3::timestamptz IS NULL OR time >= $3) \
                      AND ($4::timestamptz IS NULL OR time < $4)";
        let samples = format!(
            "SELECT seq, time, {}, {} FROM metrics_sample WHERE {window} ORDER BY seq",
            json.join(", "),
            values.join(", ")
        );
        let events = format!(
            "SELECT seq, alert::text, sample::text FROM metrics_event WHERE {window} AND alert IS NOT NULL ORDER BY seq"
        );
        Ok(Self {
            transaction,
            wanted,
            encoder: None,
            stream: None,
            samples: Cursor::default(),
            events: Cursor::default(),
            places: ValuePlaces::of_table(),
            statements: [samples, events],
        })
    }

    /// A header, so that even a host without rows is a recording.
    pub(super) fn beginning(&mut self, streams: &VecDeque<StoredStream>) -> Vec<u8> {
        let mut text = Vec::new();
        if streams.is_empty() {
            Encoder::new(Columns::new(measured())).header(&mut text);
        }
        text
    }

    /// Begins a stream.
    pub(super) async fn open(&mut self, stream: StoredStream) -> Result<(), tokio_postgres::Error> {
        let wanted = self.wanted;
        let (from, until) = (wanted.from.map(system_time), wanted.until.map(system_time));
        let host = wanted.host.as_str();
        let mut cursors = Vec::new();
        for statement in &self.statements {
            let portal = self
                .transaction
                .bind(statement, &[&host, &stream.name, &from, &until])
                .await?;
            cursors.push(Cursor {
                portal: Some(portal),
                ..Cursor::default()
            });
        }
        (self.events, self.samples) = (
            cursors.pop().unwrap_or_default(),
            cursors.pop().unwrap_or_default(),
        );
        self.stream = Some(stream);
        Ok(())
    }

    /// Appends some rows to `text`. Returns whether there may be more in this stream.
    pub(super) async fn read_on(
        &mut self,
        text: &mut Vec<u8>,
    ) -> Result<bool, tokio_postgres::Error> {
        for _ in 0..ROWS_AT_A_TIME {
            self.samples.fill(self.transaction).await?;
            self.events.fill(self.transaction).await?;
            let is_event = match (self.samples.next_seq(), self.events.next_seq()) {
                (None, None) => return Ok(false),
                (Some(sample), Some(event)) => event < sample,
                (sample, _) => sample.is_none(),
            };
            let cursor = if is_event {
                &mut self.events
            } else {
                &mut self.samples
            };
            if let Some(row) = cursor.rows.pop_front() {
                self.write(&row, is_event, text);
            }
        }
        Ok(true)
    }

    fn write(&mut self, row: &TableRow, is_event: bool, text: &mut Vec<u8>) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let seq: i64 = row.get(0);
        while stream.headers.get(1).is_some_and(|(from, _)| *from <= seq) {
            stream.headers.remove(0);
        }
        let Some((_, columns)) = stream.headers.first() else {
            return;
        };
        if self
            .encoder
            .as_ref()
            .is_none_or(|it| it.columns() != columns)
        {
            let encoder = Encoder::new(columns.clone());
            encoder.header(text);
            self.places.begin(columns);
            self.encoder = Some(encoder);
        }
        let (alert, sample) = if is_event {
            alert_of(row)
        } else {
            (None, self.places.sample(row, columns))
        };
        let message = Numbered {
            host: self.wanted.host.clone(),
            stream: stream.stream,
            seq: u64::try_from(seq).unwrap_or_default(),
            alert,
            sample,
        };
        if let Some(encoder) = &mut self.encoder {
            encoder.row(&Row::Numbered(message), text);
        }
    }
}

impl Cursor {
    async fn fill(&mut self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        if let (true, false, Some(portal)) = (self.rows.is_empty(), self.is_over, &self.portal) {
            self.rows = transaction
                .query_portal(portal, ROWS_AT_A_TIME)
                .await?
                .into();
            self.is_over = self.rows.len() < ROWS_AT_A_TIME.unsigned_abs() as usize;
        }
        Ok(())
    }

    fn next_seq(&self) -> Option<i64> {
        self.rows.front().map(|row| row.get(0))
    }
}

/// Where the values of rows are.
struct ValuePlaces {
    /// The metrics with a column in the table.
    all: HashMap<Arc<str>, usize>,
    /// Those of them that the recording has no column for, in the table's order.
    outside: Vec<(Arc<str>, usize)>,
}

impl ValuePlaces {
    fn of_table() -> Self {
        Self {
            all: measured().map(Arc::from).zip(OTHERS..).collect(),
            outside: Vec::new(),
        }
    }

    /// From here on, the recording has these columns.
    fn begin(&mut self, columns: &Columns) {
        let outside = measured().zip(OTHERS..);
        let outside = outside.filter(|(name, _)| columns.index_of(name, 0).is_none());
        self.outside = outside.map(|(name, at)| (name.into(), at)).collect();
    }

    /// A sample whose values are in the order of `columns`. Those without a column follow: what was stored as `extra`,
    /// and what a recorder with more columns stored in them.
    fn sample(&self, row: &TableRow, columns: &Columns) -> Sample {
        let text = |at: usize| row.get::<_, Option<&str>>(at);
        let cell = |at: usize| row.get::<_, Option<f64>>(at);
        let mut instances: HashMap<Arc<str>, f64> = parsed(text(2)).unwrap_or_default();
        let mut values = Vec::new();
        for name in columns.names() {
            let value = match self.all.get(name) {
                Some(&at) => cell(at),
                None => instances.remove(name),
            };
            values.extend(value.map(|value| (name.clone(), value)));
        }
        let NamedValues(extra) = parsed(text(5)).unwrap_or_default();
        let mut rest: Vec<_> = (self.outside.iter())
            .filter_map(|(name, at)| Some((name.clone(), cell(*at)?)))
            .collect();
        rest.extend(instances);
        rest.retain(|(name, _)| extra.iter().all(|(known, _)| known != name));
        rest.sort_by(|(name, _), (other, _)| name.cmp(other));
        values.extend(extra);
        values.extend(rest);
        Sample {
            timestamp: millis(row.get(1)),
            values,
            containers: parsed(text(3)),
            top: parsed(text(4)),
        }
    }
}

fn alert_of(row: &TableRow) -> (Option<Box<Alert>>, Sample) {
    let text = |at: usize| row.get::<_, Option<&str>>(at);
    (parsed(text(1)), parsed(text(2)).unwrap_or_default())
}

fn parsed<'a, T: Deserialize<'a>>(text: Option<&'a str>) -> Option<T> {
    serde_json::from_str(text?).ok()
}

/// Values in the order in which they were written.
#[derive(Default)]
struct NamedValues(Vec<(Arc<str>, f64)>);

impl<'de> Deserialize<'de> for NamedValues {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = NamedValues;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of numbers")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<NamedValues, A::Error> {
                let mut values = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, f64>()? {
                    values.push((name.into(), value));
                }
                Ok(NamedValues(values))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
