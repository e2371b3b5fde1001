//! `metrics replay --check`.

use crate::alert::KnownMetrics;
use crate::cli::{Finding, GlobalArgs};
use crate::cmd::check::{self, CheckReport};
use crate::cmd::{Exit, Failure, child, publish};
use crate::source::recording::Input;

use super::description::hosts_and_rows;
use super::flags::ReplayArgs;
use super::prepared::ready;

/// Says whether the recordings can be replayed, and what the flags would do.
///
/// # Errors
/// When the flags contradict each other, or the report cannot be printed.
pub(super) async fn run(args: &ReplayArgs, global: &GlobalArgs) -> Result<Exit, Failure> {
    if !args.print_alerts {
        let exposure = args.server.access.check_exposure(&args.server.listen);
        exposure.map_err(Failure::usage)?;
    }
    args.check_window(args.window(), None)?;
    let inputs = args.inputs(global).await?;
    let mut report = CheckReport::default();
    report.heading("The recordings");
    if inputs.iter().any(Input::is_piped) {
        let text = "what comes from a pipe is not read: it can be read only once";
        report.add(Finding::Notable(text.to_owned()));
    } else {
        report.add(match ready(args, inputs, None, global).await {
            Ok((prepared, _)) => {
                let what = hosts_and_rows(args, &prepared.survey);
                Finding::Ready(format!("replays {what}"))
            }
            Err(failure) => Finding::Fault(failure.to_string()),
        });
    }
    report.heading("What these flags would do");
    let known = KnownMetrics::any();
    if args.print_alerts {
        // There is no server.
        check::rules(&args.server, &known, &mut report);
    } else {
        let about = (&known, publish::finding(&args.server.redis));
        check::server(&args.server, &args.listen(), about, global, &mut report).await;
    }
    if let Some(found) = child::finding(&args.command) {
        report.add(found);
    }
    report.print().await
}
