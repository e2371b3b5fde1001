//! What other parts of this program report in `/healthz`.

use std::fmt;

/// A part that may be unwell.
pub trait HealthPart: fmt::Debug + Send + Sync {
    /// The name of its report.
    fn name(&self) -> &'static str;

    /// Its report.
    fn report(&self) -> serde_json::Value;

    /// Whether the server serves what it should.
    fn is_well(&self) -> bool {
        true
    }
}
