//! How far the replay is, for the user.

use std::time::{Duration, UNIX_EPOCH};

use crate::cli::GlobalArgs;
use crate::cmd::announce;
use crate::protocol::{HostName, rfc3339};
use crate::source::recording::{LongWait, Observer, PlannedFault, Survey};
use crate::terminal::{self, ProgressLine};
use crate::wording::{counted, exact_span};

use super::description::hosts;
use super::flags::ReplayArgs;

/// A bar over the recorded time if its length is known, otherwise a spinner.
pub(super) fn progress(args: &ReplayArgs, global: &GlobalArgs, survey: &Survey) -> ProgressLine {
    // COMMAND has the terminal.
    if global.quiet || !args.command.is_empty() {
        return ProgressLine::hidden();
    }
    let total = (survey.rows > 0 && !args.again()).then(|| Duration::from_millis(survey.span));
    ProgressLine::replaying(&hosts(args, survey), total, terminal::has_unicode())
}

/// Shows the user the progress of the replay.
pub(super) struct ReplayReport<'a> {
    pub(super) progress: &'a ProgressLine,
    pub(super) global: &'a GlobalArgs,
    /// Whether `--max-pause` shortens long waits.
    pub(super) cuts_pauses: bool,
    /// Whether COMMAND has the terminal.
    pub(super) gives_way: bool,
}

impl Observer for ReplayReport<'_> {
    fn played(&self, due: Duration, messages: u64) {
        if !self.progress.is_hidden() {
            self.progress.played(due, &counted(messages, "message"));
        }
    }

    fn waiting(&self, next: &LongWait<'_>) {
        if self.gives_way {
            return;
        }
        let cure = if self.cuts_pauses {
            ""
        } else {
            "; --max-pause 5s shortens such waits"
        };
        let text = format!(
            "Waiting {} for the next message, {} of {} at {}{cure}.",
            exact_span(next.wait),
            next.seq,
            next.host,
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(next.timestamp)),
        );
        announce::say(self.global, &text);
    }

    fn fault(&self, fault: &PlannedFault, host: &HostName, timestamp: u64) {
        let (offset, time) = (exact_span(fault.offset), rfc3339(timestamp));
        let text = format!("Chaos at {offset}, before the message of {host} at {time}: {fault}.");
        announce::say(self.global, &text);
    }
}
