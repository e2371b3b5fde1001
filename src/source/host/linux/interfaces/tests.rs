use super::*;
use crate::source::host::linux::fixture::tree;
use crate::source::host::linux::verdicts::VERDICT_AGE;
use std::os::unix::fs::symlink;

fn interface_names(interfaces: &mut Interfaces, names: &[&str], now: Instant) -> Vec<String> {
    let line = |name: &&str| format!("{name}: 10 1 2 0 0 0 0 0 20 1 3 0 0 0 0 0\n");
    let lines: String = names.iter().map(line).collect();
    let read = interfaces.read(
        format!("Inter-| Receive\n face |bytes\n{lines}").as_bytes(),
        now,
        &|_| {},
    );
    assert!(
        read.iter()
            .all(|i| (i.received, i.sent, i.errors) == (10, 20, 5))
    );
    read.iter()
        .map(|interface| interface.name.to_string())
        .collect()
}

#[test]
fn physical_interfaces_count_once() {
    let root = tree(&[
        "eth1/device/",
        "eth0/device/",
        "vf0/device/",
        "docker0/",
        "bond0/",
        "lo/",
    ]);
    symlink(root.path().join("eth0"), root.path().join("vf0/master")).unwrap();
    symlink(root.path().join("bond0"), root.path().join("eth1/master")).unwrap();
    let mut interfaces = Interfaces::new(root.path());
    let names = ["lo", "eth1", "eth0", "vf0", "docker0", "bond0"];
    assert_eq!(
        interface_names(&mut interfaces, &names, Instant::now()),
        ["eth0", "eth1"]
    );
}

#[test]
fn a_container_has_only_virtual_ones() {
    let root = tree(&["eth0/", "lo/"]);
    let mut interfaces = Interfaces::new(root.path());
    assert_eq!(
        interface_names(&mut interfaces, &["lo", "eth0"], Instant::now()),
        ["eth0"]
    );
}

#[test]
fn a_host_whose_adapter_is_unplugged_is_not_a_container() {
    let root = tree(&["usb0/device/", "docker0/"]);
    let mut interfaces = Interfaces::new(root.path());
    let now = Instant::now();
    assert_eq!(
        interface_names(&mut interfaces, &["docker0", "usb0"], now),
        ["usb0"]
    );
    assert_eq!(
        interface_names(&mut interfaces, &["docker0"], now),
        [] as [&str; 0]
    );
}

#[test]
fn verdicts_expire() {
    let root = tree(&["eth0/", "eth1/device/"]);
    let mut interfaces = Interfaces::new(root.path());
    let now = Instant::now();
    let names = ["eth0", "eth1"];
    assert_eq!(interface_names(&mut interfaces, &names, now), ["eth1"]);
    fs::create_dir(root.path().join("eth0/device")).unwrap();
    assert_eq!(interface_names(&mut interfaces, &names, now), ["eth1"]);
    let later = now + VERDICT_AGE;
    assert_eq!(
        interface_names(&mut interfaces, &names, later),
        ["eth0", "eth1"]
    );
}

/// Which names count in a container whose sysfs has `paths`, with the interface `x/master` in `masters`.
#[track_caller]
fn check(paths: &[&str], masters: &[(&str, &str)], expected: &[&str]) {
    let root = tree(paths);
    for (port, master) in masters {
        let link = root.path().join(port).join("master");
        symlink(Path::new("..").join(master), link).unwrap();
    }
    let names = paths.iter().map(|path| path.split('/').next().unwrap());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let mut interfaces = Interfaces::new(root.path());
    assert_eq!(
        interface_names(&mut interfaces, &names, Instant::now()),
        expected
    );
}

#[test]
fn a_layer_does_not_count_in_addition_to_its_parts() {
    let bridge = ["lo/", "eth0/", "br0/bridge/", "br0/lower_eth0/"];
    check(&bridge, &[("eth0", "br0")], &["eth0"]);
    let bond = [
        "eth0/",
        "eth1/",
        "bond0/bonding/",
        "bond0/lower_eth0/",
        "bond0/lower_eth1/",
    ];
    check(
        &bond,
        &[("eth0", "bond0"), ("eth1", "bond0")],
        &["eth0", "eth1"],
    );
    check(
        &["eth0/", "team0/lower_eth0/"],
        &[("eth0", "team0")],
        &["eth0"],
    );
    check(
        &["eth0/upper_eth0.100/", "eth0.100/lower_eth0/"],
        &[],
        &["eth0"],
    );
    check(
        &["eth0/", "macvlan0/lower_eth0/", "ipvl0/lower_eth0/"],
        &[],
        &["eth0"],
    );
    check(
        &["eth0/", "vrf0/lower_eth0/"],
        &[("eth0", "vrf0")],
        &["eth0"],
    );
    let stacked = [
        "eth0/",
        "eth0.7/lower_eth0/",
        "br7/bridge/",
        "br7/lower_eth0.7/",
    ];
    check(&stacked, &[("eth0.7", "br7")], &["eth0"]);
    check(&["eth0/", "dummy0/", "ifb0/"], &[], &["eth0"]);
    // In a container of its own, with its parent outside.
    check(&["macvlan0/"], &[], &["macvlan0"]);
}

#[test]
fn a_containers_containers_are_counted_at_its_uplink() {
    let docker = [
        "eth0/",
        "docker0/bridge/",
        "docker0/lower_veth1/",
        "veth1/",
        "br-1/bridge/",
    ];
    check(&docker, &[("veth1", "docker0")], &["eth0"]);
    let bridged = [
        "br0/bridge/",
        "br0/lower_veth1/",
        "br0/lower_veth2/",
        "veth1/",
        "veth2/",
    ];
    check(
        &bridged,
        &[("veth1", "br0"), ("veth2", "br0")],
        &["veth1", "veth2"],
    );
}

#[test]
fn a_tunnel_counts_only_without_its_carrier() {
    let root = tree(&[
        "eth0/type",
        "tun0/tun_flags",
        "wg0/",
        "gre0/",
        "vxlan0/",
        "lo/",
    ]);
    fixture_write(&root, "wg0/type", "65534\n");
    fixture_write(&root, "gre0/type", "778\n");
    fixture_write(&root, "vxlan0/uevent", "DEVTYPE=vxlan\nINTERFACE=vxlan0\n");
    let mut interfaces = Interfaces::new(root.path());
    let mut names = vec!["lo", "tun0", "wg0", "gre0", "vxlan0"];
    let tunnels = ["gre0", "tun0", "vxlan0", "wg0"];
    assert_eq!(
        interface_names(&mut interfaces, &names, Instant::now()),
        tunnels
    );
    names.push("eth0");
    assert_eq!(
        interface_names(&mut interfaces, &names, Instant::now()),
        ["eth0"]
    );
}

fn fixture_write(root: &tempfile::TempDir, path: &str, text: &str) {
    crate::source::host::linux::fixture::write(&root.path().join(path), text.as_bytes());
}

#[test]
fn a_virtual_switch_repeats_its_ports() {
    let root = tree(&["ovs-system/", "br-int/", "eth0/"]);
    for (name, index, link) in [("br-int", "4\n", "4\n"), ("eth0", "2\n", "9\n")] {
        fixture_write(&root, &format!("{name}/ifindex"), index);
        fixture_write(&root, &format!("{name}/iflink"), link);
    }
    symlink("../ovs-system", root.path().join("eth0/master")).unwrap();
    let mut interfaces = Interfaces::new(root.path());
    let names = ["br-int", "eth0", "ovs-system"];
    assert_eq!(
        interface_names(&mut interfaces, &names, Instant::now()),
        ["eth0"]
    );
}

#[test]
fn without_sysfs_names_decide() {
    let root = tree(&[]);
    let check = |names: &[&str], expected: &[&str]| {
        let mut interfaces = Interfaces::new(root.path());
        assert_eq!(
            interface_names(&mut interfaces, names, Instant::now()),
            expected
        );
    };
    check(
        &[
            "lo", "eth0", "eth0.100", "eth0:1", "br0", "docker0", "br-1f", "bond0", "wg0", "tun0",
            "brand",
        ],
        &["brand", "eth0"],
    );
    check(&["lo", "docker0", "tun0"], &["tun0"]);
    check(&["lo"], &[]);
}

#[test]
fn an_invalid_name_or_line_affects_no_other() {
    let root = tree(&[]);
    let good = b": 10 1 2 0 0 0 0 0 20 1 3 0 0 0 0 0\n";
    let mut text = b"Inter-| Receive\n face |bytes\n".to_vec();
    for name in [&b"  eth0"[..], b"a\xff", b"a\xfe", b"eth9:1", b"", b"x|y"] {
        text.extend([name, good].concat());
    }
    text.extend(b"eth1: 10 1 2\neth2: 10 1 -2 0 0 0 0 0 20 1 3 0\nno counters\neth3:30 1 2 0 0 0 0 0 20 1 3\neth4: 1");
    let skipped = std::cell::Cell::new(0);
    let skip = |_: &[u8]| skipped.set(skipped.get() + 1);
    let read = Interfaces::new(root.path()).read(&text, Instant::now(), &skip);
    let names: Vec<&str> = read.iter().map(|interface| &*interface.name).collect();
    assert_eq!(
        names,
        [
            "a\u{fffd} a\\xfe",
            "a\u{fffd} a\\xff",
            "eth0",
            "eth3",
            "eth9:1",
            "x|y"
        ]
    );
    assert_eq!(skipped.get(), 4);
}
