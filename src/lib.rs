//! `metrics`: see a host now, keep what happened, and play it back.
//!
//! The modules, from the wire upward; each imports only those below it:
//!
//! * [`protocol`]: the messages, positions, units, limits and close codes; no I/O.
//! * [`hub`]: a short log of numbered messages for each host; viewers are cursors into it.
//! * [`recording`]: the CSV format, read and write.
//! * [`postgres`]: the same rows in a database, with or without TimescaleDB.
//! * [`redis`]: the layout of messages in Redis, and the commands that write and read them; [`publish`]: from the hub to Redis.
//! * [`alert`]: rules about samples, and notifications about alerts.
//! * [`source`]: producers of messages, the host or recordings, each with its loop.
//! * [`sink`]: destinations of messages: files of rows, or a database.
//! * [`spool`]: this host's messages on disk, for viewers that look back beyond the ring and the process.
//! * [`token`]: the access token and its file.
//! * [`server`] and [`client`]: the two ends of a WebSocket.
//! * [`view`]: samples to text, and [`terminal`]: text to a screen.
//! * [`talk`]: text for people, on stderr, which nothing waits for.
//! * [`authorities`]: the certificate authorities that this system trusts.
//! * [`cmd`]: the four commands, wiring only; [`cli`]: the flags they share; [`signals`]: how they are stopped;
//!   [`descriptors`]: the limit on open files; [`disk`]: file operations that a test can make fail;
//!   [`heap`]: free memory, returned to the system.
//! * Rules that several modules need: [`locks`], [`loopback`], [`millis`], [`retry_waits`],
//!   [`wording`].
//!
//! The binary is the product: this library has no stable API.

pub mod alert;
pub mod authorities;
pub mod cli;
pub mod client;
pub mod cmd;
pub mod descriptors;
pub mod disk;
pub mod heap;
pub mod hub;
pub mod locks;
pub mod loopback;
pub mod millis;
pub mod postgres;
pub mod protocol;
pub mod publish;
pub mod recording;
pub mod redis;
pub mod retry_waits;
pub mod server;
pub mod signals;
pub mod sink;
pub mod source;
pub mod spool;
pub mod talk;
pub mod terminal;
pub mod token;
pub mod view;
pub mod wording;
