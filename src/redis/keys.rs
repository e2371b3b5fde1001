//! Names of keys.

use ring::digest::{SHA256, digest};

use crate::protocol::HostName;

/// How many lanes the hosts are spread over.
pub const LANES: usize = 16;

/// The lane of a host: the first hex digit of the SHA-256 of its name.
#[must_use]
pub fn lane_of(host: &HostName) -> usize {
    let digest = digest(&SHA256, host.as_str().as_bytes());
    usize::from(digest.as_ref()[0] >> 4)
}

/// The keys of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeys {
    /// The stream of its messages.
    pub(super) stream: String,
    /// The hash beside that stream.
    pub(super) about: String,
}

impl HostKeys {
    /// The stream of its messages. The other key is this one with `:about` behind it.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }
}

/// The keys below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpace {
    prefix: String,
}

impl KeySpace {
    /// The keys below `prefix`.
    ///
    /// # Errors
    /// When the prefix has characters that would be hard to read in a key, or braces, which decide on the node of a
    /// Redis Cluster.
    pub fn new(prefix: &str) -> Result<Self, String> {
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"{}*?[]\\'\"".contains(&byte);
        if prefix.is_empty() || 64 < prefix.len() || !prefix.bytes().all(is_allowed) {
            return Err(format!(
                "'{}' is not a prefix of keys: write 1 to 64 characters without spaces, quotes and brackets, such as \
                 metrics:1",
                crate::protocol::shown(prefix)
            ));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
        })
    }

    /// The keys of a host. No host name contains a colon, so none of them can be those of another host.
    #[must_use]
    pub fn of(&self, host: &HostName) -> HostKeys {
        let (prefix, lane) = (&self.prefix, lane_of(host));
        let stream = format!("{prefix}:{{{lane:x}}}:{host}");
        let about = format!("{stream}:about");
        HostKeys { stream, about }
    }

    /// Keys of two lanes that hold nothing.
    #[must_use]
    pub fn of_two_lanes(&self) -> [String; 2] {
        ["{0}", "{1}"].map(|lane| format!("{}:{lane}", self.prefix))
    }

    /// The sorted set of hosts.
    #[must_use]
    pub fn registry(&self) -> String {
        format!("{}:hosts", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_digit_of_its_host() {
        let keys = KeySpace::new("metrics:1").unwrap();
        // printf web-1 | sha256sum
        let host = "web-1".parse().unwrap();
        let of_host = keys.of(&host);
        assert_eq!(of_host.stream, "metrics:1:{c}:web-1");
        assert_eq!(of_host.about, "metrics:1:{c}:web-1:about");
        assert_eq!(keys.registry(), "metrics:1:hosts");
    }

    #[test]
    fn hosts_are_spread_over_all_lanes() {
        let mut hosts = [0; LANES];
        for number in 1..=1000 {
            hosts[lane_of(&format!("web-{number}").parse().unwrap())] += 1;
        }
        assert!(
            hosts.iter().all(|hosts| (40..90).contains(hosts)),
            "{hosts:?}"
        );
    }

    #[test]
    fn a_prefix_leaves_the_braces_to_the_lane() {
        for prefix in ["", "a b", "{x}", "a*", "ä", &"x".repeat(65)] {
            assert!(KeySpace::new(prefix).is_err(), "{prefix}");
        }
    }
}
