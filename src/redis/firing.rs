//! The alerts that fire, as they are stored.

use serde::{Deserialize, Serialize};

use crate::protocol::Alert;

use super::entry_id::EntryId;

/// The alerts that fire as of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FiringAlerts {
    /// The message.
    pub at: EntryId,
    /// The alerts.
    pub firing: Vec<Alert>,
}

impl FiringAlerts {
    /// As it is stored: `{"at":"<stream>-<seq>","firing":[…]}`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what is stored; `None` if it is something else.
    #[must_use]
    pub fn decode(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

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
