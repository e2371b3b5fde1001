//! Temperatures: those of the chips in /sys/class/hwmon; if there are none, as on small boards, those of the thermal
//! zones.
//!
//! sysinfo identifies sensors by label, so of two drives of the same model it shows only one. Here a sensor belongs to
//! a device, and its file stays open, which saves two of three calls.
//!
//! AMD's graphics cards are left out: reading their chips would wake them up or keep them awake, and takes long. They are
//! read as cards are.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::proc_file::ProcFile;
use super::text::number;
use crate::source::host::labels::{Labelled, Labels};

/// How long the list of sensors stays valid. Their values are read for every sample.
const LIST_AGE: Duration = Duration::from_secs(60);

/// The name of the chip of AMD's graphics cards.
const GRAPHICS: &[u8] = b"amdgpu";

/// The sensors of this machine.
pub(super) struct Sensors {
    chips: PathBuf,
    zones: PathBuf,
    labels: Labels,
    list: Vec<Sensor>,
    listed: Option<Instant>,
}

struct Sensor {
    name: Arc<str>,
    /// In millidegrees Celsius.
    input: ProcFile,
    /// Contains 1 if the input is invalid.
    fault: Option<ProcFile>,
}

impl Sensors {
    /// `class` is /sys/class.
    pub(super) fn new(class: &Path) -> Self {
        Self {
            chips: class.join("hwmon"),
            zones: class.join("thermal"),
            labels: Labels::default(),
            list: Vec::new(),
            listed: None,
        }
    }

    /// Each with its °C as reported, plausible or not; `None` if it reports nothing.
    pub(super) fn read(&mut self, now: Instant) -> Vec<(Arc<str>, Option<f64>)> {
        let is_fresh = |listed| now.saturating_duration_since(listed) < LIST_AGE;
        if !self.listed.is_some_and(is_fresh) {
            self.listed = Some(now);
            self.relist();
        }
        let sensors = self.list.iter();
        sensors
            .map(|sensor| (sensor.name.clone(), sensor.celsius()))
            .collect()
    }

    fn relist(&mut self) {
        let mut found: Vec<FoundSensor> = numbered(&self.chips, "hwmon")
            .into_iter()
            .flat_map(|(_, chip)| of_chip(&chip))
            .collect();
        if found.is_empty() {
            let zones = numbered(&self.zones, "thermal_zone").into_iter();
            found = zones.filter_map(|(_, zone)| of_zone(&zone)).collect();
        }
        let (labelled, inputs): (Vec<Labelled>, Vec<PathBuf>) = found
            .into_iter()
            .map(|found| (found.labelled, found.input))
            .unzip();
        let names = self.labels.name(&labelled);
        let sensors = names.into_iter().zip(inputs).map(|(name, input)| {
            let fault = input
                .to_str()
                .and_then(|input| input.strip_suffix("_input"));
            let fault = fault.map(|stem| ProcFile::open(format!("{stem}_fault")));
            Sensor {
                name,
                input: ProcFile::open(input),
                fault: fault.filter(|fault| fault.file().is_some()),
            }
        });
        self.list = sensors.collect();
    }
}

impl Sensor {
    fn celsius(&self) -> Option<f64> {
        let fault = self.fault.as_ref();
        if fault
            .and_then(ProcFile::value::<i64>)
            .is_some_and(|fault| fault != 0)
        {
            return None;
        }
        Some(self.input.value::<i64>()? as f64 / 1000.0)
    }
}

struct FoundSensor {
    labelled: Labelled,
    input: PathBuf,
}

/// The temperatures of one chip, as the kernel's hwmon/sysfs-interface describes them.
fn of_chip(chip: &Path) -> Vec<FoundSensor> {
    let entry = file_name(chip);
    let link = fs::read_link(chip.join("device")).ok();
    let device = link.as_deref().map_or_else(|| entry.clone(), file_name);
    let chip_name = text(&chip.join("name")).unwrap_or_else(|| entry.clone().into_bytes());
    if chip_name == GRAPHICS {
        return Vec::new();
    }
    let inputs = numbered(chip, "temp");
    let found = inputs.into_iter().map(|(number, input)| {
        let label = text(&chip.join(format!("temp{number}_label")));
        let label = label.unwrap_or_else(|| {
            let place = format!(" temp{number}");
            [&chip_name, place.as_bytes()].concat()
        });
        FoundSensor {
            labelled: Labelled {
                // The kernel may reuse the number of a chip for another one.
                key: [format!("{entry} {device} {number} ").as_bytes(), &label].concat(),
                label,
                device: device.clone(),
            },
            input,
        }
    });
    found.collect()
}

fn of_zone(zone: &Path) -> Option<FoundSensor> {
    let device = file_name(zone);
    let input = zone.join("temp");
    let label = text(&zone.join("type")).unwrap_or_else(|| device.clone().into_bytes());
    input.exists().then(|| FoundSensor {
        labelled: Labelled {
            key: [format!("{device} ").as_bytes(), &label].concat(),
            label,
            device,
        },
        input,
    })
}

/// The entries of `dir` named `stem` and a number, in ascending order; for `temp`, only the inputs.
fn numbered(dir: &Path, stem: &str) -> Vec<(u32, PathBuf)> {
    let suffix = if stem == "temp" { "_input" } else { "" };
    let entries = fs::read_dir(dir).into_iter().flatten();
    let numbered = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let name = path.file_name()?.as_bytes();
        let digits = name
            .strip_prefix(stem.as_bytes())?
            .strip_suffix(suffix.as_bytes())?;
        Some((number(digits)?, path))
    });
    let mut numbered: Vec<(u32, PathBuf)> = numbered.collect();
    numbered.sort_unstable();
    numbered
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(OsStr::new(""));
    name.to_string_lossy().into_owned()
}

/// The text of the file at `path`, if there is any.
fn text(path: &Path) -> Option<Vec<u8>> {
    let text = fs::read(path).ok()?;
    Some(text.trim_ascii().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::host::linux::fixture::write;
    use std::os::unix::fs::symlink;

    fn check(root: &tempfile::TempDir, expected: &[(&str, Option<f64>)]) {
        let mut sensors = Sensors::new(root.path());
        let now = Instant::now();
        for now in [now, now, now + LIST_AGE] {
            let read = sensors.read(now);
            let read: Vec<_> = read
                .iter()
                .map(|(name, celsius)| (&**name, *celsius))
                .collect();
            assert_eq!(read, expected);
        }
    }

    fn chip(
        root: &tempfile::TempDir,
        number: u32,
        name: &str,
        device: Option<&str>,
        files: &[(&str, &str)],
    ) {
        let dir = root.path().join(format!("hwmon/hwmon{number}"));
        write(&dir.join("name"), name.as_bytes());
        for (file, text) in files {
            write(&dir.join(file), text.as_bytes());
        }
        if let Some(device) = device {
            symlink(Path::new("../../devices").join(device), dir.join("device")).unwrap();
        }
    }

    #[test]
    fn two_drives_of_one_model_are_two_sensors() {
        let root = tempfile::tempdir().unwrap();
        let drive = |celsius| [("temp1_label", "Composite\n"), ("temp1_input", celsius)];
        chip(&root, 0, "nvme\n", Some("nvme0"), &drive("41850\n"));
        chip(&root, 10, "nvme\n", Some("nvme1"), &drive("84850\n"));
        chip(
            &root,
            2,
            "acpitz\n",
            None,
            &[("temp1_input", "27800\n"), ("temp2_input", "-5000\n")],
        );
        let expected = [
            ("Composite nvme0", Some(41.85)),
            ("acpitz temp1", Some(27.8)),
            ("acpitz temp2", Some(-5.0)),
            ("Composite nvme1", Some(84.85)),
        ];
        check(&root, &expected);
    }

    #[test]
    fn sensors_of_one_device_with_one_label_are_numbered() {
        let root = tempfile::tempdir().unwrap();
        let both = [
            ("temp1_label", "x\n"),
            ("temp1_input", "1000\n"),
            ("temp2_label", "x\n"),
            ("temp2_input", "2000\n"),
        ];
        chip(&root, 0, "chip\n", None, &both);
        check(&root, &[("x hwmon0", Some(1.0)), ("x hwmon0 2", Some(2.0))]);
    }

    #[test]
    fn a_faulty_sensor_has_no_value() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("temp1_input", "1000\n"),
            ("temp1_fault", "1\n"),
            ("temp2_input", "2000\n"),
            ("temp2_fault", "0\n"),
            ("temp3_input", "none\n"),
            ("temp4_input", ""),
            ("temp5_input", "99999999999999999999\n"),
            ("temp6_crit", "1\n"),
        ];
        chip(&root, 0, "chip\n", None, &files);
        let expected = [
            ("chip temp1", None),
            ("chip temp2", Some(2.0)),
            ("chip temp3", None),
            ("chip temp4", None),
            ("chip temp5", None),
        ];
        check(&root, &expected);
    }

    #[test]
    fn zones_count_where_there_is_no_chip() {
        let root = tempfile::tempdir().unwrap();
        for (zone, kind, celsius) in [
            (0, "cpu-thermal", "50000\n"),
            (1, "gpu", "40000\n"),
            (2, "gpu", "41000\n"),
        ] {
            let dir = root.path().join(format!("thermal/thermal_zone{zone}"));
            write(&dir.join("type"), kind.as_bytes());
            write(&dir.join("temp"), celsius.as_bytes());
        }
        chip(&root, 0, "voltage\n", None, &[("in0_input", "5000\n")]);
        let expected = [
            ("cpu-thermal", Some(50.0)),
            ("gpu thermal_zone1", Some(40.0)),
            ("gpu thermal_zone2", Some(41.0)),
        ];
        check(&root, &expected);
    }

    #[test]
    fn graphics_cards_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let edge = [("temp1_label", "edge\n"), ("temp1_input", "55000\n")];
        chip(&root, 0, "amdgpu\n", Some("0000:03:00.0"), &edge);
        check(&root, &[]);
        chip(&root, 1, "coretemp\n", None, &[("temp1_input", "40000\n")]);
        check(&root, &[("coretemp temp1", Some(40.0))]);
    }
}
