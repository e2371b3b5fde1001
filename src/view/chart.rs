//! Charts of several rows in braille, of one row in blocks, and both in ASCII.

use super::style::{Style, Tone};
use super::styled_line::StyledLine;

/// The dots of a braille cell from the bottom up, on its left and on its right.
const BRAILLE: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];

/// Cells without colour or braille: a quarter more each.
const ASCII_QUARTERS: [char; 5] = [' ', '.', ':', '+', '#'];

/// The dots of a cell's row.
pub(super) const DOTS_HIGH: usize = 4;

/// A column of a chart: how many dots each layer reaches up to, the lowest first. Empty if there is no sample.
pub(super) type Heights = Vec<usize>;

/// How a chart is coloured.
pub(super) enum Colouring<'a> {
    /// Each row, from the top.
    Rows(&'a [Tone]),
    /// The layers, from the lowest.
    Layers(&'a [Tone]),
    /// Each row, from the top; what is above the lowest layer is dim.
    Means(&'a [Tone]),
}

/// What all charts of a screen have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChartLook {
    pub style: Style,
    /// The cell that is looked at.
    pub cursor: Option<usize>,
    /// Whether the data are old.
    pub is_dim: bool,
}

/// An area of `rows` rows; each cell has two of `columns`.
pub(super) fn area(
    columns: &[Heights],
    rows: usize,
    colouring: &Colouring<'_>,
    look: ChartLook,
) -> Vec<StyledLine> {
    (0..rows)
        .map(|row| {
            let floor = DOTS_HIGH * (rows - 1 - row);
            let mut line = StyledLine::default();
            for (index, pair) in columns.chunks(2).enumerate() {
                let filled = |side: usize| {
                    let top = pair.get(side).and_then(|heights| heights.last());
                    top.map_or(0, |top| top.saturating_sub(floor).min(DOTS_HIGH))
                };
                let shape = shape(filled(0), filled(1), look.style);
                let tone = match colouring {
                    Colouring::Means(_)
                        if layer_tone(pair, floor, &[Tone::Plain, Tone::Dim]) == Tone::Dim =>
                    {
                        Tone::Dim
                    }
                    Colouring::Rows(tones) | Colouring::Means(tones) => {
                        tones.get(row).copied().unwrap_or(Tone::Plain)
                    }
                    Colouring::Layers(tones) => layer_tone(pair, floor, tones),
                };
                push_cell(&mut line, shape, tone, look, index);
            }
            line
        })
        .collect()
}

/// The character of a cell of which so many dots are filled on each side.
fn shape(left: usize, right: usize, style: Style) -> char {
    if !style.unicode {
        return ASCII_QUARTERS[left.max(right).min(4)];
    }
    let side = |side: usize, filled: usize| BRAILLE[side].iter().take(filled).sum::<u32>();
    let dots = side(0, left) + side(1, right);
    if dots == 0 {
        ' '
    } else {
        char::from_u32(0x2800 + dots).unwrap_or(' ')
    }
}

/// The tone of the layer with the most dots in the cell that begins at `floor`; of equal ones, the lower.
fn layer_tone(pair: &[Heights], floor: usize, tones: &[Tone]) -> Tone {
    let within = |height: usize| height.saturating_sub(floor).min(DOTS_HIGH);
    let mut best = (0, Tone::Plain);
    for (layer, tone) in tones.iter().enumerate() {
        let dots: usize = pair
            .iter()
            .map(|heights| {
                let top = heights.get(layer).map_or(0, |top| within(*top));
                let below = layer.checked_sub(1).and_then(|below| heights.get(below));
                top.saturating_sub(below.map_or(0, |below| within(*below)))
            })
            .sum();
        if best.0 < dots {
            best = (dots, *tone);
        }
    }
    best.1
}

/// One row: a block for every two of `levels`, which are from 0 to 8; the higher counts.
pub(super) fn blocks(
    levels: &[Option<usize>],
    tone_of: impl Fn(usize) -> Tone,
    look: ChartLook,
) -> StyledLine {
    let mut line = StyledLine::default();
    for (index, pair) in levels.chunks(2).enumerate() {
        let level = pair.iter().flatten().max();
        let shapes = look.style.glyphs().blocks;
        let shape = level.map_or(' ', |level| shapes[(*level).clamp(1, 8) - 1]);
        let tone = level.map_or(Tone::Plain, |level| tone_of(*level));
        push_cell(&mut line, shape, tone, look, index);
    }
    line
}

fn push_cell(line: &mut StyledLine, shape: char, tone: Tone, look: ChartLook, index: usize) {
    let is_cursor = look.cursor == Some(index);
    let shape = if is_cursor && shape == ' ' {
        look.style.glyphs().cursor
    } else {
        shape
    };
    let tone = match (is_cursor, look.is_dim) {
        (true, _) => Tone::Selected,
        (false, true) => Tone::Dim,
        _ if shape == ' ' => Tone::Plain,
        _ => tone,
    };
    line.push_char(tone, shape);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: ChartLook = ChartLook {
        style: Style {
            colour: false,
            unicode: true,
        },
        cursor: None,
        is_dim: false,
    };
    const ASCII: ChartLook = ChartLook {
        style: Style {
            colour: false,
            unicode: false,
        },
        ..LOOK
    };

    fn columns(heights: &[usize]) -> Vec<Heights> {
        // 99 is a missing sample.
        let column = |height: &usize| {
            if *height == 99 {
                Vec::new()
            } else {
                vec![*height]
            }
        };
        heights.iter().map(column).collect()
    }

    #[track_caller]
    fn check(heights: &[usize], rows: usize, look: ChartLook, expected: &[&str]) {
        let lines = area(&columns(heights), rows, &Colouring::Rows(&[]), look);
        let shown: Vec<_> = lines.iter().map(|line| line.render(look.style)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_cell_has_two_dots_by_four() {
        check(&[1, 2, 3, 4, 0, 4], 1, LOOK, &["⣠⣾⢸"]);
        check(&[8, 5, 4, 1], 2, LOOK, &["⣇", "⣿⣇"]);
        check(&[1, 99, 99, 99, 1, 1], 1, LOOK, &["⡀ ⣀"]);
        check(&[1, 0, 2, 2, 3, 1, 4, 4, 99, 99], 1, ASCII, &[".:+#"]);
    }

    #[test]
    fn the_cursor_is_visible_where_nothing_is() {
        let look = ChartLook {
            cursor: Some(1),
            ..LOOK
        };
        check(&[4, 4, 99, 99, 4, 4], 1, look, &["⣿┆⣿"]);
    }

    #[test]
    fn a_cell_has_the_colour_of_the_layer_with_most_dots() {
        let tones = [Tone::User, Tone::System];
        let columns = [vec![2, 8], vec![2, 8]];
        let lines = area(&columns, 2, &Colouring::Layers(&tones), LOOK);
        let style = Style {
            colour: true,
            unicode: true,
        };
        assert_eq!(lines[0].render(style), "\x1b[34m⣿\x1b[0m");
        assert_eq!(lines[1].render(style), "\x1b[36m⣿\x1b[0m", "a tie");
    }

    #[test]
    fn a_block_shows_the_higher_of_two() {
        let levels = [Some(1), Some(8), None, Some(3), None, None];
        let line = blocks(&levels, |_| Tone::Plain, LOOK);
        assert_eq!(line.render(LOOK.style), "█▃");
        assert_eq!(line.width(), 3);
    }
}
