//! The token file: reading it, whatever kind of file it is, creating it complete or not at all, and checking who else
//! has access.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::{NoToken, Token};
use crate::disk::{Disk, DiskReader, SystemDisk, directory_of};

/// A longer file was named by mistake.
const MAX_FILE_BYTES: u64 = 4096;

/// How long a pipe or a device may take to deliver the token.
const PIPE_PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A directory instead of a file.
    #[error("the token file '{}' is a directory: name a file in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// It is empty, as after a full disk or an interrupted copy.
    #[error(
        "the token file '{}' is empty: copy a token into it, or remove it and let a server create a new one",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It contains something else.
    #[error("'{}' contains no token", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What a token is.
        source: NoToken,
    },
    /// Others can write it.
    #[error("others can write the token file '{0}' and so give themselves access: chmod 600 '{0}'", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// It doesn't exist and cannot be created.
    #[error("cannot create the token file '{}'", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Neither it nor its directory exists.
    #[error("cannot create the token file '{}': there is no directory '{}'", path.display(), directory.display())]
    NoDirectory {
        /// The file.
        path: PathBuf,
        /// The directory that is missing.
        directory: PathBuf,
    },
}

/// A token and the state of its file.
#[derive(Debug)]
pub struct FoundToken {
    /// The token.
    pub token: Token,
    /// Whether it was just created.
    pub is_new: bool,
    /// Whether every user of the machine can read the file.
    pub is_exposed: bool,
    /// Whether the file's group or every user can write it.
    pub is_writable: bool,
}

/// Reads the token in `path`, which may be a pipe.
///
/// # Errors
/// When the file cannot be read or contains something else.
pub fn read(path: &Path) -> Result<FoundToken, TokenError> {
    read_from(&SystemDisk, path)
}

fn read_from(disk: &dyn Disk, path: &Path) -> Result<FoundToken, TokenError> {
    let failed = |source| TokenError::Read {
        path: path.into(),
        source,
    };
    let meta = fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        return Err(TokenError::Directory { path: path.into() });
    }
    let bytes = if meta.is_file() {
        contents(disk, path)
    } else {
        contents_in_time(path)
    };
    let bytes = bytes.map_err(failed)?;
    let is_whole = bytes.len() as u64 <= MAX_FILE_BYTES;
    let text = bytes.trim_ascii();
    if text.is_empty() {
        return Err(TokenError::Empty { path: path.into() });
    }
    let token = std::str::from_utf8(text).map_err(|_| NoToken);
    let token = token.and_then(str::parse);
    let token = if is_whole { token } else { Err(NoToken) };
    let token = token.map_err(|source| TokenError::Form {
        path: path.into(),
        source,
    })?;
    Ok(FoundToken {
        token,
        is_new: false,
        is_exposed: has_mode(&meta, 0o004),
        is_writable: has_mode(&meta, 0o022),
    })
}

/// The same for a server, whose access the file controls: a file that others can write is refused, as ssh refuses such
/// an `authorized_keys`.
///
/// # Errors
/// As [`read`], and when others can write it.
pub fn read_for_server(path: &Path) -> Result<FoundToken, TokenError> {
    read_for_server_from(&SystemDisk, path)
}

fn read_for_server_from(disk: &dyn Disk, path: &Path) -> Result<FoundToken, TokenError> {
    match read_from(disk, path) {
        Ok(found) if found.is_writable => Err(TokenError::Writable { path: path.into() }),
        other => other,
    }
}

/// The same, but creates a missing file, for its owner alone.
///
/// # Errors
/// When the file can be neither read nor created, or contains something else.
pub fn read_or_create(path: &Path) -> Result<FoundToken, TokenError> {
    read_or_create_on(&SystemDisk, path)
}

fn read_or_create_on(disk: &dyn Disk, path: &Path) -> Result<FoundToken, TokenError> {
    match read_for_server_from(disk, path) {
        Err(TokenError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        other => return other,
    }
    match create(disk, path) {
        Ok(token) => Ok(FoundToken {
            token,
            is_new: true,
            is_exposed: false,
            is_writable: false,
        }),
        // Another server was faster.
        Err(source) if source.kind() == ErrorKind::AlreadyExists => {
            read_for_server_from(disk, path)
        }
        Err(source) => Err(match directory_of(path) {
            directory if !directory.exists() => TokenError::NoDirectory {
                path: path.into(),
                directory: directory.into(),
            },
            _ => TokenError::Create {
                path: path.into(),
                source,
            },
        }),
    }
}

fn contents(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = &disk.open(path, File::options().read(true))?;
    DiskReader { disk, file }
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The contents of a file that may block for ever, even when it is opened. If it does, its thread is left behind.
fn contents_in_time(path: &Path) -> io::Result<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    let reader = std::thread::Builder::new().name("token".into());
    reader.spawn(move || sender.send(contents(&SystemDisk, &path)))?;
    receiver.recv_timeout(PIPE_PATIENCE).unwrap_or_else(|_| {
        let seconds = PIPE_PATIENCE.as_secs();
        Err(io::Error::other(format!(
            "it delivered nothing in {seconds} s; check that a program writes the token into it"
        )))
    })
}

/// Creates the file under another name and renames it once it is on the disk: a full disk leaves no empty file, and
/// nobody reads half a token.
fn create(disk: &dyn Disk, path: &Path) -> io::Result<Token> {
    let token = Token::random()?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:08x}.new", rand::random::<u32>()));
    let beside = path.with_file_name(name);
    let made = write_new(disk, &beside, &token).and_then(|()| publish(disk, &beside, path));
    if made.is_err() {
        let _ = disk.remove(&beside);
    }
    made?;
    // If the system supports it, the name is as durable as the contents.
    disk.sync_directory(directory_of(path))?;
    Ok(token)
}

fn write_new(disk: &dyn Disk, path: &Path, token: &Token) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = disk.open(path, &options)?;
    disk.write_all(&file, format!("{}\n", token.reveal()).as_bytes())?;
    disk.sync(&file)
}

/// Gives the file its name, unless that exists already.
fn publish(disk: &dyn Disk, beside: &Path, path: &Path) -> io::Result<()> {
    match disk.link(beside, path) {
        Ok(()) => disk.remove(beside),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // A filesystem without links: for a moment, two servers may both believe that they were first.
        Err(_) if fs::symlink_metadata(path).is_err() => disk.rename(beside, path),
        Err(_) => Err(ErrorKind::AlreadyExists.into()),
    }
}

/// Whether it is a file with any of these permissions. For reading, the group's bits say little: with an access list,
/// as systemd sets on credentials, they are its mask.
#[cfg(unix)]
fn has_mode(meta: &Metadata, bits: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.is_file() && meta.permissions().mode() & bits != 0
}

#[cfg(not(unix))]
fn has_mode(_: &Metadata, _: u32) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use crate::disk::faulty::at_every_operation;

    use super::*;

    const TOKEN: &str = "0123456789abc.-_";

    #[test]
    fn every_failure_leaves_a_whole_token_or_none_and_is_reported() {
        let faults = at_every_operation(|disk| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("token");
            let made = read_or_create_on(&**disk, &path);
            let context = format!("{disk:?} {made:?}");
            // Without links, the file is renamed.
            let must_report = disk.failed().iter().any(|&operation| operation != "link");
            assert_eq!(made.is_err(), must_report, "{context}");
            let names = (fs::read_dir(dir.path()).unwrap())
                .map(|entry| entry.unwrap().file_name())
                .filter(|name| name != "token");
            assert!(disk.has_failed("remove") || names.count() == 0, "{context}");
            match (made, fs::read(&path).is_ok()) {
                (Ok(made), _) => assert!(read(&path).unwrap().token == made.token, "{context}"),
                (Err(_), true) => assert!(read(&path).is_ok(), "{context}"),
                (Err(_), false) => {}
            }
            assert!(read_or_create(&path).is_ok(), "the next start: {context}");
        });
        assert!(faults > 30, "only {faults} faults");
    }

    #[test]
    fn an_unreadable_token_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let token = read_or_create(&path).unwrap().token;
        let bytes = fs::read(&path).unwrap();
        let faults = at_every_operation(|disk| {
            let found = read_or_create_on(&**disk, &path);
            assert_eq!(found.is_err(), !disk.failed().is_empty(), "{disk:?}");
            assert!(found.is_err() || found.unwrap().token == token, "{disk:?}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{disk:?}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{disk:?}");
        });
        assert!(faults > 10, "only {faults} faults");
    }

    #[test]
    fn a_file_is_created_once_and_then_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert!(matches!(read(&path), Err(TokenError::Read { .. })));
        let made = read_or_create(&path).unwrap();
        assert!(made.is_new && !made.is_exposed && made.token.reveal().len() == 64);
        let again = read_or_create(&path).unwrap();
        assert!(!again.is_new && again.token == made.token);
        let other = read_or_create(&dir.path().join("other")).unwrap();
        assert!(other.token != made.token);
        let names = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 2, "nothing is left beside the files");
    }

    #[test]
    fn servers_that_start_at_once_agree_on_one_token() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let start = || read_or_create(&path).unwrap().token;
        let tokens: Vec<_> = std::thread::scope(|scope| {
            let servers: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            servers.into_iter().map(|it| it.join().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_or_write_is_noticed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, format!(" {TOKEN}\r\n")).unwrap();
        for (mode, exposed, writable) in [
            (0o400, false, false),
            (0o600, false, false),
            (0o640, false, false),
            (0o644, true, false),
            (0o660, false, true),
            (0o602, false, true),
            (0o666, true, true),
        ] {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let found = read(&path).unwrap();
            assert_eq!(found.token.reveal(), TOKEN);
            assert_eq!(
                (found.is_exposed, found.is_writable),
                (exposed, writable),
                "{mode:o}"
            );
            let server = read_for_server(&path);
            assert_eq!(server.is_err(), writable, "{mode:o}");
        }
    }

    #[test]
    fn another_file_is_refused_as_a_token_and_not_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passwd");
        for other in [
            &b"root:x:0:0:root"[..],
            b"\xff\xfe0123456789abcdef",
            &[b'x'; 5000],
        ] {
            fs::write(&path, other).unwrap();
            let error = read(&path);
            assert!(matches!(error, Err(TokenError::Form { .. })), "{error:?}");
        }
        fs::write(&path, "root:x:0:0:root").unwrap();
        let error = read(&path).unwrap_err();
        assert!(!error.to_string().contains("root:"));
    }

    #[test]
    fn an_empty_file_and_a_directory_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        for nothing in ["", "\n", " \r\n"] {
            fs::write(&path, nothing).unwrap();
            let error = read_or_create(&path).unwrap_err();
            assert!(matches!(error, TokenError::Empty { .. }), "{error:?}");
        }
        let error = read_or_create(dir.path()).unwrap_err();
        assert!(matches!(error, TokenError::Directory { .. }), "{error:?}");
        let error = read_or_create(&dir.path().join("no/token")).unwrap_err();
        assert!(matches!(error, TokenError::NoDirectory { .. }), "{error:?}");
    }
}
