//! Flags that say who may connect to a server, and which servers a client trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::client::{self, Endpoint};
use crate::server;
use crate::server::gate::{AllowedHost, Gate, Origin, OwnName};
use crate::server::listen::ListenAddr;
use crate::server::tls::Tls;
use crate::token::{self, FoundToken};

/// Flags of the two servers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct ServerAccessArgs {
    /// Require the token in this file; the file is created if it does not exist
    #[arg(
        long,
        value_name = "FILE",
        env = "METRICS_TOKEN_FILE",
        hide_env_values = true
    )]
    token_file: Option<PathBuf>,

    /// Serve TLS with this certificate chain, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Also answer to this host name; repeatable. IP addresses, localhost and the host's own name are always accepted
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<AllowedHost>,

    /// Allow pages from this origin; repeatable. The server's own page is always allowed
    #[arg(long, value_name = "SCHEME://HOST[:PORT]")]
    allow_origin: Vec<Origin>,

    /// Listen beyond loopback without a token: anyone who can reach the port can read the metrics
    #[arg(long)]
    allow_anonymous: bool,
}

impl ServerAccessArgs {
    fn token_file(&self) -> Option<PathBuf> {
        self.token_file.clone().or_else(token::credential)
    }

    /// Whether there are files that can be reloaded.
    #[must_use]
    pub fn can_reload(&self) -> bool {
        self.tls_cert.is_some() || self.token_file().is_some()
    }

    /// Refuses to expose the host to a network by accident.
    ///
    /// # Errors
    /// One line that names the alternatives.
    pub fn check_exposure(&self, listen: &[ListenAddr]) -> Result<(), String> {
        match listen.iter().find(|addr| !addr.is_loopback()) {
            Some(addr) if !self.allow_anonymous && self.token_file().is_none() => Err(format!(
                "listening on {addr} would let everybody who can reach it read this host's metrics: keep the default \
                 address and connect with `metrics watch ssh://HOST`, require a token with --token-file FILE, or pass \
                 --allow-anonymous"
            )),
            _ => Ok(()),
        }
    }

    /// What protects a server that listens on `listen` and whose host has the name `own`; and notices for the user.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn trust(
        &self,
        listen: &[ListenAddr],
        own: OwnName,
    ) -> anyhow::Result<(server::Trust, Vec<String>)> {
        let mut notices = Vec::new();
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(Arc::new(Tls::load(cert, key)?)),
            _ => None,
        };
        let token_file = self.token_file();
        let token = token_file
            .as_deref()
            .map(token::read_or_create)
            .transpose()?;
        if let (Some(path), Some(found)) = (&token_file, &token) {
            if found.is_new {
                notices.push(format!(
                    "Created a token in '{}'; viewers need a copy: --token-file FILE.",
                    path.display()
                ));
            }
            notices.extend(exposed(path, found));
            if tls.is_none() && listen.iter().any(|addr| !addr.is_loopback()) {
                notices.push(
                    "warning: without --tls-cert the token crosses the network in the clear".into(),
                );
            }
        }
        let digest = token.map(|found| found.token.digest());
        let trust = server::Trust {
            gate: Arc::new(Gate::new(digest, &self.allow_host, own, &self.allow_origin)),
            token_file,
            tls,
        };
        Ok((trust, notices))
    }
}

/// Flags of the two clients.
#[derive(Debug, Clone, Args)]
pub struct ClientAccessArgs {
    /// Send the token in this file to the server
    #[arg(
        long,
        value_name = "FILE",
        env = "METRICS_TOKEN_FILE",
        hide_env_values = true
    )]
    token_file: Option<PathBuf>,

    /// Also trust this CA, or this server's own certificate, in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "METRICS_CA_CERT",
        hide_env_values = true
    )]
    ca_cert: Option<PathBuf>,
}

impl ClientAccessArgs {
    /// The file of the token, if there is one.
    #[must_use]
    pub fn token_file(&self) -> Option<PathBuf> {
        self.token_file.clone().or_else(token::credential)
    }

    /// The file of the certificate to trust.
    #[must_use]
    pub fn ca_cert(&self) -> Option<&Path> {
        self.ca_cert.as_deref()
    }

    /// The credentials for `servers`, and warnings for the user.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn credentials(
        &self,
        servers: &[Endpoint],
    ) -> anyhow::Result<(client::Credentials, Vec<String>)> {
        let mut warnings = Vec::new();
        let token_file = self.token_file();
        let token = token_file.as_deref().map(token::read).transpose()?;
        if let (Some(path), Some(found)) = (&token_file, &token) {
            warnings.extend(exposed(path, found));
            if let Some(address) = servers.iter().find_map(Endpoint::open_address) {
                warnings.push(format!(
                    "warning: the token crosses the network in the clear on its way to {address}: use wss:// or ssh://"
                ));
            }
        }
        // Reading the platform's certificates takes a while.
        let tls = servers.iter().any(Endpoint::needs_tls);
        let tls = tls.then(|| client::ClientTls::new(self.ca_cert.as_deref()));
        let credentials = client::Credentials {
            token: token.map(|found| found.token),
            tls: tls.transpose()?,
        };
        Ok((credentials, warnings))
    }
}

fn exposed(path: &Path, found: &FoundToken) -> Option<String> {
    let path = path.display();
    let who_can = match (found.is_exposed, found.is_writable) {
        (_, true) => "others can write",
        (true, false) => "every user of this machine can read",
        (false, false) => return None,
    };
    Some(format!(
        "warning: {who_can} the token in '{path}': chmod 600 '{path}'"
    ))
}
