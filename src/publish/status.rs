//! How publishing goes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::locks::lock;
use crate::protocol::HostName;
use crate::redis::RedisFault;

/// What is known about a publication, for people and for monitoring.
#[derive(Debug, Default)]
pub struct PublicationStatus {
    written: AtomicU64,
    state: Mutex<PublicationState>,
}

/// Whether Redis takes what is published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublicationState {
    /// Whether it is connected.
    pub is_connected: bool,
    /// Why it isn't, if it was tried.
    pub reason: Option<String>,
    /// Why hosts are no longer published.
    pub stopped: Vec<String>,
}

impl PublicationStatus {
    /// How many messages were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether Redis takes them.
    #[must_use]
    pub fn state(&self) -> PublicationState {
        lock(&self.state).clone()
    }

    pub(super) fn wrote(&self, messages: u64) {
        self.written.fetch_add(messages, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) {
        let mut state = lock(&self.state);
        state.is_connected = true;
        if state.reason.take().is_some() {
            tracing::warn!("publishing to Redis again");
        }
    }

    pub(super) fn lost(&self, fault: &RedisFault) {
        let mut state = lock(&self.state);
        state.is_connected = false;
        let reason = fault.to_string();
        if state.reason.is_none() {
            tracing::warn!("cannot publish: {reason}; trying again");
        }
        state.reason = Some(reason);
    }

    /// `host` is no longer published, for a reason.
    pub(super) fn stopped(&self, host: &HostName, reason: &str) {
        let text = format!("{host} is no longer published: {reason}");
        lock(&self.state).stopped.push(text.clone());
        tracing::error!("{text}");
    }
}
