//! Connecting to a database.

use tokio::time::timeout;
use tokio_postgres::config::SslMode as WireMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::DatabaseAddress;
use super::error::{DatabaseError, reason};
use super::server::DatabaseServer;
use super::session::SessionWish;
use super::settings::ConnectionSettings;
use super::ssl_mode::SslMode;
use super::trust::tls;

/// A way to connect that has been prepared: all files have been read.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) name: String,
    address: DatabaseAddress,
    settings: ConnectionSettings,
    /// `None` where nothing could use it.
    tls: Option<MakeRustlsConnect>,
}

/// Why a server didn't let us in.
enum Obstacle {
    /// It said no: the other servers aren't asked.
    Refused(String),
    /// It isn't there, or isn't the one we want.
    Absent(String),
}

impl Connector {
    /// Prepares to connect to `address`, and logs what was left out.
    ///
    /// # Errors
    /// When the address, the environment or their files cannot be used.
    pub(super) fn of(address: &DatabaseAddress) -> Result<Self, DatabaseError> {
        let connector = Self::read(address)?;
        for note in &connector.settings.notes {
            tracing::warn!("{note}");
        }
        Ok(connector)
    }

    /// The same with what the files say now: a password or a certificate may have been replaced.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(super) fn renewed(&self) -> Result<Self, DatabaseError> {
        Self::read(&self.address)
    }

    fn read(address: &DatabaseAddress) -> Result<Self, DatabaseError> {
        let settings = ConnectionSettings::of(address)?;
        let is_over_tcp = settings.servers.iter().any(|server| !server.is_socket());
        let needs_tls = is_over_tcp && settings.tls.mode != SslMode::Disable;
        let tls = needs_tls.then(|| tls(&settings.tls)).transpose()?;
        Ok(Self {
            name: address.to_string(),
            address: address.clone(),
            settings,
            tls: tls.map(MakeRustlsConnect::new),
        })
    }

    /// Connects to the first server that will do. The connection ends when the client is dropped.
    ///
    /// # Errors
    /// When there is no connection, or the database refuses it.
    pub(super) async fn connect(&self) -> Result<Client, DatabaseError> {
        let mut absent = Vec::new();
        for wish in self.settings.wish.rounds() {
            for server in self.settings.in_order() {
                match self.connect_to(server, wish).await {
                    Ok(client) => return Ok(client),
                    Err(Obstacle::Refused(reason)) => {
                        return Err(DatabaseError::Refused {
                            database: self.name.clone(),
                            reason,
                        });
                    }
                    Err(Obstacle::Absent(reason)) => absent.push((server.name(), reason)),
                }
            }
        }
        let reasons = absent.iter().map(|(server, reason)| {
            // The address names a single one.
            match self.settings.servers.len() {
                1 => reason.clone(),
                _ => format!("{server}: {reason}"),
            }
        });
        let mut reasons: Vec<_> = reasons.collect();
        reasons.dedup();
        Err(DatabaseError::Connect {
            database: self.name.clone(),
            reason: reasons.join("; "),
        })
    }

    async fn connect_to(
        &self,
        server: &DatabaseServer,
        wish: SessionWish,
    ) -> Result<Client, Obstacle> {
        let mut last = Obstacle::Absent("its name has no address".into());
        let configs = self.within(server.configs()).await?;
        for config in configs.map_err(|error| Obstacle::Absent(error.to_string()))? {
            let client = match self.log_in(&config, server.is_socket()).await {
                Ok(client) => client,
                Err(refused @ Obstacle::Refused(_)) => return Err(refused),
                Err(absent) => {
                    last = absent;
                    continue;
                }
            };
            let objection = self.within(wish.objection(&client)).await?;
            let Some(objection) = objection else {
                return Ok(client);
            };
            last = Obstacle::Absent(objection);
        }
        Err(last)
    }

    /// Logs in at one address, as `sslmode` says. Like libpq, it tries the other way once where the first is refused.
    async fn log_in(&self, config: &Config, is_socket: bool) -> Result<Client, Obstacle> {
        let mode = if is_socket {
            SslMode::Disable
        } else {
            self.settings.tls.mode
        };
        let (first, second) = match mode {
            SslMode::Disable => (WireMode::Disable, None),
            SslMode::Allow => (WireMode::Disable, Some(WireMode::Require)),
            SslMode::Prefer => (WireMode::Prefer, Some(WireMode::Disable)),
            _ => (WireMode::Require, None),
        };
        let failed = match self.within(self.attempt(config, first)).await? {
            Ok(client) => return Ok(client),
            Err(failed) => failed,
        };
        if let Some(second) = second.filter(|_| is_about_tls(&failed))
            && let Ok(client) = self.within(self.attempt(config, second)).await?
        {
            return Ok(client);
        }
        Err(Obstacle::of(&failed))
    }

    async fn attempt(
        &self,
        config: &Config,
        mode: WireMode,
    ) -> Result<Client, tokio_postgres::Error> {
        let mut config = config.clone();
        config.ssl_mode(mode);
        match &self.tls {
            Some(tls) => dial(&config, tls.clone()).await,
            None => dial(&config, NoTls).await,
        }
    }

    /// Waits no longer than a connection may take, logging in included.
    async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Obstacle> {
        let Some(limit) = self.settings.timeout else {
            return Ok(work.await);
        };
        timeout(limit, work).await.map_err(|_| {
            let limit = humantime::format_duration(limit);
            Obstacle::Absent(format!("no answer within {limit}"))
        })
    }
}

impl Obstacle {
    fn of(error: &tokio_postgres::Error) -> Self {
        // It is starting or stopping, or full.
        let passes = |code: &SqlState| {
            *code == SqlState::CANNOT_CONNECT_NOW || code.code().starts_with("53")
        };
        let reason = reason(error);
        match error.code() {
            Some(code) if !passes(code) => Self::Refused(reason),
            _ => Self::Absent(reason),
        }
    }
}

/// Whether the other way, with TLS or without, may do: the handshake failed, or no rule allows this way.
fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    // The crate has no other way to tell.
    let is_handshake = error
        .to_string()
        .starts_with("error performing TLS handshake");
    is_handshake || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

async fn dial<T>(config: &Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        // Whoever uses the client learns of the error as well.
        let _ = connection.await;
    });
    Ok(client)
}
