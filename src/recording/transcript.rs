//! What a viewer receives of one host, as rows.

use crate::protocol::{Alert, Gap, Hello, HostName, Sample, StreamId};

use super::{Columns, Encoder, Row, RowKind};

/// Writes the messages of one host as a recording: the header before the first row, and a loss together with the
/// message behind it.
#[derive(Debug)]
pub struct Transcript {
    encoder: Encoder,
    header_written: bool,
    gap: Option<Gap>,
}

impl Transcript {
    /// A new recording, with the columns that the host announced.
    #[must_use]
    pub fn new(hello: &Hello) -> Self {
        let names = hello.metrics.iter().map(|metric| metric.name.as_str());
        Self {
            encoder: Encoder::new(Columns::new(names)),
            header_written: false,
            gap: None,
        }
    }

    /// A recording that is gone on with, with the columns that it has.
    #[must_use]
    pub fn resumed(columns: Columns) -> Self {
        Self {
            encoder: Encoder::new(columns),
            header_written: true,
            gap: None,
        }
    }

    /// Messages will not come. It is written with the next one.
    pub fn gap(&mut self, gap: Gap) {
        self.gap = Some(gap);
    }

    /// A connection is gone: what it told of a loss comes again with the message behind it.
    pub fn forget_gap(&mut self) {
        self.gap = None;
    }

    /// Appends a numbered message to `out`, and what goes before it. Whether that was a gap.
    pub fn push(
        &mut self,
        (host, stream, seq): (HostName, StreamId, u64),
        alert: Option<Box<Alert>>,
        sample: Sample,
        out: &mut Vec<u8>,
    ) -> bool {
        if !std::mem::replace(&mut self.header_written, true) {
            self.encoder.header(out);
        }
        let gap = self.gap.take();
        if let Some(gap) = gap {
            let timestamp = sample.timestamp;
            let kind = RowKind::Gap { timestamp, gap };
            let host = host.clone();
            self.encoder.row(&Row { host, stream, kind }, out);
        }
        let kind = match alert {
            None => RowKind::Sample { seq, sample },
            Some(alert) => RowKind::Alert { seq, alert, sample },
        };
        self.encoder.row(&Row { host, stream, kind }, out);
        gap.is_some()
    }
}
