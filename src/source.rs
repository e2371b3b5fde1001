//! Where messages come from.
//!
//! Each source is a [`Source`]: it runs until it is over or told to stop, and all it knows of the rest is a
//! [`Publisher`]. Whatever it reads becomes an [`Unnumbered`] message first and gets its number in a [`Sequence`], right
//! before the publisher; what looks at messages or adds some stands between the two.

pub mod alerts;
pub mod host;
pub mod recording;
mod sequence;

use tokio_util::sync::CancellationToken;

use crate::hub::Publisher;

pub use sequence::{Numbers, NumbersRanOut, Seq, Sequence, Unnumbered};

/// A producer of messages.
pub trait Source {
    /// What it came to.
    type Outcome;
    /// Why it failed.
    type Error: std::error::Error;

    /// Publishes until it is over, or until `stop`.
    ///
    /// # Errors
    /// When it cannot go on.
    fn run(
        self,
        publisher: Publisher,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<Self::Outcome, Self::Error>>;
}
