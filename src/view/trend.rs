//! Whether a metric rises or falls.

/// How many samples are compared with the same number before them.
const SPAN: usize = 5;

/// The mean of fewer samples is meaningless.
const ENOUGH: usize = 3;

/// Percentage points that don't count as a change.
const BAND_POINTS: f64 = 2.0;

/// The share of the earlier mean that doesn't count as a change.
const BAND_SHARE: f64 = 0.05;

/// The direction of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trend {
    Rising,
    Falling,
}

/// Compares the mean of the last five `cells` with the five before. The dead band keeps the arrow from flickering.
/// `None` if there is no change worth telling, or if there are too few samples.
pub(super) fn trend(cells: &[Option<f64>], unit: &str) -> Option<Trend> {
    let split = cells.len().checked_sub(SPAN)?;
    let now = mean(&cells[split..])?;
    let before = mean(&cells[split.saturating_sub(SPAN)..split])?;
    let band = if unit == "%" {
        BAND_POINTS
    } else {
        before.abs() * BAND_SHARE
    };
    match now - before {
        change if band < change => Some(Trend::Rising),
        change if change < -band => Some(Trend::Falling),
        _ => None,
    }
}

fn mean(cells: &[Option<f64>]) -> Option<f64> {
    let values: Vec<f64> = cells.iter().copied().flatten().collect();
    #[expect(clippy::cast_precision_loss, reason = "at most five")]
    (values.len() >= ENOUGH).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cells: &[f64], unit: &str, expected: Option<Trend>) {
        // A negative cell represents a missing one.
        let cells: Vec<_> = cells
            .iter()
            .map(|&v| Some(v).filter(|v| *v >= 0.0))
            .collect();
        assert_eq!(trend(&cells, unit), expected, "{cells:?} {unit}");
    }

    #[test]
    fn percent_has_a_band_of_two_points() {
        check(
            &[50., 50., 50., 50., 50., 52., 52., 52., 52., 52.],
            "%",
            None,
        );
        check(
            &[50., 50., 50., 50., 50., 52.1, 52.1, 52.1, 52.1, 52.1],
            "%",
            Some(Trend::Rising),
        );
        check(
            &[50., 50., 50., 50., 50., 47., 47., 47., 47., 47.],
            "%",
            Some(Trend::Falling),
        );
        check(&[0., 0., 0., 0., 0., 1., 1., 1., 1., 1.], "%", None);
    }

    #[test]
    fn other_units_have_a_band_of_five_percent() {
        check(
            &[100., 100., 100., 100., 100., 105., 105., 105., 105., 105.],
            "B/s",
            None,
        );
        check(
            &[100., 100., 100., 100., 100., 106., 106., 106., 106., 106.],
            "B/s",
            Some(Trend::Rising),
        );
        check(
            &[100., 100., 100., 100., 100., 94., 94., 94., 94., 94.],
            "",
            Some(Trend::Falling),
        );
        check(&[0., 0., 0., 0., 0., 0., 0., 0., 0., 0.], "B/s", None);
        check(
            &[0., 0., 0., 0., 0., 1., 1., 1., 1., 1.],
            "1/s",
            Some(Trend::Rising),
        );
    }

    #[test]
    fn one_spike_is_not_the_last_five() {
        check(
            &[9., 50., 50., 50., 50., 50., 50., 50., 55., 50., 50.],
            "%",
            None,
        );
    }

    #[test]
    fn too_few_samples_make_no_trend() {
        check(&[], "%", None);
        check(&[1., 2., 3., 4., 5.], "%", None);
        check(&[1., 2., 3., 4., 5., 6., 7.], "%", None);
        check(&[0., 0., 0., 9., 9., 9., 9., 9.], "%", Some(Trend::Rising));
        check(&[0., 0., 0., 0., 0., -1., -1., -1., 9., 9.], "%", None);
    }
}
