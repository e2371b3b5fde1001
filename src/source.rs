//! Where messages come from.

pub mod recording;
