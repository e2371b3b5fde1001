//! What people call containers: their engines write the names down where they can be read cheaply.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Roots;

/// The length of a container's id.
const ID_CHARS: usize = 64;

/// How much of it engines show.
const SHORT_CHARS: usize = 12;

/// A name may be written a moment after its container starts: so often it is looked up.
const ATTEMPTS: u32 = 5;

/// The longest file that is read.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Where Docker keeps its data, if nobody has told it otherwise: as a package, and as a snap.
const DOCKER: [&str; 2] = ["var/lib/docker", "var/snap/docker/common/var-lib-docker"];

/// Where it is told otherwise.
const DOCKER_SETTINGS: &str = "etc/docker/daemon.json";

/// Where Podman and CRI-O keep lists of theirs: those that outlive a restart of the machine, and others.
const PODMAN: [&str; 3] = [
    "var/lib/containers/storage/overlay-containers/containers.json",
    "var/lib/containers/storage/overlay-containers/volatile-containers.json",
    "run/containers/storage/overlay-containers/volatile-containers.json",
];

/// Where the kubelet keeps a link to the log of each container, named after it.
const KUBELET: &str = "var/log/containers";

/// The names of containers by id.
pub(super) struct ContainerNames {
    roots: Roots,
    known: HashMap<String, Lookup>,
}

enum Lookup {
    Found(String),
    /// So often it was not found.
    Missed(u32),
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(rename = "Name")]
    name: String,
}

#[derive(Deserialize)]
struct DockerSettings {
    /// `graph` in old versions.
    #[serde(rename = "data-root", alias = "graph")]
    data_root: PathBuf,
}

#[derive(Deserialize)]
struct PodmanContainer {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

impl ContainerNames {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            roots: roots.clone(),
            known: HashMap::new(),
        }
    }

    /// The name of the container `id`, if it is known.
    pub(super) fn of(&self, id: &str) -> Option<&str> {
        match self.known.get(id)? {
            Lookup::Found(name) => Some(name),
            Lookup::Missed(_) => None,
        }
    }

    /// Looks up the names of new containers, and forgets those that are not among `ids`.
    pub(super) fn refresh<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        let ids: HashSet<&str> = ids.collect();
        self.known.retain(|id, _| ids.contains(id.as_str()));
        let is_sought = |id: &&str| match self.known.get(*id) {
            None => true,
            Some(Lookup::Missed(times)) => *times < ATTEMPTS,
            Some(Lookup::Found(_)) => false,
        };
        let sought: Vec<&str> = ids.into_iter().filter(is_sought).collect();
        if sought.is_empty() {
            return;
        }
        let mut written = self.of_kubelet();
        written.extend(self.of_podman());
        let docker = self.docker();
        for id in sought {
            let of_docker = docker.iter().find_map(|dir| of_docker(dir, id));
            let name = of_docker.or_else(|| written.remove(id));
            let lookup = match (name, self.known.get(id)) {
                (Some(name), _) => Lookup::Found(name),
                (None, Some(Lookup::Missed(times))) => Lookup::Missed(times + 1),
                (None, _) => Lookup::Missed(1),
            };
            self.known.insert(id.to_owned(), lookup);
        }
    }

    /// The places where Docker may keep a directory for each container.
    fn docker(&self) -> Vec<PathBuf> {
        let settings = read(&self.roots.other(DOCKER_SETTINGS)).unwrap_or_default();
        let settings: Option<DockerSettings> = serde_json::from_slice(&settings).ok();
        let told = settings.map(|it| it.data_root);
        let told = told.and_then(|root| Some(self.roots.other(root.strip_prefix("/").ok()?)));
        let usual = DOCKER.map(|root| self.roots.other(root));
        let roots = told.into_iter().chain(usual);
        roots.map(|root| root.join("containers")).collect()
    }

    fn of_podman(&self) -> Vec<(String, String)> {
        let lists = PODMAN.iter().flat_map(|list| {
            let text = read(&self.roots.other(list)).unwrap_or_default();
            let all: Vec<PodmanContainer> = serde_json::from_slice(&text).unwrap_or_default();
            all
        });
        let named = lists.filter_map(|container| {
            let name = container.names.into_iter().next()?;
            Some((container.id, name))
        });
        named.collect()
    }

    /// `pod_namespace_container-id.log`: the name is `namespace/pod/container`.
    fn of_kubelet(&self) -> HashMap<String, String> {
        let links = fs::read_dir(self.roots.other(KUBELET))
            .into_iter()
            .flatten()
            .flatten();
        let named = links.filter_map(|link| {
            let name = link.file_name().into_string().ok()?;
            let (name, id) = name.strip_suffix(".log")?.rsplit_once('-')?;
            let mut parts = name.splitn(3, '_');
            let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
            Some((id.to_owned(), format!("{namespace}/{pod}/{container}")))
        });
        named.collect()
    }
}

/// The name of the container `id`, if it is among those in `dir`.
fn of_docker(dir: &Path, id: &str) -> Option<String> {
    let text = read(&dir.join(id).join("config.v2.json"))?;
    let config: DockerConfig = serde_json::from_slice(&text).ok()?;
    let name = config.name.trim_start_matches('/');
    (!name.is_empty()).then(|| name.to_owned())
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path).ok()?;
    file.take(FILE_BYTES).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Whether a name is the id of a container.
pub(super) fn is_id(name: &str) -> bool {
    name.len() == ID_CHARS
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// An id as engines show it.
pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT_CHARS).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::host::linux::fixture::write;

    fn id(digit: char) -> String {
        digit.to_string().repeat(ID_CHARS)
    }

    fn names(root: &Path) -> ContainerNames {
        ContainerNames::new(&Roots::below(root, Arc::new(|_| None)))
    }

    #[test]
    fn each_engine_has_its_own_place_for_names() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: String, text: &str| write(&root.path().join(path), text.as_bytes());
        let [docker, podman, kubelet, other] = ['a', 'b', 'c', 'd'].map(id);
        let config = r#"{"State":{"Pid":7},"ID":"x","Name":"/web","Config":{}}"#;
        file(
            format!("{}/containers/{docker}/config.v2.json", DOCKER[0]),
            config,
        );
        let list = format!(r#"[{{"id":"{podman}","names":["db","x"],"layer":"y"}},{{"id":"z"}}]"#);
        file(PODMAN[0].into(), &list);
        file(format!("{KUBELET}/cart-7f-x_shop_app-{kubelet}.log"), "");
        file(format!("{KUBELET}/strange.log"), "");
        let ids = [&docker, &podman, &kubelet, &other];
        let mut names = names(root.path());
        names.refresh(ids.into_iter().map(String::as_str));
        let found = ids.map(|id| names.of(id));
        assert_eq!(
            found,
            [Some("web"), Some("db"), Some("shop/cart-7f-x/app"), None]
        );

        // A name is looked up once, and forgotten with its container.
        fs::remove_dir_all(root.path().join("var")).unwrap();
        names.refresh([docker.as_str()].into_iter());
        assert_eq!((names.of(&docker), names.of(&podman)), (Some("web"), None));
        assert_eq!(names.known.len(), 1);
    }

    #[test]
    fn docker_may_keep_its_data_elsewhere_and_podman_forget_containers_at_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: String, text: &str| write(&root.path().join(path), text.as_bytes());
        let ids = ['a', 'b', 'c', 'd'].map(id);
        let [moved, snap, volatile, transient] = &ids;
        file(
            DOCKER_SETTINGS.into(),
            r#"{"debug":true,"data-root":"/mnt/big/docker"}"#,
        );
        let config = |place: &str, id: &str| format!("{place}/containers/{id}/config.v2.json");
        file(config("mnt/big/docker", moved), r#"{"Name":"/web"}"#);
        file(config(DOCKER[1], snap), r#"{"Name":"/db"}"#);
        for (place, id) in [(PODMAN[1], volatile), (PODMAN[2], transient)] {
            file(
                place.into(),
                &format!(r#"[{{"id":"{id}","names":["of-{id}"]}}]"#),
            );
        }
        let mut names = names(root.path());
        names.refresh(ids.iter().map(String::as_str));
        let found = [moved, snap, volatile, transient].map(|id| names.of(id).map(str::to_owned));
        let of = |id: &String| Some(format!("of-{id}"));
        assert_eq!(
            found,
            [
                Some("web".into()),
                Some("db".into()),
                of(volatile),
                of(transient)
            ]
        );
    }

    #[test]
    fn a_name_that_is_written_later_is_found_and_a_missing_one_given_up() {
        let root = tempfile::tempdir().unwrap();
        let mut names = names(root.path());
        let (late, later) = (id('a'), id('b'));
        let refresh = |names: &mut ContainerNames| {
            names.refresh([late.as_str(), later.as_str()].into_iter());
        };
        let log = |id: &str| {
            root.path()
                .join(format!("{KUBELET}/pod_default_app-{id}.log"))
        };
        refresh(&mut names);
        write(&log(&late), b"");
        refresh(&mut names);
        assert_eq!(names.of(&late), Some("default/pod/app"));
        for _ in 0..ATTEMPTS {
            refresh(&mut names);
        }
        write(&log(&later), b"");
        refresh(&mut names);
        assert_eq!(names.of(&later), None);
    }

    #[test]
    fn corrupt_files_name_nothing() {
        for text in [
            "",
            "{",
            "[]",
            "{\"Name\":7}",
            "{\"Name\":\"/\"}",
            "\u{fffd}",
            "[{\"id\":7}]",
        ] {
            let root = tempfile::tempdir().unwrap();
            let id = id('a');
            let docker = format!("{}/containers/{id}/config.v2.json", DOCKER[0]);
            for file in [&*docker, PODMAN[0], DOCKER_SETTINGS] {
                write(&root.path().join(file), text.as_bytes());
            }
            let mut names = names(root.path());
            names.refresh([id.as_str()].into_iter());
            assert_eq!(names.of(&id), None, "{text}");
        }
    }
}
