//! The layout of a section's items: one after another in a few lines, or as a table.

use super::grid::{self, Cell, Column};
use super::page_parts::Canvas;
use super::sanitize::text_width;
use super::style::{Style, Tone};
use super::styled_line::StyledLine;

/// The indentation of the items of a short section after its title.
pub(super) const INDENT: usize = 8;

/// A section: as a table, and in as few lines as possible.
pub(super) struct Section {
    pub full: Vec<StyledLine>,
    pub short: Vec<StyledLine>,
}

/// Items one after another, in at most `most` lines; the rest is counted.
pub(super) fn flow(
    title: &str,
    items: &[StyledLine],
    most: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    const SEPARATOR: usize = 2;
    let title = StyledLine::new(Tone::Dim, format!(" {title}"));
    let mut lines = vec![title.clip(canvas.width, canvas.style)];
    for (placed, item) in items.iter().enumerate() {
        let more = format!("+{}", items.len() - placed);
        let begun = lines.last().map_or(0, StyledLine::width);
        let at = if begun <= INDENT {
            INDENT
        } else {
            begun + SEPARATOR
        };
        let last = lines.len() == most;
        let reserved = if last && placed + 1 < items.len() {
            SEPARATOR + more.len()
        } else {
            0
        };
        let fits = at + item.width() + reserved <= canvas.width;
        let Some(line) = lines.last_mut() else { break };
        if fits || at == INDENT {
            line.pad(at);
            line.append(
                item.clone()
                    .clip(canvas.width.saturating_sub(at + reserved), canvas.style),
            );
        } else if last {
            line.pad(at);
            line.push(Tone::Dim, more);
            break;
        } else {
            let mut line = StyledLine::new(Tone::Plain, " ".repeat(INDENT));
            line.append(
                item.clone()
                    .clip(canvas.width.saturating_sub(INDENT), canvas.style),
            );
            lines.push(line);
        }
    }
    lines
}

/// A title and a table whose first column takes the remaining width.
pub(super) fn table(columns: &[Column<'_>], rows: &[Vec<Cell>], style: Style) -> Vec<StyledLine> {
    let mut lines = vec![grid::titles(columns, style)];
    lines.extend(grid::lines(columns, rows, style));
    lines.into_iter().map(indented).collect()
}

/// The line after a blank.
pub(super) fn indented(line: StyledLine) -> StyledLine {
    let mut indented = StyledLine::new(Tone::Plain, " ");
    indented.append(line);
    indented
}

/// The width of a table's first column if the others take `others` columns of the canvas.
pub(super) fn first(canvas: Canvas, names: impl Iterator<Item = String>, others: usize) -> usize {
    let widest = names.map(|name| text_width(&name)).max().unwrap_or(0);
    let room = canvas.width.saturating_sub(others + 2).max(4);
    widest.clamp(12.min(room), room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Now;

    fn check(width: usize, most: usize, items: &[&str], expected: &[&str]) {
        let style = Style {
            colour: false,
            unicode: true,
        };
        let canvas = Canvas::new(width, style, Now::default());
        let items: Vec<StyledLine> = items
            .iter()
            .map(|item| StyledLine::new(Tone::Plain, *item))
            .collect();
        let lines = flow("TOP", &items, most, canvas);
        let shown: Vec<String> = lines.iter().map(|line| line.render(style)).collect();
        assert_eq!(shown, expected);
        assert!(lines.iter().all(|line| line.width() <= width));
    }

    #[test]
    fn items_fill_as_many_lines_as_allowed() {
        check(24, 2, &["one", "two"], &[" TOP    one  two"]);
        check(
            24,
            2,
            &["one", "two", "three", "four"],
            &[" TOP    one  two  three", "        four"],
        );
        check(
            24,
            1,
            &["one", "two", "three"],
            &[" TOP    one  two  three"],
        );
    }

    #[test]
    fn items_that_do_not_fit_are_counted() {
        check(
            24,
            1,
            &["one", "two", "three", "four"],
            &[" TOP    one  two  +2"],
        );
        check(24, 1, &["one", "twotwotwo", "three"], &[" TOP    one  +2"]);
        check(
            20,
            1,
            &["longer than that", "two"],
            &[" TOP    longer …  +1"],
        );
    }
}
