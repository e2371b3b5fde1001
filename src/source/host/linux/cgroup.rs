//! Where our control group is: the mounted hierarchies, and our place in each.
//!
//! In a container, its group and those above it, as far as they are visible, limit what can be used. A service of the
//! host is no container, whatever its own limits: it reports the host.

use std::fs;
use std::path::{Path, PathBuf};

use super::Roots;
use super::text::{fields, lines, split_once};

/// The kernel's first PID namespace: `PROC_PID_INIT_INO`.
const FIRST_PIDS: &str = "pid:[4026531836]";

/// The kernel's first cgroup namespace: `PROC_CGROUP_INIT_INO`.
const FIRST_CGROUPS: &str = "cgroup:[4026531835]";

/// Where systems mount the control groups.
const USUAL_MOUNT: &str = "sys/fs/cgroup";

/// The hierarchies that matter here. In version 2 there is one for everything, in version 1 one for each resource; some
/// systems have both.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hierarchies {
    pub(super) unified: Option<Hierarchy>,
    /// Version 1, and so are the following.
    pub(super) memory: Option<Hierarchy>,
    pub(super) cpu: Option<Hierarchy>,
    pub(super) cpu_time: Option<Hierarchy>,
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// The names of the groups from there down to the container's own; empty if that is at the mount point. `None` on a
    /// host.
    pub(super) own: Option<Vec<String>>,
}

impl Hierarchy {
    /// The directories of the container's group and of those above it, the innermost first, with their paths below the
    /// mount point. None on a host.
    pub(super) fn levels(&self) -> Vec<(String, PathBuf)> {
        let Some(own) = &self.own else {
            return Vec::new();
        };
        let level = |depth: usize| {
            let path = own[..depth].join("/");
            (format!("/{path}"), self.mount.join(path))
        };
        (0..=own.len()).rev().map(level).collect()
    }
}

/// A mount of control groups, according to mountinfo.
struct CgroupMount {
    /// The group at the mount point.
    root: String,
    /// Below the root of all.
    mount: PathBuf,
    /// `None` in version 2.
    controllers: Option<Vec<String>>,
}

impl CgroupMount {
    /// id parent device root mount-point options … - type source options
    fn parse(line: &[u8]) -> Option<Self> {
        let text = |field: &[u8]| std::str::from_utf8(field).ok().map(str::to_owned);
        let mut before = fields(line);
        let root = text(before.nth(3)?)?;
        let mount = text(before.next()?)?;
        let mut after = before.skip_while(|field| *field != b"-").skip(1);
        let controllers = match after.next()? {
            b"cgroup2" => None,
            b"cgroup" => Some(text(after.nth(1)?)?.split(',').map(str::to_owned).collect()),
            _ => return None,
        };
        Some(Self {
            root,
            mount: mount.trim_start_matches('/').into(),
            controllers,
        })
    }

    fn is_of(&self, controller: Option<&str>) -> bool {
        match (&self.controllers, controller) {
            (None, None) => true,
            (Some(all), Some(wanted)) => all.iter().any(|name| name == wanted),
            _ => false,
        }
    }
}

impl Hierarchies {
    /// The hierarchies of the process whose files are below `roots`.
    pub(super) fn find(roots: &Roots) -> Self {
        let read = |path| fs::read(roots.proc(path)).unwrap_or_default();
        let link = |path| fs::read_link(roots.proc(path)).ok();
        let is = |found: &Path, first| found == Path::new(first);
        let mounts = read("self/mountinfo");
        let mounts: Vec<CgroupMount> = lines(&mounts).filter_map(CgroupMount::parse).collect();
        let search = Search {
            roots,
            is_usual: mounts.is_empty(),
            mounts,
            own: read("self/cgroup"),
            first: read("1/cgroup"),
            is_first: link("self/ns/pid").is_some_and(|found| is(&found, FIRST_PIDS))
                && link("self/ns/cgroup").is_none_or(|found| is(&found, FIRST_CGROUPS)),
        };
        Self {
            unified: search.hierarchy(None, ""),
            memory: search.hierarchy(Some("memory"), "memory"),
            cpu: search.hierarchy(Some("cpu"), "cpu"),
            cpu_time: search.hierarchy(Some("cpuacct"), "cpuacct"),
        }
    }
}

struct Search<'a> {
    roots: &'a Roots,
    mounts: Vec<CgroupMount>,
    /// The mounts are unknown: they are where they usually are.
    is_usual: bool,
    /// The contents of /proc/self/cgroup, and of the same file of process 1.
    own: Vec<u8>,
    first: Vec<u8>,
    /// We are in the first PID namespace and the first cgroup namespace.
    is_first: bool,
}

impl Search<'_> {
    fn hierarchy(&self, controller: Option<&str>, usual: &str) -> Option<Hierarchy> {
        if self.is_usual {
            let mount = self.roots.other(USUAL_MOUNT).join(usual);
            let own = (!self.is_first).then(Vec::new);
            return Some(Hierarchy { mount, own });
        }
        // The last one is on top.
        let mut mounts = self.mounts.iter().rev();
        let found = mounts.find(|mount| mount.is_of(controller))?;
        let own = path_in(&self.own, controller);
        let first = path_in(&self.first, controller);
        Some(Hierarchy {
            mount: self.roots.other(&found.mount),
            own: (!self.is_first || found.root != "/")
                .then(|| own_group(&own, &first, &found.root)),
        })
    }
}

/// The path of a process in the hierarchy of `controller`, from lines such as `4:cpu,cpuacct:/docker/3f2a`; empty if it
/// has none.
fn path_in(cgroups: &[u8], controller: Option<&str>) -> String {
    let path = |line| {
        let (_, rest) = split_once(line, b':')?;
        let (controllers, path) = split_once(rest, b':')?;
        let is_wanted = match controller {
            None => controllers.is_empty(),
            Some(wanted) => controllers
                .split(|byte| *byte == b',')
                .any(|name| name == wanted.as_bytes()),
        };
        (is_wanted && path.starts_with(b"/")).then(|| String::from_utf8_lossy(path).into_owned())
    };
    lines(cgroups).find_map(path).unwrap_or_default()
}

/// The names of the groups from the one at `root` down to the container's. A container may be a whole system with
/// services of its own, so the container's group is the one that holds both us and its `first` process.
fn own_group(own: &str, first: &str, root: &str) -> Vec<String> {
    let names = |path: &str| -> Vec<String> {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let is_first_known = !first.is_empty();
    let (own, first, root) = (names(own), names(first), names(root));
    let below = |path: &[String]| {
        let is_visible = path.starts_with(&root) && !path.iter().any(|name| name == "..");
        is_visible.then(|| path[root.len()..].to_vec())
    };
    let shared = own
        .iter()
        .zip(&first)
        .take_while(|(own, first)| own == first);
    let shared = below(&own[..shared.count()]).filter(|_| is_first_known);
    shared.or_else(|| below(&own)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use super::*;
    use crate::source::host::linux::fixture::write;

    const VERSION_2: &str =
        "25 20 0:24 ROOT /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const VERSION_1: &str = "30 20 0:25 ROOT /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
        31 20 0:26 ROOT /sys/fs/cgroup/cpu,cpuacct ro shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

    /// A machine with these mounts and paths of ours and of process 1, in the first namespaces or in others.
    fn find(mounts: &str, own: &str, first: &str, is_first: bool) -> Hierarchies {
        let root = tempfile::tempdir().unwrap();
        let proc = |path: &str| root.path().join("proc").join(path);
        write(&proc("self/mountinfo"), mounts.as_bytes());
        write(&proc("self/cgroup"), own.as_bytes());
        write(&proc("1/cgroup"), first.as_bytes());
        fs::create_dir_all(proc("self/ns")).unwrap();
        let pids = if is_first {
            FIRST_PIDS
        } else {
            "pid:[4026532999]"
        };
        symlink(pids, proc("self/ns/pid")).unwrap();
        symlink(FIRST_CGROUPS, proc("self/ns/cgroup")).unwrap();
        let mut found = Hierarchies::find(&Roots::below(root.path(), Arc::new(|_| None)));
        let all = [
            &mut found.unified,
            &mut found.memory,
            &mut found.cpu,
            &mut found.cpu_time,
        ];
        for hierarchy in all.into_iter().flatten() {
            hierarchy.mount = hierarchy
                .mount
                .strip_prefix(root.path())
                .unwrap()
                .to_owned();
        }
        found
    }

    #[track_caller]
    fn check(mounts: &str, own: &str, first: &str, is_first: bool, expected: Option<&[&str]>) {
        let found = find(mounts, own, first, is_first);
        let hierarchy = found.unified.or(found.memory).unwrap();
        let own = hierarchy.own.as_ref();
        let own = own.map(|own| own.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(own.as_deref(), expected);
    }

    #[test]
    fn a_container_is_where_its_first_process_and_we_are() {
        let whole = VERSION_2.replace("ROOT", "/");
        let docker = "0::/system.slice/docker-3f.scope\n";
        let service = "0::/system.slice/metrics.service\n";
        // A host, whatever the limits of the service.
        check(&whole, service, "0::/init.scope\n", true, None);
        // A namespace of its own shows the container as the root.
        check(&whole, "0::/\n", "0::/\n", false, Some(&[]));
        check(&whole, "0::/inner\n", "0::/\n", false, Some(&[]));
        // `--cgroupns host`
        let expected = Some(&["system.slice", "docker-3f.scope"][..]);
        check(&whole, docker, docker, false, expected);
        check(&whole, docker, "", false, expected);
        // Without a namespace, only its own group may be mounted.
        let bound = VERSION_2.replace("ROOT", "/system.slice/docker-3f.scope");
        check(&bound, docker, docker, false, Some(&[]));
        // A whole system with services of its own.
        check(&whole, service, "0::/init.scope\n", false, Some(&[]));
        // Containers of a pod that share their processes.
        let [app, pause] = ["app", "pause"].map(|name| format!("0::/kubepods/pod7/{name}\n"));
        check(&whole, &app, &pause, false, Some(&["kubepods", "pod7"]));
        // The host's processes, but groups of its own.
        check(&bound, docker, "0::/init.scope\n", true, Some(&[]));
        check(&whole, "0::/\n", "0::/../../init.scope\n", false, Some(&[]));
    }

    #[test]
    fn version_1_has_a_hierarchy_for_each_resource() {
        let mounts = VERSION_1.replace("ROOT", "/docker/3f");
        let own =
            "7:name=systemd:/docker/3f\n5:cpu,cpuacct:/docker/3f\n4:memory:/docker/3f\n0::/x\n";
        let found = find(&mounts, own, own, false);
        let expected = |mount: &str| {
            let (mount, own) = (mount.into(), Some(Vec::new()));
            Some(Hierarchy { mount, own })
        };
        let expected = Hierarchies {
            unified: None,
            memory: expected("sys/fs/cgroup/memory"),
            cpu: expected("sys/fs/cgroup/cpu,cpuacct"),
            cpu_time: expected("sys/fs/cgroup/cpu,cpuacct"),
        };
        assert_eq!(found, expected);
        check(&VERSION_1.replace("ROOT", "/"), own, own, true, None);
    }

    #[test]
    fn the_levels_go_up_to_the_mount_point() {
        let own = vec!["a".to_owned(), "b".to_owned()];
        let mount = PathBuf::from("m");
        let hierarchy = Hierarchy {
            mount,
            own: Some(own),
        };
        let expected = [("/a/b", "m/a/b"), ("/a", "m/a"), ("/", "m/")];
        let expected = expected.map(|(path, dir)| (path.to_owned(), PathBuf::from(dir)));
        assert_eq!(hierarchy.levels(), expected);
    }

    #[test]
    fn strange_lines_are_skipped() {
        let whole = format!(
            "x\n\u{fffd} - cgroup2\n1 2 3 / /a\n{}",
            VERSION_2.replace("ROOT", "/")
        );
        check(&whole, "\n::\n0:\n0::/a\n", "x", false, Some(&["a"]));
        let none = find("", "", "", false);
        assert_eq!(none.unified.unwrap().levels().len(), 1);
    }
}
