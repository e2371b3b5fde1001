//! The door: how a connection comes in, what it requests, and whether it has access.
//!
//! Nothing here knows about messages or responses.

pub mod gate;
pub(super) mod head;
pub mod listen;
pub(super) mod lobby;
pub(super) mod refusal;
pub(super) mod refusal_log;
pub(super) mod replayed;
pub(super) mod socket;
pub mod tls;
pub(super) mod trust;
