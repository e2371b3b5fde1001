//! What `--check` finds out about a flag.

/// What would come of something, if the server were started now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It would work.
    Ready(String),
    /// It would work, but somebody should know this.
    Notable(String),
    /// The server would not start, or not do what it was asked to.
    Fault(String),
}
