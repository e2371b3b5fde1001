//! No file grows beyond what a person can keep in mind. Clippy sees to functions: `too_many_lines` in Cargo.toml.

use super::files;

/// The most lines of a file.
const MOST_LINES: usize = 500;

#[test]
fn no_file_is_too_long() {
    let mut too_long = Vec::new();
    let mut count = 0;
    for folder in ["src", "tests", "benches"] {
        for (path, text) in files(folder, &["rs", "js", "css"]) {
            count += 1;
            too_long.extend(excess(&path, &text));
        }
    }
    assert!(100 < count, "only {count} files found");
    assert_eq!(too_long, Vec::<String>::new());
}

#[test]
fn a_file_of_one_line_more_is_found() {
    assert_eq!(excess("src/x.rs", &"//\n".repeat(MOST_LINES)), None);
    let found = excess("src/x.rs", &"//\n".repeat(MOST_LINES + 1));
    assert_eq!(found.as_deref(), Some("src/x.rs has 501 lines"));
}

fn excess(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (MOST_LINES < lines).then(|| format!("{path} has {lines} lines"))
}
