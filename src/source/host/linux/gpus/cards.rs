//! Which cards there are, and their numbers.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::source::host::linux::roots::Roots;

/// Who made a card, and thus how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GpuMaker {
    Nvidia,
    Amd,
}

/// The drivers whose cards can be read.
const DRIVERS: [(&str, GpuMaker); 2] = [("nvidia", GpuMaker::Nvidia), ("amdgpu", GpuMaker::Amd)];

/// Where a card sits, such as `0000:c1:00.0`. In the order of these places, cards are numbered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PciAddress {
    /// Domain, bus, device and function.
    place: [u32; 4],
    text: String,
}

impl PciAddress {
    fn parse(text: &str) -> Option<Self> {
        let (front, function) = text.split_once('.')?;
        let mut parts = front.split(':').chain([function]);
        let mut next = || u32::from_str_radix(parts.next()?, 16).ok();
        let place = [next()?, next()?, next()?, next()?];
        parts.next().is_none().then(|| Self {
            place,
            text: text.to_owned(),
        })
    }

    /// As the kernel writes it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// A card with a driver that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundGpu {
    pub(super) address: PciAddress,
    pub(super) maker: GpuMaker,
    /// Its number.
    pub(super) name: Arc<str>,
    /// Its directory in /sys.
    pub(super) dir: PathBuf,
}

/// The numbers given to cards. A number never changes: a card that comes later gets the next one.
#[derive(Default)]
pub(super) struct GpuNumbers {
    given: HashMap<PciAddress, Arc<str>>,
}

impl GpuNumbers {
    /// The cards, in the order of their places.
    pub(super) fn find(&mut self, roots: &Roots) -> Vec<FoundGpu> {
        let mut cards: Vec<(PciAddress, GpuMaker)> = DRIVERS
            .into_iter()
            .flat_map(|(driver, maker)| bound(roots, driver).map(move |address| (address, maker)))
            .collect();
        cards.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let found = cards.into_iter().map(|(address, maker)| {
            let next = self.given.len();
            let name = self.given.entry(address.clone());
            let name = name.or_insert_with(|| next.to_string().into());
            FoundGpu {
                maker,
                name: Arc::clone(name),
                dir: roots.sys("bus/pci/devices").join(address.as_str()),
                address,
            }
        });
        found.collect()
    }
}

/// The devices of a driver: the names of the links in its directory, beside files such as `bind`.
fn bound(roots: &Roots, driver: &str) -> impl Iterator<Item = PciAddress> + use<> {
    let entries = fs::read_dir(roots.sys("bus/pci/drivers").join(driver));
    let names = entries.into_iter().flatten().flatten();
    names.filter_map(|entry| PciAddress::parse(entry.file_name().to_str()?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::host::linux::fixture::tree;

    fn find(numbers: &mut GpuNumbers, root: &Path) -> Vec<(String, String)> {
        let roots = Roots::below(root, Arc::new(|_| None));
        let found = numbers.find(&roots).into_iter();
        found
            .map(|gpu| (gpu.name.to_string(), gpu.address.as_str().to_owned()))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |&(number, address): &(&str, &str)| (number.into(), address.into());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn cards_are_numbered_by_place_whoever_made_them() {
        let root = tree(&[
            "sys/bus/pci/drivers/nvidia/bind",
            "sys/bus/pci/drivers/nvidia/new_id",
            "sys/bus/pci/drivers/nvidia/0000:c1:00.0/",
            "sys/bus/pci/drivers/nvidia/10000:01:00.0/",
            "sys/bus/pci/drivers/amdgpu/0000:0b:00.0/",
            "sys/bus/pci/drivers/amdgpu/module/",
            "sys/bus/pci/drivers/snd_hda_intel/0000:c1:00.1/",
            "sys/bus/pci/drivers/vfio-pci/0000:02:00.0/",
        ]);
        let mut numbers = GpuNumbers::default();
        let mut expected = vec![
            ("0", "0000:0b:00.0"),
            ("1", "0000:c1:00.0"),
            ("2", "10000:01:00.0"),
        ];
        assert_eq!(find(&mut numbers, root.path()), pairs(&expected));
        // One goes, another comes: the others keep their numbers.
        let drivers = root.path().join("sys/bus/pci/drivers");
        fs::remove_dir(drivers.join("nvidia/0000:c1:00.0")).unwrap();
        fs::create_dir(drivers.join("amdgpu/0000:03:00.0")).unwrap();
        expected[1] = expected[0];
        expected[0] = ("3", "0000:03:00.0");
        assert_eq!(find(&mut numbers, root.path()), pairs(&expected));
    }

    #[test]
    fn an_address_has_four_hexadecimal_parts() {
        let place = |text| PciAddress::parse(text).map(|address| address.place);
        assert_eq!(place("0000:c1:1f.7"), Some([0, 0xc1, 0x1f, 7]));
        for text in [
            "bind",
            "0000:c1:00",
            "c1:00.0",
            "0000:c1:00.0:1",
            "0000:c1:00.x",
            "",
        ] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
