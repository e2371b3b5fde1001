//! The page of several hosts: one row each, those in trouble first, and the screen of the selected one below them where
//! there is room for it.

mod cells;
mod columns;
mod header;

use super::grid::{self, Cell};
use super::host_screen::{self, ScreenChoice, ScreenWidths, named_rule};
use super::listing::indented;
use super::page_parts::{Canvas, namesakes};
use super::rows::{Choice, FleetRow, subject_among};
use super::state::ViewState;
use super::style::Tone;
use super::styled_line::StyledLine;

use cells::cells;
use columns::FleetColumns;

/// From this width on, a rule is above the titles.
pub(super) const WIDE: usize = 112;

/// The fewest lines that the screen of the selected host has, with the rule above it.
const LEAST_SCREEN: usize = 7;

/// What the page shows.
pub(super) struct FleetView<'a> {
    pub state: &'a ViewState,
    /// In their order.
    pub rows: &'a [FleetRow<'a>],
    pub choice: &'a Choice,
    pub selected: Option<usize>,
}

impl FleetView<'_> {
    /// At most `height` lines of the page, without the bottom line, and which rows are visible, such as `1-35 of 40`;
    /// nothing if all are. `screen`: the choices for the screen of the selected host.
    pub(super) fn page(
        &self,
        screen: ScreenChoice,
        height: usize,
        canvas: Canvas,
    ) -> (Vec<StyledLine>, Option<String>) {
        let mut lines = self.list(height, canvas);
        let left = height - lines.len();
        lines.extend(self.selected_screen(screen, left, canvas));
        (lines, self.counted(self.room(height, canvas)))
    }

    /// At most `height` lines with all rows and what is above them.
    pub(super) fn list(&self, height: usize, canvas: Canvas) -> Vec<StyledLine> {
        let columns = FleetColumns::new(self.rows, self.choice, canvas);
        let mut lines = self.head(canvas);
        lines.extend(self.problems(height, canvas));
        lines.push(indented(grid::titles(&columns.all(), canvas.style)));
        let visible = height.saturating_sub(lines.len());
        lines.extend(self.table(visible, &columns, canvas));
        if self.rows.is_empty() && !self.choice.filter.is_empty() {
            lines.push(StyledLine::new(Tone::Dim, "    no host name matches"));
        }
        lines.truncate(height);
        lines
    }

    fn head(&self, canvas: Canvas) -> Vec<StyledLine> {
        let mut lines = vec![header::header(self, canvas)];
        if canvas.width >= WIDE {
            lines.push(header::rule(self.choice, canvas));
        }
        lines
    }

    /// What is between the head and the titles of the columns.
    fn problems(&self, height: usize, canvas: Canvas) -> impl Iterator<Item = StyledLine> {
        let problems = namesakes(self.state, canvas).take(height / 6);
        problems.flat_map(move |problem| problem.lines(canvas))
    }

    /// How many lines are above the rows: the head, problems, and the titles.
    fn above(&self, height: usize, canvas: Canvas) -> usize {
        let head = 1 + usize::from(canvas.width >= WIDE);
        head + self.problems(height, canvas).count() + 1
    }

    /// How many rows there is room for.
    pub(super) fn room(&self, height: usize, canvas: Canvas) -> usize {
        height.saturating_sub(self.above(height, canvas))
    }

    /// The row at a line of the page, whose other arguments are those of [`Self::page`].
    pub(super) fn row_at(&self, line: usize, height: usize, canvas: Canvas) -> Option<usize> {
        let visible = self.room(height, canvas);
        let below = line.checked_sub(self.above(height, canvas));
        let below = below.filter(|row| *row < visible)?;
        Some(self.first(visible) + below).filter(|row| *row < self.rows.len())
    }

    fn counted(&self, visible: usize) -> Option<String> {
        let (count, first) = (self.rows.len(), self.first(visible));
        let last = (first + visible).min(count);
        (visible < count).then(|| format!("{}-{last} of {count}", first + 1))
    }

    /// The first of so many visible rows.
    fn first(&self, visible: usize) -> usize {
        let last = self.rows.len().saturating_sub(visible);
        let selected = self.selected.unwrap_or(0);
        selected.saturating_sub(visible / 2).min(last)
    }

    fn table(&self, visible: usize, columns: &FleetColumns, canvas: Canvas) -> Vec<StyledLine> {
        let first = self.first(visible);
        let shown = &self.rows[first..self.rows.len().min(first + visible)];
        let rows: Vec<Vec<Cell>> = shown
            .iter()
            .map(|row| cells(self.state, row, columns, canvas))
            .collect();
        let lines = grid::lines(&columns.all(), &rows, canvas.style);
        let mut lines: Vec<_> = lines.into_iter().map(indented).collect();
        let selected = self.selected.and_then(|index| index.checked_sub(first));
        if let Some(line) = selected.and_then(|index| lines.get_mut(index)) {
            let mut chosen = StyledLine::new(Tone::Plain, ">");
            chosen.append(std::mem::take(line).after(1));
            chosen.pad(canvas.width);
            *line = chosen.toned(Tone::Selected);
        }
        lines
    }

    /// The charts and tables of the selected host, or of the first, in the lines that no row needs.
    fn selected_screen(
        &self,
        choice: ScreenChoice,
        lines: usize,
        canvas: Canvas,
    ) -> Vec<StyledLine> {
        let is_tiny = ScreenWidths::of(canvas.width).is_tiny();
        let host = subject_among(self.rows, self.selected);
        let Some(host) = host.filter(|_| !is_tiny && LEAST_SCREEN <= lines) else {
            return Vec::new();
        };
        let mut screen = vec![named_rule(host, choice, canvas)];
        screen.extend(host_screen::body(
            self.state,
            host,
            choice,
            lines - 1,
            canvas,
        ));
        screen
    }
}
