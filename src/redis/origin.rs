//! Who writes a host's messages.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::stored::Stored;

/// The server that a host's messages come from. Two servers with the same name can be told apart by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherIdentity {
    /// A random name of the running process.
    run: String,
    /// A name of the machine that stays the same when the program is started again.
    machine: String,
    /// Where it can be found, for people.
    pub address: String,
}

impl Stored for PublisherIdentity {}

impl PublisherIdentity {
    /// This process, on the machine called `machine`, where it listens at `address`.
    #[must_use]
    pub fn here(machine: &str, address: String) -> Self {
        let mut random = [0; 8];
        // Without random numbers, the address and the machine still identify it.
        let _ = SystemRandom::new().fill(&mut random);
        let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let machine = digest(&SHA256, format!("{machine} {}", id.trim()).as_bytes());
        Self {
            run: hex(&random),
            machine: hex(&machine.as_ref()[..8]),
            address,
        }
    }

    /// Whether the other is this process.
    #[must_use]
    pub fn is_same_run(&self, other: &Self) -> bool {
        self.run == other.run
    }

    /// Whether the other is this process, or an earlier one in its place: there can be only one at a time at the same
    /// address of the same machine. A copy of a machine looks the same, though.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.is_same_run(other) || (self.machine == other.machine && self.address == other.address)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_the_same_origin_and_a_namesake_is_not() {
        let ours = PublisherIdentity::here("db-7", "db-7 (127.0.0.1:8080)".into());
        let stored = PublisherIdentity::decode(&ours.encode()).unwrap();
        assert!(ours.is_same_run(&stored) && ours.is_same_as(&stored));
        let restarted = PublisherIdentity::here("db-7", "db-7 (127.0.0.1:8080)".into());
        assert!(restarted.is_same_as(&stored) && !restarted.is_same_run(&stored));
        let beside = PublisherIdentity::here("db-7", "db-7 (127.0.0.1:9090)".into());
        let elsewhere = PublisherIdentity::here("db-8", "db-7 (127.0.0.1:8080)".into());
        assert!(!beside.is_same_as(&stored) && !elsewhere.is_same_as(&stored));
        assert_eq!(PublisherIdentity::decode(b"{}"), None);
    }
}
