//! Viewers: how they connect, what each of them gets and when, and when it is disconnected.
//!
//! A viewer connects with a [`handshake`], of a WebSocket ([`ws`]) or an event stream ([`events`]), which also settles
//! whether it gets messages deflated ([`offers`], [`encoding`]), and joins the [`fanout`]. That writes to all viewers,
//! while one task waits for what they say ([`reader`]).

pub(super) mod admission;
mod by_host;
pub(super) mod counts;
mod due;
mod encoding;
pub(super) mod events;
pub(super) mod fanout;
mod footing;
pub(super) mod handshake;
mod in_step;
mod inbound;
mod line;
mod log_reader;
mod offers;
pub(super) mod outbox;
mod patience;
mod reader;
pub(super) mod tally;
pub(super) mod viewer;
pub(super) mod ws;
