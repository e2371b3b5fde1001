//! The password file: lines of `host:port:database:user:password`, where `*` stands for anything.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::parameters::home;
use crate::wording;

/// The passwords of a file, which has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct PasswordFile {
    text: Vec<u8>,
}

impl PasswordFile {
    /// Reads the file at `named`, or the one in the home directory. Like libpq, we go on if there is none, or if it
    /// cannot be used, which goes into `notes`: the database may want no password.
    pub(super) fn read(named: Option<&str>, notes: &mut Vec<String>) -> Self {
        let Some(path) = named.map(PathBuf::from).or_else(default_file) else {
            return Self::default();
        };
        let text = read(&path).unwrap_or_else(|why| {
            notes.push(format!("'{}' is ignored: {why}", path.display()));
            Vec::new()
        });
        Self { text }
    }

    /// The password for `user` in `database` of a server. Names of hosts are those in the file that mean it.
    pub(super) fn password(
        &self,
        hosts: &[impl AsRef<str>],
        (port, database, user): (u16, &str, &str),
    ) -> Option<Vec<u8>> {
        let others = [&port.to_string(), database, user];
        let mut lines = self.text.split(|&byte| byte == b'\n');
        lines.find_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            of_line(line, hosts, others)
        })
    }
}

#[cfg(unix)]
fn default_file() -> Option<PathBuf> {
    Some(home()?.join(".pgpass"))
}

#[cfg(not(unix))]
fn default_file() -> Option<PathBuf> {
    Some(home()?.join("AppData/Roaming/postgresql/pgpass.conf"))
}

/// The file's text, nothing if there is no file, or why it isn't used.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: io::Error| format!("it cannot be read: {}", wording::cause(&error));
    let about = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        about => about.map_err(unreadable)?,
    };
    // A pipe could make us wait.
    if !about.is_file() {
        return Err("it is not a plain file".into());
    }
    let mut file = File::open(path).map_err(unreadable)?;
    if is_open_to_others(&file.metadata().map_err(unreadable)?) {
        return Err("other users may read it: run `chmod 0600` on it, as psql also demands".into());
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(unix)]
fn is_open_to_others(about: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    about.mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Metadata) -> bool {
    false
}

/// The password of a line, if the line is about this connection.
fn of_line(line: &[u8], hosts: &[impl AsRef<str>], others: [&str; 3]) -> Option<Vec<u8>> {
    if line.starts_with(b"#") {
        return None;
    }
    let fields = fields(line);
    let [host, port, database, user, password] = &fields[..] else {
        return None;
    };
    let is = |field: &[u8], wanted: &str| field == b"*" || field == wanted.as_bytes();
    let is_host = hosts.iter().any(|known| is(host, known.as_ref()));
    let mut rest = [port, database, user].into_iter().zip(others);
    let fits = is_host && rest.all(|(field, wanted)| is(field, wanted));
    fits.then(|| password.clone())
}

/// The five fields of a line; a backslash makes the next byte a part of its field.
fn fields(line: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = vec![Vec::new()];
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        let is_last = fields.len() == 5;
        match (byte, fields.last_mut()) {
            (b':', _) if !is_last => fields.push(Vec::new()),
            (b'\\', Some(field)) => field.extend(bytes.next()),
            (byte, Some(field)) => field.push(byte),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        for (line, expected) in [
            ("db:5432:m:ann:secret", Some("secret")),
            ("*:*:*:*:a:b\\:c\\\\", Some("a:b:c\\")),
            ("db:5433:m:ann:x", None),
            ("other:*:*:*:x", None),
            ("# db:5432:m:ann:x", None),
            ("db:5432:m", None),
            ("", None),
        ] {
            let found = of_line(line.as_bytes(), &["db"], ["5432", "m", "ann"]);
            let found = found.map(|it| String::from_utf8(it).unwrap());
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_file_of_any_bytes_is_read() {
        let file = PasswordFile {
            text: b"other:*:*:*:\xff\r\nlocalhost:5432:*:ann:\xe4x\r\n".to_vec(),
        };
        let found = file.password(&["/tmp", "localhost"], (5432, "m", "ann"));
        assert_eq!(found.as_deref(), Some(&b"\xe4x"[..]));
        assert_eq!(file.password(&["/tmp"], (5432, "m", "ann")), None);
    }
}
