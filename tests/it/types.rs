//! The types for dashboard builders, checked by the TypeScript compiler against frames of the real binary.

use std::path::Path;
use std::process::Command;

use crate::harness::dice::Dice;
use crate::harness::metrics::Metrics;
use crate::harness::recording::random;
use crate::harness::viewer::{Seen, Viewer};

/// What the compiler says of messages that are written into a program as literals: then it looks for fields that the
/// types do not have, too.
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
fn what_is_not_documented_does_not_compile() {
    let (compiles, said) = compile(&[r#"{"type":"end","host":"a","why":"bored"}"#.to_owned()]);
    assert!(!compiles && said.contains("why"), "{said}");
    let (compiles, said) = compile(&[r#"{"type":"gap","host":"a","reason":"lost"}"#.to_owned()]);
    assert!(!compiles && said.contains("\"lost\""), "{said}");
}
