//! File descriptors: each viewer needs one, and so does each file of a recording of several hosts.

/// Descriptors for everything that isn't a viewer: listeners, recordings, requests to `/healthz`.
const RESERVED: u64 = 44;

/// How many viewers fit under the limit on open descriptors once it is raised, at most `wanted`.
#[must_use]
pub fn viewers_that_fit(wanted: u64) -> u64 {
    raise().map_or(wanted, |limit| {
        wanted.min(limit.saturating_sub(RESERVED).max(1))
    })
}

/// Raises the limit on open descriptors as far as the system allows. Returns the new limit; `None` if there is none.
#[cfg(unix)]
pub fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum
    } else {
        limit.current
    }
}

/// This system has no such limit.
#[cfg(not(unix))]
pub fn raise() -> Option<u64> {
    None
}
