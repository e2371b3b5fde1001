//! Notifiers: they pass on that an alert fires or is resolved.
//!
//! A [`Change`](super::change::Change) becomes a `notice`, a text in plain English along with the facts. Each notifier
//! has an `inbox` with a bounded queue, so that reporting a change never waits. A `delivery` posts a `payload` to a
//! `webhook` and retries until its `answer` is good; a `program` runs in a `process` group of its own. All of this happens on one
//! thread that does nothing else.

mod answer;
mod basic;
mod counts;
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
mod secret;
mod webhook;

#[cfg(test)]
mod tests;

pub use counts::NotificationCounts;
pub use kind::Kind;
pub use notifiers::{Notifiers, StartError, Target, reach, test};
pub use program::program;
pub use webhook::Webhook;
