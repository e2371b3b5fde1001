//! Where samples come from.

pub mod host;
