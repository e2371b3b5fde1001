//! What sysfs says about devices, cached for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::source::host::labels::Labels;

/// How long a verdict on a device stays valid. New names are judged at once.
pub(super) const VERDICT_AGE: Duration = Duration::from_secs(60);

/// Verdicts by the kernel's name of the device, so that sysfs is not walked for every sample.
pub(super) struct Verdicts<T> {
    judged: HashMap<Vec<u8>, (Arc<str>, T)>,
    since: Option<Instant>,
    labels: Labels,
}

impl<T: Copy> Verdicts<T> {
    pub(super) fn new() -> Self {
        Self {
            judged: HashMap::new(),
            since: None,
            labels: Labels::default(),
        }
    }

    /// Judges new `names`, and all of them when the verdicts are old, or when there is a new one and verdicts `depend`
    /// on each other: a new device may be built from existing ones. `judge` gets a name and all names.
    pub(super) fn refresh<'a>(
        &mut self,
        names: impl Iterator<Item = &'a [u8]> + Clone,
        now: Instant,
        depend: bool,
        judge: impl Fn(&[u8], &[&[u8]]) -> T,
    ) {
        let is_fresh = |since| now.saturating_duration_since(since) < VERDICT_AGE;
        let is_old = !self.since.is_some_and(is_fresh);
        let is_known = |name: &[u8]| self.judged.contains_key(name);
        if !is_old && names.clone().all(is_known) {
            return;
        }
        if is_old {
            self.since = Some(now);
        }
        if is_old || depend {
            self.judged.clear();
        }
        let labels = self.labels.of_bytes(names.clone());
        let names: Vec<&[u8]> = names.collect();
        for (&name, label) in names.iter().zip(labels) {
            if !self.judged.contains_key(name) {
                let verdict = judge(name, &names);
                self.judged.insert(name.to_owned(), (label, verdict));
            }
        }
    }

    /// The verdict on a name that was in the last refresh.
    pub(super) fn of(&self, name: &[u8]) -> Option<(Arc<str>, T)> {
        let (name, verdict) = self.judged.get(name)?;
        Some((name.clone(), *verdict))
    }
}
