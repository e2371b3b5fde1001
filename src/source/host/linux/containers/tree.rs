//! The groups of a hierarchy that are listed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::class::{Class, GroupKind, class};

/// How deep groups are looked for.
const DEEPEST: usize = 10;

/// How many directories are read at most.
const MOST_PARENTS: usize = 2000;

/// A container or service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListedGroup {
    /// Below the mount point.
    pub(super) path: String,
    pub(super) kind: GroupKind,
}

/// A directory to read.
struct Parent {
    path: PathBuf,
    depth: usize,
    /// Only containers are listed, because the group of a service manager is listed itself.
    is_below_manager: bool,
}

/// The containers and services below any of `roots`, each path once.
pub(super) fn groups(roots: &[&PathBuf]) -> Vec<ListedGroup> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for root in roots.iter().filter(|root| !root.as_os_str().is_empty()) {
        walk(root, &mut |group| {
            if seen.insert(group.path.clone()) {
                found.push(group);
            }
        });
    }
    found
}

fn walk(root: &Path, found: &mut dyn FnMut(ListedGroup)) {
    let mut parents = vec![Parent {
        path: PathBuf::new(),
        depth: 0,
        is_below_manager: false,
    }];
    let mut count = 0;
    while let Some(parent) = parents.pop() {
        count += 1;
        if MOST_PARENTS < count {
            return;
        }
        let Ok(entries) = fs::read_dir(root.join(&parent.path)) else {
            continue;
        };
        let of_parent = parent
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for entry in entries.flatten() {
            let name = entry.file_name();
            // No name that matters is anything else than text.
            let (Some(name), Ok(true)) =
                (name.to_str(), entry.file_type().map(|kind| kind.is_dir()))
            else {
                continue;
            };
            look_at(name, &of_parent, &parent, &mut parents, found);
        }
    }
}

fn look_at(
    name: &str,
    of_parent: &str,
    parent: &Parent,
    parents: &mut Vec<Parent>,
    found: &mut dyn FnMut(ListedGroup),
) {
    let path = parent.path.join(name);
    let text = path.to_string_lossy().into_owned();
    let mut descend = |is_below_manager| {
        if parent.depth < DEEPEST {
            parents.push(Parent {
                path: path.clone(),
                depth: parent.depth + 1,
                is_below_manager,
            });
        }
    };
    match class(name, of_parent) {
        Class::Listed(GroupKind::Named(_)) if parent.is_below_manager => {}
        Class::Listed(kind) => found(ListedGroup { path: text, kind }),
        Class::Manager(name) => {
            descend(true);
            let kind = GroupKind::Named(name);
            found(ListedGroup { path: text, kind });
        }
        Class::Parent => descend(parent.is_below_manager),
        Class::Other => {}
    }
}
