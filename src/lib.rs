//! `metrics`: see a host now, keep what happened, and play it back.
//!
//! The rooms, from the wire upward; each imports only those below it:
//!
//! * [`protocol`]: the messages, positions, units, limits and close codes; no I/O.
//! * [`hub`]: a short log of numbered messages for each host; viewers are cursors in it.
//! * [`recording`]: the CSV format, both ways.
//! * [`alert`]: rules about samples, and notifications of what they find.
//! * [`source`]: where messages come from, the host or recordings, each with its loop.
//! * [`sink`]: where messages go: files of rows.
//! * [`token`]: the secret that lets a viewer in, and its file.
//! * [`server`] and [`client`]: the two ends of a WebSocket.
//! * [`view`]: samples to text, and [`terminal`]: text to a screen.
//! * [`talk`]: text for people, on stderr, which nothing waits for.
//! * [`cmd`]: the four commands, wiring only; [`cli`]: the flags they share; [`signals`]: how they are stopped;
//!   [`descriptors`]: how many files they may open; [`disk`]: the file operations that a test can make fail.
//!
//! The binary is the product: this library has no stable API.

pub mod alert;
pub mod cli;
pub mod client;
pub mod cmd;
pub mod descriptors;
pub mod disk;
pub mod hub;
pub mod protocol;
pub mod recording;
pub mod server;
pub mod signals;
pub mod sink;
pub mod source;
pub mod talk;
pub mod terminal;
pub mod token;
pub mod view;
