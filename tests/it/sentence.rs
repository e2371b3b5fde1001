//! The page says what is wrong in the same words as the terminal: both are tested against one table of cases.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use metrics_toolkit::protocol::describe;
use serde_json::{Value, json};

const CASES: &str = include_str!("fixtures/sentence.json");

/// The scripts that the sentence is made by, and the one that tries the cases, in a folder of their own: so that Node takes
/// them for modules.
fn scripts() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "src/assets/sentence.js",
        "src/assets/evidence.js",
        "src/assets/format.js",
        "tests/it/fixtures/sentence_cases.js",
    ] {
        let path = root.join(file);
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    std::fs::write(dir.path().join("package.json"), r#"{"type":"module"}"#).unwrap();
    dir
}

/// The cases with what a hello says of their metrics.
fn cases() -> Vec<Value> {
    let mut cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    for case in &mut cases {
        let cores = case["described"].as_u64().or(case["cores"].as_u64());
        let cores = cores.unwrap_or(8);
        let info = |name: &String| {
            let own = &case["infos"][name];
            let mut info = json!(describe(name, usize::try_from(cores).unwrap()));
            if let Some(own) = own.as_object() {
                info = json!(own);
            }
            info["name"] = json!(name);
            info
        };
        let names = case["values"].as_object().unwrap().keys();
        let metrics: Vec<Value> = names.map(info).collect();
        case["metrics"] = json!(metrics);
    }
    cases
}

/// What Node says of the cases; nothing if they are all as expected.
fn said(dir: &Path, cases: &[Value]) -> String {
    let mut node = Command::new("node")
        .arg("sentence_cases.js")
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is needed: apt-get install nodejs");
    let input = json!(cases).to_string();
    node.stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_page_says_what_the_terminal_says() {
    assert_eq!(said(scripts().path(), &cases()), "");
}

#[test]
fn a_case_that_is_said_otherwise_is_found() {
    let mut cases = cases();
    cases[1]["expect"] = json!([]);
    let said = said(scripts().path(), &cases);
    let name = cases[1]["name"].as_str().unwrap();
    assert!(
        said.starts_with(name) && said.contains("CPU 98.2 %"),
        "{said}"
    );
}
