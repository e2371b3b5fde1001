//! A host that isn't live: why, and what happens next.

use crate::wording::span;

use super::situation::Situation;
use super::trouble::{Trouble, Urgency};
use crate::view::page_parts::countdown;
use crate::view::state::{Connection, Status};

/// That nobody knows how the host is now; `None` if it is live.
pub(super) fn trouble(situation: &Situation<'_>) -> Option<Trouble> {
    let Situation { state, host, now } = *situation;
    let status = state.status(host, now);
    if status == Status::Live {
        return None;
    }
    let server = state.servers.get(host.server);
    let forms = match server.map(|server| &server.connection) {
        _ if status == Status::Over => vec!["the recording is over".into()],
        Some(Connection::Lost {
            reason,
            attempt,
            retry_at,
        }) => {
            let silence = silence(situation);
            let next = countdown(*retry_at, now, "in ");
            vec![
                format!("{silence}: {reason}; attempt {attempt} {next}"),
                format!("{silence}: {reason}; next {next}"),
                format!("{silence}: {reason}"),
                silence,
            ]
        }
        Some(Connection::Refused { reason }) => {
            let silence = silence(situation);
            vec![
                format!("{silence}: {reason}; not retrying"),
                format!("{silence}: {reason}"),
                silence,
            ]
        }
        _ => vec![silence(situation)],
    };
    Some(Trouble {
        urgency: Urgency::NotLive,
        since: host.history.newest(),
        status,
        forms,
    })
}

/// `no data for 12 s`.
fn silence(situation: &Situation<'_>) -> String {
    match situation.host.age(situation.now) {
        Some(age) => format!("no data for {}", span(age)),
        None if situation.state.back.is_some() => "no data from that time".into(),
        None => "no data yet".into(),
    }
}
