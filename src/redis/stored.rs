//! What a host's hash holds as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value of a field.
pub(super) trait Stored: Serialize + DeserializeOwned {
    /// As it is stored.
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what is stored; `None` if it is something else.
    fn decode(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}
