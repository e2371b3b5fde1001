//! The replay in words, for viewers and for the user.

use std::path::PathBuf;

use crate::cmd::Failure;
use crate::millis::epoch_millis;
use crate::protocol::{HostName, Replay};
use crate::source::recording::{Numbering, Survey};
use crate::wording::counted;

use super::flags::ReplayArgs;

/// The description of the replay for viewers.
pub(super) fn described(args: &ReplayArgs, survey: &Survey, numbering: &Numbering) -> Replay {
    let is_whole = survey.rows > 0;
    let bounds = survey.times.map(|times| match numbering {
        Numbering::Kept => (times.earliest, times.latest),
        // Time continues from the first row, counting only steps forward.
        Numbering::Fresh { .. } => {
            let opening = if args.rebase {
                epoch_millis()
            } else {
                times.opening
            };
            (opening, opening.saturating_add(survey.span))
        }
    });
    Replay {
        speed: args.speed().factor(),
        again: args.again(),
        first: bounds.map(|(first, _)| first),
        last: bounds.map(|(_, last)| last).filter(|_| is_whole),
        wait: args.wait(),
    }
}

/// The names of the hosts, or how many there are.
pub(super) fn hosts(args: &ReplayArgs, survey: &Survey) -> String {
    let names: Vec<_> = survey.hosts.keys().map(HostName::as_str).take(5).collect();
    match (&args.name, survey.hosts.len()) {
        (Some(name), _) => name.to_string(),
        (None, ..=5) => names.join(", "),
        (None, many) => counted(many, "host"),
    }
}

/// What is replayed, in one sentence.
pub(super) fn what(args: &ReplayArgs, survey: &Survey) -> String {
    format!("Replaying {}.", hosts_and_rows(args, survey))
}

/// `web-1 (297 rows)`
pub(super) fn hosts_and_rows(args: &ReplayArgs, survey: &Survey) -> String {
    let rows = if survey.rows == 0 {
        String::new()
    } else {
        format!(" ({})", counted(survey.rows, "row"))
    };
    format!("{}{rows}", hosts(args, survey))
}

/// The error that no row was played.
pub(super) fn nothing(args: &ReplayArgs) -> Failure {
    let where_ = if args.start.is_some() || args.end.is_some() {
        " between --start and --end"
    } else {
        ""
    };
    let name = |file: &PathBuf| {
        if file.as_os_str() == "-" {
            "standard input".into()
        } else {
            format!("'{}'", file.display())
        }
    };
    let demo = args.demo.then(|| "the demo".to_owned());
    let files: Vec<_> = args.files.iter().map(name).chain(demo).collect();
    anyhow::anyhow!("nothing to replay: no rows{where_} in {}", files.join(", ")).into()
}
