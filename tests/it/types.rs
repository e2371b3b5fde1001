//! The types for dashboard builders, checked by the TypeScript compiler against frames of the real binary, and the page's
//! scripts against these types.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::dice::Dice;
use crate::harness::metrics::Metrics;
use crate::harness::recording::random;
use crate::harness::viewer::{Seen, Viewer};

/// The compiler's output for messages that are written into a program as literals, so that it also rejects unknown
/// fields.
fn compile(messages: &[String]) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.d.ts");
    std::fs::copy(types, dir.path().join("protocol.d.ts")).unwrap();
    let mut program = String::from("import type { Message } from \"./protocol\";\n");
    for (index, message) in messages.iter().enumerate() {
        program.push_str(&format!("export const m{index}: Message = {message};\n"));
    }
    program.push_str("export function read(message: Message): number {\n  return message.type === \"metric\" ? message.data.cpu : 0;\n}\n");
    std::fs::write(dir.path().join("messages.ts"), program).unwrap();
    let output = Command::new("tsc")
        .args(["--noEmit", "--strict", "--target", "es2020", "messages.ts"])
        .current_dir(dir.path())
        .output()
        .expect("tsc is needed: apt-get install node-typescript");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said)
}

/// A copy of the page's scripts and of the types that they refer to, in a folder of its own, so that the compiler finds
/// nothing else.
#[track_caller]
fn copy_of_page() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["docs", "src/assets"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if [".js", ".d.ts"].iter().any(|end| name.ends_with(end)) {
                std::fs::copy(&path, dir.path().join(folder).join(name)).unwrap();
            }
        }
    }
    dir
}

/// The compiler's output for the page's scripts, which have their types in comments.
#[track_caller]
fn check_page(dir: &Path) -> (bool, String) {
    let scripts: Vec<PathBuf> = std::fs::read_dir(dir.join("src/assets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(6 < scripts.len(), "only {scripts:?}");
    let output = Command::new("tsc")
        .args([
            "--noEmit",
            "--allowJs",
            "--checkJs",
            "--strict",
            "--noUnusedLocals",
        ])
        .args([
            "--target",
            "es2022",
            "--module",
            "es2022",
            "--lib",
            "es2022,dom,dom.iterable",
        ])
        .args(scripts)
        .current_dir(dir)
        .output()
        .expect("tsc is needed: apt-get install node-typescript");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said)
}

fn all_of(url: &str, query: &str, most: usize) -> Vec<String> {
    let mut viewer = Viewer::connect(url, query);
    let mut texts = Vec::new();
    while texts.len() < most
        && let Seen::Message(_, text) = viewer.next()
    {
        texts.push(text);
    }
    texts
}

#[test]
fn frames_have_the_types_that_are_documented() {
    let serve = Metrics::serve().args(["--heartbeat", "300ms"]).start();
    let mut messages = all_of(serve.url(), "", 5);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, random(&mut Dice::seeded(3), "web-1", 120).csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    messages.extend(all_of(replay.url(), "", usize::MAX));
    for kind in ["hello", "metric", "alert", "heartbeat", "gap", "end"] {
        let start = format!("{{\"type\":\"{kind}\"");
        assert!(
            messages.iter().any(|text| text.starts_with(&start)),
            "no {kind}"
        );
    }
    let (compiles, said) = compile(&messages);
    assert!(compiles, "{said}");
}

#[test]
fn undocumented_fields_do_not_compile() {
    let (compiles, said) = compile(&[r#"{"type":"end","host":"a","why":"bored"}"#.to_owned()]);
    assert!(!compiles && said.contains("why"), "{said}");
    let (compiles, said) = compile(&[r#"{"type":"gap","host":"a","reason":"lost"}"#.to_owned()]);
    assert!(!compiles && said.contains("\"lost\""), "{said}");
}

#[test]
fn the_page_reads_messages_as_they_are_documented() {
    let dir = copy_of_page();
    let (compiles, said) = check_page(dir.path());
    assert!(compiles, "{said}");
}

/// The compiler doesn't complain about types that it cannot find.
#[test]
fn a_page_that_reads_an_unknown_field_is_found() {
    let dir = copy_of_page();
    let script = dir.path().join("src/assets/state.js");
    let text = std::fs::read_to_string(&script).unwrap();
    let misread = text.replace("message.alerts.map", "message.alarms.map");
    assert_ne!(misread, text);
    std::fs::write(&script, misread).unwrap();
    let (compiles, said) = check_page(dir.path());
    let expected = "Property 'alarms' does not exist on type 'Hello'";
    assert!(!compiles && said.contains(expected), "{said}");
}
