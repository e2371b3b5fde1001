//! Hosts of which Redis has nothing any more, or something else than messages.

use std::collections::HashMap;
use std::time::Instant;

use crate::protocol::HostName;
use crate::redis::MOST_HOSTS;

/// What readers have forgotten.
#[derive(Debug, Default)]
pub(super) struct ForgottenHosts {
    /// Those that discovery doesn't know of yet.
    new: Vec<(HostName, bool)>,
    /// Since when they have been silent, if that was told.
    silent: HashMap<HostName, Instant>,
}

impl ForgottenHosts {
    /// `host` was forgotten; it was told to be silent, since then. If it `is_refused`, only another sign of life matters.
    pub(super) fn note(&mut self, host: HostName, silent_since: Option<Instant>, is_refused: bool) {
        if let Some(since) = silent_since
            && self.silent.len() < MOST_HOSTS
        {
            self.silent.insert(host.clone(), since);
        }
        self.new.push((host, is_refused));
    }

    /// The hosts that were forgotten since the last call, and whether they were refused.
    pub(super) fn take(&mut self) -> Vec<(HostName, bool)> {
        std::mem::take(&mut self.new)
    }

    /// Since when `host`, which has been found again, was told to be silent.
    pub(super) fn silence_of(&mut self, host: &HostName) -> Option<Instant> {
        self.silent.remove(host)
    }
}
