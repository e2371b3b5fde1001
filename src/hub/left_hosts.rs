//! What a viewer remembers of hosts that a relay has forgotten.

use std::collections::VecDeque;

use crate::protocol::{HostName, Position};

use super::cursor::Cursor;

/// How many positions are remembered: as many as a viewer could name in a request.
const MOST_POSITIONS: usize = 1000;

/// What remains of the cursors of hosts that a relay has forgotten, and of which the viewer has everything.
#[derive(Debug, Default)]
pub(super) struct LeftHosts {
    /// Where the viewer was, in case they come back. The last one to be forgotten comes last.
    positions: VecDeque<Position>,
    /// The numbers of hosts that nobody has asked about yet.
    pub(super) numbers: Vec<usize>,
    /// As many overruns and gaps as the cursors had.
    pub(super) overruns: u32,
    pub(super) gaps: u32,
}

impl LeftHosts {
    pub(super) fn add(&mut self, cursor: &Cursor) {
        self.numbers.push(cursor.host_number());
        self.overruns += cursor.overruns();
        self.gaps += cursor.gaps();
        if let Some(position) = cursor.position() {
            self.positions.retain(|it| it.host != position.host);
            self.positions.push_back(position);
        }
        if MOST_POSITIONS < self.positions.len() {
            self.positions.pop_front();
        }
    }

    /// The last message that the viewer has of `host`.
    pub(super) fn position(&self, host: &HostName) -> Option<Position> {
        self.positions.iter().find(|it| it.host == *host).cloned()
    }
}
