//! Notifiers: whoever is told when an alert begins to fire or is resolved.
//!
//! A [`Change`](super::change::Change) becomes a `notice`, a text in plain English beside the facts. Each notifier has an
//! `inbox` with a bounded queue, so that whoever tells of a change never waits. A `delivery` posts a `payload` to a
//! `webhook` and tries again until it arrives; a `program` is run in a `process` group of its own. All of it happens on one
//! thread that does nothing else.

mod basic;
mod delivery;
mod escape;
mod inbox;
mod kind;
mod notice;
mod notifiers;
mod payload;
mod post;
mod process;
mod program;
mod queue;
mod tally;
mod webhook;

#[cfg(test)]
mod tests;

pub use kind::Kind;
pub use notifiers::{Notifiers, StartError, Target, test};
pub use program::program;
pub use tally::Tally;
pub use webhook::Webhook;
