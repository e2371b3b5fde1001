//! The first lines: how many hosts are in which state, and how the rows are sorted.

use crate::wording;

use super::super::head::speed;
use super::super::host_state::HostState;
use super::super::page_parts::{Canvas, LinePart, back_parts, spread, times};
use super::super::rows::{Choice, FleetRow, RowTrouble, SortOrder, all, of_values};
use super::super::state::{Status, ViewState};
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units;
use super::{FleetView, WIDE};

/// How many hosts are in which state, the worst first.
pub(super) fn header(view: &FleetView<'_>, canvas: Canvas) -> StyledLine {
    let glyphs = canvas.style.glyphs();
    let back = view.state.back.into_iter();
    let mut parts: Vec<LinePart> = back.flat_map(|back| back_parts(back, canvas)).collect();
    let filter = &view.choice.filter;
    if !filter.is_empty() {
        parts.push(LinePart::new(1, Tone::Bold, format!("/{filter}")));
    }
    let rows = all(view.state);
    let states: Vec<_> = rows.map(|row| kind_of(view.state, &row, canvas)).collect();
    parts.extend(counts(&states, canvas));
    parts.push(LinePart::new(
        2,
        Tone::Bold,
        total(view, states.len(), canvas),
    ));
    if canvas.paused {
        let text = format!("{} PAUSED", glyphs.paused);
        parts.push(LinePart::new(1, Tone::Warn, text));
    }
    spread(parts, &newest_times(view.state, canvas), canvas)
}

/// `of 40 hosts`, or `3 of 40 hosts` with a filter.
fn total(view: &FleetView<'_>, count: usize, canvas: Canvas) -> String {
    let all = if canvas.width < WIDE && view.choice.filter.is_empty() {
        count.to_string()
    } else {
        wording::counted(count, "host")
    };
    if view.choice.filter.is_empty() {
        format!("of {all}")
    } else {
        format!("{} of {all}", view.rows.len())
    }
}

fn counts(states: &[RowState], canvas: Canvas) -> Vec<LinePart> {
    let glyphs = canvas.style.glyphs();
    let kinds = [
        (
            RowState::Critical,
            glyphs.alert,
            Tone::Critical,
            "critical",
            2,
        ),
        (RowState::Warning, "!", Tone::Warn, "warning", 2),
        (RowState::Stale, glyphs.stale, Tone::Warn, "stale", 2),
        (RowState::Down, glyphs.down, Tone::Critical, "down", 2),
        (RowState::Over, glyphs.over, Tone::Dim, "over", 3),
        (RowState::Well, glyphs.live, Tone::Good, "well", 4),
    ];
    let part = |(kind, shape, tone, word, rank)| {
        let count = states.iter().filter(|it| **it == kind).count();
        (count > 0).then(|| LinePart::new(rank, tone, format!("{shape} {count} {word}")))
    };
    kinds.into_iter().filter_map(part).collect()
}

/// The time of the newest sample, in several lengths, and whether it is live or a replay's.
fn newest_times(state: &ViewState, canvas: Canvas) -> Vec<String> {
    let is_live = |host: &&HostState| state.status(host, canvas.now) == Status::Live;
    let live: Vec<&HostState> = state.hosts.values().filter(is_live).collect();
    let newest = |hosts: &mut dyn Iterator<Item = &HostState>| {
        hosts.filter_map(|host| host.history.newest()).max()
    };
    // A recording's time says nothing about hosts that are live.
    let mut present = live.iter().copied().filter(|host| host.replay.is_none());
    let at = newest(&mut present).or_else(|| newest(&mut state.hosts.values()));
    let Some(at) = at.filter(|_| state.back.is_none()) else {
        return Vec::new();
    };
    let word = if canvas.paused {
        String::new()
    } else {
        state_word(state, &live, canvas)
    };
    let is_replay = state.hosts.values().all(|host| host.replay.is_some());
    let times = if is_replay {
        let clock = units::clock(at);
        vec![
            format!("{} {clock} UTC", units::day(at)),
            format!("{} {clock}", units::day(at)),
        ]
    } else {
        times(at, canvas.now)
    };
    times
        .into_iter()
        .map(|time| format!("{word}{time}"))
        .collect()
}

/// `● LIVE`, if a host is; what its replay is, if all others are over or recordings.
fn state_word(state: &ViewState, live: &[&HostState], canvas: Canvas) -> String {
    let glyphs = canvas.style.glyphs();
    if live.iter().any(|host| host.replay.is_none()) {
        return format!("{} LIVE  ", glyphs.live);
    }
    let Some(first) = live.first().and_then(|host| host.replay) else {
        let is_over = |host: &HostState| state.status(host, canvas.now) == Status::Over;
        let are_over = !state.hosts.is_empty() && state.hosts.values().all(is_over);
        return if are_over {
            format!("{} OVER  ", glyphs.over)
        } else {
            String::new()
        };
    };
    let is_same = |host: &&HostState| host.replay.is_some_and(|it| it.speed == first.speed);
    let speed = if live.iter().all(is_same) {
        format!(
            " {}{}",
            glyphs.times,
            first.speed.map_or_else(|| "max".into(), speed)
        )
    } else {
        String::new()
    };
    format!("{} REPLAY{speed}  ", glyphs.replay)
}

/// The state of a row, for the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowState {
    Critical,
    Warning,
    Stale,
    Down,
    Over,
    Well,
}

fn kind_of(state: &ViewState, row: &FleetRow<'_>, canvas: Canvas) -> RowState {
    let trouble = row.host().map(|host| of_values(host, 0));
    match (row.status(state, canvas.now), trouble) {
        (Status::Over, _) => RowState::Over,
        (Status::Stale, _) => RowState::Stale,
        (Status::Down, _) => RowState::Down,
        (Status::Live, Some(RowTrouble::Critical)) => RowState::Critical,
        (Status::Live, Some(RowTrouble::Warning)) => RowState::Warning,
        (Status::Live, _) => RowState::Well,
    }
}

/// The line with the order and the window.
pub(super) fn rule(choice: &Choice, canvas: Canvas) -> StyledLine {
    let rule = canvas.style.glyphs().rule;
    let order = match choice.order {
        SortOrder::Trouble => "trouble first (s)".to_owned(),
        order => format!("by {} (s)", order.word()),
    };
    let order = if choice.is_reversed {
        format!("{order}, reversed (S)")
    } else {
        order
    };
    let left = format!("{} {order}   / filter   Enter open ", rule.repeat(2));
    let right = format!(" 5 m {}", rule.repeat(2));
    let between = canvas
        .width
        .saturating_sub(left.chars().count() + right.chars().count());
    StyledLine::new(Tone::Dim, format!("{left}{}{right}", rule.repeat(between)))
}
