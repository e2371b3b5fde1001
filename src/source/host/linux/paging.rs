//! What lack of memory does: /proc/vmstat.

use super::text::{fields, lines, number, or_skip};
use crate::source::host::reading::Paging;

/// `text` is /proc/vmstat, for which the procfs crate builds a map of 200 names. It counts swapped pages of
/// `page_bytes` each.
pub(super) fn paging(text: &[u8], page_bytes: u64, skip: &dyn Fn(&[u8])) -> Paging {
    let mut found = Paging::default();
    for line in lines(text) {
        let mut fields = fields(line);
        let name = fields.next();
        let mut value = || or_skip(fields.next().and_then(number), line, skip);
        match name {
            Some(b"pswpin") => found.swapped_in = value().map(|pages| bytes(pages, page_bytes)),
            Some(b"pswpout") => found.swapped_out = value().map(|pages| bytes(pages, page_bytes)),
            Some(b"pgmajfault") => found.major_faults = value(),
            Some(b"oom_kill") => found.oom_kills = value(),
            _ => {}
        }
    }
    found
}

fn bytes(pages: u64, page_bytes: u64) -> u64 {
    pages.saturating_mul(page_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_whole_names() {
        let text = b"pswpin 3\npswpout 4\npgfault 9\npgmajfault 7\npgmajfault_s 1\noom_kill_x 3\noom_kill 2\n";
        let expected = Paging {
            swapped_in: Some(12_288),
            swapped_out: Some(16_384),
            major_faults: Some(7),
            oom_kills: Some(2),
        };
        assert_eq!(paging(text, 4096, &|_| {}), expected);
        assert_eq!(paging(b"pgfault 2\n", 4096, &|_| {}), Paging::default());
    }

    #[test]
    fn an_invalid_line_affects_no_other_counter() {
        let skipped = std::cell::Cell::new(0);
        let text = b"pswpin -3\n\xff\npswpout\npgmajfault 99999999999999999999\noom_kill 2\n";
        let found = paging(text, 4096, &|_| skipped.set(skipped.get() + 1));
        let expected = Paging {
            oom_kills: Some(2),
            ..Paging::default()
        };
        assert_eq!((found, skipped.get()), (expected, 3));
    }
}
