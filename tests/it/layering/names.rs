//! No two types of `src/` that other files can see have the same name, so that each can stand in a sentence without its
//! module. What only its own file sees may be called what it likes; so may tests.

use std::collections::BTreeMap;

use super::{code, identifier, sources};

/// Names that may occur twice: one is for Linux, one for all other systems.
const SHARED: [&str; 2] = ["Machine", "Roster"];

#[test]
fn every_type_has_a_name_of_its_own() {
    let sources = sources("src");
    assert!(50 < sources.len(), "only {} files found", sources.len());
    let mut shared = shared_names(&sources);
    shared.retain(|name, _| !SHARED.contains(&&**name));
    assert!(shared.is_empty(), "rename all but one: {shared:#?}");
}

#[test]
fn a_planted_namesake_is_found() {
    let files = [
        ("src/a.rs", "pub struct Row<'a>(&'a str);\nstruct Own;"),
        ("src/b.rs", "pub(super) enum Row {}\nstruct Own;"),
        ("src/c.rs", "pub(in crate::a) type Row2 = u8;"),
        ("src/d/tests/x.rs", "pub(super) struct Row2;"),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let shared = shared_names(&files);
    let expected = BTreeMap::from([("Row".to_owned(), vec!["src/a.rs", "src/b.rs"])]);
    assert_eq!(shared, expected);
}

/// The names that several files declare, with these files.
fn shared_names(files: &[(String, String)]) -> BTreeMap<String, Vec<&str>> {
    let mut homes = BTreeMap::<String, Vec<&str>>::new();
    for (path, text) in files.iter().filter(|(path, _)| !path.contains("/tests")) {
        for name in visible_types(&code(text)) {
            homes.entry(name).or_default().push(path);
        }
    }
    homes.retain(|_, homes| homes.len() > 1);
    homes
}

/// The types that a file declares for other files, at its top level.
fn visible_types(code: &str) -> Vec<String> {
    let declared = |line: &str| {
        let mut words = line
            .split(' ')
            .skip_while(|word| !["struct", "enum", "trait", "type", "union"].contains(word));
        words.nth(1).map(identifier)
    };
    let visible = code.lines().filter(|line| line.starts_with("pub"));
    visible.filter_map(declared).collect()
}
