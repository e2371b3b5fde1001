//! What is wrong with a host, since when and who does it, as sentences: `CPU 98.2 % > 90 for 2 m 10 s: rustc 61.4 %`.
//!
//! A pure function of a [`Situation`]. The page has the same rules in `assets/sentence.js`; both are tested against one
//! table of cases, `tests/it/fixtures/sentence.json`.
//!
//! In order: the host isn't live, alerts fire, values are at their critical or warning level, and what happened in the
//! last five minutes. Among equals, causes come before their effects (`causes`); what merely follows from something that is
//! said comes last (`echoes`). A culprit is named only once.

mod contact;
mod draft;
mod echoes;
mod events;
mod firing_alerts;
mod held;
mod levels;
mod losses;
mod notes;
mod outlook;
mod phrases;
mod situation;
mod suspects;
mod trouble;

#[cfg(test)]
mod tests;

pub(super) use outlook::full_in;
pub(super) use situation::Situation;
pub(super) use trouble::{Trouble, Urgency};

use super::style::{Style, Tone};
use super::styled_line::StyledLine;
use draft::Draft;

/// Below this width, there is no room for blanks.
const NARROW: usize = 60;

/// Everything that is wrong, the most urgent first; empty if the host is well.
pub(super) fn problems(situation: &Situation<'_>) -> Vec<Trouble> {
    let alerts = firing_alerts::drafts(situation);
    let mut drafts = levels::drafts(situation, &alerts);
    drafts.extend(losses::drafts(situation, &alerts));
    drafts.extend(events::drafts(situation));
    drafts.extend(alerts);
    if drafts.is_empty() {
        drafts.extend(notes::draft(situation));
    }
    echoes::mark(&mut drafts);
    drafts.sort_by_key(Draft::place);
    suspects::name_once(situation, &mut drafts);
    let others = drafts.into_iter().map(Draft::trouble);
    contact::trouble(situation)
        .into_iter()
        .chain(others)
        .collect()
}

/// The first of [`problems()`], or that there are none.
pub(super) fn headline(situation: &Situation<'_>) -> Trouble {
    let first = problems(situation).into_iter().next();
    first.unwrap_or_else(Trouble::well)
}

/// A trouble in one line of at most `width` columns: its mark, the host's `name`, and the longest form that there is room
/// for.
pub(super) fn line(trouble: &Trouble, name: &str, width: usize, style: Style) -> StyledLine {
    let (mark, tone) = trouble.mark(style);
    let mut line = StyledLine::new(tone, format!(" {mark} "));
    if NARROW <= width {
        // So that all lines begin in the same column, whatever their marks are.
        line.pad(4);
    }
    if !name.is_empty() {
        line.push(Tone::Bold, name);
        line.push(tone, "  ");
    }
    let room = width.saturating_sub(line.width());
    line.push(tone, trouble.text(room));
    line.clip(width, style)
}

/// The first `most` problems in lines of their own, with the times when they began; or that there are none.
pub(super) fn lines(
    situation: &Situation<'_>,
    most: usize,
    width: usize,
    style: Style,
) -> Vec<StyledLine> {
    let mut problems = problems(situation);
    problems.truncate(most);
    if problems.is_empty() {
        problems.push(Trouble::well());
    }
    let name = situation.host.name.as_str();
    let indented = " ".repeat(name.len());
    let line = |(nth, trouble): (usize, &Trouble)| {
        let name = if nth == 0 { name } else { &indented };
        with_time(line(trouble, name, width, style), trouble, situation, width)
    };
    problems.iter().enumerate().map(line).collect()
}

/// `since 14:05:21 UTC` at the right, where there is room.
fn with_time(
    mut line: StyledLine,
    trouble: &Trouble,
    situation: &Situation<'_>,
    width: usize,
) -> StyledLine {
    let time = trouble
        .since
        .map(|since| format!("since {} UTC", situation.host.clock(since, situation.now)));
    if let Some(time) = time.filter(|time| line.width() + time.len() + 3 < width) {
        line.pad(width - time.len() - 1);
        line.push(Tone::Dim, time);
    }
    line
}
