//! The containers and services of a host, and what they use, according to their control groups.
//!
//! No engine is asked: the API of Docker takes 15 to 20 % of a core for statistics.

mod class;
mod tree;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Roots;
use super::cgroup::Hierarchies;
use super::container_names::{ContainerNames, short};
use super::limits::stat_field;
use super::proc_file::{ProcFile, value};
use crate::source::host::reading::ContainerUse;
use class::GroupKind;
use tree::{ListedGroup, groups};

/// Lists containers and services; used on a thread of its own.
pub(super) struct Containers {
    /// How many to list by CPU, and how many by memory.
    count: usize,
    hierarchies: Option<Version>,
    names: ContainerNames,
    /// The CPU time of each group at the previous reading, in µs; `None` before the first.
    before: Option<HashMap<String, u64>>,
    has_found: bool,
    text: Vec<u8>,
}

/// Where the groups and their files are.
enum Version {
    /// One hierarchy for everything.
    Two(PathBuf),
    /// One for CPU time, and one for memory.
    One { time: PathBuf, memory: PathBuf },
}

/// A group, and what is known of its use.
struct Candidate {
    group: ListedGroup,
    /// Since the previous reading, in µs.
    cpu: Option<u64>,
    /// In bytes, with what the kernel reclaims first.
    memory: Option<u64>,
}

impl Version {
    /// `None` in a container, which sees only itself, and where there are no control groups.
    fn find(roots: &Roots) -> Option<Self> {
        let found = Hierarchies::find(roots);
        let on_host = |hierarchy: Option<super::cgroup::Hierarchy>| {
            hierarchy.filter(|it| it.own.is_none()).map(|it| it.mount)
        };
        let (time, memory) = (on_host(found.cpu_time), on_host(found.memory));
        match (time, memory) {
            (None, None) => on_host(found.unified).map(Self::Two),
            (time, memory) => Some(Self::One {
                time: time.unwrap_or_default(),
                memory: memory.unwrap_or_default(),
            }),
        }
    }

    fn groups(&self) -> Vec<ListedGroup> {
        match self {
            Self::Two(root) => groups(&[root]),
            Self::One { time, memory } => groups(&[time, memory]),
        }
    }

    /// CPU time since the group was made, in µs.
    fn cpu(&self, path: &str, text: &mut Vec<u8>) -> Option<u64> {
        match self {
            Self::Two(root) => {
                let stat = ProcFile::open(root.join(path).join("cpu.stat"));
                stat_field(stat.read(text)?, b"usage_usec")
            }
            Self::One { time, .. } => {
                let nanoseconds: u64 = value(&time.join(path).join("cpuacct.usage"))?;
                Some(nanoseconds / 1000)
            }
        }
    }

    fn memory(&self, path: &str) -> Option<u64> {
        let (root, file) = match self {
            Self::Two(root) => (root, "memory.current"),
            Self::One { memory, .. } => (memory, "memory.usage_in_bytes"),
        };
        value(&root.join(path).join(file))
    }

    /// What the kernel reclaims first, in bytes.
    fn reclaimable(&self, path: &str, text: &mut Vec<u8>) -> Option<u64> {
        let (root, field) = match self {
            Self::Two(root) => (root, &b"inactive_file"[..]),
            Self::One { memory, .. } => (memory, &b"total_inactive_file"[..]),
        };
        let stat = ProcFile::open(root.join(path).join("memory.stat"));
        stat_field(stat.read(text)?, field)
    }
}

impl Containers {
    pub(super) fn new(roots: &Roots, count: usize) -> Self {
        Self {
            count,
            hierarchies: Version::find(roots),
            names: ContainerNames::new(roots),
            before: None,
            has_found: false,
            text: Vec::new(),
        }
    }

    /// The containers and services that use most: those by CPU and those by memory, each once, the busiest first.
    /// `None` as long as there has been none.
    pub(super) fn read(&mut self) -> Option<Vec<ContainerUse>> {
        let version = self.hierarchies.as_ref()?;
        let groups = version.groups();
        self.has_found |= !groups.is_empty();
        if !self.has_found {
            return None;
        }
        let text = &mut self.text;
        let mut now = HashMap::with_capacity(groups.len());
        let candidates = groups.into_iter().map(|group| {
            let used = version.cpu(&group.path, text);
            now.extend(used.map(|used| (group.path.clone(), used)));
            let cpu = used.and_then(|used| since(self.before.as_ref()?, &group.path, used));
            let memory = version.memory(&group.path);
            Candidate { group, cpu, memory }
        });
        let candidates: Vec<Candidate> = candidates.collect();
        self.before = Some(now);
        let mut working_set = |candidate: &Candidate| {
            let reclaimable = version.reclaimable(&candidate.group.path, text)?;
            Some(candidate.memory?.saturating_sub(reclaimable))
        };
        let chosen = choose(&candidates, self.count, &mut working_set);
        self.names
            .refresh(candidates.iter().filter_map(Candidate::id));
        Some(named(&candidates, chosen, &self.names))
    }
}

/// CPU time since the previous reading. A group that wasn't there is new, so all its time counts: what lives only for a
/// short time is often the culprit.
fn since(before: &HashMap<String, u64>, path: &str, used: u64) -> Option<u64> {
    used.checked_sub(before.get(path).copied().unwrap_or(0))
}

/// A chosen candidate, and its memory without what the kernel reclaims first.
type Chosen = (usize, Option<u64>);

/// The first `count` by CPU and the first `count` by memory.
///
/// What can be reclaimed is in a file that takes longer than all others, so it is read only of those that may be among
/// the first: nothing uses more than it has.
fn choose(
    candidates: &[Candidate],
    count: usize,
    working_set: &mut dyn FnMut(&Candidate) -> Option<u64>,
) -> Vec<Chosen> {
    let mut places: Vec<usize> = (0..candidates.len()).collect();
    places.sort_by_key(|&place| Reverse(candidates[place].memory));
    let mut known = HashMap::new();
    let mut largest: Vec<(u64, usize)> = Vec::new();
    for &place in &places {
        let least = largest
            .get(count.saturating_sub(1))
            .map(|&(least, _)| least);
        if candidates[place].memory <= least {
            break;
        }
        let memory = working_set(&candidates[place]);
        known.insert(place, memory);
        largest.extend(memory.map(|memory| (memory, place)));
        largest.sort_by_key(|&(memory, _)| Reverse(memory));
    }
    largest.truncate(count);
    // Among idle ones, the large ones are of interest.
    places.sort_by_key(|&place| Reverse(candidates[place].cpu));
    let mut chosen = places;
    chosen.retain({
        let mut rank = 0;
        move |place| {
            rank += 1;
            rank <= count || largest.iter().any(|(_, large)| large == place)
        }
    });
    let mut memory = |place| {
        let known = known.get(&place).copied();
        known.unwrap_or_else(|| working_set(&candidates[place]))
    };
    chosen
        .into_iter()
        .map(|place| (place, memory(place)))
        .collect()
}

impl Candidate {
    fn id(&self) -> Option<&str> {
        match &self.group.kind {
            GroupKind::Container { id, .. } => Some(id),
            GroupKind::Named(_) => None,
        }
    }

    fn name(&self, names: &ContainerNames) -> String {
        match &self.group.kind {
            GroupKind::Container { id, engine } => match names.of(id) {
                Some(name) => name.to_owned(),
                None => format!("{engine}-{}", short(id)),
            },
            GroupKind::Named(name) => name.clone(),
        }
    }
}

/// The chosen ones with their names. Where two have the same, the later one gets its path as well.
fn named(
    candidates: &[Candidate],
    chosen: Vec<Chosen>,
    names: &ContainerNames,
) -> Vec<ContainerUse> {
    let mut list: Vec<ContainerUse> = Vec::with_capacity(chosen.len());
    for (place, memory) in chosen {
        let candidate = &candidates[place];
        let mut name = candidate.name(names);
        if list.iter().any(|other| other.name == name) {
            name = format!("{name} /{}", candidate.group.path);
        }
        list.push(ContainerUse {
            name,
            cpu: candidate.cpu.map(Duration::from_micros),
            memory,
        });
    }
    list
}

#[cfg(test)]
mod tests;
