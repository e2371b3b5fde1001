//! Where a cursor stands after a read.

/// What a read ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CursorStanding {
    /// More is available than fitted.
    More,
    /// The past is being read.
    Waiting,
    /// It is at the head of the log.
    Head,
}
