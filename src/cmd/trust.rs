//! Who may connect to a server, and which servers a client trusts: from flags to configuration.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::cli::{ClientArgs, GlobalArgs, ServerArgs};
use crate::client::{self, Endpoint};
use crate::server::{self, gate::OwnName};
use crate::source::host;

use super::{Failure, announce};

/// What protects the server that `args` describe. Its files are read again whenever `reload` asks.
pub(super) fn of_server(
    args: &ServerArgs,
    global: &GlobalArgs,
    reload: Arc<Notify>,
) -> Result<server::Trust, Failure> {
    let own = OwnName::new(|| host::host_name().to_string());
    let (trust, notices) = args.trust.trust(&args.listen, own)?;
    for notice in notices {
        announce::say(global, &notice);
    }
    let (reloaded, global) = (trust.clone(), global.clone());
    tokio::spawn(async move {
        loop {
            reload.notified().await;
            for result in reloaded.reload() {
                match result {
                    Ok(done) => announce::say(&global, &format!("Reload: {done}.")),
                    Err(error) => {
                        announce::say(&global, &format!("error: {}", Failure::from(error)))
                    }
                }
            }
        }
    });
    Ok(trust)
}

/// What the client that `args` describe shows of itself, and whom it believes.
pub(super) fn of_client(args: &ClientArgs, global: &GlobalArgs) -> Result<client::Trust, Failure> {
    let servers = args.endpoints();
    if servers.iter().any(Endpoint::names_token) {
        let reason =
            "a token does not belong in a URL: put it into a file and name that with --token-file";
        return Err(Failure::usage(reason));
    }
    let (trust, notices) = args.trust.trust(&servers)?;
    for notice in notices {
        announce::say(global, &notice);
    }
    Ok(trust)
}
