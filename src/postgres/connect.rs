//! Connecting to a database.

use tokio_postgres::config::SslMode as WireMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::DatabaseAddress;
use super::error::{DatabaseError, reason};
use super::settings::ConnectionSettings;
use super::ssl_mode::SslMode;
use super::trust::tls;

/// A way to connect that has been prepared: files are read once, before the first connection.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) name: String,
    config: Config,
    mode: SslMode,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// Prepares to connect to `address`.
    ///
    /// # Errors
    /// When the address, the environment or their files cannot be used.
    pub(super) fn of(address: &DatabaseAddress) -> Result<Self, DatabaseError> {
        let settings = ConnectionSettings::of(address)?;
        let tls = MakeRustlsConnect::new(tls(&settings.tls)?);
        let mode = settings.tls.mode;
        let ConnectionSettings { name, config, .. } = settings;
        Ok(Self {
            name,
            config,
            mode,
            tls,
        })
    }

    /// Connects. The connection ends when the client is dropped.
    ///
    /// # Errors
    /// When there is no connection, or the database refuses it.
    pub(super) async fn connect(&self) -> Result<Client, DatabaseError> {
        let first = match self.mode {
            SslMode::Disable | SslMode::Allow => WireMode::Disable,
            SslMode::Prefer => WireMode::Prefer,
            _ => WireMode::Require,
        };
        let failed = match self.attempt(first).await {
            Ok(client) => return Ok(client),
            Err(failed) => failed,
        };
        // libpq tries the other way once if the server refuses the first.
        let second = match self.mode {
            SslMode::Allow => Some(WireMode::Require),
            SslMode::Prefer => Some(WireMode::Disable),
            _ => None,
        };
        let refused = failed.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
        if let Some(second) = second.filter(|_| refused && self.mode.may_be_plain())
            && let Ok(client) = self.attempt(second).await
        {
            return Ok(client);
        }
        Err(self.failure(&failed))
    }

    async fn attempt(&self, mode: WireMode) -> Result<Client, tokio_postgres::Error> {
        let mut config = self.config.clone();
        config.ssl_mode(mode);
        let (client, connection) = config.connect(self.tls.clone()).await?;
        tokio::spawn(async move {
            // Whoever uses the client learns of the error as well.
            let _ = connection.await;
        });
        Ok(client)
    }

    fn failure(&self, error: &tokio_postgres::Error) -> DatabaseError {
        let (database, reason) = (self.name.clone(), reason(error));
        // Invalid authorization, or a database that doesn't exist.
        let is_refused = |code: &SqlState| ["28", "3D"].contains(&&code.code()[..2]);
        if error.code().is_some_and(is_refused) {
            DatabaseError::Refused { database, reason }
        } else {
            DatabaseError::Connect { database, reason }
        }
    }
}
