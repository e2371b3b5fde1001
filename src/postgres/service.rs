//! The service file: named groups of parameters.

use std::path::PathBuf;

use super::error::DatabaseError;
use super::parameters::{ParameterUse, bad, home};
use crate::protocol::shown;

/// The parameters of `service`, from the user's file or the system's.
pub(super) fn read(
    service: &str,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, DatabaseError> {
    let named = variable("PGSERVICEFILE").map(PathBuf::from);
    let of_user = named.or_else(|| Some(home()?.join(".pg_service.conf")));
    let directory = variable("PGSYSCONFDIR").unwrap_or_else(|| "/etc/postgresql-common".into());
    let of_system = PathBuf::from(directory).join("pg_service.conf");
    for path in of_user.into_iter().chain([of_system]) {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if let Some(found) = of_service(&text, service) {
            return usable(found, service);
        }
    }
    Err(bad(
        "service",
        service,
        "is not in ~/.pg_service.conf, nor in the file that PGSERVICEFILE names",
    ))
}

fn of_service(text: &str, service: &str) -> Option<Vec<(String, String)>> {
    let title = format!("[{service}]");
    let mut lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != title);
    lines.next()?;
    let ours = lines.take_while(|line| !line.starts_with('['));
    let pairs = ours.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = pairs.map(|line| line.split_once('=').unwrap_or((line, "")));
    Some(
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// Those that say something to us. One that we don't know may be one that matters.
fn usable(
    pairs: Vec<(String, String)>,
    service: &str,
) -> Result<Vec<(String, String)>, DatabaseError> {
    let place = format!("the service '{}'", shown(service));
    let mut usable = Vec::new();
    for (key, value) in pairs {
        if key == "password" || ParameterUse::check(&place, &key, &value)? {
            usable.push((key, value));
        }
    }
    Ok(usable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_group_of_lines() {
        let text =
            "# ours\n[a]\nhost=x\n\n[b]\nhost=db\nport=5433\n# colour\npassword=p=q\n[c]\nhost=z\n";
        let pairs = |service| of_service(text, service);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            pairs("b"),
            Some(vec![
                pair("host", "db"),
                pair("port", "5433"),
                pair("password", "p=q")
            ])
        );
        assert_eq!(pairs("d"), None);
        let refused = |key: &str| usable(vec![pair(key, "x")], "b").unwrap_err().to_string();
        assert!(refused("colour").contains("in the service 'b', 'colour'"));
        assert!(refused("requirepeer").contains("'requirepeer'"));
    }
}
