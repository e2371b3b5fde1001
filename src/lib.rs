//! `metrics`: see a host now, keep what happened, and play it back.
//!
//! The rooms, from the wire upward; each imports only those below it:
//!
//! * [`protocol`]: the messages, positions, units, limits and close codes; no I/O.
//!
//! The binary is the product: this library has no stable API.

pub mod client;
pub mod protocol;
pub mod terminal;
pub mod view;
