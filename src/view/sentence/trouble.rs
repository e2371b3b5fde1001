//! One thing that is wrong, or worth knowing.

use crate::view::metric::Level;
use crate::view::page_parts::{level_mark, mark};
use crate::view::sanitize::text_width;
use crate::view::state::Status;
use crate::view::style::{Style, Tone};

/// How urgent something is; the most urgent comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::view) enum Urgency {
    /// Nobody knows how the host is now.
    NotLive,
    /// An alert fires.
    Alert,
    Critical,
    Warning,
    /// It happened in the last minutes.
    Event,
    /// Worth knowing, and perhaps as it should be.
    Note,
    /// Nothing is wrong.
    Well,
}

/// A sentence in several forms.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::view) struct Trouble {
    pub urgency: Urgency,
    /// Since when, in milliseconds since the epoch, if that is known.
    pub since: Option<u64>,
    /// The host's; [`Status::Live`] unless the trouble is that it isn't.
    pub status: Status,
    /// The longest first. Never empty.
    pub forms: Vec<String>,
}

impl Trouble {
    /// That nothing is wrong.
    pub(in crate::view) fn well() -> Self {
        Self {
            urgency: Urgency::Well,
            since: None,
            status: Status::Live,
            forms: vec!["nothing is wrong".into()],
        }
    }

    /// The longest form of at most `width` columns; the shortest, if even that is longer.
    pub(in crate::view) fn text(&self, width: usize) -> &str {
        let fits = |form: &&String| text_width(form) <= width;
        let fitting = self.forms.iter().find(fits).or(self.forms.last());
        fitting.map_or("", String::as_str)
    }

    /// The shape before the sentence, and its tone.
    pub(in crate::view) fn mark(&self, style: Style) -> (&'static str, Tone) {
        let glyphs = style.glyphs();
        match self.urgency {
            Urgency::NotLive => {
                let (shape, _, tone) = mark(self.status, style);
                (shape, tone)
            }
            Urgency::Alert => (glyphs.alert, Tone::Critical),
            Urgency::Critical => level_mark(Level::Critical),
            Urgency::Warning => level_mark(Level::Warn),
            Urgency::Event | Urgency::Note => (glyphs.note, Tone::Plain),
            Urgency::Well => (glyphs.well, Tone::Good),
        }
    }
}
