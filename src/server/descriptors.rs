//! File descriptors: each viewer takes one.

/// Descriptors for everything that is no viewer: listeners, recordings, requests to `/healthz`.
const RESERVED: u64 = 32;

/// Raises the limit on open descriptors as far as the system lets this process. How many viewers fit under it, at most
/// `wanted`.
#[cfg(unix)]
#[must_use]
pub fn viewers_that_fit(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum
    } else {
        limit.current
    };
    current.map_or(wanted, |limit| {
        wanted.min(limit.saturating_sub(RESERVED).max(1))
    })
}

/// As many as are wanted: this system has no such limit.
#[cfg(not(unix))]
#[must_use]
pub fn viewers_that_fit(wanted: u64) -> u64 {
    let _ = RESERVED;
    wanted
}
