//! The columns of the screen.

/// The columns that charts and tables take, by the width of the screen alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::view) struct ScreenWidths {
    pub label: usize,
    /// Of the numbers at the axis, with the axis.
    pub axis: usize,
    /// Of the charts.
    pub cells: usize,
    /// Where the tables beside the charts begin, and how wide they are.
    pub beside: Option<(usize, usize)>,
}

/// From this width on, the tables are beside the charts.
const BESIDE: usize = 112;

/// From this width on, everything has its full width.
const FULL: usize = 176;

/// Below this width, there is only room for the most important values.
const NARROW: usize = 60;

impl ScreenWidths {
    pub(in crate::view) fn of(width: usize) -> Self {
        let (label, axis, tables) = match width {
            FULL.. => (20, 6, 75),
            BESIDE.. => (18, 5, 47),
            NARROW.. => (18, 4, 0),
            _ => (12, 1, 0),
        };
        let left = label + axis;
        if tables == 0 {
            // One blank at the right edge, where there is room for it.
            let edge = usize::from(width >= NARROW);
            return Self {
                label,
                axis,
                cells: width.saturating_sub(left + edge),
                beside: None,
            };
        }
        let cells = width - left - tables - 2;
        Self {
            label,
            axis,
            cells,
            beside: Some((width - tables, tables)),
        }
    }

    /// Whether there is only room for the most important values.
    pub(in crate::view) fn is_tiny(&self) -> bool {
        self.axis == 1
    }

    /// Whether everything has its full width.
    pub(super) fn is_full(&self) -> bool {
        self.axis == 6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_place() {
        for (width, left, cells, beside) in [
            (200, 26, 97, Some((125, 75))),
            (120, 23, 48, Some((73, 47))),
            (80, 22, 57, None),
            (40, 13, 27, None),
        ] {
            let widths = ScreenWidths::of(width);
            let found = (widths.label + widths.axis, widths.cells, widths.beside);
            assert_eq!(found, (left, cells, beside), "{width}");
        }
        for width in 0..400 {
            let widths = ScreenWidths::of(width);
            assert!(
                widths.label + widths.axis + widths.cells <= width.max(13),
                "{width}"
            );
        }
    }
}
