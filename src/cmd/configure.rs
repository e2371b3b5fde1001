//! From flags to configuration: how a server behaves, who may connect to it, and what a client trusts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::cli::{ClientArgs, GlobalArgs, ServerArgs};
use crate::client::{Credentials, Endpoint};
use crate::descriptors;
use crate::server::{self, gate::OwnName};
use crate::source::host;
use crate::wording::{counted, one_or_more};

use super::alerts::RulesInForce;
use super::{Failure, announce};

/// How the server behaves. Says so if fewer viewers fit than were asked for.
pub(super) fn server(
    args: &ServerArgs,
    trust: server::Trust,
    unhealthy_after: Option<Duration>,
    global: &GlobalArgs,
) -> server::Config {
    let max_viewers = descriptors::viewers_that_fit(args.max_viewers);
    if max_viewers < args.max_viewers {
        let viewers = counted(max_viewers, "viewer");
        let fit = one_or_more(max_viewers, "fits", "fit");
        let limit = "under this process's limit of open files (ulimit -n)";
        announce::say(global, &format!("At most {viewers} {fit} {limit}."));
    }
    server::Config {
        heartbeat: args.heartbeat,
        drain: args.drain,
        max_viewers,
        compression: !args.no_compression,
        unhealthy_after,
        trust,
        notifications: Arc::default(),
        counted: Vec::new(),
        parts: Vec::new(),
        faults: None,
    }
}

/// What protects the server that `args` describe.
pub(super) fn server_trust(
    args: &ServerArgs,
    global: &GlobalArgs,
) -> Result<server::Trust, Failure> {
    let own = OwnName::new(|| host::host_name().to_string());
    let (trust, notices) = args.access.trust(&args.listen, own)?;
    for notice in notices {
        announce::say(global, &notice);
    }
    Ok(trust)
}

/// Reloads the files of `trust` and `rules` whenever `asked` to.
pub(super) fn reload(
    asked: Arc<Notify>,
    trust: server::Trust,
    rules: Option<RulesInForce>,
    global: &GlobalArgs,
) {
    let global = global.clone();
    tokio::spawn(async move {
        loop {
            asked.notified().await;
            let rules = rules.as_ref().and_then(RulesInForce::reload);
            let results: Vec<_> = trust.reload().into_iter().chain(rules).collect();
            if results.is_empty() {
                announce::say(&global, "Reload: there is nothing to reread.");
            }
            for result in results {
                match result {
                    Ok(done) => announce::say(&global, &format!("Reload: {done}.")),
                    Err(error) => {
                        announce::say(&global, &format!("error: {}", Failure::from(error)))
                    }
                }
            }
        }
    });
}

/// The credentials of the client that `args` describe.
pub(super) fn credentials(args: &ClientArgs, global: &GlobalArgs) -> Result<Credentials, Failure> {
    let servers = args.endpoints();
    if servers.iter().any(Endpoint::names_token) {
        let reason =
            "a token does not belong in a URL: put it into a file and name that with --token-file";
        return Err(Failure::usage(reason));
    }
    let (credentials, warnings) = args.access.credentials(&servers)?;
    for warning in warnings {
        announce::say(global, &warning);
    }
    Ok(credentials)
}
