//! What the two servers print once they listen, and how all commands report to the user.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::cli::GlobalArgs;
use crate::wording::counted;
use crate::{server, talk};

use super::next_steps::NextSteps;
use super::{Failure, data};

/// How long serving waits for the URL to be printed: long enough for a full disk to show, and short enough that a
/// terminal that is not being read does not keep viewers waiting.
const URL_PATIENCE: Duration = Duration::from_secs(1);

/// Prints the URL as the only line on stdout, and the rest on stderr. A closed pipe is no reason to stop serving. A
/// failed write is, because no one could learn the address. A stdout that is not being read gets the URL later.
pub(super) async fn listening(
    listeners: &[TcpListener],
    trust: &server::Trust,
    what: &str,
    global: &GlobalArgs,
) -> Result<(), Failure> {
    let Some(next) = next_steps(listeners, trust) else {
        return Ok(());
    };
    let url = next.url() + "\n";
    let told = tokio::time::timeout(URL_PATIENCE, data::print(url.into_bytes())).await;
    match told {
        Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => {
            let error = anyhow::Error::new(error).context("cannot write the address to stdout");
            return Err(error.into());
        }
        _ => {}
    }
    if !global.quiet {
        let lines = [&[next.page()][..], &next.commands()].concat().join("\n  ");
        say(global, &format!("{what} Stop with Ctrl-C.\n  {lines}"));
    }
    Ok(())
}

/// What to do next with a server on `listeners`.
pub(super) fn next_steps<'a>(
    listeners: &[TcpListener],
    trust: &'a server::Trust,
) -> Option<NextSteps<'a>> {
    let addr = listeners.first()?.local_addr().ok()?;
    Some(NextSteps::new(addr, trust))
}

/// Tells the user something, unless `--quiet` was given.
pub(super) fn say(global: &GlobalArgs, text: &str) {
    if !global.quiet {
        talk::say(text);
    }
}

/// The highest number of viewers, for a summary.
pub(super) fn at_most(viewers: u64) -> String {
    format!("at most {} at a time", counted(viewers, "viewer"))
}
