//! The password file: lines of `host:port:database:user:password`, where `*` stands for anything.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::error::DatabaseError;
use super::parameters::home;

/// The password that the file at `named`, or the one in the home directory, has for the first of the servers.
pub(super) fn password(
    named: Option<&str>,
    (hosts, ports): (&[String], &[u16]),
    (database, user): (&str, &str),
) -> Result<Option<String>, DatabaseError> {
    let Some(path) = named.map(PathBuf::from).or_else(default_file) else {
        return Ok(None);
    };
    let text = match read(&path) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        // libpq, too, goes on without a file that isn't there.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(DatabaseError::Read { path, source }),
    };
    let found = hosts.iter().zip(ports).find_map(|(host, port)| {
        // A socket is `localhost` there, unless it is in another place.
        let names = [host.as_str(), "localhost"];
        let names = if host.starts_with('/') {
            &names[..]
        } else {
            &names[..1]
        };
        let port = port.to_string();
        (text.lines()).find_map(|line| of_line(line, names, [&port, database, user]))
    });
    Ok(found)
}

#[cfg(unix)]
fn default_file() -> Option<PathBuf> {
    Some(home()?.join(".pgpass"))
}

#[cfg(not(unix))]
fn default_file() -> Option<PathBuf> {
    Some(home()?.join("AppData/Roaming/postgresql/pgpass.conf"))
}

/// The file's text; `None`, with a warning, if others may read it.
fn read(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = File::open(path)?;
    if is_open_to_others(&file)? {
        tracing::warn!(
            "'{}' is left out because other users may read it: run `chmod 0600` on it",
            path.display()
        );
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(Some(text))
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let about = file.metadata()?;
    Ok(about.is_file() && about.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> std::io::Result<bool> {
    Ok(false)
}

/// The password of a line, if the line is about this connection.
fn of_line(line: &str, hosts: &[&str], others: [&str; 3]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let fields = fields(line);
    let [host, port, database, user, password] = &fields[..] else {
        return None;
    };
    let is_host = host == "*" || hosts.contains(&host.as_str());
    let mut rest = [port, database, user].into_iter().zip(others);
    let fits = is_host && rest.all(|(field, wanted)| field == "*" || field == wanted);
    fits.then(|| password.clone())
}

/// The five fields of a line; a backslash makes the next character a part of its field.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        let is_last = fields.len() == 5;
        match (c, fields.last_mut()) {
            (':', _) if !is_last => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(characters.next()),
            (c, Some(field)) => field.push(c),
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
            let found = of_line(line, &["db"], ["5432", "m", "ann"]);
            assert_eq!(found.as_deref(), expected, "{line}");
        }
        let socket = of_line(
            "localhost:5432:*:ann:x",
            &["/tmp", "localhost"],
            ["5432", "m", "ann"],
        );
        assert_eq!(socket.as_deref(), Some("x"));
    }
}
