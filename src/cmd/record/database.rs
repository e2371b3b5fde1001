//! The flags about a database.

use std::time::Duration;

use crate::cmd::Failure;
use crate::postgres::{LEAST_KEPT, SchemaRequest};
use crate::sink::Destination;
use crate::wording::exact_span;

/// What may be done to a database.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub(super) struct DatabaseArgs {
    /// Create the tables, or add what a later version needs
    ///
    /// Only for -o postgres://…; everything that is there already stays.
    #[arg(long)]
    create: bool,
}

impl DatabaseArgs {
    /// What may be done to the tables.
    pub(super) fn request(&self, keep: Option<Duration>) -> SchemaRequest {
        SchemaRequest {
            create: self.create,
            keep,
        }
    }

    /// Checks that the flags fit the destination.
    pub(super) fn check(&self, destination: &Destination, force: bool) -> Result<(), Failure> {
        let Destination::Database { request, .. } = destination else {
            if self.create {
                return Err(Failure::usage(
                    "--create creates tables: name a database with -o postgres://HOST/DATABASE",
                ));
            }
            return Ok(());
        };
        if force {
            return Err(Failure::usage(
                "--force overwrites nothing in a database: leave it out, and the recording is continued",
            ));
        }
        match request.keep {
            Some(_) if !self.create => Err(Failure::usage(
                "--keep sets how long the database keeps rows: add --create",
            )),
            Some(keep) if keep < LEAST_KEPT => Err(Failure::usage(format!(
                "--keep must be at least {} for a database: late rows are summed up until then",
                exact_span(LEAST_KEPT)
            ))),
            _ => Ok(()),
        }
    }
}
