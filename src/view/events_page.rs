//! The list of events: alerts, levels, gaps and restarts, as far back as samples are held.

use std::time::Duration;

use crate::protocol::HostName;
use crate::wording::{counted, span};

use super::grid::{self, Cell, Column};
use super::listing::table;
use super::marks::{Occurrence, all_occurrences};
use super::occurrence_text::{peak, value_now, who, words};
use super::page_parts::{Canvas, LinePart, rule, spread, times};
use super::sanitize::text_width;
use super::state::{HostState, ViewState};
use super::style::{MarkKind, Tone};
use super::styled_line::StyledLine;

/// The lines above the list.
const HEAD: usize = 3;

/// When something happened to a host, in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSpan {
    /// The host.
    pub host: HostName,
    /// Its beginning.
    pub began: u64,
    /// Its end, or how far it is known to have lasted.
    pub ended: u64,
}

/// The list of `host`, or of all hosts.
pub(super) struct EventList<'a> {
    state: &'a ViewState,
    host: Option<&'a HostState>,
    /// Newest first.
    events: Vec<Occurrence<'a>>,
}

impl<'a> EventList<'a> {
    pub(super) fn of(state: &'a ViewState, host: Option<&'a HostState>) -> Self {
        let mut events: Vec<_> = hosts(state, host)
            .flat_map(|host| all_occurrences(host, host.usual_step()))
            .collect();
        events.sort_by_key(|it| std::cmp::Reverse(it.began));
        Self {
            state,
            host,
            events,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// When the event `index` was.
    pub(super) fn span(&self, index: usize) -> Option<EventSpan> {
        let event = self.events.get(index)?;
        Some(EventSpan {
            host: event.host.name.clone(),
            began: event.began,
            ended: event.ended,
        })
    }

    /// `3 of 57`, or nothing if nothing happened.
    pub(super) fn counted(&self, selected: usize) -> Option<String> {
        let count = self.len();
        (count > 0).then(|| format!("{} of {count}", selected.min(count - 1) + 1))
    }

    /// The lines of the page. `is_reading`: older samples are on their way.
    pub(super) fn page(
        &self,
        selected: usize,
        height: usize,
        is_reading: bool,
        canvas: Canvas,
    ) -> Vec<StyledLine> {
        let mut lines = vec![self.header(is_reading, canvas), rule(canvas)];
        if self.events.is_empty() {
            let text = match self.oldest() {
                _ if is_reading => " Reading what the server holds.".to_owned(),
                Some(oldest) => format!(" Nothing has happened since {}.", since(oldest, canvas)),
                None => " No data yet.".into(),
            };
            lines.push(StyledLine::new(Tone::Plain, text));
            return lines;
        }
        let visible = height.saturating_sub(HEAD).max(1);
        let selected = selected.min(self.len() - 1);
        let first = self.first(selected, visible);
        let shown = self.events.iter().skip(first).take(visible);
        let widths = self.widths(canvas);
        let rows: Vec<_> = shown.map(|event| widths.row(event, canvas)).collect();
        let mut rows = table(&widths.columns(), &rows, canvas.style);
        if let Some(line) = rows.get_mut(1 + selected - first) {
            let mut chosen = StyledLine::new(Tone::Plain, ">");
            chosen.append(std::mem::take(line).after(1));
            chosen.pad(canvas.width);
            *line = chosen.toned(Tone::Selected);
        }
        lines.append(&mut rows);
        lines
    }

    /// The first event of `visible` ones.
    fn first(&self, selected: usize, visible: usize) -> usize {
        let last_first = self.len().saturating_sub(visible);
        selected.saturating_sub(visible / 2).min(last_first)
    }

    /// The event at a line of the page, whose arguments are those of [`Self::page`].
    pub(super) fn row_at(&self, line: usize, selected: usize, height: usize) -> Option<usize> {
        let visible = height.saturating_sub(HEAD).max(1);
        let selected = selected.min(self.len().checked_sub(1)?);
        let below = line.checked_sub(HEAD).filter(|row| *row < visible)?;
        Some(self.first(selected, visible) + below).filter(|row| *row < self.len())
    }

    fn header(&self, is_reading: bool, canvas: Canvas) -> StyledLine {
        let name = match self.host {
            Some(host) => host.name.to_string(),
            None => counted(self.state.hosts.len(), "host"),
        };
        let name = StyledLine::new(Tone::Bold, name).clip(canvas.width / 2, canvas.style);
        let mut parts = vec![
            LinePart {
                rank: 0,
                line: name,
            },
            LinePart::new(2, Tone::Plain, "events"),
        ];
        parts.extend(self.counts(canvas));
        if is_reading {
            parts.push(LinePart::new(3, Tone::Dim, "reading older"));
        }
        let oldest = self.oldest().into_iter();
        let oldest = oldest.flat_map(|oldest| times(oldest, canvas.now));
        let since: Vec<_> = oldest.map(|time| format!("since {time}")).collect();
        spread(parts, &since, canvas)
    }

    /// How many events there are of each kind that occurred.
    fn counts(&self, canvas: Canvas) -> Vec<LinePart> {
        use MarkKind::{Critical, Firing, Gap, Resolved, Restart, Warning};
        let glyphs = canvas.style.glyphs();
        let kinds: [KindCount; 5] = [
            (1, &[Firing], Tone::Critical, glyphs.alert, ["firing"; 2]),
            (1, &[Resolved], Tone::Plain, glyphs.resolved, ["over"; 2]),
            (3, &[Warning, Critical], Tone::Warn, "!", ["at a level"; 2]),
            (4, &[Gap], Tone::Dim, glyphs.gap, ["gap", "gaps"]),
            (4, &[Restart], Tone::Dim, "R", ["restart", "restarts"]),
        ];
        let part = |(rank, kinds, tone, mark, words): KindCount| {
            let events = self.events.iter().filter(|it| kinds.contains(&it.kind));
            let count = events.count();
            let word = words[usize::from(count > 1)];
            (count > 0).then(|| LinePart::new(rank, tone, format!("{mark} {count} {word}")))
        };
        kinds.into_iter().filter_map(part).collect()
    }

    /// Since when it is known what happened.
    fn oldest(&self) -> Option<u64> {
        let oldest = |host: &HostState| {
            let kept = host.history.points().front()?.timestamp;
            let stepped = host.stepped.as_ref();
            Some(stepped.map_or(kept, |past| past.span().from.min(kept)))
        };
        hosts(self.state, self.host).filter_map(oldest).min()
    }

    fn widths(&self, canvas: Canvas) -> Widths {
        let names = self
            .events
            .iter()
            .map(|event| text_width(event.host.name.as_str()));
        let is_dated = |event: &Occurrence<'_>| event.host.is_dated(event.began, canvas.now);
        let narrow = canvas.width < 60;
        let mut widths = Widths {
            is_dated: self.events.iter().any(is_dated),
            lasted: !narrow || self.host.is_some(),
            host: match self.host {
                Some(_) => 0,
                None => names
                    .max()
                    .unwrap_or(0)
                    .clamp(8, if narrow { 9 } else { 16 }),
            },
            values: canvas.width >= 80,
            what: 0,
            who: match canvas.width {
                0..80 => 0,
                80..100 => 14,
                _ => 22,
            },
        };
        let taken = grid::table_width(&widths.columns());
        widths.what = canvas.width.saturating_sub(taken + 1).clamp(1, 60);
        widths
    }
}

fn hosts<'a>(
    state: &'a ViewState,
    host: Option<&'a HostState>,
) -> impl Iterator<Item = &'a HostState> {
    let all = state.hosts.values();
    all.filter(move |other| host.is_none_or(|host| host.name == other.name))
}

fn since(oldest: u64, canvas: Canvas) -> String {
    let texts = times(oldest, canvas.now);
    texts.into_iter().next().unwrap_or_default()
}

/// The rank and the kinds of events that are counted, how their number is shown, and the words for one of them and for
/// more.
type KindCount = (
    u8,
    &'static [MarkKind],
    Tone,
    &'static str,
    [&'static str; 2],
);

/// What stands in which width.
struct Widths {
    is_dated: bool,
    lasted: bool,
    /// 0 where there is one host only.
    host: usize,
    values: bool,
    what: usize,
    /// 0 where there is no room.
    who: usize,
}

impl Widths {
    fn columns(&self) -> Vec<Column<'static>> {
        let began = if self.is_dated { 15 } else { 8 };
        let mut columns = vec![Column::left("", 2), Column::left("BEGAN", began)];
        if self.lasted {
            columns.push(Column::right("LASTED", 9));
        }
        if self.host > 0 {
            columns.push(Column::left("HOST", self.host));
        }
        columns.push(Column::left(" WHAT", self.what));
        if self.values {
            columns.extend([Column::right("NOW", 9), Column::right("PEAK", 9)]);
        }
        if self.who > 0 {
            columns.push(Column::left(" WHO", self.who));
        }
        columns
    }

    fn row(&self, event: &Occurrence<'_>, canvas: Canvas) -> Vec<Cell> {
        let glyphs = canvas.style.glyphs();
        let plain = |text: String| (Tone::Plain, text);
        let mark = match event.kind {
            MarkKind::Critical => "!!",
            kind => kind.shape(glyphs),
        };
        let mut cells = vec![(event.kind.tone(), mark.to_owned())];
        cells.push(plain(event.host.clock(event.began, canvas.now)));
        if self.lasted {
            let lasted = Duration::from_millis(event.ended.saturating_sub(event.began));
            cells.push(plain(span(lasted)));
        }
        if self.host > 0 {
            cells.push(plain(event.host.name.to_string()));
        }
        cells.push(plain(format!(" {}", words(event, self.what < 30))));
        if self.values {
            cells.push(plain(value_now(event).unwrap_or_default()));
            cells.push(plain(peak(event).unwrap_or_default()));
        }
        if self.who > 0 {
            cells.push(plain(
                who(event).map_or_else(String::new, |who| format!(" {who}")),
            ));
        }
        cells
    }
}
