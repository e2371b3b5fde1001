//! Where messages come from.

pub mod host;
pub mod recording;
