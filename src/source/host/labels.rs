//! The names of devices: two devices are always two instances, whatever their labels.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Beyond this many names, those of removed devices are forgotten.
const REMEMBERED: usize = 1024;

/// A device to be named.
pub(super) struct Labelled {
    /// Identifies the device, and is the same at every reading.
    pub(super) key: Vec<u8>,
    /// Its label, for people.
    pub(super) label: Vec<u8>,
    /// The name that distinguishes it from others with the same label.
    pub(super) device: String,
}

/// The names given to devices. A name never changes, so that a later device doesn't rename a column of a table or
/// recording.
#[derive(Default)]
pub(super) struct Labels {
    given: HashMap<Vec<u8>, Arc<str>>,
}

impl Labels {
    /// The names of `devices`: the label of each, with its device name if others have the same label.
    ///
    /// A label that isn't UTF-8 is converted lossily, and may then equal that of another device.
    pub(super) fn name(&mut self, devices: &[Labelled]) -> Vec<Arc<str>> {
        self.forget(devices);
        let mut taken: HashSet<Arc<str>> = self.given.values().cloned().collect();
        let mut wanted: HashMap<Arc<str>, usize> = HashMap::new();
        let labels: Vec<Arc<str>> = devices.iter().map(Labelled::text).collect();
        for (device, label) in devices.iter().zip(&labels) {
            if !self.given.contains_key(&device.key) {
                *wanted.entry(label.clone()).or_default() += 1;
            }
        }
        let names = devices.iter().zip(labels).map(|(device, label)| {
            if let Some(name) = self.given.get(&device.key) {
                return name.clone();
            }
            let collides = taken.contains(&label) || wanted.get(&label).is_some_and(|n| 1 < *n);
            let name = if collides {
                device.distinct(&label, &taken)
            } else {
                label
            };
            taken.insert(name.clone());
            self.given.insert(device.key.clone(), name.clone());
            name
        });
        names.collect()
    }

    /// The names of devices whose byte names are unique in the system: only names that aren't UTF-8 can collide.
    /// Systems other than Linux give names as text.
    #[cfg(any(target_os = "linux", test))]
    pub(super) fn of_bytes<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) -> Vec<Arc<str>> {
        let devices = names.map(|name| Labelled {
            key: name.to_owned(),
            label: name.to_owned(),
            device: name.escape_ascii().to_string(),
        });
        self.name(&devices.collect::<Vec<_>>())
    }

    fn forget(&mut self, devices: &[Labelled]) {
        if REMEMBERED < self.given.len() + devices.len() {
            let present: HashSet<&[u8]> = devices.iter().map(|device| &*device.key).collect();
            self.given.retain(|key, _| present.contains(&**key));
        }
    }
}

impl Labelled {
    fn text(&self) -> Arc<str> {
        String::from_utf8_lossy(&self.label).into()
    }

    fn distinct(&self, label: &str, taken: &HashSet<Arc<str>>) -> Arc<str> {
        let with_device = format!("{label} {}", self.device);
        if !taken.contains(&*with_device) {
            return with_device.into();
        }
        let numbered = (2_u64..).map(|number| format!("{with_device} {number}"));
        let mut free = numbered.filter(|name| !taken.contains(&**name));
        free.next().unwrap_or(with_device).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(key: &str, label: &[u8], device: &str) -> Labelled {
        Labelled {
            key: key.into(),
            label: label.into(),
            device: device.into(),
        }
    }

    #[test]
    fn colliding_labels_are_distinguished_by_device() {
        let devices = [
            device("a", b"Composite", "nvme0"),
            device("b", b"Composite", "nvme1"),
            device("c", b"Core 0", "coretemp.0"),
            device("d", b"Composite", "nvme1"),
            device("e", b"Composite nvme0", "x"),
        ];
        let expected = [
            "Composite nvme0",
            "Composite nvme1",
            "Core 0",
            "Composite nvme1 2",
            "Composite nvme0 x",
        ];
        let mut labels = Labels::default();
        for _ in 0..2 {
            let names = labels.name(&devices);
            assert!(names.iter().map(|name| &**name).eq(expected), "{names:?}");
        }
    }

    #[test]
    fn a_name_stays_when_another_device_appears() {
        let mut labels = Labels::default();
        let first = device("a", b"Composite", "nvme0");
        assert_eq!(*labels.name(&[first])[0], *"Composite");
        let both = [
            device("b", b"Composite", "nvme1"),
            device("a", b"Composite", "nvme0"),
        ];
        let names = labels.name(&both);
        assert_eq!([&*names[0], &*names[1]], ["Composite nvme1", "Composite"]);
    }

    #[test]
    fn names_that_are_not_text_stay_distinct() {
        let mut labels = Labels::default();
        let names: [&[u8]; 4] = [b"a\xff", b"a\xfe", "a\u{fffd}".as_bytes(), b"eth0"];
        let given = labels.of_bytes(names.into_iter());
        assert_eq!(&*given[3], "eth0");
        let distinct: HashSet<&Arc<str>> = given.iter().collect();
        assert_eq!(distinct.len(), 4, "{given:?}");
        assert_eq!(&*given[0], "a\u{fffd} a\\xff");
        assert_eq!(
            &*Labels::default().of_bytes(names[..1].iter().copied())[0],
            "a\u{fffd}"
        );
    }

    #[test]
    fn removed_devices_are_eventually_forgotten() {
        let mut labels = Labels::default();
        for number in 0..3 * REMEMBERED {
            labels.of_bytes([format!("veth{number}").as_bytes()].into_iter());
        }
        assert!(labels.given.len() <= REMEMBERED);
    }
}
