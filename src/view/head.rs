//! The first lines of a host's screen: what is wrong and who does it, the state, and what is next or was last.

use std::time::Duration;

use crate::wording::span;

use super::host_screen::ScreenWidths;
use super::marks::{Occurrence, OccurrenceCause, occurrences};
use super::occurrence_text::{clause, who, words};
use super::page_parts::{Canvas, LinePart, namesakes, spread};
use super::sentence::{Situation, Trouble, Urgency, problems};
use super::state::{HostState, Now, Status, ViewState};
use super::style::Tone;
use super::styled_line::StyledLine;

/// From this height of the screen on, there is a line for what happened before.
const TALL: usize = 50;

/// Below this width, the clock stands below the state.
const NARROW: usize = 60;

/// How many lines the head has on a screen of this size.
fn lines_of(width: usize, height: usize) -> usize {
    if height >= TALL && width >= 112 { 3 } else { 2 }
}

/// How many lines are above the body of a host's screen of this size: the head, and the rule, which the narrowest do without.
pub(super) fn lines_above(width: usize, height: usize) -> usize {
    lines_of(width, height) + usize::from(!ScreenWidths::of(width).is_tiny())
}

/// The head of the screen of `host`, on a screen of `height` lines.
pub(super) fn head(
    state: &ViewState,
    host: &HostState,
    wrong_now: Option<&Trouble>,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let found = problems(&Situation {
        state,
        host,
        now: canvas.now,
    });
    let mut lines = vec![first(state, host, &found, canvas)];
    let count = lines_of(canvas.width, height);
    lines.push(second(state, host, (&found, wrong_now), count, canvas));
    if count > 2 {
        lines.push(third(host, &found, canvas));
    }
    lines
}

/// The name in a field of its own, after the mark.
fn lead(mark: (&'static str, Tone), name: &str, canvas: Canvas) -> StyledLine {
    let wide = if canvas.width < NARROW { 1 } else { 2 };
    let mut line = StyledLine::new(mark.1, format!(" {:<wide$}", mark.0));
    line.push(Tone::Plain, " ");
    line.push(Tone::Bold, name);
    let gap = if canvas.width >= 112 { "   " } else { "  " };
    line.push(Tone::Plain, gap);
    line.clip(canvas.width / 2, canvas.style)
}

/// `▲  web-1  CPU 98.2 % > 90 for 2 m 10 s: rustc 61.4 %          ● LIVE  14:07:31`.
fn first(state: &ViewState, host: &HostState, found: &[Trouble], canvas: Canvas) -> StyledLine {
    let (word, tone) = state_word(state, host, canvas);
    let mut right = StyledLine::new(tone, word);
    if canvas.width >= NARROW {
        right.append(time(state, host, canvas));
    }
    let well = Trouble::well();
    let finding = found.first().unwrap_or(&well);
    let mark = finding.mark(canvas.style);
    let mut line = lead(mark, host.name.as_str(), canvas);
    if state.back.is_some() {
        line.push(Tone::Past, "then: ");
    }
    let edge = usize::from(canvas.width >= NARROW);
    let room = canvas
        .width
        .saturating_sub(line.width() + right.width() + 1 + edge);
    let tone = if finding.urgency == Urgency::Well {
        Tone::Plain
    } else {
        mark.1
    };
    let text = StyledLine::new(tone, finding.text(room)).clip(room, canvas.style);
    line.append(text);
    line.pad(canvas.width.saturating_sub(right.width() + edge));
    line.append(right);
    line
}

/// The state as a shape and a word.
fn state_word(state: &ViewState, host: &HostState, canvas: Canvas) -> (String, Tone) {
    let glyphs = canvas.style.glyphs();
    if let Some(back) = state.back {
        return (
            format!("{} BACK {}", glyphs.back, span(back.ago)),
            Tone::Past,
        );
    }
    if canvas.paused {
        return (format!("{} PAUSED", glyphs.paused), Tone::Warn);
    }
    match state.status(host, canvas.now) {
        Status::Live => match host.replay {
            Some(replay) => {
                let speed = replay.speed.map_or_else(|| "max".into(), speed);
                let text = format!("{} REPLAY {}{speed}", glyphs.replay, glyphs.times);
                (text, Tone::Past)
            }
            None => (format!("{} LIVE", glyphs.live), Tone::Good),
        },
        Status::Stale => (format!("{} STALE", glyphs.stale), Tone::Warn),
        Status::Down if host.arrived.is_none() => ("connecting".into(), Tone::Dim),
        Status::Down => (format!("{} DOWN", glyphs.down), Tone::Critical),
        Status::Over => (format!("{} OVER", glyphs.over), Tone::Dim),
    }
}

/// `10`, or `0.5`.
pub(super) fn speed(speed: f64) -> String {
    let text = format!("{speed:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The time of what is shown, with its day if that isn't today's.
fn time(state: &ViewState, host: &HostState, canvas: Canvas) -> StyledLine {
    let status = state.status(host, canvas.now);
    let at = match (state.back, host.history.newest()) {
        (Some(back), _) => back.timestamp,
        (None, Some(_)) if matches!(status, Status::Stale | Status::Down) => canvas.now.wall,
        (None, Some(newest)) => newest,
        (None, None) => return StyledLine::default(),
    };
    let mut text = host.clock(at, canvas.now);
    if canvas.width >= 112 {
        text.push_str(" UTC");
    }
    let before = if canvas.width < NARROW { "" } else { "  " };
    StyledLine::new(Tone::Dim, format!("{before}{text}"))
}

/// What is next, or what was last.
fn second(
    state: &ViewState,
    host: &HostState,
    (found, wrong_now): (&[Trouble], Option<&Trouble>),
    lines: usize,
    canvas: Canvas,
) -> StyledLine {
    let right = if canvas.width < NARROW {
        time(state, host, canvas)
    } else {
        played(state, host, canvas)
    };
    let room = canvas.width.saturating_sub(right.width() + 2);
    let mut line = match (state.back, wrong_now) {
        (Some(_), Some(finding)) => {
            let mark = finding.mark(canvas.style);
            let mut line = StyledLine::new(mark.1, format!(" {:<2}", mark.0));
            line.push(Tone::Past, " now: ");
            let text = finding.text(room.saturating_sub(line.width()));
            line.push(mark.1, text);
            line
        }
        _ => next_or_last(state, host, found, lines, room, canvas),
    };
    line = line.clip(room, canvas.style);
    if right.width() > 0 {
        let edge = usize::from(canvas.width >= NARROW);
        line.pad(canvas.width.saturating_sub(right.width() + edge));
        line.append(right);
    }
    line
}

/// What stands at the right of the second line: how much of a replay is played, or how to get back.
fn played(state: &ViewState, host: &HostState, canvas: Canvas) -> StyledLine {
    if state.back.is_some() {
        let text = if canvas.width >= 112 {
            "live is at the right end: End"
        } else {
            "End: live"
        };
        return StyledLine::new(Tone::Dim, text);
    }
    let replay = host.replay.and_then(|replay| replay.first.zip(replay.last));
    let (Some((first, last)), Some(newest)) = (replay, host.history.newest()) else {
        return StyledLine::default();
    };
    let span = last.saturating_sub(first).max(1);
    let share = newest.saturating_sub(first).min(span);
    let percent = u128::from(share) * 100 / u128::from(span);
    StyledLine::new(Tone::Dim, format!("{percent} % played"))
}

fn next_or_last(
    state: &ViewState,
    host: &HostState,
    found: &[Trouble],
    lines: usize,
    room: usize,
    canvas: Canvas,
) -> StyledLine {
    if let Some(problem) = namesakes(state, canvas).next() {
        return StyledLine::new(problem.tone, format!(" {}  {}", problem.mark, problem.text));
    }
    let status = state.status(host, canvas.now);
    if matches!(status, Status::Stale | Status::Down) && host.arrived.is_some() {
        return was(host, found, room, canvas);
    }
    let others = found.get(1..).unwrap_or_default();
    if others.is_empty() {
        return if lines > 2 {
            StyledLine::default()
        } else {
            last(host, room, canvas)
        };
    }
    others_in(others, host, room, canvas)
}

/// As many of the `others` that are wrong as there is room for, at most two, and how many more there are.
fn others_in(others: &[Trouble], host: &HostState, room: usize, canvas: Canvas) -> StyledLine {
    let mut line = StyledLine::default();
    let indent = if canvas.width < NARROW {
        1
    } else {
        host.name.as_str().len() + if canvas.width >= 112 { 4 } else { 3 }
    };
    for (index, finding) in others.iter().enumerate() {
        let (mark, tone) = finding.mark(canvas.style);
        let begin = if index == 0 {
            StyledLine::new(tone, format!(" {mark:<2}{}", " ".repeat(indent)))
        } else {
            StyledLine::new(tone, format!("    {mark:<2} "))
        };
        let more = others.len() - index - 1;
        let more = if more > 0 {
            format!("   + {more}")
        } else {
            String::new()
        };
        let left = room.saturating_sub(line.width() + begin.width() + more.len());
        // So that the next one has room, too.
        let left = if index == 0 && others.len() > 1 && canvas.width >= NARROW {
            left.min(room / 2 - indent.min(room / 4))
        } else {
            left
        };
        let text = finding.text(left);
        if index > 0 && left < super::sanitize::text_width(text) {
            let more = others.len() - index;
            line.push(Tone::Dim, format!("   + {more}"));
            break;
        }
        line.append(begin);
        line.push(tone, text);
        if index == 1 {
            line.push(Tone::Dim, more);
            break;
        }
    }
    line
}

/// What was wrong when the data ended, and how old they are.
fn was(host: &HostState, found: &[Trouble], room: usize, canvas: Canvas) -> StyledLine {
    let age = host.age(canvas.now).unwrap_or(Duration::ZERO);
    let glyph = if canvas.width < NARROW { "" } else { "   " };
    let tail = format!("    r retry now{glyph} all below is {} old", span(age));
    let tail = if canvas.width < NARROW {
        format!("  r retry  {} old", span(age))
    } else {
        tail
    };
    let mut line = StyledLine::default();
    if let Some(finding) = found.get(1) {
        let left = room.saturating_sub(tail.len() + 6);
        line.push(Tone::Plain, format!(" was: {}", finding.text(left)));
        line = line.clip(room.saturating_sub(tail.len()), canvas.style);
        line.push(Tone::Dim, tail);
    } else {
        line.push(Tone::Dim, format!(" {}", tail.trim_start()));
    }
    line
}

/// The newest event of what is kept.
fn last(host: &HostState, room: usize, canvas: Canvas) -> StyledLine {
    let all = occurrences(host, host.usual_step());
    // What lasts is said above.
    let text = match all.iter().find(|it| !it.is_open) {
        Some(newest) => format!(" last: {}", event(newest, room < 50, canvas.now)),
        None if !all.is_empty() => String::new(),
        None if host.history.is_empty() => String::new(),
        None => {
            let held = host.newest_time().saturating_sub(host.oldest_time());
            let held = span(Duration::from_millis(held));
            let long = format!(" nothing happened in the {held} held");
            let short = format!(" nothing happened in {held}");
            let fits = |text: &String| text.len() < room;
            let fitting = [long, short].into_iter().find(fits);
            fitting.unwrap_or_else(|| " nothing happened".into())
        }
    };
    StyledLine::new(Tone::Dim, text).clip(room, canvas.style)
}

/// `CPU 98.2 % > 90 for 48 s at 14:01:12: rustc 63 %`.
fn event(it: &Occurrence<'_>, is_brief: bool, now: Now) -> String {
    let lasted = span(Duration::from_millis(it.ended.saturating_sub(it.began)));
    let at = it.host.clock(it.began, now);
    let mut text = match &it.cause {
        OccurrenceCause::Gap => return format!("gap of {lasted} at {at}"),
        OccurrenceCause::Restart(..) => {
            return format!("restarted at {at} (was away {lasted})");
        }
        _ if is_brief => return format!("{}, {at}", words(it, true)),
        _ => format!("{} for {lasted} at {at}", clause(it)),
    };
    if let Some(who) = who(it) {
        text.push_str(&format!(": {who}"));
    }
    text
}

/// What happened before, on a screen that has room for it.
fn third(host: &HostState, found: &[Trouble], canvas: Canvas) -> StyledLine {
    let all = occurrences(host, host.usual_step());
    let over: Vec<_> = all.iter().filter(|it| !it.is_open).take(3).collect();
    let note = canvas.style.glyphs().note;
    let indent = " ".repeat(host.name.as_str().len() + 4);
    if over.is_empty() {
        return if found.len() < 2 {
            last(host, canvas.width, canvas)
        } else {
            StyledLine::default()
        };
    }
    let mut parts = vec![LinePart::new(
        0,
        Tone::Dim,
        format!(
            "{note} {indent}before: {}",
            event(over[0], false, canvas.now)
        ),
    )];
    for (rank, it) in (1..).zip(&over[1..]) {
        parts.push(LinePart::new(
            rank,
            Tone::Dim,
            format!("   {}", event(it, false, canvas.now)),
        ));
    }
    spread(parts, &[], canvas)
}
