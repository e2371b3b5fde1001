//! How many processes there are, even if the kernel hides those of others from us.
//!
//! /proc may be mounted with `hidepid=`: then ordinary users see only their own processes in it, or see the others
//! without access to them. The list is then not that of the machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the options of the mount of /proc stay valid.
const LOOK_AGE: Duration = Duration::from_secs(60);

/// The kernel's first PID namespace: `PROC_PID_INIT_INO`.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// The kernel's first user namespace: `PROC_USER_INIT_INO`.
const FIRST_USERS: &str = "user:[4026531837]";

/// A directory's own links: itself and its entry in the parent.
const OWN_LINKS: u64 = 2;

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
}

impl Census {
    /// `proc` is the mount point of /proc.
    pub(super) fn new(proc: impl Into<PathBuf>) -> Self {
        Self {
            proc: proc.into(),
            look: None,
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
        let is_fenced_in = self.is_link("self/ns/pid", FIRST_NAMESPACE)
            && !self.is_link("self/ns/user", FIRST_USERS);
        sight(&read("self/mountinfo"), &read("self/status"), !is_fenced_in)
    }

    fn is_link(&self, link: &str, target: &str) -> bool {
        fs::read_link(self.proc.join(link)).is_ok_and(|found| found == Path::new(target))
    }

    /// The number of processes of the machine, if the list shows only ours: /proc has one link for each of them and for
    /// each fixed directory. That includes all PID namespaces, so it is right only in the first one; `None` elsewhere.
    pub(super) fn count_hidden(&self) -> Option<u64> {
        if !self.is_link("self/ns/pid", FIRST_NAMESPACE) {
            return None;
        }
        let links = fs::metadata(&self.proc).ok()?.nlink();
        let entries = fs::read_dir(&self.proc).ok()?;
        let fixed = entries.filter(|entry| {
            entry.as_ref().is_ok_and(|entry| {
                let is_process = entry.file_name().as_encoded_bytes()[0].is_ascii_digit();
                !is_process && entry.file_type().is_ok_and(|kind| kind.is_dir())
            })
        });
        // Without any, only processes are shown (`subset=pid`), and the number of directories is unknown.
        let fixed = Some(fixed.count() as u64).filter(|fixed| *fixed != 0)?;
        links.checked_sub(OWN_LINKS)?.checked_sub(fixed)
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
    fn the_link_count_matches_the_list_here() {
        let census = Census::new("/proc");
        let listed = || {
            let entries = fs::read_dir("/proc").unwrap().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names.filter(|name| name.parse::<u32>().is_ok()).count() as u64
        };
        let (before, counted, after) = (listed(), census.count_hidden(), listed());
        // In a container the links count all processes, so there is no count.
        if let Some(counted) = counted {
            let (fewest, most) = (before.min(after) - 20, before.max(after) + 20);
            assert!(
                (fewest..=most).contains(&counted),
                "{before} {counted} {after}"
            );
        } else {
            let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
            assert_ne!(namespace, Path::new(FIRST_NAMESPACE));
        }
    }

    #[test]
    fn without_meaningful_links_there_is_no_count() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Census::new(dir.path()).count_hidden(), None);
        let ns = dir.path().join("self/ns");
        fs::create_dir_all(&ns).unwrap();
        std::os::unix::fs::symlink("pid:[4026532000]", ns.join("pid")).unwrap();
        assert_eq!(Census::new(dir.path()).count_hidden(), None);
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
