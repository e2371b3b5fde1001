//! How to reach Redis.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    TlsCertificates,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::locks::lock;

use super::address::{RedisAddress, ServerPlace};
use super::fault::RedisFault;
use super::keys::KeySpace;

/// What keys begin with by default: the program and the version of the wire.
pub const DEFAULT_PREFIX: &str = "metrics:1";

/// The longest password, and the largest file of certificates, in bytes.
const LONGEST_FILE: u64 = 1024 * 1024;

/// A password. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisPassword(String);

impl fmt::Debug for RedisPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisPassword(…)")
    }
}

impl RedisPassword {
    /// Reads the first line of a file.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = read(path, "password")?;
        let text = String::from_utf8(text)
            .map_err(|_| format!("the password in '{shown}' is not UTF-8 text"))?;
        match text.lines().next().unwrap_or_default() {
            "" => Err(format!(
                "there is no password in the first line of '{shown}'"
            )),
            password => Ok(Self(password.to_owned())),
        }
    }
}

/// Reads certificates of authorities, in PEM.
///
/// # Errors
/// One line that names the file.
pub fn read_authorities(path: &Path) -> Result<Vec<u8>, String> {
    let pem = read(path, "certificates")?;
    if is_usable(&pem) {
        Ok(pem)
    } else {
        Err(format!(
            "there is no usable certificate in PEM in '{}'",
            path.display()
        ))
    }
}

/// Whether it contains certificates, all of them sound.
fn is_usable(pem: &[u8]) -> bool {
    let mut store = RootCertStore::empty();
    let mut found = CertificateDer::pem_slice_iter(pem);
    found.all(|it| it.is_ok_and(|it| store.add(it).is_ok())) && !store.is_empty()
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let shown = path.display();
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            format!(
                "cannot read the {what} in '{shown}': {}",
                crate::wording::cause(&error)
            )
        })?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(format!("'{shown}' is over 1 MiB"));
    }
    Ok(bytes)
}

/// Where Redis is, how to log in, and which keys to use.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Where it is.
    pub address: RedisAddress,
    /// The password of the address's user, or of the default one.
    pub password: Option<RedisPassword>,
    /// The authorities to trust instead of the system's, in PEM.
    pub authorities: Option<Vec<u8>>,
    /// The keys.
    pub keys: KeySpace,
    /// Which server of the address is asked first.
    pub turn: ServerTurn,
}

/// Whose turn it is of the servers of an address. All copies share it: what one connection finds out about the servers
/// holds for all.
#[derive(Debug, Clone, Default)]
pub struct ServerTurn(Arc<Mutex<FoundServer>>);

/// The server that was last found, or the one after it if that has failed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FoundServer {
    pub(super) turn: usize,
    /// Until when it is used although it is a replica, because there was no primary.
    pub(super) until: Option<Instant>,
}

impl ServerTurn {
    pub(super) fn get(&self) -> FoundServer {
        *lock(&self.0)
    }

    pub(super) fn set(&self, turn: usize, until: Option<Instant>) {
        *lock(&self.0) = FoundServer { turn, until };
    }

    /// The server that had this turn has failed. Several connections may say so.
    pub(super) fn pass(&self, failed: usize) {
        let mut found = lock(&self.0);
        // If it is somebody else's turn already, that stays so.
        if found.turn == failed {
            *found = FoundServer {
                turn: failed.wrapping_add(1),
                until: None,
            };
        }
    }
}

impl RedisOptions {
    /// How many servers the address names.
    pub(super) fn servers(&self) -> usize {
        self.address.places.len().max(1)
    }

    /// The server whose turn it is.
    pub(super) fn place(&self, turn: usize) -> ServerPlace {
        self.address.places[turn % self.servers()].clone()
    }

    /// A client of the server at `place`.
    pub(super) fn client(&self, place: &ServerPlace) -> Result<Client, RedisFault> {
        let name = place.to_string();
        let addr = match place.clone() {
            ServerPlace::Unix(path) => ConnectionAddr::Unix(path),
            ServerPlace::Tcp(host, port) if self.address.is_encrypted => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
            ServerPlace::Tcp(host, port) => ConnectionAddr::Tcp(host, port),
        };
        let mut login = RedisConnectionInfo::default()
            .set_db(self.address.database)
            .set_lib_name("metrics", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &self.address.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.password {
            login = login.set_password(&password.0);
        }
        let info: Result<ConnectionInfo, _> = addr.into_connection_info();
        let info = info.map_err(|error| RedisFault::of(error, &name))?;
        let info = info.set_redis_settings(login);
        let client = if self.address.is_encrypted {
            let certificates = TlsCertificates {
                client_tls: None,
                root_cert: self.authorities.clone(),
            };
            Client::build_with_tls(info, certificates)
        } else {
            Client::open(info)
        };
        client.map_err(|error| RedisFault::of(error, &name))
    }
}
