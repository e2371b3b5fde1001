//! AMD's cards: what the driver amdgpu shows in /sys.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::host::linux::proc_file::ProcFile;
use crate::source::host::reading::{GpuValues, Occupancy};

/// Of the temperatures that a card has, the first of these that exists: that of the die, or where its makers show only
/// that, that of the hottest place on it.
const TEMPERATURES: [&str; 2] = ["edge", "junction"];

/// The files of a card. They stay open.
pub(super) struct AmdGpu {
    busy: ProcFile,
    memory_used: ProcFile,
    memory_total: ProcFile,
    /// In µW; the mean, or where the card has only that, the power now.
    power: [ProcFile; 2],
    /// In millidegrees.
    temperature: Option<ProcFile>,
    /// In Hz.
    clock: ProcFile,
}

impl AmdGpu {
    /// The card with the directory `dir`.
    pub(super) fn open(dir: &Path) -> Self {
        let chip = chip(dir).unwrap_or_default();
        let temperature = temperature(&chip);
        Self {
            busy: ProcFile::open(dir.join("gpu_busy_percent")),
            memory_used: ProcFile::open(dir.join("mem_info_vram_used")),
            memory_total: ProcFile::open(dir.join("mem_info_vram_total")),
            power: ["power1_average", "power1_input"].map(|file| ProcFile::open(chip.join(file))),
            temperature: temperature.map(ProcFile::open),
            clock: ProcFile::open(chip.join("freq1_input")),
        }
    }

    /// A value that the card lacks, or that its driver refuses at the moment, is absent.
    pub(super) fn read(&self) -> GpuValues {
        let memory = || {
            Some(Occupancy {
                used: self.memory_used.value()?,
                limit: self.memory_total.value()?,
            })
        };
        let number = |file: &ProcFile| file.value::<i64>().map(|value| value as f64);
        let [mean, current] = &self.power;
        GpuValues {
            busy: number(&self.busy),
            memory: memory(),
            power: number(mean).or_else(|| number(current)).map(|it| it / 1e6),
            temperature: self
                .temperature
                .as_ref()
                .and_then(number)
                .map(|it| it / 1e3),
            clock: number(&self.clock).map(|it| it / 1e6),
            throttled: None,
        }
    }
}

/// The directory of its sensors.
fn chip(dir: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(dir.join("hwmon")).ok()?.flatten();
    entries.next().map(|entry| entry.path())
}

fn temperature(chip: &Path) -> Option<PathBuf> {
    let label = |number: u32| fs::read(chip.join(format!("temp{number}_label"))).ok();
    let labels: Vec<(u32, Vec<u8>)> = (1..=9)
        .filter_map(|number| Some((number, label(number)?)))
        .collect();
    let labelled = TEMPERATURES.into_iter().find_map(|wanted| {
        let is_wanted = |(_, label): &&(u32, Vec<u8>)| label.trim_ascii() == wanted.as_bytes();
        Some(labels.iter().find(is_wanted)?.0)
    });
    // Old kernels have one without a label.
    let number = labelled.or_else(|| labels.is_empty().then_some(1))?;
    Some(chip.join(format!("temp{number}_input")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::host::linux::fixture::write;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: GpuValues) {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            write(&dir.path().join(file), format!("{text}\n").as_bytes());
        }
        assert_eq!(AmdGpu::open(dir.path()).read(), expected);
    }

    #[test]
    fn an_accelerator_without_a_screen() {
        let files = [
            ("gpu_busy_percent", "97"),
            ("mem_info_vram_used", "150"),
            ("mem_info_vram_total", "200"),
            ("hwmon/hwmon7/power1_input", "523000000"),
            ("hwmon/hwmon7/temp2_label", "junction"),
            ("hwmon/hwmon7/temp2_input", "71000"),
            ("hwmon/hwmon7/temp3_label", "mem"),
            ("hwmon/hwmon7/temp3_input", "64000"),
            ("hwmon/hwmon7/freq1_input", "2100000000"),
        ];
        let expected = GpuValues {
            busy: Some(97.0),
            memory: Some(Occupancy {
                used: 150,
                limit: 200,
            }),
            power: Some(523.0),
            temperature: Some(71.0),
            clock: Some(2100.0),
            throttled: None,
        };
        check(&files, expected);
    }

    #[test]
    fn the_temperature_is_that_of_the_die() {
        let files = [
            ("hwmon/hwmon1/temp1_label", "edge"),
            ("hwmon/hwmon1/temp1_input", "51000"),
            ("hwmon/hwmon1/temp2_label", "junction"),
            ("hwmon/hwmon1/temp2_input", "99000"),
        ];
        let at = |temperature| GpuValues {
            temperature: Some(temperature),
            ..GpuValues::default()
        };
        check(&files, at(51.0));
        check(&[("hwmon/hwmon1/temp1_input", "-3500")], at(-3.5));
        let other = [
            ("hwmon/hwmon1/temp1_label", "mem"),
            ("hwmon/hwmon1/temp1_input", "1"),
        ];
        check(&other, GpuValues::default());
    }

    #[test]
    fn what_a_card_lacks_is_absent() {
        check(&[], GpuValues::default());
        let files = [
            ("mem_info_vram_used", "150"),
            ("gpu_busy_percent", ""),
            ("hwmon/hwmon1/power1_average", "x"),
            ("hwmon/hwmon1/freq1_input", "99999999999999999999"),
        ];
        check(&files, GpuValues::default());
    }
}
