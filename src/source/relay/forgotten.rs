//! Hosts of which Redis has nothing any more.

use std::collections::HashMap;
use std::time::Instant;

use crate::protocol::HostName;

/// How many silent hosts are remembered, in case they come back.
const MOST_SILENT: usize = 20_000;

/// What readers have forgotten.
#[derive(Debug, Default)]
pub(super) struct ForgottenHosts {
    /// Those that discovery doesn't know of yet.
    new: Vec<HostName>,
    /// Since when they have been silent, if that was told.
    silent: HashMap<HostName, Instant>,
}

impl ForgottenHosts {
    /// `host` was forgotten; it was told to be silent, since then.
    pub(super) fn note(&mut self, host: HostName, silent_since: Option<Instant>) {
        if let Some(since) = silent_since
            && self.silent.len() < MOST_SILENT
        {
            self.silent.insert(host.clone(), since);
        }
        self.new.push(host);
    }

    /// The hosts that were forgotten since the last call.
    pub(super) fn take(&mut self) -> Vec<HostName> {
        std::mem::take(&mut self.new)
    }

    /// Since when `host`, which has been found again, was told to be silent.
    pub(super) fn silence_of(&mut self, host: &HostName) -> Option<Instant> {
        self.silent.remove(host)
    }
}
