//! `--columns`: the metrics that lines and tables show.

use std::collections::HashSet;

use crate::alert::{KnownMetrics, doubt_about_metric};
use crate::client::ClientEvent;
use crate::protocol::{HostName, Update};
use crate::view::ColumnChoice;

/// The columns that were asked for, and what there is to say about them.
#[derive(Debug, Default)]
pub(super) struct AskedColumns {
    pub(super) choice: ColumnChoice,
    /// The names that a host doesn't know.
    doubted: HashSet<(HostName, String)>,
    /// Why, in lines.
    pub(super) doubts: Vec<String>,
}

/// One name of the list.
///
/// # Errors
/// When it is empty.
pub(super) fn column(written: &str) -> Result<String, String> {
    match written.trim() {
        "" => {
            Err("a name is missing: separate metrics with commas, as in cpu,memory,disk:/".into())
        }
        name => Ok(name.to_owned()),
    }
}

impl AskedColumns {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self {
            choice: ColumnChoice::of(names),
            ..Self::default()
        }
    }

    /// Takes what a host announces. Returns the names that it doesn't know, each once, and what may have been meant.
    pub(super) fn take(&mut self, event: &ClientEvent) -> Vec<String> {
        let ClientEvent::Message(received) = event else {
            return Vec::new();
        };
        let Update::Hello(hello) = &received.update else {
            return Vec::new();
        };
        let host = &received.host;
        let names = hello.metrics.iter().map(|metric| &*metric.name);
        let known = KnownMetrics::catalogue().and(names);
        let mut doubts = Vec::new();
        for name in self.choice.names().iter().filter(|name| *name != "*") {
            if let Some(doubt) = doubt_about_metric(name, &known)
                && self.doubted.insert((host.clone(), name.clone()))
            {
                doubts.push(format!("warning: --columns: {host}: {doubt}"));
            }
        }
        self.doubts.extend_from_slice(&doubts);
        doubts
    }
}
