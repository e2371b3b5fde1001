//! What is written in one transaction.

use std::collections::HashMap;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::wanted::system_time;
use crate::protocol::{HostName, StreamId};

/// One message, as lines for the tables.
#[derive(Debug)]
pub(super) struct BatchEntry {
    pub(super) host: HostName,
    pub(super) stream: StreamId,
    pub(super) seq: i64,
    /// In milliseconds since the epoch.
    pub(super) time: u64,
    /// Lines for `metrics_sample`.
    pub(super) samples: Vec<u8>,
    /// Lines for `metrics_event`.
    pub(super) events: Vec<u8>,
    /// The recording's columns from this message on, if they are new.
    pub(super) columns: Option<Vec<String>>,
    /// The room that it takes among those that wait.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// The messages of one transaction. They can be sent again and again without being copied.
#[derive(Debug)]
pub(super) struct RowBatch {
    pub(super) rows: u64,
    pub(super) samples: Bytes,
    pub(super) events: Bytes,
    pub(super) headers: Vec<NewHeader>,
    pub(super) ends: Ends,
}

/// A batch to which messages are added.
#[derive(Debug, Default)]
pub(super) struct GrowingBatch {
    rows: u64,
    samples: Vec<u8>,
    events: Vec<u8>,
    headers: Vec<NewHeader>,
    ends: Ends,
    index: HashMap<(HostName, StreamId), usize>,
}

/// The columns of a recording, from a message on.
#[derive(Debug)]
pub(super) struct NewHeader {
    pub(super) host: String,
    pub(super) stream: String,
    pub(super) seq: i64,
    pub(super) columns: Vec<String>,
}

/// Where streams end, in the order in which they began: one list for each column of `metrics_position`.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) hosts: Vec<String>,
    pub(super) streams: Vec<String>,
    pub(super) numbers: Vec<i64>,
    pub(super) first: Vec<SystemTime>,
    pub(super) last: Vec<SystemTime>,
}

impl GrowingBatch {
    /// How many messages it has.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes their lines have.
    pub(super) fn bytes(&self) -> usize {
        self.samples.len() + self.events.len()
    }

    /// The batch, complete.
    pub(super) fn finish(self) -> RowBatch {
        RowBatch {
            rows: self.rows,
            samples: self.samples.into(),
            events: self.events.into(),
            headers: self.headers,
            ends: self.ends,
        }
    }

    /// Adds a message.
    pub(super) fn add(&mut self, entry: BatchEntry) {
        drop(entry.room);
        self.rows += 1;
        self.samples.extend_from_slice(&entry.samples);
        self.events.extend_from_slice(&entry.events);
        if let Some(columns) = entry.columns {
            self.headers.push(NewHeader {
                host: entry.host.to_string(),
                stream: entry.stream.to_string(),
                seq: entry.seq,
                columns,
            });
        }
        let time = system_time(entry.time);
        let ends = &mut self.ends;
        let key = (entry.host, entry.stream);
        if let Some(&at) = self.index.get(&key) {
            ends.numbers[at] = entry.seq;
            ends.first[at] = ends.first[at].min(time);
            ends.last[at] = ends.last[at].max(time);
            return;
        }
        ends.hosts.push(key.0.to_string());
        ends.streams.push(key.1.to_string());
        ends.numbers.push(entry.seq);
        ends.first.push(time);
        ends.last.push(time);
        self.index.insert(key, ends.hosts.len() - 1);
    }
}
