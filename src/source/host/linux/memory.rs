//! Memory of the machine.

use super::text::{fields, lines, number, split_once};
use crate::source::host::reading::{Memory, Swap};

/// The contents of /proc/meminfo, in bytes; `None` for a missing or invalid line.
#[derive(Debug, Default)]
pub(super) struct Meminfo {
    total: Option<u64>,
    free: Option<u64>,
    /// Missing before Linux 3.14.
    available: Option<u64>,
    has_available: bool,
    buffers: Option<u64>,
    cached: Option<u64>,
    shared: Option<u64>,
    reclaimable: Option<u64>,
    dirty: Option<u64>,
    writeback: Option<u64>,
    swap_total: Option<u64>,
    swap_free: Option<u64>,
}

impl Meminfo {
    /// `text` is /proc/meminfo. Parsed by hand, because sysinfo repeats the last value if a line is missing, and its
    /// used swap wraps if more is free than the total, as in containers whose limit was lowered.
    pub(super) fn parse(text: &[u8], skip: &dyn Fn(&[u8])) -> Self {
        let mut info = Self::default();
        for line in lines(text) {
            let Some((name, size)) = split_once(line, b':') else {
                skip(line);
                continue;
            };
            let Some(field) = info.field(name) else {
                continue;
            };
            *field = kibibytes(size);
            if field.is_none() {
                skip(line);
            }
        }
        info
    }

    fn field(&mut self, name: &[u8]) -> Option<&mut Option<u64>> {
        Some(match name {
            b"MemTotal" => &mut self.total,
            b"MemFree" => &mut self.free,
            b"MemAvailable" => {
                self.has_available = true;
                &mut self.available
            }
            b"Buffers" => &mut self.buffers,
            b"Cached" => &mut self.cached,
            b"Shmem" => &mut self.shared,
            b"SReclaimable" => &mut self.reclaimable,
            b"Dirty" => &mut self.dirty,
            b"Writeback" => &mut self.writeback,
            b"SwapTotal" => &mut self.swap_total,
            b"SwapFree" => &mut self.swap_free,
            _ => return None,
        })
    }

    /// Physical memory; 0 if unknown.
    pub(super) fn physical(&self) -> u64 {
        self.total.unwrap_or(0)
    }

    /// Never reports more available than the total.
    pub(super) fn memory(&self) -> Option<Memory> {
        let total = self.total.filter(|total| *total != 0)?;
        let available = if self.has_available {
            self.available?
        } else {
            self.estimate()?
        };
        Some(Memory {
            total,
            available: available.min(total),
        })
    }

    /// The estimate that old kernels leave to their users, as `free` did it then.
    fn estimate(&self) -> Option<u64> {
        let parts = [self.free?, self.buffers?, self.cached?];
        let parts = parts.into_iter().chain(self.reclaimable);
        let sum = parts.fold(0_u64, u64::saturating_add);
        Some(sum.saturating_sub(self.shared.unwrap_or(0)))
    }

    /// What has yet to be written to disks, and what is being written.
    pub(super) fn dirty(&self) -> Option<u64> {
        Some(self.dirty?.saturating_add(self.writeback?))
    }

    /// `None` also if there is no swap. If more is free than the total, none is used.
    pub(super) fn swap(&self) -> Option<Swap> {
        let total = self.swap_total.filter(|total| *total != 0)?;
        Some(Swap {
            total,
            used: total.saturating_sub(self.swap_free?),
        })
    }
}

/// `  123 kB`, in bytes: the kernel means KiB.
fn kibibytes(size: &[u8]) -> Option<u64> {
    let mut fields = fields(size);
    let count: u64 = number(fields.next()?)?;
    let is_kib = fields.next() == Some(b"kB");
    count.checked_mul(1024).filter(|_| is_kib)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = Option<(u64, u64)>;

    fn meminfo(text: &str) -> (Pair, Pair) {
        let info = Meminfo::parse(text.as_bytes(), &|_| {});
        let memory = info.memory().map(|m| (m.total / 1024, m.available / 1024));
        let swap = info.swap().map(|s| (s.total / 1024, s.used / 1024));
        (memory, swap)
    }

    #[test]
    fn nothing_wraps_if_more_is_free_than_the_total() {
        let text = "MemTotal: 524288 kB\nMemFree: 434000 kB\nMemAvailable: 490000 kB\n\
                    SwapTotal: 1048576 kB\nSwapFree: 1048580 kB\n";
        assert_eq!(
            meminfo(text),
            (Some((524_288, 490_000)), Some((1_048_576, 0)))
        );
        let text = "MemTotal: 100 kB\nMemAvailable: 101 kB\nSwapTotal: 0 kB\nSwapFree: 5 kB\n";
        assert_eq!(meminfo(text), (Some((100, 100)), None));
    }

    #[test]
    fn an_old_kernel_leaves_the_estimate_to_us() {
        let text = "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\nShmem: 7 kB\nSReclaimable: 2 kB\n";
        assert_eq!(meminfo(text).0, Some((100, 30)));
        let text = text.replace("Shmem: 7", "Shmem: 70");
        assert_eq!(meminfo(&text).0, Some((100, 0)));
    }

    #[test]
    fn contradictory_numbers_are_absent() {
        for bad in [
            "x kB",
            "-1 kB",
            "18446744073709551615 kB",
            "18446744073709551616 kB",
            "60",
            "60 MB",
            "",
        ] {
            let text = format!(
                "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\nMemAvailable: {bad}\nSwapTotal: 9 kB\nSwapFree: 4 kB\n"
            );
            assert_eq!(meminfo(&text), (None, Some((9, 5))), "{bad}");
        }
        assert_eq!(
            meminfo("MemTotal: 0 kB\nMemAvailable: 0 kB\n"),
            (None, None)
        );
        assert_eq!(meminfo(""), (None, None));
    }
}
