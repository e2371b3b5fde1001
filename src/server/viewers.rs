//! Viewers: how they are let in, what each of them gets and when, and when it has to leave.
//!
//! A viewer comes in by one of two handshakes ([`ws`], [`events`]) and joins the [`fanout`], which writes to all of them,
//! while a small task of its own hears what it says ([`reader`]).

pub(super) mod admission;
pub(super) mod counts;
pub(super) mod events;
pub(super) mod fanout;
mod line;
mod log_reader;
mod outbox;
mod patience;
mod reader;
pub(super) mod tally;
pub(super) mod viewer;
pub(super) mod ws;
