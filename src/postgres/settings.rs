//! Where and how to connect: what the address leaves out comes from the places where libpq looks.

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

use super::address::DatabaseAddress;
use super::error::DatabaseError;
use super::parameters::{KNOWN, bad};
use super::ssl_mode::SslMode;
use super::trust::TlsSettings;
use super::{pgpass, service};

/// How long one attempt to connect may take, unless `connect_timeout` says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that a connection needs.
#[derive(Clone)]
pub(super) struct ConnectionSettings {
    /// The name of the database in messages.
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) tls: TlsSettings,
}

impl ConnectionSettings {
    /// What `address` and the environment say.
    ///
    /// # Errors
    /// When a value cannot be used, or a file cannot be read.
    pub(super) fn of(address: &DatabaseAddress) -> Result<Self, DatabaseError> {
        Self::with(address, |name| {
            env::var(name).ok().filter(|it| !it.is_empty())
        })
    }

    fn with(
        address: &DatabaseAddress,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, DatabaseError> {
        let mut values: BTreeMap<String, String> = address.parameters.iter().cloned().collect();
        let service = values
            .get("service")
            .cloned()
            .or_else(|| variable("PGSERVICE"));
        if let Some(service) = service {
            for (key, value) in service::read(&service, &variable)? {
                values.entry(key).or_insert(value);
            }
        }
        for (key, name) in KNOWN {
            if let Some(value) = variable(name) {
                values.entry(key.to_owned()).or_insert(value);
            }
        }
        if let Some(password) = variable("PGPASSWORD") {
            values.entry("password".to_owned()).or_insert(password);
        }
        settings(address, &values)
    }
}

fn settings(
    address: &DatabaseAddress,
    values: &BTreeMap<String, String>,
) -> Result<ConnectionSettings, DatabaseError> {
    let value = |key: &str| values.get(key).map(String::as_str);
    let mut config = Config::new();
    let user = value("user").map(str::to_owned).or_else(user_name);
    let user = user.ok_or_else(|| {
        bad(
            "user",
            "",
            "this user has no name: write postgres://USER@HOST/DATABASE",
        )
    })?;
    let database = value("dbname").unwrap_or(&user).to_owned();
    config.user(&user).dbname(&database);
    config.application_name(value("application_name").unwrap_or("metrics"));
    config.connect_timeout(timeout(value("connect_timeout"))?);
    config.keepalives_idle(Duration::from_secs(60));
    // Where the system can, a connection whose other end is gone is noticed within half a minute.
    config.tcp_user_timeout(Duration::from_secs(30));
    if let Some(options) = value("options") {
        config.options(options);
    }
    if let Some(wanted) = value("target_session_attrs") {
        config.target_session_attrs(session_attrs(wanted)?);
    }
    let hosts = hosts(value("host").or_else(|| value("hostaddr")));
    let ports = ports(value("port").unwrap_or_default(), hosts.len())?;
    for (host, port) in hosts.iter().zip(&ports) {
        config.host(host).port(*port);
    }
    if let Some(addresses) = value("hostaddr").filter(|_| value("host").is_some()) {
        for text in addresses.split(',') {
            config.hostaddr(
                text.parse()
                    .map_err(|_| bad("hostaddr", text, "is not an IP address"))?,
            );
        }
    }
    let password = match value("password") {
        Some(password) => Some(password.to_owned()),
        None => pgpass::password(value("passfile"), (&hosts, &ports), (&database, &user))?,
    };
    if let Some(password) = password {
        config.password(password);
    }
    Ok(ConnectionSettings {
        name: address.to_string(),
        config,
        tls: TlsSettings {
            mode: value("sslmode").map_or(Ok(SslMode::Prefer), str::parse)?,
            root_cert: value("sslrootcert").map(str::to_owned),
            identity: value("sslcert").map(|cert| {
                let key = value("sslkey").unwrap_or(cert);
                (cert.into(), key.into())
            }),
        },
    })
}

fn hosts(listed: Option<&str>) -> Vec<String> {
    let or_default = |host: &str| match host {
        "" => default_host(),
        host => host.to_owned(),
    };
    listed
        .unwrap_or_default()
        .split(',')
        .map(or_default)
        .collect()
}

fn ports(listed: &str, hosts: usize) -> Result<Vec<u16>, DatabaseError> {
    let parse = |text: &str| match text {
        "" => Ok(5432),
        text => text.parse().map_err(|_| bad("port", text, "is not a port")),
    };
    let ports: Vec<u16> = listed.split(',').map(parse).collect::<Result<_, _>>()?;
    match (ports.len(), hosts) {
        (1, hosts) => Ok(vec![ports[0]; hosts]),
        (count, hosts) if count == hosts => Ok(ports),
        _ => Err(bad(
            "port",
            listed,
            "has another number of ports than there are hosts",
        )),
    }
}

fn timeout(seconds: Option<&str>) -> Result<Duration, DatabaseError> {
    let Some(text) = seconds else {
        return Ok(CONNECT_TIMEOUT);
    };
    match text.parse::<u64>() {
        // libpq's "for ever".
        Ok(0) => Ok(Duration::from_secs(86_400)),
        Ok(seconds) => Ok(Duration::from_secs(seconds.min(86_400))),
        Err(_) => Err(bad("connect_timeout", text, "is not a number of seconds")),
    }
}

fn session_attrs(text: &str) -> Result<TargetSessionAttrs, DatabaseError> {
    match text {
        "any" | "prefer-standby" => Ok(TargetSessionAttrs::Any),
        "read-write" | "primary" => Ok(TargetSessionAttrs::ReadWrite),
        "read-only" | "standby" => Ok(TargetSessionAttrs::ReadOnly),
        _ => Err(bad("target_session_attrs", text, "is unknown")),
    }
}

/// Where Debian's and most other servers have their socket.
#[cfg(unix)]
fn default_host() -> String {
    let debian = "/var/run/postgresql";
    let exists = std::path::Path::new(debian).is_dir();
    if exists { debian } else { "/tmp" }.to_owned()
}

#[cfg(not(unix))]
fn default_host() -> String {
    "localhost".to_owned()
}

/// The name of the user who runs us.
#[cfg(unix)]
fn user_name() -> Option<String> {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut users = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let ours = users.find(|fields| fields.get(2) == Some(&id.as_str()));
    let name = ours.and_then(|fields| Some((*fields.first()?).to_owned()));
    name.or_else(|| env::var("USER").ok())
}

#[cfg(not(unix))]
fn user_name() -> Option<String> {
    env::var("USERNAME").ok()
}
