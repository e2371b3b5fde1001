//! Who is logged in: the registry that `who` reads.
//!
//! It is read by hand: the crate for it (utmp-rs) brings nine others, among them a calendar, for two fields of a record.

use std::collections::BTreeSet;
use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// Where systems keep it; the first that is there is used.
const PATHS: [&str; 2] = ["/run/utmp", "/var/run/utmp"];

/// The size of a record, as glibc lays it out for each architecture.
const RECORD_BYTES: usize = if cfg!(any(
    target_arch = "aarch64",
    target_arch = "loongarch64",
    target_arch = "s390x"
)) {
    400
} else {
    384
};

/// The kind of record that stands for a login.
const USER_PROCESS: i16 = 7;

/// How many different users are logged in; 0 where nobody keeps a registry.
pub(super) fn logged_in() -> u64 {
    let registry = PATHS.iter().find_map(|path| fs::read(path).ok());
    distinct(&registry.unwrap_or_default(), is_running)
}

/// The different names in `registry` whose session is still there: a session that was killed leaves its record behind.
fn distinct(registry: &[u8], is_running: impl Fn(i32) -> bool) -> u64 {
    let records = registry.chunks_exact(RECORD_BYTES);
    let names = records.filter_map(|record| {
        let kind = i16::from_ne_bytes(record[0..2].try_into().ok()?);
        let session = i32::from_ne_bytes(record[4..8].try_into().ok()?);
        let name = record[44..76].split(|byte| *byte == 0).next()?;
        let is_login = kind == USER_PROCESS && !name.is_empty();
        (is_login && is_running(session)).then_some(name)
    });
    names.collect::<BTreeSet<_>>().len() as u64
}

fn is_running(session: i32) -> bool {
    // Another user's process may not be signalled, and is there.
    Pid::from_raw(session).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: i16, session: i32, name: &str) -> Vec<u8> {
        let mut record = vec![0; RECORD_BYTES];
        record[0..2].copy_from_slice(&kind.to_ne_bytes());
        record[4..8].copy_from_slice(&session.to_ne_bytes());
        record[44..44 + name.len()].copy_from_slice(name.as_bytes());
        record
    }

    #[test]
    fn users_count_once_and_only_while_their_session_runs() {
        let registry = [
            record(2, 0, "reboot"),
            record(USER_PROCESS, 10, "ann"),
            record(USER_PROCESS, 11, "ann"),
            record(USER_PROCESS, 12, "bob"),
            record(USER_PROCESS, 13, "killed"),
            record(8, 14, "gone"),
            record(USER_PROCESS, 15, ""),
            vec![7; 20],
        ];
        assert_eq!(distinct(&registry.concat(), |session| session != 13), 2);
        assert_eq!(distinct(&[], |_| true), 0);
    }

    #[test]
    fn this_process_runs_and_no_process_has_an_impossible_number() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(is_running(me));
        assert!(!is_running(i32::MAX));
        assert!(!is_running(0));
    }
}
