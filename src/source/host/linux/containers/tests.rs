use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::source::host::linux::fixture::write;

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A host with these mounts.
fn host(mounts: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| write(&root.path().join(path), text.as_bytes());
    file("proc/self/mountinfo", mounts);
    file("proc/self/cgroup", "0::/system.slice/metrics.service\n");
    file("proc/1/cgroup", "0::/init.scope\n");
    fs::create_dir_all(root.path().join("proc/self/ns")).unwrap();
    let pids = root.path().join("proc/self/ns/pid");
    std::os::unix::fs::symlink("pid:[4026531836]", pids).unwrap();
    root
}

const VERSION_2: &str = "25 20 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const VERSION_1: &str = "30 20 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
    31 20 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
    32 20 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

/// Gives a group of version 2 its CPU time in ms and its memory: used, and to be reclaimed first.
fn group(root: &Path, path: &str, cpu: u64, [memory, reclaimable]: [u64; 2]) {
    let file = |name: &str, text: String| {
        write(
            &root.join("sys/fs/cgroup").join(path).join(name),
            text.as_bytes(),
        );
    };
    file(
        "cpu.stat",
        format!("usage_usec {}\nuser_usec 1\n", cpu * 1000),
    );
    file("memory.current", format!("{memory}\n"));
    file(
        "memory.stat",
        format!("anon 1\nfile 2\ninactive_file {reclaimable}\n"),
    );
}

fn containers(root: &Path, count: usize) -> Containers {
    Containers::new(&Roots::below(root, Arc::new(|_| None)), count)
}

fn uses(list: Option<Vec<ContainerUse>>) -> Vec<(String, Option<u64>, Option<u64>)> {
    let uses = list.expect("a list").into_iter();
    let milliseconds = |cpu: Duration| u64::try_from(cpu.as_millis()).unwrap();
    uses.map(|it| (it.name, it.cpu.map(milliseconds), it.memory))
        .collect()
}

#[track_caller]
fn check(list: Option<Vec<ContainerUse>>, expected: &[(&str, Option<u64>, Option<u64>)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|&(name, cpu, memory)| (name.to_owned(), cpu, memory))
        .collect();
    assert_eq!(uses(list), expected);
}

#[test]
fn a_kubelet_node_lists_pods_services_and_other_containers() {
    let root = host(VERSION_2);
    let pods = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7.slice";
    let app = format!("{pods}/cri-containerd-{}.scope", id('a'));
    let pause = format!("{pods}/cri-containerd-{}.scope", id('b'));
    let log = format!("var/log/containers/cart-1_shop_app-{}.log", id('a'));
    write(&root.path().join(log), b"");
    let docker = format!("system.slice/docker-{}.scope", id('d'));
    let config = format!("var/lib/docker/containers/{}/config.v2.json", id('d'));
    write(&root.path().join(config), br#"{"Name":"/registry"}"#);
    let manager = "user.slice/user-7.slice/user@7.service";
    let rootless = format!("{manager}/user.slice/libpod-{}.scope", id('e'));
    let set = |app_cpu, nginx_cpu| {
        group(root.path(), &app, app_cpu, [900, 100]);
        group(root.path(), &pause, 1, [5, 0]);
        group(
            root.path(),
            "system.slice/nginx.service",
            nginx_cpu,
            [300, 0],
        );
        group(root.path(), &docker, 50, [700, 600]);
        group(root.path(), &rootless, 7, [20, 0]);
        group(root.path(), &format!("{rootless}/container"), 7, [20, 0]);
        group(root.path(), manager, 9, [30, 0]);
        let app = format!("{manager}/app.slice/x.service");
        group(root.path(), &app, 2, [10, 0]);
        group(
            root.path(),
            "user.slice/user-7.slice/session-3.scope",
            900,
            [900, 0],
        );
        group(root.path(), "init.scope", 900, [900, 0]);
    };
    set(100, 10);
    let mut containers = containers(root.path(), 100);
    let first = uses(containers.read());
    assert!(first.iter().all(|(_, cpu, _)| cpu.is_none()), "{first:?}");
    set(350, 60);
    check(
        containers.read(),
        &[
            ("shop/cart-1/app", Some(250), Some(800)),
            ("nginx.service", Some(50), Some(300)),
            ("registry", Some(0), Some(100)),
            ("user@7.service", Some(0), Some(30)),
            ("libpod-eeeeeeeeeeee", Some(0), Some(20)),
            ("cri-containerd-bbbbbbbbbbbb", Some(0), Some(5)),
        ],
    );
}

#[test]
fn version_1_has_a_tree_for_each_resource() {
    let root = host(VERSION_1);
    let file = |path: String, text: &str| {
        write(
            &root.path().join("sys/fs/cgroup").join(path),
            text.as_bytes(),
        );
    };
    let (web, db) = (format!("docker/{}", id('a')), format!("docker/{}", id('b')));
    let set = |cpu: &str| {
        file(format!("cpu,cpuacct/{web}/cpuacct.usage"), cpu);
        file(format!("memory/{web}/memory.usage_in_bytes"), "500\n");
        file(
            format!("memory/{web}/memory.stat"),
            "inactive_file 1\ntotal_inactive_file 200\n",
        );
        file(format!("memory/{db}/memory.usage_in_bytes"), "50\n");
        file(
            format!("memory/{db}/memory.stat"),
            "total_inactive_file 60\n",
        );
    };
    set("1000000\n");
    let mut containers = containers(root.path(), 5);
    containers.read();
    set("8000000\n");
    check(
        containers.read(),
        &[
            ("docker-aaaaaaaaaaaa", Some(7), Some(300)),
            ("docker-bbbbbbbbbbbb", None, Some(0)),
        ],
    );
}

#[test]
fn only_the_first_by_cpu_and_by_memory_are_listed() {
    let root = host(VERSION_2);
    let set = |factor: u64| {
        for (number, cpu, memory) in [
            (1, 5, [90, 89]),
            (2, 1, [80, 10]),
            (3, 9, [10, 0]),
            (4, 2, [60, 0]),
        ] {
            let path = format!("system.slice/s{number}.service");
            group(root.path(), &path, cpu * factor, memory);
        }
    };
    set(1);
    let mut containers = containers(root.path(), 1);
    containers.read();
    set(2);
    // The first by memory is the first without what can be reclaimed.
    check(
        containers.read(),
        &[
            ("s3.service", Some(9), Some(10)),
            ("s2.service", Some(1), Some(70)),
        ],
    );
}

#[test]
fn what_can_be_reclaimed_is_read_only_where_it_may_matter() {
    let candidate = |number: u64| Candidate {
        group: ListedGroup {
            path: number.to_string(),
            kind: GroupKind::Named(number.to_string()),
        },
        cpu: Some(number),
        memory: Some(number * 100),
    };
    let candidates: Vec<Candidate> = (0..100).map(candidate).collect();
    let mut reads = 0;
    let chosen = choose(&candidates, 3, &mut |candidate| {
        reads += 1;
        Some(candidate.memory? - 50.min(candidate.memory?))
    });
    let chosen: Vec<usize> = chosen.iter().map(|(place, _)| *place).collect();
    assert_eq!(chosen, [99, 98, 97]);
    assert!(reads <= 4, "{reads}");
}

#[test]
fn a_group_that_has_come_and_one_that_was_made_again() {
    let root = host(VERSION_2);
    group(root.path(), "system.slice/a.service", 500, [1, 0]);
    let mut containers = containers(root.path(), 5);
    containers.read();
    group(root.path(), "system.slice/a.service", 100, [1, 0]);
    group(root.path(), "system.slice/b.service", 70, [1, 0]);
    check(
        containers.read(),
        &[
            ("b.service", Some(70), Some(1)),
            ("a.service", None, Some(1)),
        ],
    );
    fs::remove_dir_all(root.path().join("sys")).unwrap();
    check(containers.read(), &[]);
}

#[test]
fn files_that_are_corrupt_or_missing_give_no_value() {
    for text in [
        "",
        "x\n",
        "-1\n",
        "99999999999999999999\n",
        "usage_usec x\n",
        "\u{fffd}",
    ] {
        let root = host(VERSION_2);
        let dir = root.path().join("sys/fs/cgroup/system.slice/a.service");
        for file in ["cpu.stat", "memory.current", "memory.stat"] {
            write(&dir.join(file), text.as_bytes());
        }
        fs::create_dir_all(dir.with_file_name("b.service")).unwrap();
        let mut containers = containers(root.path(), 5);
        containers.read();
        let list = uses(containers.read());
        assert!(
            list.iter()
                .all(|(_, cpu, memory)| cpu.is_none() && memory.is_none()),
            "{list:?}"
        );
        assert_eq!(list.len(), 2);
    }
}

#[test]
fn two_of_the_same_name_stay_apart() {
    let root = host(VERSION_2);
    group(root.path(), "system.slice/a.service", 1, [1, 0]);
    group(root.path(), "other.slice/a.service", 1, [1, 0]);
    let list = uses(containers(root.path(), 5).read());
    assert_ne!(list[0].0, list[1].0);
}

#[test]
fn there_is_no_list_in_a_container_and_where_nothing_is_found() {
    let root = host(VERSION_2);
    fs::create_dir_all(root.path().join("sys/fs/cgroup/user.slice")).unwrap();
    assert_eq!(containers(root.path(), 5).read(), None);

    group(root.path(), "system.slice/a.service", 1, [1, 0]);
    let pids = root.path().join("proc/self/ns/pid");
    fs::remove_file(&pids).unwrap();
    std::os::unix::fs::symlink("pid:[4026532999]", &pids).unwrap();
    assert_eq!(containers(root.path(), 5).read(), None);

    assert_eq!(containers(host("").path(), 5).read(), None);
}
