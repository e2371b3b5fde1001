//! Small machines of several kinds, each with the sample that it must produce.
//!
//! A file in `trees` describes one: `dir PATH`, `link PATH TARGET`, and `space MOUNT USED AVAILABLE SIZE [INODES LIMIT]`
//! in bytes; `file PATH`, whose lines follow after `|`, and `then PATH` with what it contains two seconds later. With a
//! file `nvml`, there is a library of NVIDIA that says what is in it. After `expect`, each line has a value. There must
//! be no other one.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::linux::fixture::write;
use super::linux::make_library;
use super::reading::{Occupancy, Space};
use super::stand_in;

/// What depends on this machine, or on how its filesystem counts links.
const OTHERS: [&str; 4] = ["agentCpu", "agentMemory", "viewers", "processCount"];

#[derive(Default)]
struct Tree<'a> {
    dirs: Vec<&'a str>,
    links: Vec<(&'a str, &'a str)>,
    spaces: HashMap<PathBuf, Space>,
    first: Vec<(&'a str, String)>,
    then: Vec<(&'a str, String)>,
    expected: BTreeMap<String, Option<f64>>,
}

impl<'a> Tree<'a> {
    fn parse(text: &'a str) -> Self {
        let mut tree = Self::default();
        let (setting, expected) = text.split_once("\nexpect\n").expect("an expect");
        let mut is_later = false;
        for line in setting.lines() {
            let files = if is_later {
                &mut tree.then
            } else {
                &mut tree.first
            };
            if let Some(content) = line.strip_prefix('|') {
                let (_, text) = files.last_mut().expect("a file");
                text.push_str(content.strip_prefix(' ').unwrap_or(content));
                text.push('\n');
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            match *words.as_slice() {
                ["dir", path] => tree.dirs.push(path),
                ["link", path, target] => tree.links.push((path, target)),
                ["space", mount, ref numbers @ ..] => {
                    tree.spaces.insert(mount.into(), space(numbers));
                }
                ["file", path] => {
                    is_later = false;
                    tree.first.push((path, String::new()));
                }
                ["then", path] => {
                    is_later = true;
                    tree.then.push((path, String::new()));
                }
                _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
            }
        }
        tree.expected = expected.lines().map(value).collect();
        tree
    }

    fn values(&self) -> BTreeMap<String, Option<f64>> {
        let root = tempfile::tempdir().unwrap();
        let path = |path: &str| root.path().join(path);
        let fill = |files: &[(&str, String)]| {
            for (file, text) in files {
                write(&path(file), text.as_bytes());
            }
        };
        self.dirs
            .iter()
            .for_each(|dir| std::fs::create_dir_all(path(dir)).unwrap());
        fill(&self.first);
        for (link, target) in &self.links {
            std::fs::create_dir_all(path(link).parent().unwrap()).unwrap();
            symlink(target, path(link)).unwrap();
        }
        if self.first.iter().any(|(file, _)| *file == "nvml") {
            make_library(root.path());
        }
        let spaces = self.spaces.clone();
        let ask = Arc::new(move |mount: &Path| spaces.get(mount).copied());
        stand_in::values(root.path(), ask, || fill(&self.then))
    }
}

fn space(numbers: &[&str]) -> Space {
    let numbers: Vec<u64> = numbers.iter().map(|n| n.parse().unwrap()).collect();
    let inodes = numbers.get(3).map(|&used| Occupancy {
        used,
        limit: numbers[4],
    });
    Space {
        used: numbers[0],
        available: numbers[1],
        size: numbers[2],
        inodes,
    }
}

/// `name value`, where the name may contain blanks; a dash stands for an absent value.
fn value(line: &str) -> (String, Option<f64>) {
    let (name, value) = line.rsplit_once(' ').expect("a value");
    (name.into(), (value != "-").then(|| value.parse().unwrap()))
}

#[track_caller]
fn check(text: &str) {
    let tree = Tree::parse(text);
    let mut values = tree.values();
    values.retain(|name, _| !OTHERS.contains(&name.as_str()));
    let list = |values: &BTreeMap<String, Option<f64>>| -> Vec<String> {
        let line = |(name, value): (&String, &Option<f64>)| match value {
            Some(value) => format!("{name} {value}"),
            None => format!("{name} -"),
        };
        values.iter().map(line).collect()
    };
    let (found, expected) = (list(&values), list(&tree.expected));
    let differs = |a: &[String], b: &[String]| {
        let only = a.iter().filter(|line| !b.contains(line));
        only.cloned().collect::<Vec<_>>().join("\n")
    };
    let (more, less) = (differs(&found, &expected), differs(&expected, &found));
    assert!(found == expected, "not expected:\n{more}\nmissing:\n{less}");
}

#[test]
fn a_bare_metal_host_with_two_sockets_a_raid_volumes_a_bond_and_a_vlan() {
    check(include_str!("trees/bare-metal.txt"));
}

#[test]
fn a_router() {
    check(include_str!("trees/router.txt"));
}

#[test]
fn a_system_that_boots_an_image() {
    check(include_str!("trees/image.txt"));
}

#[test]
fn a_host_that_hides_the_processes_of_others() {
    check(include_str!("trees/hidepid.txt"));
}

#[test]
fn a_container_with_limits() {
    check(include_str!("trees/container-limited.txt"));
}

#[test]
fn a_container_without_limits() {
    check(include_str!("trees/container.txt"));
}

#[test]
fn a_container_with_limits_on_an_old_system() {
    check(include_str!("trees/container-v1-limited.txt"));
}

#[test]
fn a_container_without_limits_on_an_old_system() {
    check(include_str!("trees/container-v1.txt"));
}

#[test]
fn a_kubelet_node() {
    check(include_str!("trees/kubelet.txt"));
}

#[test]
fn a_workstation_with_cards_of_two_makers() {
    check(include_str!("trees/graphics.txt"));
}

#[test]
fn a_server_that_loses_an_accelerator() {
    check(include_str!("trees/accelerators.txt"));
}
