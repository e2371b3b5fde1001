//! What a recording says on stderr.

use std::fmt;

use crate::cli::{ClientArgs, GlobalArgs};
use crate::client::ClientEvent;
use crate::cmd::news::{News, short_name};
use crate::sink::Written;
use crate::talk;
use crate::terminal::{self, ProgressLine, Recorded};

/// What the user sees while recording.
pub(super) struct TerminalReport {
    pub(super) news: News,
    pub(super) progress: ProgressLine,
    is_quiet: bool,
    state: RecordingState,
}

/// How the recording stands, for the progress line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordingState {
    Connecting,
    Live,
    Stale,
    /// With the number of the next attempt.
    Reconnecting(u32),
}

impl fmt::Display for RecordingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Live => f.write_str("live"),
            Self::Stale => f.write_str("stale"),
            Self::Reconnecting(attempt) => write!(f, "reconnecting, attempt {attempt}"),
        }
    }
}

impl TerminalReport {
    /// `gives_way`: the terminal is COMMAND's.
    pub(super) fn new(args: &ClientArgs, global: &GlobalArgs, gives_way: bool) -> Self {
        let urls: Vec<String> = args.endpoints().iter().map(ToString::to_string).collect();
        let names: Vec<_> = urls.iter().map(|url| short_name(url)).collect();
        let progress = if global.quiet || gives_way {
            ProgressLine::hidden()
        } else {
            ProgressLine::recording(&names.join(" "), terminal::has_unicode())
        };
        Self {
            news: News::new(urls),
            progress,
            is_quiet: global.quiet,
            state: RecordingState::Connecting,
        }
    }

    pub(super) fn take(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Connected { .. } => self.state = RecordingState::Live,
            ClientEvent::Lost { attempt, .. } => {
                self.state = RecordingState::Reconnecting(*attempt)
            }
            ClientEvent::Stale { .. } => self.state = RecordingState::Stale,
            ClientEvent::Message(_) => self.state = RecordingState::Live,
            _ => {}
        }
        if let Some(line) = self.news.line(event)
            && !self.is_quiet
        {
            talk::say(&line);
        }
    }

    pub(super) fn progress(&self, written: Written) {
        let Written {
            rows, bytes, gaps, ..
        } = written;
        self.progress.recorded(&Recorded {
            rows,
            bytes,
            gaps,
            state: &self.state.to_string(),
        });
    }
}
