//! The alerts that fire, as they are stored.

use serde::{Deserialize, Serialize};

use crate::protocol::Alert;

use super::entry_id::EntryId;
use super::stored::Stored;

/// The alerts that fire as of a message: `{"at":"<stream>-<seq>","firing":[…]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FiringAlerts {
    /// The message.
    pub at: EntryId,
    /// The alerts.
    pub firing: Vec<Alert>,
}

impl Stored for FiringAlerts {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_reads_back() {
        let at = "5000-7".parse().unwrap();
        let firing = FiringAlerts {
            at,
            firing: Vec::new(),
        };
        assert_eq!(firing.encode(), br#"{"at":"5000-7","firing":[]}"#);
        assert_eq!(FiringAlerts::decode(&firing.encode()), Some(firing));
        for other in ["", "{}", r#"{"at":"5000","firing":[]}"#] {
            assert_eq!(FiringAlerts::decode(other.as_bytes()), None, "{other}");
        }
    }
}
