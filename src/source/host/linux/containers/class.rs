//! What a control group is, according to its name.

use crate::source::host::linux::container_names::is_id;

/// A group that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupKind {
    Container {
        id: String,
        /// The engine that made it, or the group that holds it.
        engine: String,
    },
    /// A service, or a container that is called by its name.
    Named(String),
}

/// What to do with a group.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// List it. What is below it belongs to it.
    Listed(GroupKind),
    /// List it as a service, and look for containers below it: each user has a service manager.
    Manager(String),
    /// Look below it.
    Parent,
    /// Neither.
    Other,
}

/// The class of the group `name` in `parent`.
pub(super) fn class(name: &str, parent: &str) -> Class {
    if let Some(stem) = name.strip_suffix(".scope") {
        return of_scope(stem);
    }
    if name.starts_with("user@") && name.ends_with(".service") {
        return Class::Manager(name.to_owned());
    }
    if name.ends_with(".service") {
        return Class::Listed(GroupKind::Named(name.to_owned()));
    }
    if let Some(kind) = container(name, parent) {
        return Class::Listed(kind);
    }
    match name.strip_prefix("lxc.payload.") {
        Some(name) => Class::Listed(GroupKind::Named(name.to_owned())),
        None if parent == "lxc" => Class::Listed(GroupKind::Named(name.to_owned())),
        None if name.starts_with("lxc.monitor") => Class::Other,
        None => Class::Parent,
    }
}

/// `docker-ID`, `libpod-ID`, `crio-ID`, `cri-containerd-ID`, `machine-NAME`; other scopes are sessions of users and
/// helpers of engines.
fn of_scope(stem: &str) -> Class {
    if stem.contains("conmon") {
        return Class::Other;
    }
    let machine = |name| GroupKind::Named(unescape(name));
    let kind = container(stem, "").or_else(|| stem.strip_prefix("machine-").map(machine));
    kind.map_or(Class::Other, Class::Listed)
}

/// An id, perhaps with the engine before it.
fn container(name: &str, parent: &str) -> Option<GroupKind> {
    let (engine, id) = name.rsplit_once('-').unwrap_or((parent, name));
    let engine = if engine.starts_with("pod") {
        "kubepods"
    } else {
        engine
    };
    (is_id(id) && !engine.contains("conmon")).then(|| GroupKind::Container {
        id: id.to_owned(),
        engine: engine.to_owned(),
    })
}

/// systemd writes `-` within a name as `\x2d`.
fn unescape(name: &str) -> String {
    let mut parts = name.split("\\x");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..2)
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match code.filter(u8::is_ascii_graphic) {
            Some(code) => {
                text.push(char::from(code));
                text.push_str(&part[2..]);
            }
            None => {
                text.push_str("\\x");
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_names_its_groups_in_its_own_way() {
        let id = "3f".repeat(32);
        let with = |text: &str| text.replace("ID", &id);
        for (name, parent, engine) in [
            ("docker-ID.scope", "system.slice", "docker"),
            ("ID", "docker", "docker"),
            ("libpod-ID.scope", "machine.slice", "libpod"),
            ("libpod-ID", "libpod_parent", "libpod"),
            (
                "cri-containerd-ID.scope",
                "kubepods-pod7.slice",
                "cri-containerd",
            ),
            ("crio-ID.scope", "kubepods-pod7.slice", "crio"),
            ("ID", "pod7", "kubepods"),
        ] {
            let engine = engine.to_owned();
            let expected = Class::Listed(GroupKind::Container {
                id: id.clone(),
                engine,
            });
            assert_eq!(class(&with(name), parent), expected, "{name}");
        }
        for name in [
            "libpod-conmon-ID.scope",
            "crio-conmon-ID.scope",
            "session-3.scope",
            "init.scope",
            "lxc.monitor.web",
        ] {
            assert_eq!(class(&with(name), "system.slice"), Class::Other, "{name}");
        }
    }

    #[test]
    fn other_groups_have_names_of_their_own_or_hold_groups() {
        for (name, parent, expected) in [
            ("nginx.service", "system.slice", "nginx.service"),
            (
                "getty@tty1.service",
                "system-getty.slice",
                "getty@tty1.service",
            ),
            (
                "machine-qemu\\x2d1\\x2ddb.scope",
                "machine.slice",
                "qemu-1-db",
            ),
            ("machine-\\xzz\\x.scope", "machine.slice", "\\xzz\\x"),
            ("lxc.payload.web", "", "web"),
            ("web", "lxc", "web"),
        ] {
            let expected = Class::Listed(GroupKind::Named(expected.to_owned()));
            assert_eq!(class(name, parent), expected, "{name}");
        }
        for name in [
            "system.slice",
            "docker",
            "kubepods",
            "pod7",
            "burstable",
            "3f",
            "libpod_parent",
        ] {
            assert_eq!(class(name, ""), Class::Parent, "{name}");
        }
        let manager = "user@1000.service";
        assert_eq!(
            class(manager, "user-1000.slice"),
            Class::Manager(manager.into())
        );
    }
}
