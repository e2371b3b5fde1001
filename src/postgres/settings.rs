//! Where and how to connect: what the address leaves out comes from the places where libpq looks.

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding;

use super::address::DatabaseAddress;
use super::error::DatabaseError;
use super::own_certificate::OwnCertificate;
use super::parameters::{KNOWN, bad, check_variables, one_of, whole_number};
use super::pgpass::PasswordFile;
use super::server::{DatabaseServer, Place, places};
use super::service;
use super::session::SessionWish;
use super::tls_versions::TlsVersions;
use super::trust::TlsSettings;

/// How long one attempt to connect may take, unless `connect_timeout` says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The shortest that libpq takes seriously.
const LEAST_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Everything that a connection needs.
#[derive(Debug, Clone)]
pub(super) struct ConnectionSettings {
    pub(super) servers: Vec<DatabaseServer>,
    /// Whether the servers are tried in any order, so that clients spread over them.
    is_balanced: bool,
    pub(super) wish: SessionWish,
    /// How long an attempt may take, if there is a limit.
    pub(super) timeout: Option<Duration>,
    pub(super) tls: TlsSettings,
    /// What was left out, and why.
    pub(super) notes: Vec<String>,
}

/// The values of parameters.
struct Values(BTreeMap<String, String>);

impl Values {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn fill(&mut self, key: &str, value: String) {
        self.0.entry(key.to_owned()).or_insert(value);
    }
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
        let mut values = Values(address.parameters.iter().cloned().collect());
        check_variables(&variable)?;
        let service = values.get("service").map(str::to_owned);
        if let Some(service) = service.or_else(|| variable("PGSERVICE")) {
            for (key, value) in service::read(&service, &variable)? {
                values.fill(&key, value);
            }
        }
        for (key, name) in KNOWN.iter().filter(|(_, name)| !name.is_empty()) {
            if let Some(value) = variable(name) {
                values.fill(key, value);
            }
        }
        if let Some(password) = variable("PGPASSWORD") {
            values.fill("password", password);
        }
        settings(&values)
    }

    /// The servers in the order in which to try them.
    pub(super) fn in_order(&self) -> Vec<&DatabaseServer> {
        let mut servers: Vec<_> = self.servers.iter().collect();
        if self.is_balanced {
            servers.sort_by_cached_key(|_| rand::random::<u64>());
        }
        servers
    }
}

fn settings(values: &Values) -> Result<ConnectionSettings, DatabaseError> {
    let mut notes = Vec::new();
    let is_balanced = |value| {
        let known = [("disable", false), ("random", true)];
        one_of("load_balance_hosts", value, &known)
    };
    Ok(ConnectionSettings {
        servers: servers(values, &mut notes)?,
        is_balanced: values
            .get("load_balance_hosts")
            .map_or(Ok(false), is_balanced)?,
        wish: values
            .get("target_session_attrs")
            .map_or(Ok(SessionWish::Any), str::parse)?,
        timeout: timeout(values.get("connect_timeout"))?,
        tls: TlsSettings {
            mode: TlsSettings::mode(values.get("sslmode"), values.get("sslrootcert"))?,
            root_cert: values.get("sslrootcert").map(str::to_owned),
            own: OwnCertificate {
                mode: values.get("sslcertmode").map(str::to_owned),
                cert: values.get("sslcert").map(Into::into),
                key: values.get("sslkey").map(Into::into),
            },
            versions: TlsVersions::between(
                values.get("ssl_min_protocol_version"),
                values.get("ssl_max_protocol_version"),
            )?,
        },
        notes,
    })
}

fn servers(values: &Values, notes: &mut Vec<String>) -> Result<Vec<DatabaseServer>, DatabaseError> {
    let user = values.get("user").map(str::to_owned).or_else(user_name);
    let user = user.ok_or_else(|| {
        bad(
            "user",
            "",
            "this user has no name: write postgres://USER@HOST/DATABASE",
        )
    })?;
    let database = values.get("dbname").unwrap_or(&user).to_owned();
    let config = config(values, &user, &database)?;
    let places = places(
        values.get("host"),
        values.get("hostaddr"),
        values.get("port"),
    )?;
    let password = values.get("password");
    let passwords = match password {
        Some(_) => PasswordFile::default(),
        None => PasswordFile::read(values.get("passfile"), notes),
    };
    let server = |(place, port): (Place, u16)| {
        let mut config = config.clone();
        let names = place.names_in_password_file();
        let found = passwords.password(&names, (port, &database, &user));
        if let Some(password) = password.map(|it| it.as_bytes().to_vec()).or(found) {
            config.password(password);
        }
        DatabaseServer {
            place,
            port,
            config,
        }
    };
    Ok(places.into_iter().map(server).collect())
}

/// What is the same for all servers.
fn config(values: &Values, user: &str, database: &str) -> Result<Config, DatabaseError> {
    let mut config = Config::new();
    config.user(user).dbname(database);
    let name = values.get("application_name");
    let name = name.or_else(|| values.get("fallback_application_name"));
    config.application_name(name.unwrap_or("metrics"));
    if let Some(options) = values.get("options") {
        config.options(options);
    }
    let known = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    let binding = values.get("channel_binding").unwrap_or("prefer");
    config.channel_binding(one_of("channel_binding", binding, &known)?);
    keep_alive(values, &mut config)?;
    Ok(config)
}

/// How soon the loss of the other end is noticed: unless told otherwise, within half a minute where the system can.
fn keep_alive(values: &Values, config: &mut Config) -> Result<(), DatabaseError> {
    let number = |key: &str| {
        let number = values.get(key).map(|value| whole_number(key, value));
        number.transpose()
    };
    config.keepalives(number("keepalives")? != Some(0));
    config.keepalives_idle(Duration::from_secs(60));
    if let Some(seconds @ 1..) = number("keepalives_idle")? {
        config.keepalives_idle(Duration::from_secs(seconds));
    }
    if let Some(seconds @ 1..) = number("keepalives_interval")? {
        config.keepalives_interval(Duration::from_secs(seconds));
    }
    if let Some(count @ 1..) = number("keepalives_count")? {
        config.keepalives_retries(count.try_into().unwrap_or(u32::MAX));
    }
    let patience =
        number("tcp_user_timeout")?.map_or(Duration::from_secs(30), Duration::from_millis);
    if !patience.is_zero() {
        config.tcp_user_timeout(patience);
    }
    Ok(())
}

/// The limit of an attempt; `None` for libpq's "for ever".
fn timeout(seconds: Option<&str>) -> Result<Option<Duration>, DatabaseError> {
    let Some(text) = seconds else {
        return Ok(Some(CONNECT_TIMEOUT));
    };
    // Nobody waits for longer than a day.
    let seconds = whole_number("connect_timeout", text)?.min(86_400);
    let limit = Duration::from_secs(seconds);
    Ok((!limit.is_zero()).then(|| limit.max(LEAST_CONNECT_TIMEOUT)))
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
