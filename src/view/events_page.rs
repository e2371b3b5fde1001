//! The list of events: what fired and was resolved, as far back as samples are kept.

use std::cmp::Reverse;
use std::time::Duration;

use crate::wording::{counted, span};

use super::alert_lines::{blame, is_downward, title, value_text};
use super::episodes::{Episode, Outcome, episodes};
use super::grid::{self, Cell, Column};
use super::listing::table;
use super::page_parts::{Canvas, LinePart, rule, spread, times};
use super::sanitize::text_width;
use super::state::{HostState, ViewState};
use super::style::Tone;
use super::styled_line::StyledLine;
use super::units;

/// The lines above the list.
const HEAD: usize = 3;

/// The list of `host`, or of all hosts.
pub(super) struct EventList<'a> {
    state: &'a ViewState,
    host: Option<&'a HostState>,
    /// Newest first.
    episodes: Vec<Episode<'a>>,
}

impl<'a> EventList<'a> {
    pub(super) fn of(state: &'a ViewState, host: Option<&'a HostState>) -> Self {
        let mut episodes: Vec<_> = hosts(state, host).flat_map(episodes).collect();
        episodes.sort_by_key(|episode| Reverse(episode.began()));
        Self {
            state,
            host,
            episodes,
        }
    }

    /// How far it can be scrolled on a page of so many lines.
    pub(super) fn scroll_end(&self, height: usize) -> usize {
        self.episodes.len().saturating_sub(visible(height))
    }

    /// `1-20 of 57`, or nothing if nothing fired.
    pub(super) fn counted(&self, scroll: usize, height: usize) -> Option<String> {
        let first = scroll.min(self.scroll_end(height));
        let count = self.episodes.len();
        let last = count.min(first + visible(height));
        (count > 0).then(|| format!("{}-{last} of {count}", first + 1))
    }

    /// The lines of the page. `is_reading`: older samples are on their way.
    pub(super) fn page(
        &self,
        scroll: usize,
        height: usize,
        is_reading: bool,
        canvas: Canvas,
    ) -> Vec<StyledLine> {
        let mut lines = vec![self.header(is_reading, canvas), rule(canvas)];
        if self.episodes.is_empty() {
            let text = match self.oldest() {
                _ if is_reading => " Reading what the server holds.".to_owned(),
                Some(oldest) => format!(" Nothing has fired since {}.", since(oldest, canvas)),
                None => " No data yet.".into(),
            };
            lines.push(StyledLine::new(Tone::Plain, text));
            return lines;
        }
        let first = scroll.min(self.scroll_end(height));
        let shown = self.episodes.iter().skip(first).take(visible(height));
        let widths = self.widths(canvas);
        let rows: Vec<_> = shown.map(|episode| widths.row(episode, canvas)).collect();
        lines.append(&mut table(&widths.columns(), &rows, canvas.style));
        lines
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
        let glyphs = canvas.style.glyphs();
        let firing = self.count(|outcome| outcome == Outcome::Firing);
        let over = self.count(|outcome| outcome != Outcome::Firing);
        for (count, tone, mark, word) in [
            (firing, Tone::Critical, glyphs.alert, "firing"),
            (over, Tone::Plain, glyphs.resolved, "over"),
        ] {
            if count > 0 {
                parts.push(LinePart::new(1, tone, format!("{mark} {count} {word}")));
            }
        }
        if is_reading {
            parts.push(LinePart::new(3, Tone::Dim, "reading older"));
        }
        let oldest = self.oldest().into_iter();
        let oldest = oldest.flat_map(|oldest| times(oldest, canvas.now));
        let since: Vec<_> = oldest.map(|time| format!("since {time}")).collect();
        spread(parts, &since, canvas)
    }

    fn count(&self, is_counted: impl Fn(Outcome) -> bool) -> usize {
        let outcomes = self.episodes.iter().map(|episode| episode.outcome);
        outcomes.filter(|outcome| is_counted(*outcome)).count()
    }

    /// The time of the oldest sample.
    fn oldest(&self) -> Option<u64> {
        let points = hosts(self.state, self.host).filter_map(|host| host.history.points().front());
        points.map(|point| point.timestamp).min()
    }

    fn widths(&self, canvas: Canvas) -> Widths {
        let names = self
            .episodes
            .iter()
            .map(|episode| text_width(episode.host.name.as_str()));
        let newest = self.episodes.iter().map(Episode::ended).max().unwrap_or(0);
        let is_today = |episode: &Episode<'_>| units::date(episode.began()) == units::date(newest);
        let narrow = canvas.width < 60;
        let mut widths = Widths {
            is_dated: !narrow && !self.episodes.iter().all(is_today),
            lasted: !narrow || self.host.is_some(),
            host: match self.host {
                Some(_) => 0,
                None => names
                    .max()
                    .unwrap_or(0)
                    .clamp(8, if narrow { 9 } else { 16 }),
            },
            outcome: !narrow,
            values: canvas.width >= 80,
            what: 0,
            who: match canvas.width {
                0..80 => 0,
                80..100 => 12,
                _ => 22,
            },
        };
        let taken = grid::table_width(&widths.columns());
        widths.what = canvas.width.saturating_sub(taken + 1).clamp(1, 60);
        widths
    }
}

fn visible(height: usize) -> usize {
    height.saturating_sub(HEAD).max(1)
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

/// What stands in which width.
struct Widths {
    is_dated: bool,
    lasted: bool,
    /// 0 where there is one host only.
    host: usize,
    outcome: bool,
    values: bool,
    what: usize,
    /// 0 where there is no room.
    who: usize,
}

impl Widths {
    fn columns(&self) -> Vec<Column<'static>> {
        let began = if self.is_dated { 14 } else { 8 };
        let mut columns = vec![Column::left("", 1), Column::left("BEGAN", began)];
        if self.lasted {
            columns.push(Column::right("LASTED", 9));
        }
        if self.outcome {
            columns.push(Column::left("", 8));
        }
        if self.host > 0 {
            columns.push(Column::left("HOST", self.host));
        }
        if self.values {
            columns.extend([Column::right("VALUE", 9), Column::right("PEAK", 9)]);
        }
        columns.push(Column::left("WHAT", self.what));
        if self.who > 0 {
            columns.push(Column::left("WHO", self.who));
        }
        columns
    }

    fn row(&self, episode: &Episode<'_>, canvas: Canvas) -> Vec<Cell> {
        let (host, alert) = (episode.host, &episode.alert.alert);
        let glyphs = canvas.style.glyphs();
        let (mark, word, tone) = match episode.outcome {
            Outcome::Firing => (glyphs.alert, "firing", Tone::Critical),
            Outcome::Resolved => (glyphs.resolved, "resolved", Tone::Plain),
            Outcome::CutOff => (glyphs.resolved, "cut off", Tone::Dim),
        };
        let plain = |text: String| (Tone::Plain, text);
        let value = |value| plain(value_text(host, alert, value).unwrap_or_else(|| "-".into()));
        let began = episode.began();
        let mut cells = vec![(tone, mark.to_owned())];
        cells.push(plain(if self.is_dated {
            format!("{} {}", &units::date(began)[5..], units::clock(began))
        } else {
            units::clock(began)
        }));
        if self.lasted {
            let lasted = Duration::from_millis(episode.ended().saturating_sub(began));
            cells.push(plain(span(lasted)));
        }
        if self.outcome {
            cells.push((tone, word.to_owned()));
        }
        if self.host > 0 {
            cells.push(plain(host.name.to_string()));
        }
        if self.values {
            cells.extend([value(alert.value), value(episode.peak(is_downward(alert)))]);
        }
        cells.push(plain(title(host, alert, self.what < 30)));
        if self.who > 0 {
            cells.push(plain(
                episode
                    .alert
                    .culprit
                    .as_ref()
                    .map_or_else(String::new, blame),
            ));
        }
        cells
    }
}
