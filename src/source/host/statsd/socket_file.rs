//! A `unixgram` socket and its file.

use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Only the owner and the group may send.
const MODE: u32 = 0o660;

/// The file of a bound socket. It is removed when this is dropped, at the latest.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and number, so that nobody else's file is removed.
    identity: (u64, u64),
}

impl fmt::Display for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

impl SocketFile {
    /// Removes the file, if it is still there.
    pub(super) fn remove(&self) {
        let is_ours = |file: Metadata| (file.dev(), file.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Creates a socket at `path`. A socket that nobody receives from any more is replaced.
pub(super) fn bind(path: &Path) -> io::Result<(UnixDatagram, SocketFile)> {
    remove_stale(path)?;
    let socket = bind_with_mode(path)?;
    let made = fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (made.dev(), made.ino()),
    };
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok((socket, file))
}

/// Nobody but owner and group may send, from the beginning. The umask may take away more.
#[cfg(target_os = "linux")]
fn bind_with_mode(path: &Path) -> io::Result<UnixDatagram> {
    use rustix::fs::{Mode, fchmod};
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};
    let (family, kind, flags) = (AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC);
    let socket = socket_with(family, kind, flags, None)?;
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixDatagram::from(socket))
}

/// Only Linux gives a socket's file the mode that the socket has.
#[cfg(not(target_os = "linux"))]
fn bind_with_mode(path: &Path) -> io::Result<UnixDatagram> {
    UnixDatagram::bind(path)
}

/// Removes a socket that nobody receives from. Anything else stays, and is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    let refuse = |reason| Err(io::Error::new(ErrorKind::AddrInUse, reason));
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return refuse("a file that is not a socket is in the way");
    }
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(()) => refuse("another process receives there"),
        // It is a socket of another type, or one that only others may use.
        Err(_) => refuse("another process's socket is in the way"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn it_is_for_owner_and_group_and_goes_with_its_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("statsd");
        let (socket, file) = bind(&path).unwrap();
        assert_eq!(mode(&path), MODE);
        UnixDatagram::unbound()
            .unwrap()
            .send_to(b"a:1|c", &path)
            .unwrap();
        let mut buffer = [0; 10];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 5);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("statsd");
        drop(UnixDatagram::bind(&path).unwrap());
        let (_socket, file) = bind(&path).unwrap();
        assert_eq!(
            bind(&path).unwrap_err().to_string(),
            "another process receives there"
        );

        let regular = dir.path().join("file");
        fs::write(&regular, "x").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for other in [&regular, &link, &dir.path().to_owned()] {
            let error = bind(other).unwrap_err().to_string();
            assert_eq!(error, "a file that is not a socket is in the way");
            assert!(other.exists());
        }
        let stream = dir.path().join("stream");
        let _listener = UnixListener::bind(&stream).unwrap();
        assert!(bind(&stream).is_err() && stream.exists());

        // Somebody else's file stays.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "x").unwrap();
        drop(file);
        assert!(path.exists());
    }
}
