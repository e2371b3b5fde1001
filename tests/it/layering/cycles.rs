//! No two files of `src/` need each other, directly or through others.
//!
//! A file needs another when a `use` or a path in it leads to something that the other defines. A re-export needs
//! nothing by itself, but is followed to its target. A module's file and its folder belong together: what a file in the
//! folder uses from its own parent doesn't count, but what the parent uses from the folder does. Tests don't count.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, sources};

#[test]
fn no_two_files_need_each_other() {
    let crate_ = Crate::of(&sources("src"));
    assert!(50 < crate_.0.len(), "only {} files found", crate_.0.len());
    let none = Vec::<Vec<String>>::new();
    assert_eq!(crate_.cycles(), none, "these files need each other");
}

#[test]
fn planted_cycles_are_found() {
    let (a, b) = ("src/x/a.rs", "src/x/b.rs");
    for files in [
        [(a, "use super::b::B;"), (b, "use super::a::{self, A};")],
        [(a, "use crate::x::b;"), (b, "use crate::x::{a::{A, C}};")],
        [(a, "fn f() { super::b::g(); }"), (b, "use super::{a};")],
        [
            (a, "use super::b;\nfn f() -> b::B {}"),
            (b, "type A = crate::x::a::A;"),
        ],
        [
            (a, "pub(super) use super::b::B;\nuse super::b::C;"),
            (b, "use super::a as other;"),
        ],
        [
            (a, "fn f() {\n    use super::b::*;\n}"),
            (b, "use crate::{\n    x::a::A,\n};"),
        ],
    ] {
        let cycles = Crate::of(&files.map(owned)).cycles();
        assert_eq!(cycles, [["x/a", "x/b"]], "{files:?}");
    }
}

#[test]
fn a_cycle_through_others_or_a_re_export_is_found() {
    let through_others = [
        ("src/a.rs", "use crate::b::B;"),
        ("src/b.rs", "use super::c::C;"),
        ("src/c.rs", "fn f(a: &crate::a::A) {}"),
        ("src/d.rs", "use crate::a::A;"),
    ];
    assert_eq!(
        Crate::of(&through_others.map(owned)).cycles(),
        [["a", "b", "c"]]
    );
    let through_a_re_export = [
        (
            "src/x.rs",
            "mod a;\nmod b;\npub use a::A;\npub use self::b::{B as Other};",
        ),
        ("src/x/a.rs", "use super::Other;"),
        ("src/x/b.rs", "use crate::x::A;"),
    ];
    assert_eq!(
        Crate::of(&through_a_re_export.map(owned)).cycles(),
        [["x/a", "x/b"]]
    );
    let between_parent_and_nephew = [
        ("src/x.rs", "mod a;\nuse a::A;\npub struct X;"),
        ("src/y.rs", "mod b;\nuse b::B;"),
        ("src/x/a.rs", "use crate::y::b::B;"),
        ("src/y/b.rs", "use crate::x::X;"),
    ];
    assert_eq!(
        Crate::of(&between_parent_and_nephew.map(owned)).cycles(),
        [["x", "x/a", "y/b"]]
    );
}

#[test]
fn imports_without_a_cycle_pass() {
    for files in [
        // A parent, and the files in its folder.
        [
            ("src/x.rs", "mod a;\nuse a::A;\nstruct X;"),
            ("src/x/a.rs", "use super::X;"),
        ],
        // A re-export alone.
        [
            ("src/x.rs", "pub use crate::y::Y;"),
            ("src/y.rs", "use crate::x::X;"),
        ],
        // Comments and tests.
        [
            ("src/x.rs", "// use crate::y::Y;\n/// [`crate::y`]"),
            ("src/y.rs", "use crate::x::X;"),
        ],
        [
            (
                "src/x.rs",
                "struct X;\n#[cfg(test)]\nmod tests {\n    use crate::y::Y;\n}",
            ),
            ("src/y.rs", "use crate::x::X;"),
        ],
        [
            ("src/x/tests.rs", "use crate::y::Y;"),
            ("src/y.rs", "use crate::x::tests::X;"),
        ],
        // A module of another crate with the same name.
        [
            ("src/x.rs", "use std::y::Y;"),
            ("src/y.rs", "use crate::x::X;"),
        ],
    ] {
        let cycles = Crate::of(&files.map(owned)).cycles();
        assert_eq!(cycles, Vec::<Vec<&str>>::new(), "{files:?}");
    }
}

fn owned((path, text): (&str, &str)) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

/// A path, such as `["server", "door"]` for `src/server/door.rs`.
type Path = Vec<String>;

/// The files of the crate by their modules.
struct Crate(BTreeMap<Path, File>);

struct File {
    imports: Vec<Import>,
    /// The code without its imports.
    body: String,
}

/// One name that a `use` brings in.
struct Import {
    path: Path,
    name: String,
    is_re_export: bool,
}

impl Crate {
    fn of(sources: &[(String, String)]) -> Self {
        let files = sources.iter().filter_map(|(path, text)| {
            let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
            let module: Path = inside.split('/').map(ToOwned::to_owned).collect();
            let is_test = module.iter().any(|part| part == "tests");
            // Nothing of the crate needs the binary or the map of the library.
            let is_root = ["main", "lib"].contains(&inside);
            (!is_test && !is_root).then(|| (module, File::of(text)))
        });
        Self(files.collect())
    }

    /// The groups of files that need each other.
    fn cycles(&self) -> Vec<Vec<String>> {
        let needs: BTreeMap<_, _> = self.0.keys().map(|file| (file, self.needs(file))).collect();
        let reached: BTreeMap<_, _> = needs
            .keys()
            .map(|file| (*file, reach(file, &needs)))
            .collect();
        let mut cycles = BTreeSet::new();
        for (file, others) in &reached {
            if others.contains(file) {
                let back = others
                    .iter()
                    .filter(|other| reached[*other].contains(*file));
                cycles.insert(back.map(|file| file.join("/")).collect());
            }
        }
        cycles.into_iter().collect()
    }

    /// The files that `module` needs.
    fn needs(&self, module: &Path) -> BTreeSet<Path> {
        let file = &self.0[module];
        let imports = file.imports.iter().filter(|import| !import.is_re_export);
        let paths = imports.map(|import| import.path.clone());
        let inline = inline_paths(&file.body).into_iter();
        let targets = paths
            .chain(inline)
            .filter_map(|path| self.target(module, &path, 0));
        targets
            .filter(|target| !module.starts_with(target))
            .collect()
    }

    /// The file that defines what `path` means in `module`; `None` if it belongs to another crate.
    fn target(&self, module: &Path, path: &[String], hops: usize) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let absolute = match first.as_str() {
            "crate" => rest.to_vec(),
            "self" => [module, rest].concat(),
            "super" => {
                let supers = path.iter().take_while(|part| *part == "super").count();
                let above = module.len().checked_sub(supers)?;
                [&module[..above], &path[supers..]].concat()
            }
            _ if self.0.contains_key(&[&module[..], &path[..1]].concat()) => {
                [module, path].concat()
            }
            _ => return self.imported(module, path, hops),
        };
        let len = (1..=absolute.len())
            .rev()
            .find(|&len| self.0.contains_key(&absolute[..len]))?;
        let (found, inside) = (absolute[..len].to_vec(), &absolute[len..]);
        self.imported(&found, inside, hops).or(Some(found))
    }

    /// The target of a `path` that begins with a name that `module` imports.
    fn imported(&self, module: &Path, path: &[String], hops: usize) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let mut imports = self.0.get(module)?.imports.iter();
        let import = imports.find(|import| import.name == *first)?;
        // A name imported from a module of the same name would recurse for ever.
        (hops < 8).then(|| self.target(module, &[&import.path, rest].concat(), hops + 1))?
    }
}

/// The files that can be reached from `file` in one step or more.
fn reach<'a>(file: &Path, needs: &'a BTreeMap<&Path, BTreeSet<Path>>) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Path> = needs[file].iter().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&needs[file]);
        }
    }
    reached
}

impl File {
    fn of(text: &str) -> Self {
        let code = code(text);
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let (mut imports, mut body) = (Vec::new(), String::new());
        let mut lines = code.lines();
        while let Some(line) = lines.next() {
            let Some((mut tree, is_re_export)) = use_of(line) else {
                body += line;
                body.push('\n');
                continue;
            };
            while !tree.contains(';') {
                let Some(line) = lines.next() else { break };
                tree += line;
            }
            let tree = tree.split(';').next().unwrap();
            expand(&[], tree, is_re_export, &mut imports);
        }
        Self { imports, body }
    }
}

/// The tree after the `use` that `line` begins with, and whether it is a re-export.
fn use_of(line: &str) -> Option<(String, bool)> {
    let line = line.trim_start();
    if let Some(tree) = line.strip_prefix("use ") {
        return Some((tree.to_owned(), false));
    }
    let (visibility, tree) = line.strip_prefix("pub")?.split_once("use ")?;
    let visibility = visibility.trim();
    let is_whole =
        visibility.is_empty() || visibility.starts_with('(') && visibility.ends_with(')');
    is_whole.then(|| (tree.to_owned(), true))
}

/// Adds the names of `a::{b, c::{d as e}}` after `before`.
fn expand(before: &[String], tree: &str, is_re_export: bool, imports: &mut Vec<Import>) {
    let words = |text: &str| -> Path {
        let words = text
            .split("::")
            .map(str::trim)
            .filter(|word| !word.is_empty());
        words.map(ToOwned::to_owned).collect()
    };
    if let Some((prefix, group)) = tree.split_once('{') {
        let before = [before, &words(prefix)].concat();
        let group = group.rsplit_once('}').map_or(group, |(inside, _)| inside);
        for member in members(group) {
            expand(&before, &member, is_re_export, imports);
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut path = [before, &words(path)].concat();
    if path.len() > 1
        && path
            .last()
            .is_some_and(|last| last == "self" || last == "*")
    {
        path.pop();
    }
    let name = Some(alias.trim().to_owned()).filter(|alias| !alias.is_empty());
    let Some(name) = name.or_else(|| path.last().cloned()) else {
        return;
    };
    imports.push(Import {
        path,
        name,
        is_re_export,
    });
}

/// The members of a group, each with the groups in it.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut members) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(String::new());
                continue;
            }
            _ => {}
        }
        members.last_mut().unwrap().push(c);
    }
    members.retain(|member| !member.trim().is_empty());
    members
}

/// The paths of two words or more in `body`.
fn inline_paths(body: &str) -> Vec<Path> {
    let is_of_a_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = body
        .split(|c| !is_of_a_path(c))
        .filter(|word| word.contains("::"));
    let paths = words.filter(|word| !word.starts_with(':'));
    paths
        .map(|word| {
            word.split("::")
                .filter(|part| !part.is_empty())
                .map(ToOwned::to_owned)
                .collect()
        })
        .collect()
}
