//! The sources of messages.
//!
//! Each source is a [`Source`]: it runs until it ends or is stopped, and knows nothing of the rest but a [`Publisher`].
//! Everything it reads becomes an [`Unnumbered`] message first and gets its number in a [`Sequence`], right before the
//! publisher; code that inspects or adds messages belongs between the two.

pub mod alerts;
pub mod host;
pub mod recording;
pub mod relay;
mod sequence;
mod stream_floor;

use tokio_util::sync::CancellationToken;

use crate::hub::Publisher;

pub use sequence::{Numbers, NumbersRanOut, Seq, Sequence, Unnumbered};
pub use stream_floor::StreamFloor;

/// A producer of messages.
pub trait Source {
    /// The result of a run.
    type Outcome;
    /// Why it failed.
    type Error: std::error::Error;

    /// Publishes until the end, or until `stop`.
    ///
    /// # Errors
    /// When it cannot continue.
    fn run(
        self,
        publisher: Publisher,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<Self::Outcome, Self::Error>>;
}
