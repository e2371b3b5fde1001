//! Why a database cannot be used, each in one line for people.

use std::error::Error;
use std::io;

use tokio_postgres::error::SqlState;

use crate::wording;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL contains a password.
    #[error(
        "the database's address contains a password, which other users could see: write it to ~/.pgpass, or to a file \
         that PGPASSFILE names"
    )]
    PasswordInUrl,
    /// The URL, a variable or the service file has something that cannot be used.
    #[error("{0}")]
    Address(String),
    /// There is no connection.
    #[error("cannot connect to {database}: {reason}")]
    Connect {
        /// Where.
        database: String,
        /// Why.
        reason: String,
    },
    /// The database refused who we are.
    #[error("{database} refuses the connection: {reason}")]
    Refused {
        /// Where.
        database: String,
        /// Why.
        reason: String,
    },
    /// There are no tables yet.
    #[error("{database} has no tables for metrics: add --create to create them")]
    NoTables {
        /// Where.
        database: String,
    },
    /// There is nothing to read.
    #[error("{database} has no recording: `metrics record -o {database} --create` makes one")]
    NothingRecorded {
        /// Where.
        database: String,
    },
    /// The tables lack columns of this version.
    #[error(
        "the tables in {database} lack columns of this version ({columns}): add --create to add them"
    )]
    OldTables {
        /// Where.
        database: String,
        /// Some of them.
        columns: String,
    },
    /// A later version made the tables.
    #[error(
        "the tables in {database} have version {found}, and this metrics only knows version {known}: use a newer \
         metrics"
    )]
    NewTables {
        /// Where.
        database: String,
        /// Their version.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// There is a table with one of our names, but none with our versions.
    #[error(
        "{database} has a table {table} that metrics didn't make: choose another schema with \
         ?options=-csearch_path=SCHEMA in the address"
    )]
    NameTaken {
        /// Where.
        database: String,
        /// The table.
        table: String,
    },
    /// The database cannot store all text.
    #[error("{database} has the encoding {encoding}: create one with ENCODING 'UTF8'")]
    Encoding {
        /// Where.
        database: String,
        /// Its encoding.
        encoding: String,
    },
    /// A statement failed.
    #[error("{database}: {reason}")]
    Failed {
        /// Where.
        database: String,
        /// Why.
        reason: String,
    },
    /// There was no connection for so long that closing gave up.
    #[error(
        "{rows} could not be stored in {database}: {reason}; record again to fetch them from the server"
    )]
    NotStored {
        /// How many rows, with their noun.
        rows: String,
        /// Where.
        database: String,
        /// Why.
        reason: String,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[from] io::Error),
}

impl DatabaseError {
    /// Whether there was no connection, rather than a fault.
    #[must_use]
    pub fn is_no_connection(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Refused { .. })
    }

    /// Whether the address was a usage error.
    #[must_use]
    pub fn is_bad_address(&self) -> bool {
        matches!(self, Self::PasswordInUrl | Self::Address(_))
    }

    /// A statement failed in `database`.
    pub(super) fn failed(database: &impl ToString, error: &tokio_postgres::Error) -> Self {
        Self::Failed {
            database: database.to_string(),
            reason: reason(error),
        }
    }
}

/// What the database, or the connection, says: in one line, with a hint where we know more.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return causes(error);
    };
    let message = said.message().replace('\n', " ");
    let hint = match *said.code() {
        SqlState::INSUFFICIENT_PRIVILEGE => {
            ": grant it (docs/OPERATING.md lists what is needed), or connect as another user"
        }
        SqlState::UNDEFINED_TABLE => ": add --create to create the tables",
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            ": name the primary; of several servers, target_session_attrs=read-write finds it"
        }
        SqlState::INVALID_CATALOG_NAME => ": create it with `createdb`",
        _ => "",
    };
    format!("{message} ({}){hint}", said.code().code())
}

/// The chain of causes in one line, each once.
fn causes(error: &tokio_postgres::Error) -> String {
    let mut said = String::new();
    let mut cause = Some(error as &(dyn Error + 'static));
    while let Some(error) = cause {
        let text = match error.downcast_ref::<io::Error>() {
            Some(error) => wording::cause(error),
            None => error.to_string(),
        };
        if !said.contains(&text) {
            if !said.is_empty() {
                said.push_str(": ");
            }
            said.push_str(&text);
        }
        cause = error.source();
    }
    if said.contains("password missing") {
        said.push_str(": write it to ~/.pgpass, or to a file that PGPASSFILE names");
    }
    said.replace('\n', " ")
}

/// What to do about an error in the middle of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The connection is gone, or will be: connect again, then write the same rows again.
    Retry,
    /// Trying again cannot help.
    GiveUp,
}

impl Remedy {
    /// The remedy for `error`.
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else {
            return Self::Retry;
        };
        // Tables, columns and rights that are missing; data that doesn't fit; a feature that is missing; a limit of the
        // program.
        let is_ours = ["42", "22", "23", "0A", "3D", "3F", "54"].contains(&&code.code()[..2]);
        if is_ours { Self::GiveUp } else { Self::Retry }
    }
}
