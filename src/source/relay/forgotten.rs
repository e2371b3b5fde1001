//! Hosts of which Redis has nothing any more, or something other than messages.

use std::collections::HashMap;
use std::time::Instant;

use crate::protocol::HostName;
use crate::redis::MOST_HOSTS;

/// What readers have forgotten.
#[derive(Debug, Default)]
pub(super) struct ForgottenHosts {
    /// Those that discovery doesn't know of yet.
    new: Vec<(HostName, bool)>,
    /// Since when hosts had been silent, if that was reported.
    silent: HashMap<HostName, Instant>,
}

impl ForgottenHosts {
    /// Notes that `host` was forgotten, which had been reported as silent since then. If it `is_refused`, it is found
    /// again only with another sign of life.
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

    /// Since when `host`, which has been found again, had been silent, if that was reported.
    pub(super) fn silence_of(&mut self, host: &HostName) -> Option<Instant> {
        self.silent.remove(host)
    }
}
