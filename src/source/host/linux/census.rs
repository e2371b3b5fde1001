//! How many processes there are, even if the kernel hides those of others from us.
//!
//! /proc may be mounted with `hidepid=`: then ordinary users see only their own processes in it, or see the others
//! without access to them. The list is then not that of the machine.
//!
//! Listing /proc takes as long as everything else together. Where its links can be trusted, they are counted instead:
//! it has one for each process, of all users, and for each fixed directory.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::tasks;

/// How long the options of the mount of /proc and the number of its fixed directories stay valid.
const LOOK_AGE: Duration = Duration::from_secs(60);

/// The kernel's first PID namespace: `PROC_PID_INIT_INO`.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// The kernel's first user namespace: `PROC_USER_INIT_INO`.
const FIRST_USERS: &str = "user:[4026531837]";

/// A directory's own links: itself and its entry in the parent.
const OWN_LINKS: u64 = 2;

/// By how many the list and the links may differ, plus a quarter of the list: processes come and go meanwhile.
const DIFFERENCE: u64 = 16;

/// The bit of `CAP_SYS_PTRACE`, which reveals everything.
const SYS_PTRACE: u64 = 1 << 19;

/// What we can see of other users' processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Everything.
    All,
    /// That they exist, and no more.
    Numbers,
    /// Nothing.
    Nothing,
}

/// Knows what /proc hides.
pub(super) struct Census {
    proc: PathBuf,
    look: Option<(Instant, Sight)>,
    /// The open directory, whose links are counted.
    links: Option<File>,
    /// The number of fixed directories; `None` if the links say nothing.
    fixed: Option<(Instant, Option<u64>)>,
}

impl Census {
    /// `proc` is the mount point of /proc.
    pub(super) fn new(proc: impl Into<PathBuf>) -> Self {
        let proc = proc.into();
        Self {
            look: None,
            links: File::open(&proc).ok(),
            fixed: None,
            proc,
        }
    }

    /// The number of processes at `now`: of the machine, or of the container that we are in. `None` if unknown.
    pub(super) fn count(&mut self, now: Instant) -> Option<u64> {
        let sight = self.sight(now);
        match self.fixed(now, sight) {
            Some(fixed) => self.links()?.checked_sub(fixed),
            None if sight == Sight::Nothing => None,
            None => tasks::count(&self.proc),
        }
    }

    /// What we can see at `now`.
    pub(super) fn sight(&mut self, now: Instant) -> Sight {
        match self.look {
            Some((at, sight)) if now.saturating_duration_since(at) < LOOK_AGE => sight,
            _ => {
                let sight = self.look();
                self.look = Some((now, sight));
                sight
            }
        }
    }

    fn look(&self) -> Sight {
        let read = |file| {
            let text = fs::read(self.proc.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        // Capabilities in one's own user namespace give no access to the processes of the machine.
        let is_fenced_in =
            self.is_in_first_namespace() && !self.is_link("self/ns/user", FIRST_USERS);
        sight(&read("self/mountinfo"), &read("self/status"), !is_fenced_in)
    }

    /// Whether the processes that we see are those of the machine, not only of a container.
    pub(super) fn is_in_first_namespace(&self) -> bool {
        self.is_link("self/ns/pid", FIRST_NAMESPACE)
    }

    fn is_link(&self, link: &str, target: &str) -> bool {
        fs::read_link(self.proc.join(link)).is_ok_and(|found| found == Path::new(target))
    }

    /// The links of /proc, apart from its own.
    fn links(&self) -> Option<u64> {
        let links = self.links.as_ref()?.metadata().ok()?.nlink();
        links.checked_sub(OWN_LINKS)
    }

    fn fixed(&mut self, now: Instant, sight: Sight) -> Option<u64> {
        match self.fixed {
            Some((at, fixed)) if now.saturating_duration_since(at) < LOOK_AGE => fixed,
            _ => {
                let fixed = self.count_fixed(sight);
                self.fixed = Some((now, fixed));
                fixed
            }
        }
    }

    /// The number of fixed directories. The links include the processes of all PID namespaces, so they count ours only
    /// in the first one; `None` elsewhere, and if they contradict the list.
    fn count_fixed(&self, sight: Sight) -> Option<u64> {
        if !self.is_in_first_namespace() {
            return None;
        }
        let before = self.links()?;
        let (mut listed, mut fixed) = (0_u64, 0_u64);
        for entry in fs::read_dir(&self.proc).ok()?.flatten() {
            let is_process = entry.file_name().as_encoded_bytes()[0].is_ascii_digit();
            if is_process {
                listed += 1;
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                fixed += 1;
            }
        }
        let slack = DIFFERENCE + listed / 4;
        let both = [before, self.links()?].map(|links| links.checked_sub(fixed));
        let agrees = |count: Option<u64>| count.is_some_and(|it| it.abs_diff(listed) <= slack);
        // Without any, only processes are shown (`subset=pid`), and the number of directories is unknown.
        let is_right = fixed != 0 && (sight == Sight::Nothing || both.into_iter().any(agrees));
        is_right.then_some(fixed)
    }
}

/// What a process with `status` (/proc/self/status) sees in the /proc of `mounts` (/proc/self/mountinfo). `is_capable`:
/// whether its capabilities apply to the processes there.
fn sight(mounts: &str, status: &str, is_capable: bool) -> Sight {
    // The last one is on top.
    let mut options = mounts.lines().rev().filter_map(proc_options);
    let options = options.next().unwrap_or_default();
    let option = |name: &str| {
        let mut options = options.split(',');
        options.find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    };
    let hidden = match option("hidepid") {
        Some("1" | "noaccess") => Sight::Numbers,
        Some("2" | "invisible" | "4" | "ptraceable") => Sight::Nothing,
        _ => return Sight::All,
    };
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let capabilities = field("CapEff").and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    if is_capable && capabilities.is_some_and(|bits| bits & SYS_PTRACE != 0) {
        return Sight::All;
    }
    let group = option("gid").unwrap_or("0");
    let is_exempt = !matches!(option("hidepid"), Some("4" | "ptraceable"));
    let groups = field("Groups").unwrap_or_default().split_ascii_whitespace();
    // Real, effective, saved, and filesystem group; the last one decides.
    let own = field("Gid").and_then(|groups| groups.split_ascii_whitespace().nth(3));
    if is_exempt && groups.chain(own).any(|mine| mine == group) {
        return Sight::All;
    }
    hidden
}

/// The options of the filesystem, if this `line` of mountinfo is the mount of /proc.
fn proc_options(line: &str) -> Option<&str> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let is_proc = mount.split(' ').nth(4)? == "/proc";
    let options = filesystem.strip_prefix("proc ")?.split(' ').nth(1)?;
    is_proc.then_some(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: &str =
        "Gid:\t1000\t1000\t1000\t1000\nGroups:\t24 27 \nCapEff:\t0000000000000000\n";
    const ROOT: &str = "Gid:\t1000\t1000\t1000\t1000\nGroups:\t\nCapEff:\t000001ffffffffff\n";

    fn with(options: &str) -> String {
        format!(
            "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
             23 27 0:22 / /sys rw - sysfs sysfs rw,hidepid=2\n\
             60 22 0:40 / /proc rw,nosuid - proc proc {options}\n\
             61 27 0:41 / /srv/proc rw - proc proc rw,hidepid=2\n"
        )
    }

    #[test]
    fn what_is_hidden_depends_on_the_mount_and_our_rights() {
        for (options, status, expected) in [
            ("rw", ORDINARY, Sight::All),
            ("rw,hidepid=0", ORDINARY, Sight::All),
            ("rw,hidepid=off", ORDINARY, Sight::All),
            ("rw,hidepid=1", ORDINARY, Sight::Numbers),
            ("rw,hidepid=noaccess", ORDINARY, Sight::Numbers),
            ("rw,hidepid=2", ORDINARY, Sight::Nothing),
            ("rw,hidepid=invisible", ORDINARY, Sight::Nothing),
            ("rw,hidepid=invisible", ROOT, Sight::All),
            ("rw,gid=27,hidepid=invisible", ORDINARY, Sight::All),
            ("rw,gid=1000,hidepid=2", ORDINARY, Sight::All),
            ("rw,gid=2,hidepid=invisible", ORDINARY, Sight::Nothing),
            ("rw,hidepid=4", ORDINARY, Sight::Nothing),
            ("rw,gid=27,hidepid=ptraceable", ORDINARY, Sight::Nothing),
            ("rw,hidepid=invisible", "", Sight::Nothing),
        ] {
            assert_eq!(sight(&with(options), status, true), expected, "{options}");
        }
        let fenced_in = sight(&with("rw,hidepid=2"), ROOT, false);
        assert_eq!(fenced_in, Sight::Nothing);
        assert_eq!(sight("", ORDINARY, true), Sight::All);
        assert_eq!(
            sight("22 27 0:21 / /proc rw\nx", ORDINARY, true),
            Sight::All
        );
    }

    #[test]
    fn the_count_matches_the_list_here() {
        let listed = || tasks::count(Path::new("/proc")).unwrap();
        let now = Instant::now();
        let mut census = Census::new("/proc");
        let (before, counted, after) = (listed(), census.count(now).unwrap(), listed());
        let (fewest, most) = (before.min(after) - 20, before.max(after) + 20);
        assert!(
            (fewest..=most).contains(&counted),
            "{before} {counted} {after}"
        );
        // In a container the links count all processes, so they don't count.
        let is_first = census.is_link("self/ns/pid", FIRST_NAMESPACE);
        assert_eq!(census.fixed(now, Sight::All).is_some(), is_first);
    }

    /// A /proc with two fixed directories and these `processes`, in a PID namespace.
    fn proc(namespace: &str, processes: std::ops::Range<u32>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let ns = dir.path().join("self/ns");
        fs::create_dir_all(&ns).unwrap();
        fs::create_dir(dir.path().join("net")).unwrap();
        std::os::unix::fs::symlink(namespace, ns.join("pid")).unwrap();
        for pid in processes {
            fs::create_dir(dir.path().join(pid.to_string())).unwrap();
        }
        dir
    }

    #[test]
    fn processes_are_counted_without_listing_them() {
        let dir = proc(FIRST_NAMESPACE, 1..40);
        let mut census = Census::new(dir.path());
        let now = Instant::now();
        assert_eq!(census.count(now), Some(39));
        fs::create_dir(dir.path().join("99")).unwrap();
        fs::remove_dir(dir.path().join("7")).unwrap();
        fs::remove_dir(dir.path().join("8")).unwrap();
        assert_eq!(census.count(now), Some(38));
        fs::create_dir(dir.path().join("asound")).unwrap();
        assert_eq!(census.count(now + LOOK_AGE), Some(38));
        // Even those that we cannot see.
        assert_eq!(census.count_fixed(Sight::Nothing), Some(3));
    }

    #[test]
    fn links_that_count_something_else_are_not_used() {
        let dir = proc("pid:[4026532000]", 1..40);
        let mut census = Census::new(dir.path());
        assert_eq!(census.count_fixed(Sight::All), None);
        assert_eq!(census.count(Instant::now()), Some(39));
        census.look = Some((Instant::now(), Sight::Nothing));
        assert_eq!(census.count(Instant::now()), None);

        // As on a filesystem whose directories have no links, or have some of their own.
        let dir = proc(FIRST_NAMESPACE, 1..40);
        let mut census = Census::new(dir.path());
        let other = tempfile::tempdir().unwrap();
        census.links = File::open(other.path()).ok();
        assert_eq!(census.count_fixed(Sight::All), None);
        assert_eq!(census.count(Instant::now()), Some(39));

        let empty = tempfile::tempdir().unwrap();
        assert_eq!(Census::new(empty.path()).count_fixed(Sight::Nothing), None);
        let missing = Census::new(empty.path().join("proc")).count(Instant::now());
        assert_eq!(missing, None);
    }

    #[test]
    fn the_options_of_a_mount_are_cached() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("self");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("mountinfo"), with("rw,hidepid=2")).unwrap();
        fs::write(own.join("status"), ORDINARY).unwrap();
        let mut census = Census::new(dir.path());
        let now = Instant::now();
        assert_eq!(census.sight(now), Sight::Nothing);
        fs::write(own.join("mountinfo"), with("rw")).unwrap();
        assert_eq!(census.sight(now), Sight::Nothing);
        assert_eq!(census.sight(now + LOOK_AGE), Sight::All);
    }
}
