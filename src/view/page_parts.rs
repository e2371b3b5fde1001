//! What the pages have in common: the top line, the problems, the bottom line.

use crate::millis::in_millis;
use crate::wording::span;

use super::metric::Level;
use super::moment::HowFarBack;
use super::sanitize::text_width;
use super::state::{Connection, Now, ServerState, Status, ViewState};
use super::style::{Style, Tone};
use super::styled_line::{StyledLine, wrap};
use super::units;

/// The size and style of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Canvas {
    pub width: usize,
    pub style: Style,
    pub now: Now,
    pub paused: bool,
}

impl Canvas {
    pub(super) fn new(width: usize, style: Style, now: Now) -> Self {
        Self {
            width,
            style,
            now,
            paused: false,
        }
    }
}

/// Below this height, the screen has no blank line above the keys.
const ROOMY: usize = 12;

/// The lines above the bottom one.
pub(super) fn body_height(height: usize) -> usize {
    height.saturating_sub(if height < ROOMY { 1 } else { 2 })
}

/// A shape, a word and a tone for a status.
pub(super) fn mark(status: Status, style: Style) -> (&'static str, &'static str, Tone) {
    let glyphs = style.glyphs();
    match status {
        Status::Live => (glyphs.live, "live", Tone::Good),
        Status::Stale => (glyphs.stale, "STALE", Tone::Warn),
        Status::Down => (glyphs.down, "DOWN", Tone::Critical),
        Status::Over => (glyphs.over, "ended", Tone::Dim),
    }
}

/// `!` and `!!` before a name.
pub(super) fn level_mark(level: Level) -> (&'static str, Tone) {
    match level {
        Level::Normal => ("", Tone::Plain),
        Level::Warn => ("!", Tone::Warn),
        Level::Critical => ("!!", Tone::Critical),
    }
}

/// From this rank on, a part is optional.
pub(super) const NICE: u8 = 6;

/// A part of a line that may be omitted: the highest rank first.
pub(super) struct LinePart {
    pub rank: u8,
    pub line: StyledLine,
}

impl LinePart {
    pub(super) fn new(rank: u8, tone: Tone, text: impl Into<String>) -> Self {
        Self {
            rank,
            line: StyledLine::new(tone, text),
        }
    }
}

/// `left` on the left, and the longest of `right` that fits on the right, in one line.
pub(super) fn spread(mut left: Vec<LinePart>, right: &[String], canvas: Canvas) -> StyledLine {
    let gap = if canvas.width < 60 { 2 } else { 3 };
    let needed = |left: &[LinePart], right: usize| {
        let texts: usize = left.iter().map(|part| part.line.width() + gap).sum();
        1 + texts + right + usize::from(right > 0)
    };
    // Optional parts make room for the longest text on the right, the others for the shortest.
    for (text, least) in [(right.first(), NICE), (right.last(), 1)] {
        let reserved = text.map_or(0, |text| text_width(text));
        while needed(&left, reserved) > canvas.width {
            let droppable = (0..left.len()).filter(|&index| least <= left[index].rank);
            let Some(last) = droppable.max_by_key(|&index| left[index].rank) else {
                break;
            };
            left.remove(last);
        }
    }
    let right = right
        .iter()
        .find(|text| needed(&left, text_width(text)) <= canvas.width);
    let mut line = StyledLine::new(Tone::Plain, " ");
    for (index, part) in left.into_iter().enumerate() {
        if index > 0 {
            line.push(Tone::Plain, " ".repeat(gap));
        }
        line.append(part.line);
    }
    if let Some(right) = right {
        line.pad(canvas.width.saturating_sub(text_width(right) + 1));
        line.push(Tone::Dim, right);
    }
    line
}

/// `height` lines that have those of `left`, and those of `right` from the column `at` on.
pub(super) fn side_by_side(
    left: Vec<StyledLine>,
    right: Vec<StyledLine>,
    at: usize,
    height: usize,
) -> Vec<StyledLine> {
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let line = |_| {
        let mut line = left.next().unwrap_or_default();
        if let Some(right) = right.next() {
            line.pad(at);
            line.append(right);
        }
        line
    };
    (0..height).map(line).collect()
}

/// The line under the header.
pub(super) fn rule(canvas: Canvas) -> StyledLine {
    StyledLine::new(Tone::Dim, canvas.style.glyphs().rule.repeat(canvas.width))
}

/// Something that is wrong, or that the user should know.
pub(super) struct Problem {
    pub tone: Tone,
    pub mark: &'static str,
    pub text: String,
}

impl Problem {
    /// The problem in as many lines as it needs.
    pub(super) fn lines(&self, canvas: Canvas) -> Vec<StyledLine> {
        let tone = self.tone;
        wrap(&self.text, canvas.width.saturating_sub(4))
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                let mark = if index == 0 { self.mark } else { " " };
                StyledLine::new(tone, format!(" {mark} {text}"))
            })
            .collect()
    }
}

/// Problems with servers whose hosts have the same name.
pub(super) fn namesakes(state: &ViewState, canvas: Canvas) -> impl Iterator<Item = Problem> {
    let mark = canvas.style.glyphs().note;
    state.namesakes.iter().map(move |text| Problem {
        tone: Tone::Warn,
        mark,
        text: text.clone(),
    })
}

/// Why a server has named no host yet, and what happens next.
pub(super) fn server_text(server: &ServerState, now: Now) -> String {
    match &server.connection {
        Connection::Connecting => "Connecting...".into(),
        Connection::Up => "Connected. No host yet.".into(),
        Connection::Over => "The stream is over.".into(),
        Connection::Refused { reason } => format!("Not retrying: {reason}."),
        Connection::Lost {
            reason,
            attempt,
            retry_at,
        } => {
            let what = if server.reached {
                "Connection lost"
            } else {
                "Cannot connect"
            };
            let when = countdown(*retry_at, now, "in ");
            format!("{what} ({reason}). Attempt {attempt} {when}.")
        }
    }
}

/// `in 5 s`, or `now` once the time has come.
pub(super) fn countdown(at: std::time::Duration, now: Now, before: &str) -> String {
    let rest = at.saturating_sub(now.elapsed);
    if rest.is_zero() {
        "now".into()
    } else {
        // A countdown that starts at 5 and ends at 1.
        let rest = std::time::Duration::from_secs(in_millis(rest).div_ceil(1000));
        format!("{before}{}", span(rest))
    }
}

/// How far back the page is, and whether something is wrong now that it doesn't show.
pub(super) fn back_parts(back: HowFarBack, canvas: Canvas) -> Vec<LinePart> {
    let shape = canvas.style.glyphs().back;
    let clock = units::clock(back.timestamp);
    let mut text = format!("{shape} {} ago  {clock}", span(back.ago));
    if !units::is_same_day(back.timestamp, canvas.now.wall) {
        text = format!("{text}  {}", units::date(back.timestamp));
    }
    let mut parts = vec![LinePart::new(0, Tone::Bold, text)];
    let glyphs = canvas.style.glyphs();
    if back.alert_now {
        let text = format!("{} alert now", glyphs.alert);
        parts.push(LinePart::new(2, Tone::Critical, text));
    }
    if back.stale_now {
        let text = format!("{} stale now", glyphs.stale);
        parts.push(LinePart::new(3, Tone::Warn, text));
    }
    parts
}

/// The line at the bottom: the keys that work here, and a note on the time.
pub(super) fn footer(keys: &[(&str, &str)], right: Option<String>, canvas: Canvas) -> StyledLine {
    let parts = keys.iter().enumerate().map(|(index, (key, meaning))| {
        let mut line = StyledLine::new(Tone::Bold, *key);
        line.push(Tone::Dim, format!(" {meaning}"));
        // `q quit` is omitted last.
        LinePart {
            rank: u8::try_from(index).unwrap_or(u8::MAX),
            line,
        }
    });
    spread(parts.collect(), right.as_slice(), canvas)
}

/// Hours, minutes and seconds of `timestamp`, from the most to the least explicit form; with the date if it isn't
/// today's.
pub(super) fn times(timestamp: u64, now: Now) -> Vec<String> {
    let clock = units::clock(timestamp);
    let mut times = vec![format!("{clock} UTC"), clock];
    if !units::is_same_day(timestamp, now.wall) {
        times.insert(0, format!("{} {} UTC", units::date(timestamp), times[1]));
    }
    times
}
