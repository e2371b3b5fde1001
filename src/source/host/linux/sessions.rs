//! The logged-in users according to logind, which keeps a file for each session with lines `NAME=value`.
//!
//! Its own library reads the same files, but is written in C and loads much else of systemd.

use std::fs;
use std::io;
use std::path::Path;

/// A user who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Vec<u8>,
    /// The process whose end is that of the session, if it is known.
    pub(super) process: Option<i32>,
}

/// The people with a session in `dir` (/run/systemd/sessions). An error means that there are sessions that may not be
/// read. logind replaces files and never writes into one, so every change is one of the directory.
pub(super) fn logins(dir: &Path) -> io::Result<Vec<Login>> {
    let mut logins = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Beside a session there may be a pipe (`1.ref`), which would block us, and a file being written.
        let is_session = !entry.file_name().as_encoded_bytes().contains(&b'.');
        if !is_session || !entry.file_type()?.is_file() {
            continue;
        }
        match fs::read(entry.path()) {
            Ok(text) => logins.extend(login(&text)),
            // It has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(logins)
}

/// A person's session. Greeters, lock screens, services and cron jobs have sessions too, and a session is `closing`
/// while processes outlive it.
fn login(session: &[u8]) -> Option<Login> {
    let value = |name: &str| {
        let mut lines = session.split(|byte| *byte == b'\n');
        lines.find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let is_person = value("CLASS").is_none_or(|class| class.starts_with(b"user"));
    let is_closing = value("STATE") == Some(b"closing");
    let user = value("USER").filter(|user| !user.is_empty())?;
    (is_person && !is_closing).then(|| Login {
        user: user.to_vec(),
        process: value("LEADER").and_then(|pid| std::str::from_utf8(pid).ok()?.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(user: &str, class: &str, state: &str, leader: i32) -> String {
        format!(
            "# This is private data. Do not parse.\nUID=1000\nUSER={user}\nACTIVE=1\nIS_DISPLAY=1\nSTATE={state}\n\
             REMOTE=0\nTYPE=tty\nCLASS={class}\nSCOPE=session-1.scope\nLEADER={leader}\n"
        )
    }

    #[test]
    fn only_sessions_of_people_count() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("1", session("ann", "user", "active", 10)),
            ("2", session("ann", "user", "online", 11)),
            ("3", session("bob", "user-early", "online", 12)),
            ("4", session("gdm", "greeter", "active", 13)),
            ("5", session("cron", "background", "active", 14)),
            ("6", session("root", "manager", "active", 15)),
            ("7", session("gone", "user", "closing", 16)),
            ("8", session("killed", "user", "active", 17)),
            ("9", session("lock", "lock-screen", "active", 18)),
            ("a", String::new()),
            ("b", "USER=\nCLASS=user\n".into()),
            ("c", "USER=old\nSTATE=active\n".into()),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        fs::write(dir.path().join("d"), b"USER=n\xff\nCLASS=user\n").unwrap();
        let logins = logins(dir.path()).unwrap();
        let mut logins: Vec<_> = logins
            .iter()
            .map(|login| (login.user.as_slice(), login.process))
            .collect();
        logins.sort_unstable();
        let expected = [
            (&b"ann"[..], Some(10)),
            (b"ann", Some(11)),
            (b"bob", Some(12)),
            (b"killed", Some(17)),
            (b"n\xff", None),
            (b"old", None),
        ];
        assert_eq!(logins, expected);
    }

    #[test]
    fn other_files_beside_the_sessions_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("1.ref");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        fs::write(
            dir.path().join(".#2abc"),
            session("ann", "user", "active", 1),
        )
        .unwrap();
        fs::create_dir(dir.path().join("3")).unwrap();
        assert_eq!(logins(dir.path()).unwrap(), []);
    }

    #[test]
    fn unreadable_sessions_are_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(logins(file.path()).is_err());
    }
}
