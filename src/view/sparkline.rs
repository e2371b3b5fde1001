//! A metric's window as a line of blocks.

use super::style::Style;

/// The two ends of a sparkline's scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Percent is always 0 to 100, so that an idle host looks idle; degrees are treated the same. Anything else reaches
    /// from 0 to its peak in `cells`, or to `ceiling`, if there is one.
    pub(super) fn of(cells: &[Option<f64>], unit: &str, ceiling: Option<f64>) -> Self {
        if matches!(unit, "%" | "°C") {
            return Self {
                low: 0.0,
                high: 100.0,
            };
        }
        let values = || cells.iter().copied().flatten();
        Self {
            low: values().fold(0.0, f64::min),
            high: values().fold(ceiling.unwrap_or(0.0), f64::max),
        }
    }

    /// The block for `value`: a real sample is never blank, so a blank means a missing one.
    pub(super) fn block(self, value: f64, style: Style) -> char {
        let blocks = &style.glyphs().blocks;
        // Halves, because the difference of two finite numbers may be infinite.
        let share = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and NaN is 0"
        )]
        let level = (share * 8.0).ceil() as usize;
        blocks[level.clamp(1, blocks.len()) - 1]
    }
}

/// One character for each of `cells`, the newest on the right; a missing sample is a blank.
pub(super) fn sparkline(cells: &[Option<f64>], scale: Scale, style: Style) -> String {
    let block = |cell: &Option<f64>| cell.map_or(' ', |value| scale.block(value, style));
    cells.iter().map(block).collect()
}

/// A bar of `width` columns, filled to `percent`.
pub(super) fn bar(percent: f64, width: usize, style: Style) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "`as` saturates, and a screen is narrow"
    )]
    let filled = ((percent / 100.0 * width as f64).round() as usize).min(width);
    let glyphs = style.glyphs();
    glyphs.full.repeat(filled) + &glyphs.rest.repeat(width - filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: Style = Style {
        colour: false,
        unicode: true,
    };
    const ASCII: Style = Style {
        colour: false,
        unicode: false,
    };

    fn check(cells: &[f64], unit: &str, expected: &str) {
        // NaN represents a missing cell.
        let cells: Vec<_> = cells
            .iter()
            .map(|&v| Some(v).filter(|v| !v.is_nan()))
            .collect();
        assert_eq!(
            sparkline(&cells, Scale::of(&cells, unit, None), BLOCKS),
            expected
        );
    }

    #[test]
    fn percent_is_never_scaled() {
        check(
            &[0.0, 12.5, 12.6, 50.0, 87.5, 87.6, 100.0, 250.0],
            "%",
            "▁▁▂▄▇███",
        );
        check(&[1.0, 2.0, 1.0], "%", "▁▁▁");
    }

    #[test]
    fn the_scale_of_rates_reaches_their_peak() {
        check(&[0.0, 7e6, 14e6], "B/s", "▁▄█");
        check(&[0.0, 0.0], "B/s", "▁▁");
        check(&[-4.0, 0.0, 4.0], "", "▁▄█");
        check(&[f64::MAX, -f64::MAX, 0.0], "", "█▁▄");
    }

    #[test]
    fn a_ceiling_shows_how_much_is_left() {
        let cells = [Some(2.0), Some(4.0)];
        assert_eq!(
            sparkline(&cells, Scale::of(&cells, "", Some(16.0)), BLOCKS),
            "▁▂"
        );
        assert_eq!(
            sparkline(&cells, Scale::of(&cells, "", Some(1.0)), BLOCKS),
            "▄█"
        );
    }

    #[test]
    fn a_missing_sample_is_blank_and_zero_is_not() {
        check(
            &[f64::NAN, 0.0, f64::NAN, f64::NAN, 100.0, f64::NAN],
            "%",
            " ▁  █ ",
        );
    }

    #[test]
    fn ascii_keeps_the_heights_apart() {
        let cells: Vec<_> = [0.0, 30.0, 45.0, 75.0, 100.0]
            .into_iter()
            .map(Some)
            .collect();
        assert_eq!(
            sparkline(&cells, Scale::of(&cells, "%", None), ASCII),
            "_.-=#"
        );
    }

    #[test]
    fn a_bar_has_the_requested_length() {
        for (percent, expected) in [
            (0.0, "░░░░"),
            (49.0, "██░░"),
            (100.0, "████"),
            (900.0, "████"),
            (-5.0, "░░░░"),
        ] {
            assert_eq!(bar(percent, 4, BLOCKS), expected);
        }
    }
}
