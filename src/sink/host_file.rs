//! The file of one host.

use std::sync::Arc;

use crate::protocol::{Gap, Hello, Numbered};
use crate::recording::{Appended, Output, Resume, Transcript};

use super::error::SinkError;
use super::interface::Written;

/// An open file that has no host yet.
pub(super) struct OpenedFile {
    pub(super) output: Arc<Output>,
    pub(super) resume: Option<Resume>,
}

impl From<Appended> for OpenedFile {
    fn from(Appended { output, resume }: Appended) -> Self {
        let output = Arc::new(output);
        Self { output, resume }
    }
}

impl From<Output> for OpenedFile {
    fn from(output: Output) -> Self {
        Self {
            output: Arc::new(output),
            resume: None,
        }
    }
}

/// A file for the rows of a host.
pub(super) struct HostFile {
    pub(super) output: Arc<Output>,
    pub(super) written: Written,
    transcript: Transcript,
    /// Whether rows may not be on the disk yet.
    is_dirty: bool,
    /// The rows to be written next.
    rows: Vec<u8>,
}

impl HostFile {
    pub(super) fn new(opened: OpenedFile, hello: &Hello) -> Self {
        let transcript = match opened.resume {
            Some(resume) => Transcript::resumed(resume.columns, resume.last.is_some()),
            None => Transcript::new(hello),
        };
        Self {
            output: opened.output,
            written: Written::default(),
            transcript,
            is_dirty: false,
            rows: Vec::new(),
        }
    }

    /// Keeps a gap until the next message.
    pub(super) fn gap(&mut self, gap: Gap) {
        self.transcript.gap(gap);
    }

    /// Writes a numbered message, and a gap before it.
    pub(super) async fn write(&mut self, message: Numbered) -> Result<(), SinkError> {
        self.rows.clear();
        let timestamp = message.sample.timestamp;
        let has_gap = self.transcript.push(message, &mut self.rows);
        let bytes = self.rows.len() as u64;
        if self.output.may_wait() {
            let (output, rows) = (Arc::clone(&self.output), std::mem::take(&mut self.rows));
            tokio::task::spawn_blocking(move || output.write(&rows)).await??;
        } else {
            self.output.write(&self.rows)?;
        }
        self.written.gaps += u64::from(has_gap);
        self.written.rows += 1;
        self.written.note_time(timestamp);
        self.written.bytes += bytes;
        self.is_dirty = true;
        Ok(())
    }

    /// The output, if rows were written since the last call.
    pub(super) fn take_dirty(&mut self) -> Option<Arc<Output>> {
        std::mem::take(&mut self.is_dirty).then(|| Arc::clone(&self.output))
    }
}
