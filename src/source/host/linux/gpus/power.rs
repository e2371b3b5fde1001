//! Whether a card sleeps, or could. None of these files wakes it up.

use std::fs;
use std::path::Path;

use super::cards::{FoundGpu, GpuMaker};
use crate::source::host::linux::proc_file::ProcFile;
use crate::source::host::linux::roots::Roots;
use crate::source::host::linux::text::{lines, split_once};

/// What the kernel's power management says of a card.
pub(super) struct GpuPower {
    /// `active`, `suspended`, and what is between them.
    status: ProcFile,
    /// `D0` to `D3cold`, or `unknown`.
    state: ProcFile,
    may_sleep: bool,
}

impl GpuPower {
    pub(super) fn of(gpu: &FoundGpu, roots: &Roots) -> Self {
        let mut power = Self {
            status: ProcFile::open(gpu.dir.join("power/runtime_status")),
            state: ProcFile::open(gpu.dir.join("power_state")),
            may_sleep: true,
        };
        power.may_sleep = power.is_managed(&gpu.dir)
            && !drives_a_screen(&gpu.dir)
            // A sleeping one can, and is not asked.
            && (power.is_asleep() || gpu.maker != GpuMaker::Nvidia || nvidia_may_sleep(gpu, roots));
        power
    }

    /// It sleeps, or is falling asleep or waking up. One without power management, or unknown to us, is awake.
    pub(super) fn is_asleep(&self) -> bool {
        let mut text = Vec::new();
        let mut begins = |file: &ProcFile, words: &[&[u8]]| {
            let text = file.read(&mut text).unwrap_or_default();
            words.iter().any(|word| text.starts_with(word))
        };
        begins(&self.status, &[b"suspend", b"resuming"]) || begins(&self.state, &[b"D3"])
    }

    /// It could fall asleep if nobody used it.
    pub(super) fn may_sleep(&self) -> bool {
        self.may_sleep
    }

    fn is_managed(&self, dir: &Path) -> bool {
        let control = fs::read(dir.join("power/control")).unwrap_or_default();
        let mut text = Vec::new();
        let status = self.status.read(&mut text).unwrap_or_default();
        control.trim_ascii() == b"auto" && status.trim_ascii() != b"unsupported"
    }
}

/// A connector of the card has a picture.
fn drives_a_screen(dir: &Path) -> bool {
    let below = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
    let cards = below(&dir.join("drm"));
    let mut connectors = cards.flat_map(|card| below(&card.path()));
    connectors.any(|connector| {
        let enabled = fs::read(connector.path().join("enabled"));
        enabled.is_ok_and(|text| text.trim_ascii() == b"enabled")
    })
}

/// Distributions leave power management to the driver even where it does nothing, as on servers. The driver itself
/// says so: `Runtime D3 status: Enabled (fine-grained)`, or `Not supported`.
fn nvidia_may_sleep(gpu: &FoundGpu, roots: &Roots) -> bool {
    let place = roots.proc("driver/nvidia/gpus").join(gpu.address.as_str());
    let text = fs::read(place.join("power")).unwrap_or_default();
    let status = lines(&text).find_map(|line| {
        let (name, value) = split_once(line, b':')?;
        (name == b"Runtime D3 status").then(|| value.trim_ascii())
    });
    status.is_none_or(|status| status.starts_with(b"Enabled") || status == b"?")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::host::linux::fixture::write;
    use crate::source::host::linux::gpus::cards::GpuNumbers;

    /// Whether a card with these files is asleep, and whether it may sleep.
    #[track_caller]
    fn check(driver: &str, files: &[(&str, &str)], expected: (bool, bool)) {
        let root = tempfile::tempdir().unwrap();
        let bound = format!("sys/bus/pci/drivers/{driver}/0000:01:00.0");
        fs::create_dir_all(root.path().join(bound)).unwrap();
        for (file, text) in files {
            let place = if file.starts_with("proc") {
                root.path().join(file)
            } else {
                root.path()
                    .join("sys/bus/pci/devices/0000:01:00.0")
                    .join(file)
            };
            write(&place, format!("{text}\n").as_bytes());
        }
        let roots = Roots::below(root.path(), Arc::new(|_| None));
        let found = GpuNumbers::default().find(&roots);
        let power = GpuPower::of(&found[0], &roots);
        assert_eq!((power.is_asleep(), power.may_sleep()), expected);
    }

    const AUTO: (&str, &str) = ("power/control", "auto");
    const ACTIVE: (&str, &str) = ("power/runtime_status", "active");

    #[test]
    fn the_kernel_says_whether_a_card_sleeps() {
        for (status, is_asleep) in [
            ("active", false),
            ("suspended", true),
            ("suspending", true),
            ("resuming", true),
            ("error", false),
        ] {
            check(
                "amdgpu",
                &[AUTO, ("power/runtime_status", status)],
                (is_asleep, true),
            );
        }
        check("amdgpu", &[AUTO, ("power_state", "D3cold")], (true, true));
        check("amdgpu", &[AUTO, ("power_state", "D0")], (false, true));
        check("amdgpu", &[AUTO, ("power_state", "unknown")], (false, true));
    }

    #[test]
    fn some_cards_never_sleep() {
        check("amdgpu", &[], (false, false));
        check("amdgpu", &[("power/control", "on"), ACTIVE], (false, false));
        check(
            "amdgpu",
            &[AUTO, ("power/runtime_status", "unsupported")],
            (false, false),
        );
        let connector = |text| ("drm/card1/card1-DP-1/enabled", text);
        check(
            "amdgpu",
            &[AUTO, ACTIVE, connector("enabled")],
            (false, false),
        );
        check(
            "amdgpu",
            &[AUTO, ACTIVE, connector("disabled")],
            (false, true),
        );
    }

    #[test]
    fn the_driver_of_nvidia_knows_better() {
        let power = "proc/driver/nvidia/gpus/0000:01:00.0/power";
        for (status, may_sleep) in [
            ("Enabled (fine-grained)", true),
            ("Enabled (coarse-grained)", true),
            ("?", true),
            ("Disabled", false),
            ("Disabled by default", false),
            ("Not supported", false),
        ] {
            let text =
                format!("Runtime D3 status:          {status}\nVideo Memory:               Active");
            check(
                "nvidia",
                &[AUTO, ACTIVE, (power, &text)],
                (false, may_sleep),
            );
        }
        check("nvidia", &[AUTO, ACTIVE], (false, true));
        // What a sleeping card could say is not asked.
        let asleep = ("power/runtime_status", "suspended");
        check(
            "nvidia",
            &[AUTO, asleep, (power, "Runtime D3 status: Disabled")],
            (true, true),
        );
    }
}
