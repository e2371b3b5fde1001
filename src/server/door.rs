//! The door: how a connection comes in, what it asks for, and whether it may.
//!
//! Nothing here knows what viewers get or what is answered.

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
