//! For how long tasks have waited: /proc/pressure/*.

use std::time::Instant;

use super::text::{fields, lines, number, or_skip};
use crate::source::host::reading::Stalls;

/// The time that tasks have waited since boot, according to `text`, which was read `at` that time. The line for all
/// tasks is missing for the CPU before Linux 5.13.
///
/// The kernel's own averages are those of the last 10 s and more, whatever the interval is; its totals are exact.
pub(super) fn stalls(text: &[u8], at: Instant, skip: &dyn Fn(&[u8])) -> Stalls {
    let total = |name: &[u8]| {
        let line = lines(text).find(|line| fields(line).next() == Some(name))?;
        let total = fields(line).find_map(|field| field.strip_prefix(b"total="));
        or_skip(total.and_then(number), line, skip)
    };
    Stalls {
        at,
        some: total(b"some"),
        all: total(b"full"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_and_nothing_else() {
        let at = Instant::now();
        let totals = |text: &[u8]| {
            let stalls = stalls(text, at, &|_| {});
            (stalls.some, stalls.all)
        };
        let some = "some avg10=1.25 avg60=0.35 avg300=0.95 total=11924948\n";
        let full = "full avg10=1.25 avg60=0.35 avg300=0.95 total=924948\n";
        assert_eq!(totals(some.as_bytes()), (Some(11_924_948), None));
        let both = format!("{some}{full}");
        assert_eq!(totals(both.as_bytes()), (Some(11_924_948), Some(924_948)));
        assert_eq!(totals(b""), (None, None));
        for bad in ["-1", "1.5", "nan", "", "x", "99999999999999999999"] {
            let text = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={bad}\n{full}");
            assert_eq!(totals(text.as_bytes()), (None, Some(924_948)), "{bad}");
        }
    }
}
