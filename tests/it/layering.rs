//! The import rules between the modules of `src/`, checked by reading the sources.

mod cycles;
mod names;
mod sizes;

use std::path::{Path, PathBuf};

/// The modules from the top down. A module imports only from levels below its own; `cmd` also imports `cli`.
const LEVELS: [&[&str]; 6] = [
    &["cmd"],
    &["cli"],
    &[
        "server", "client", "source", "sink", "spool", "publish", "terminal",
    ],
    &["alert", "postgres"],
    &[
        "hub",
        "recording",
        "redis",
        "view",
        "authorities",
        "token",
        "talk",
        "signals",
        "descriptors",
    ],
    &[
        "protocol",
        "disk",
        "heap",
        "locks",
        "loopback",
        "millis",
        "retry_waits",
        "wording",
    ],
];

/// The parts of the server, each of which imports only the ones before it.
const SERVER_PARTS: [&str; 3] = ["door", "viewers", "http"];

/// Crates that only one module may use.
const KEPT: [(&str, &[&str]); 12] = [
    ("sysinfo", &["src/source/host"]),
    ("nvml_wrapper", &["src/source/host/linux/gpus/nvml"]),
    // Tests compare with it, on Linux.
    (
        "procfs",
        &["src/source/host/linux", "src/source/host/tests"],
    ),
    ("csv", &["src/recording"]),
    ("comfy_table", &["src/view"]),
    ("crossterm", &["src/terminal"]),
    ("indicatif", &["src/terminal"]),
    ("redis", &["src/redis"]),
    ("subtle", &["src/token"]),
    ("tokio_postgres", &["src/postgres"]),
    ("tokio_postgres_rustls", &["src/postgres"]),
    ("rustls_native_certs", &["src/authorities"]),
];

/// Calls that only one place may make, because a write to either stream may wait for its reader: text for people goes
/// through `talk`, data through a thread.
const CALLS_KEPT: [(&str, &[&str]); 5] = [
    ("io::stderr()", &["src/talk"]),
    ("ProgressDrawTarget::std", &[]),
    ("eprint", &[]),
    (
        "io::stdout()",
        &[
            "src/cmd/data.rs",
            "src/cmd/watch.rs",
            "src/cmd/watch/once.rs",
            "src/recording/opening.rs",
            "src/terminal/screen.rs",
        ],
    ),
    ("stdout().lock", &["src/cmd/data.rs"]),
];

#[test]
fn modules_keep_to_the_import_rules() {
    let mut broken = Vec::new();
    let mut files = 0;
    for (path, text) in sources("src") {
        files += 1;
        broken.extend(violations(&path, &text));
    }
    assert!(2 < files, "only {files} files found");
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_module_has_a_level() {
    for (path, _) in sources("src") {
        let room = room(&path);
        assert!(
            level(room).is_some() || ["main", "lib"].contains(&room),
            "{path}"
        );
    }
}

#[test]
fn the_harness_shares_nothing_with_the_crate() {
    let mut files = 0;
    for (path, text) in sources("tests/it/harness") {
        files += 1;
        assert!(!uses_crate(&code(&text), "metrics_toolkit"), "{path}");
    }
    assert!(5 < files, "only {files} files found");
}

/// Files that break a fence: the path, the text, and what is said about it.
const PLANTED: [(&str, &str, &str); 19] = [
    (
        "src/protocol/x.rs",
        "use crate::hub::Hub;",
        "protocol imports hub",
    ),
    (
        "src/hub.rs",
        "use crate::{\n    protocol::Frame,\n    server::ws,\n};",
        "hub imports server",
    ),
    (
        "src/view/table.rs",
        "fn f() { crate::client::follow(); }",
        "view imports client",
    ),
    (
        "src/server/ws.rs",
        "use crate::client::Event;",
        "server imports client",
    ),
    (
        "src/hub.rs",
        "use super::source::Host;",
        "hub imports source",
    ),
    (
        "src/signals.rs",
        "use crate::cmd::Exit;",
        "signals imports cmd",
    ),
    (
        "src/server/door/gate.rs",
        "use crate::server::http::page;",
        "server/door imports server/http",
    ),
    (
        "src/server/viewers.rs",
        "use super::http;",
        "server/viewers imports server/http",
    ),
    (
        "src/cmd/watch.rs",
        "use crate::cmd::record::Args;",
        "cmd/watch imports cmd/record",
    ),
    (
        "src/cmd/watch.rs",
        "use super::record::Args;",
        "cmd/watch imports cmd/record",
    ),
    (
        "src/sink/files.rs",
        "use crate::client::Received;",
        "sink imports client",
    ),
    (
        "src/server/ws.rs",
        "use sysinfo::System;",
        "sysinfo outside",
    ),
    (
        "src/cmd/record.rs",
        "let reader = csv::Reader::from_path(p);",
        "csv outside",
    ),
    (
        "src/cmd/watch.rs",
        "crossterm::terminal::enable_raw_mode()",
        "crossterm outside",
    ),
    ("src/cli.rs", "#[arg(long, env = \"LISTEN\")]", "LISTEN"),
    (
        "src/cmd/announce.rs",
        "writeln!(io::stderr(), \"ready\")",
        "io::stderr() outside",
    ),
    ("src/main.rs", "eprintln!(\"error\");", "eprint outside"),
    (
        "src/cmd/serve.rs",
        "writeln!(std::io::stdout(), \"{url}\")",
        "io::stdout() outside",
    ),
    (
        "src/cmd/watch.rs",
        "let mut out = io::stdout().lock();",
        "stdout().lock outside",
    ),
];

#[test]
fn planted_violations_are_found() {
    for (path, text, expected) in PLANTED {
        let found = violations(path, text);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{path}: {text}: {found:?}"
        );
    }
}

#[test]
fn allowed_imports_pass() {
    for (path, text) in [
        (
            "src/cmd/watch.rs",
            "use crate::cli::ClientArgs;\nuse crate::view::table;",
        ),
        (
            "src/hub.rs",
            "/// See [`crate::server`].\nuse crate::protocol::Frame; // not crate::server",
        ),
        ("src/hub.rs", "use crate::protocol::{self, Frame};"),
        (
            "src/source/host/linux.rs",
            "use procfs::Current;\nuse super::Reading;",
        ),
        ("src/recording/csv.rs", "use csv::Writer;"),
        ("src/hub.rs", "mod ring;\nuse ring::Ring;"),
        (
            "src/source/recording.rs",
            "use crate::recording::csv::Reader;",
        ),
        ("src/cli.rs", "#[arg(long, env = \"METRICS_LISTEN\")]"),
        ("src/cli.rs", "#[arg(long, env)]"),
    ] {
        assert_eq!(
            violations(path, text),
            Vec::<String>::new(),
            "{path}: {text}"
        );
    }
}

/// The rules that the file at `path` breaks.
fn violations(path: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let mut found = Vec::new();
    if let Some(level) = level(room(path)) {
        for import in imports(path, &code) {
            let below = |other: usize| level < other;
            if import != room(path) && !self::level(&import).is_none_or(below) {
                found.push(format!("{path}: {} imports {import}", room(path)));
            }
        }
    }
    for (part, other) in later_parts(path, &code) {
        found.push(format!("{path}: server/{part} imports server/{other}"));
    }
    for other in other_commands(path, &code) {
        found.push(format!("{path}: cmd/{} imports cmd/{other}", stem(path)));
    }
    for (name, homes) in KEPT {
        if !homes.iter().any(|home| path.starts_with(home)) && uses_crate(&code, name) {
            found.push(format!("{path}: {name} outside {homes:?}"));
        }
    }
    for (call, homes) in CALLS_KEPT {
        if !homes.iter().any(|home| path.starts_with(home)) && code.contains(call) {
            found.push(format!("{path}: {call} outside {homes:?}"));
        }
    }
    for name in code
        .replace("target_env", "target")
        .split("env = \"")
        .skip(1)
    {
        let name = name.split('"').next().unwrap_or_default();
        if !name.starts_with("METRICS_") {
            found.push(format!("{path}: environment variable {name}"));
        }
    }
    found
}

/// The text without line comments, which contain no imports.
pub(crate) fn code(text: &str) -> String {
    let bare = |line: &str| match line.find("//") {
        // A URL in a string is not a comment, and no relevant code follows it.
        Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(bare).collect::<Vec<_>>().join("\n")
}

/// `hub` for `src/hub.rs` and `src/hub/ring.rs`.
fn room(path: &str) -> &str {
    let inside = path.trim_start_matches("src/");
    inside.split(['/', '.']).next().unwrap_or_default()
}

fn stem(path: &str) -> &str {
    let inside = path.trim_start_matches("src/cmd/");
    inside.split(['/', '.']).next().unwrap_or_default()
}

fn level(room: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&room))
}

/// The modules that the code names after `crate::`, and after `super::` if that is the crate.
fn imports(path: &str, code: &str) -> Vec<String> {
    let mut names = behind(code, "crate::");
    if !path.trim_start_matches("src/").contains('/') {
        names.extend(behind(code, "super::"));
    }
    names.dedup();
    names
}

/// Other commands that a file of `cmd` names.
fn other_commands(path: &str, code: &str) -> Vec<String> {
    if !path.starts_with("src/cmd/") {
        return Vec::new();
    }
    let commands = ["serve", "watch", "record", "replay"];
    let mut names = behind(code, "crate::cmd::");
    if path.matches('/').count() == 2 {
        names.extend(behind(code, "super::"));
    }
    names.retain(|name| name != stem(path) && commands.contains(&name.as_str()));
    names
}

/// The part of the server that a file belongs to, and the later parts that it names.
fn later_parts(path: &str, code: &str) -> Vec<(&'static str, String)> {
    let inside = path.strip_prefix("src/server/").unwrap_or_default();
    let own = inside.split(['/', '.']).next();
    let Some(own) = SERVER_PARTS.iter().position(|part| Some(*part) == own) else {
        return Vec::new();
    };
    let mut names = behind(code, "crate::server::");
    if !inside.contains('/') {
        names.extend(behind(code, "super::"));
    }
    names.retain(|name| SERVER_PARTS[own + 1..].contains(&name.as_str()));
    names
        .into_iter()
        .map(|name| (SERVER_PARTS[own], name))
        .collect()
}

/// The names that follow `prefix`: one, or those of a group in braces.
fn behind(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let boundary = code[..at].chars().next_back();
        if boundary.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_members(group)),
            None => names.push(identifier(rest)),
        }
    }
    names
}

/// `a` and `b` of `a::{X, Y}, b::Z}`.
fn group_members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut members = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            _ => {}
        }
        if depth == 0 && c != ',' {
            members.last_mut().unwrap().push(c);
        }
    }
    members.iter().map(|m| identifier(m.trim())).collect()
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// Whether the code names the crate `name`, rather than a module with that name.
fn uses_crate(code: &str, name: &str) -> bool {
    if code.contains(&format!("mod {name};")) {
        return false;
    }
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// Every Rust file below `folder` of the package, with its text.
pub(crate) fn sources(folder: &str) -> Vec<(String, String)> {
    files(folder, &["rs"])
}

/// Every file below `folder` of the package whose name ends like this, with its text.
fn files(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let is_wanted = |path: &Path| {
        let extension = path.extension().and_then(|it| it.to_str());
        extension.is_some_and(|it| extensions.contains(&it))
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if is_wanted(&path) {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
