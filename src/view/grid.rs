//! Tables: this module chooses the columns for the width; comfy-table aligns and truncates them.

use comfy_table::{CellAlignment, ColumnConstraint, Row, Table, Width, presets};

use super::sanitize::char_width;
use super::style::{Style, Tone};
use super::styled_line::StyledLine;

/// A column; one blank follows it, unless it is the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    pub title: &'a str,
    pub width: usize,
    pub right: bool,
}

impl<'a> Column<'a> {
    pub(super) const fn left(title: &'a str, width: usize) -> Self {
        Self {
            title,
            width,
            right: false,
        }
    }

    pub(super) const fn right(title: &'a str, width: usize) -> Self {
        Self {
            title,
            width,
            right: true,
        }
    }
}

/// The text of a cell, and its meaning.
pub(super) type Cell = (Tone, String);

/// The width of a table.
pub(super) fn table_width(columns: &[Column<'_>]) -> usize {
    columns.iter().map(|column| column.width).sum::<usize>() + columns.len().saturating_sub(1)
}

/// The titles of `columns` as a separate line.
pub(super) fn titles(columns: &[Column<'_>], style: Style) -> StyledLine {
    let row = columns
        .iter()
        .map(|column| (Tone::Dim, column.title.to_owned()))
        .collect();
    lines(columns, &[row], style).pop().unwrap_or_default()
}

/// One line for each of `rows`, never more and never wider than [`table_width`].
pub(super) fn lines(columns: &[Column<'_>], rows: &[Vec<Cell>], style: Style) -> Vec<StyledLine> {
    if columns.is_empty() || rows.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_truncation_indicator(style.glyphs().ellipsis)
        // comfy-table must not decide about colour: it would check the environment itself.
        .force_no_tty();
    for row in rows {
        let cells = std::iter::zip(columns, row).map(|(column, (_, text))| {
            // One character too many is enough for truncation, and a peer's text may have hundreds.
            let (text, _) = split_at_column(text, column.width + 2);
            // A blank that comfy-table neither breaks at nor treats as padding.
            text.replace(' ', "\u{a0}")
        });
        table.add_row(Row::from(cells.collect::<Vec<_>>()).max_height(1).clone());
    }
    for (index, column) in columns.iter().enumerate() {
        let padding = u16::from(index + 1 < columns.len());
        let width = u16::try_from(column.width)
            .unwrap_or(u16::MAX)
            .saturating_add(padding);
        if let Some(drawn) = table.column_mut(index) {
            drawn.set_padding((0, padding));
            drawn.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            drawn.set_cell_alignment(if column.right {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            });
        }
    }
    let tones = rows.iter().map(|row| row.iter().map(|(tone, _)| *tone));
    std::iter::zip(table.lines(), tones)
        .map(|(text, tones)| restore(&text, columns, tones))
        .collect()
}

/// Restores the meaning of every cell of a finished line.
fn restore(text: &str, columns: &[Column<'_>], tones: impl Iterator<Item = Tone>) -> StyledLine {
    let mut line = StyledLine::default();
    let mut rest = text;
    for (column, tone) in std::iter::zip(columns, tones) {
        let (cell, after) = split_at_column(rest, column.width + 1);
        line.push(tone, cell.replace('\u{a0}', " "));
        rest = after;
    }
    line
}

fn split_at_column(text: &str, column: usize) -> (&str, &str) {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += char_width(c);
        if used > column {
            return text.split_at(index);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style {
        colour: true,
        unicode: true,
    };

    #[test]
    fn cells_are_aligned_cut_and_keep_their_blanks() {
        let columns = [
            Column::left("NAME", 6),
            Column::right("CPU", 4),
            Column::left("WINDOW", 5),
        ];
        let row = |name: &str, cpu: &str, window: &str| {
            vec![
                (Tone::Plain, name.into()),
                (Tone::Critical, cpu.into()),
                (Tone::Plain, window.into()),
            ]
        };
        let rows = [
            row("データベース", "7", "  ▁ "),
            row("a b c d e", "123.4", ""),
            row("", "", "▁ █"),
            row("ab cdefgh", "", ""),
        ];
        let shown: Vec<String> = lines(
            &columns,
            &rows,
            Style {
                colour: false,
                ..STYLE
            },
        )
        .iter()
        .map(|line| {
            line.render(Style {
                colour: false,
                ..STYLE
            })
        })
        .collect();
        assert_eq!(
            shown,
            [
                "デー…     7   ▁",
                "a b c… 123…",
                "            ▁ █",
                "ab cd…"
            ]
        );
        assert_eq!(titles(&columns, STYLE).width(), table_width(&columns));
    }

    #[test]
    fn a_tone_covers_only_its_cell() {
        let columns = [Column::left("", 3), Column::right("", 3)];
        let rows = [vec![
            (Tone::Plain, "デa".to_owned()),
            (Tone::Warn, "9".to_owned()),
        ]];
        let shown = lines(&columns, &rows, STYLE)[0].render(STYLE);
        assert_eq!(shown, "デa \x1b[33m  9\x1b[0m");
    }
}
