//! Recordings in a database.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::postgres::{RowStore, StoredCounts};
use crate::protocol::{HostName, Numbered, ResumePoint, Update};

use super::error::SinkError;
use super::interface::{Sink, Written};

/// A database, with a row for each message of all hosts.
pub(super) struct DatabaseSink {
    store: RowStore,
    written: Written,
}

impl DatabaseSink {
    pub(super) fn new(store: RowStore) -> Self {
        Self {
            store,
            written: Written::default(),
        }
    }

    async fn write(&mut self, message: Numbered) -> Result<(), SinkError> {
        if let Some(StoredCounts { bytes, has_gap }) = self.store.push(&message).await? {
            self.written.rows += 1;
            self.written.bytes += bytes;
            self.written.gaps += u64::from(has_gap);
            self.written.note_time(message.sample.timestamp);
        }
        Ok(())
    }
}

impl Sink for DatabaseSink {
    fn positions(&self) -> Vec<ResumePoint> {
        self.store.positions()
    }

    fn take(&mut self, host: HostName, update: Update) -> BoxFuture<'_, Result<(), SinkError>> {
        match update {
            Update::Hello(hello) => self.store.begin(&host, &hello),
            Update::Gap(gap) => self.store.gap(&host, gap),
            Update::Numbered(message) => return self.write(message).boxed(),
            Update::Heartbeat { .. } | Update::Summary(_) | Update::End => {}
        }
        async { Ok(()) }.boxed()
    }

    fn sync(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async { Ok(self.store.sync().await?) }.boxed()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        async { Ok(self.store.close().await?) }.boxed()
    }

    fn written(&self) -> Written {
        self.written
    }

    fn name(&self) -> String {
        self.store.name().to_owned()
    }
}
