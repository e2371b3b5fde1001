//! A server's protection as a whole: the gate, its token, and TLS.

use std::path::PathBuf;
use std::sync::Arc;

use crate::token;

use super::gate::Gate;
use super::tls::Tls;

/// Access control and TLS. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Access control.
    pub gate: Arc<Gate>,
    /// The file of the gate's token.
    pub token_file: Option<PathBuf>,
    /// TLS for every connection; without it they are plain.
    pub tls: Option<Arc<Tls>>,
}

impl Trust {
    /// Rereads the token, the certificate and the key. What cannot be read stays unchanged; the result has a line for
    /// each of them, or an error for one that was kept.
    #[must_use]
    pub fn reload(&self) -> Vec<anyhow::Result<String>> {
        let token = self.token_file.as_ref().map(|path| {
            let found = token::read_for_server(path).map_err(|error| {
                anyhow::Error::from(error).context("the old token stays in use")
            })?;
            self.gate.change_token(found.token.digest());
            Ok(format!("reread the token in '{}'", path.display()))
        });
        let tls = self.tls.as_ref().map(|tls| {
            tls.reload().map_err(|error| {
                anyhow::Error::from(error).context("the old certificate stays in use")
            })?;
            Ok("reread the certificate and its key".into())
        });
        token.into_iter().chain(tls).collect()
    }
}
