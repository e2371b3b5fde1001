//! The logged-in users: the registry that `who` reads, and logind's sessions.
//!
//! Newer systems have no registry, and some services (small SSH servers, terminals) only use the registry, so both
//! count.
//!
//! It is parsed by hand: the crate for it (utmp-rs) brings nine others, including a calendar, for two fields of a
//! record.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::read_on_change::ReadOnChange;
use super::sessions::{self, Login};

/// The places where systems keep it; the first that exists is used.
const PATHS: [&str; 2] = ["run/utmp", "var/run/utmp"];

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

/// The type of a login record.
const USER_PROCESS: i16 = 7;

/// Where logind keeps a file for each session.
const SESSIONS: &str = "run/systemd/sessions";

/// The longest name of a user in the registry.
const NAME_BYTES: usize = 32;

/// Knows who is logged in. What the system says about it is read again only after it has changed; whether a session's
/// process still runs is checked every time.
pub(super) struct Users {
    registries: [(PathBuf, ReadOnChange<Vec<Login>>); 2],
    sessions: (PathBuf, ReadOnChange<Vec<Login>>),
}

impl Users {
    /// Those of the system below `root` (normally `/`).
    pub(super) fn new(root: &Path) -> Self {
        Self {
            registries: PATHS.map(|path| (root.join(path), ReadOnChange::default())),
            sessions: (root.join(SESSIONS), ReadOnChange::default()),
        }
    }

    /// How many different users are logged in: 0 if there is no registry at all, `None` if one exists but may not be
    /// read.
    pub(super) fn logged_in(&mut self) -> Option<u64> {
        self.distinct(is_running)
    }

    fn distinct(&mut self, is_running: impl Fn(i32) -> bool) -> Option<u64> {
        let mut users: BTreeSet<&[u8]> = BTreeSet::new();
        let registry = registry(&mut self.registries).ok()?;
        let (dir, sessions) = &mut self.sessions;
        let sessions = sessions.get(dir, sessions::logins).ok()?;
        let lists = [registry, sessions.map(Vec::as_slice)];
        for login in lists.into_iter().flatten().flatten() {
            if login.process.is_none_or(&is_running) {
                let name = &login.user;
                users.insert(&name[..name.len().min(NAME_BYTES)]);
            }
        }
        Some(users.len() as u64)
    }
}

/// The first registry that exists.
fn registry(places: &mut [(PathBuf, ReadOnChange<Vec<Login>>)]) -> io::Result<Option<&[Login]>> {
    for (path, kept) in places {
        if let Some(logins) = kept.get(path, |path| Ok(logins(&fs::read(path)?)))? {
            return Ok(Some(logins));
        }
    }
    Ok(None)
}

/// The logins in `registry`. A killed session leaves its record behind.
fn logins(registry: &[u8]) -> Vec<Login> {
    let records = registry.chunks_exact(RECORD_BYTES);
    let logins = records.filter_map(|record| {
        let kind = i16::from_ne_bytes(record[0..2].try_into().ok()?);
        let session = i32::from_ne_bytes(record[4..8].try_into().ok()?);
        let name = record[44..76].split(|byte| *byte == 0).next()?;
        let is_login = kind == USER_PROCESS && !name.is_empty();
        is_login.then(|| Login {
            user: name.to_vec(),
            process: Some(session),
        })
    });
    logins.collect()
}

fn is_running(session: i32) -> bool {
    // Another user's process may not be signalled, but exists.
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
        let root = tempfile::tempdir().unwrap();
        let mut users = Users::new(root.path());
        assert_eq!(users.distinct(|_| true), Some(0));
        fs::create_dir_all(root.path().join("run")).unwrap();
        fs::write(root.path().join("run/utmp"), registry.concat()).unwrap();
        assert_eq!(users.distinct(|session| session != 13), Some(2));
        // A session may end without a word in the registry.
        assert_eq!(users.distinct(|session| session == 12), Some(1));
    }

    /// Checks a root with the given `registry` and `sessions`.
    #[track_caller]
    fn check(registry: Option<&[&str]>, sessions: Option<&[&str]>, expected: Option<u64>) {
        let me = i32::try_from(std::process::id()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("run");
        fs::create_dir_all(&run).unwrap();
        if let Some(names) = registry {
            let records = names.iter().map(|name| record(USER_PROCESS, me, name));
            fs::write(run.join("utmp"), records.collect::<Vec<_>>().concat()).unwrap();
        }
        if let Some(names) = sessions {
            let dir = run.join("systemd/sessions");
            fs::create_dir_all(&dir).unwrap();
            for (number, name) in names.iter().enumerate() {
                let text = format!("USER={name}\nCLASS=user\nSTATE=active\nLEADER={me}\n");
                fs::write(dir.join(number.to_string()), text).unwrap();
            }
        }
        assert_eq!(Users::new(root.path()).logged_in(), expected);
    }

    #[test]
    fn users_known_to_either_source_count_once() {
        check(None, None, Some(0));
        check(None, Some(&[]), Some(0));
        check(Some(&["ann", "bob"]), None, Some(2));
        check(None, Some(&["ann", "ann", "bob"]), Some(2));
        check(Some(&["ann"]), Some(&["ann", "bob"]), Some(2));
        check(Some(&["ann", "carl"]), Some(&["ann", "bob"]), Some(3));
        let long = "u".repeat(40);
        check(Some(&[&long[..32]]), Some(&[&long]), Some(1));
    }

    #[test]
    fn a_registry_that_cannot_be_read_is_not_empty() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("run/utmp")).unwrap();
        let mut users = Users::new(root.path());
        assert_eq!(users.logged_in(), None);
        fs::remove_dir(root.path().join("run/utmp")).unwrap();
        fs::create_dir_all(root.path().join("run/systemd")).unwrap();
        fs::write(root.path().join("run/systemd/sessions"), "").unwrap();
        assert_eq!(users.logged_in(), None);
    }

    #[test]
    fn this_process_runs_and_no_process_has_an_impossible_number() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(is_running(me));
        assert!(!is_running(i32::MAX));
        assert!(!is_running(0));
    }

    #[test]
    fn logins_and_logouts_are_noticed() {
        let me = i32::try_from(std::process::id()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let utmp = root.path().join("run/utmp");
        let sessions = root.path().join(SESSIONS);
        fs::create_dir_all(&sessions).unwrap();
        let mut users = Users::new(root.path());
        let ann = record(USER_PROCESS, me, "ann");
        fs::write(&utmp, &ann).unwrap();
        assert_eq!(users.logged_in(), Some(1));
        // In place, with the same size, and at once: the time of the file may be the same.
        fs::write(&utmp, record(8, me, "ann")).unwrap();
        assert_eq!(users.logged_in(), Some(0));
        fs::write(
            &utmp,
            [ann.clone(), record(USER_PROCESS, me, "bob")].concat(),
        )
        .unwrap();
        assert_eq!(users.logged_in(), Some(2));
        fs::write(sessions.join("1"), format!("USER=carl\nLEADER={me}\n")).unwrap();
        assert_eq!(users.logged_in(), Some(3));
        fs::write(
            sessions.join(".new"),
            format!("USER=carl\nSTATE=closing\nLEADER={me}\n"),
        )
        .unwrap();
        fs::rename(sessions.join(".new"), sessions.join("1")).unwrap();
        assert_eq!(users.logged_in(), Some(2));
        fs::remove_file(&utmp).unwrap();
        assert_eq!(users.logged_in(), Some(0));
        fs::write(root.path().join("new"), &ann).unwrap();
        fs::rename(root.path().join("new"), &utmp).unwrap();
        assert_eq!(users.logged_in(), Some(1));
    }
}
