//! Recordings in PostgreSQL, with or without TimescaleDB: their tables, and writing and reading rows. The only user of the
//! tokio-postgres crates. `docs/OPERATING.md` describes the tables for people.
//!
//! A [`RowStore`] writes on a thread of its own, in batches, and never waits for the database where it is called: only a
//! full backlog makes its caller wait. [`StoredRows`] reads a host's rows back as the CSV that was recorded.

mod address;
mod batch;
mod connect;
mod error;
mod own_certificate;
mod parameters;
mod pgpass;
mod reading;
mod rows;
mod schema;
mod server;
mod service;
mod session;
mod settings;
mod ssl_mode;
mod store;
mod stored;
mod tables;
mod timescale;
mod tls_versions;
mod trust;
mod wanted;
mod writing;

pub use address::{DatabaseAddress, is_database};
pub use error::DatabaseError;
pub use reading::{StoredRows, hosts_in};
pub use schema::SchemaRequest;
pub use store::{RowStore, StoredCounts};
pub use timescale::LEAST_KEPT;
pub use wanted::HostInDatabase;
