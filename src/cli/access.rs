//! Flags that say who may connect to a server, and which servers a client trusts.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::client::{self, Endpoint};
use crate::disk::{directory_of, may_create_in};
use crate::server;
use crate::server::gate::{AllowedHost, Gate, Origin, OwnName};
use crate::server::listen::ListenAddr;
use crate::server::tls::Tls;
use crate::token::{self, FoundToken};
use crate::wording::{cause, counted};

use super::Finding;

const IN_THE_CLEAR: &str = "without --tls-cert the token crosses the network in the clear";

/// Flags of the two servers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct ServerAccessArgs {
    /// Require the token in this file
    ///
    /// The file is created if it does not exist.
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
            notices.extend(exposed(path, found).map(|it| format!("warning: {it}")));
            if tls.is_none() && listen.iter().any(|addr| !addr.is_loopback()) {
                notices.push(format!("warning: {IN_THE_CLEAR}"));
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

impl ServerAccessArgs {
    /// What would come of the token and the certificate at `now`, in seconds since the epoch. Nothing is created.
    #[must_use]
    pub fn findings(&self, listen: &[ListenAddr], now: u64) -> Vec<Finding> {
        let token = self.token_file().map(|path| {
            let mut found = token_findings(&path);
            if self.tls_cert.is_none() && listen.iter().any(|addr| !addr.is_loopback()) {
                found.push(Finding::Notable(IN_THE_CLEAR.into()));
            }
            found
        });
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(match Tls::load(cert, key) {
                Ok(tls) => tls_findings(&tls, now),
                Err(error) => vec![Finding::Fault(in_a_line(&error.into()))],
            }),
            _ => None,
        };
        token.into_iter().chain(tls).flatten().collect()
    }
}

fn token_findings(path: &Path) -> Vec<Finding> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() && !meta.is_dir() => {
            return vec![Finding::Notable(format!(
                "the token in '{shown}' is not read: it is a pipe or a device, and may deliver it only once"
            ))];
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![match may_create_in(directory_of(path)) {
                Ok(()) => Finding::Ready(format!("a token would be created in '{shown}'")),
                Err(error) => Finding::Fault(format!(
                    "cannot create the token file '{shown}': {}",
                    cause(&error)
                )),
            }];
        }
        _ => {}
    }
    match token::read_for_server(path) {
        Ok(found) => {
            let ready = Finding::Ready(format!("the token in '{shown}' would be required"));
            let exposed = exposed(path, &found).map(Finding::Notable);
            std::iter::once(ready).chain(exposed).collect()
        }
        Err(error) => vec![Finding::Fault(in_a_line(&error.into()))],
    }
}

/// A certificate that is about to expire is worth a note.
const DAYS_TO_RENEW: u64 = 14;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

fn tls_findings(tls: &Tls, now: u64) -> Vec<Finding> {
    let file = tls.cert_file().display();
    let names = tls.names().join(", ");
    let mut of = format!("the certificate in '{file}'");
    let nameless = if names.is_empty() {
        let text = format!("{of} names no host: clients will not trust it");
        Some(Finding::Notable(text))
    } else {
        of = format!("{of} for {names}");
        None
    };
    let (from, until) = tls.validity().unwrap_or((0, u64::MAX));
    let days = until.saturating_sub(now) / SECONDS_A_DAY;
    let validity = if now < from {
        let days = counted(from.saturating_sub(now).div_ceil(SECONDS_A_DAY), "day");
        Finding::Fault(format!("{of} becomes valid only in {days}"))
    } else if until < now {
        let days = counted(now.saturating_sub(until) / SECONDS_A_DAY, "day");
        Finding::Fault(format!("{of} expired {days} ago"))
    } else if until == u64::MAX {
        Finding::Ready(format!("{of} is valid"))
    } else if days < DAYS_TO_RENEW {
        let days = counted(days, "day");
        Finding::Notable(format!("{of} expires in {days}: renew it"))
    } else {
        Finding::Ready(format!("{of} is valid for {}", counted(days, "day")))
    };
    std::iter::once(validity).chain(nameless).collect()
}

/// An error with its causes.
fn in_a_line(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|it| match it.downcast_ref() {
        Some(error) => cause(error),
        None => it.to_string(),
    });
    causes.collect::<Vec<_>>().join(": ")
}

/// Flags of the two clients.
#[derive(Debug, Clone, Args)]
pub struct ClientAccessArgs {
    /// Send the token in this file
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
            warnings.extend(exposed(path, found).map(|it| format!("warning: {it}")));
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
        "{who_can} the token in '{path}': chmod 600 '{path}'"
    ))
}
