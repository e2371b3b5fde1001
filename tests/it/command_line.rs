//! Help, completions and man pages: all three come from one definition, and none lacks a flag.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::metrics::Metrics;

const COMMANDS: [&str; 4] = ["serve", "watch", "record", "replay"];

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// What `args` print on a terminal of 80 columns.
fn shown(args: &[&str]) -> String {
    let output = Metrics::new().args(args).env("COLUMNS", "80").run();
    output.success().text().to_owned()
}

/// The long flags of a command, as its whole help lists them at the start of a line.
fn flags_of(command: &str) -> BTreeSet<String> {
    let help = shown(&[command, "--help"]);
    let starts = help.lines().map(str::trim_start);
    let long = starts.filter_map(|line| match line.strip_prefix("--") {
        Some(name) => Some(name),
        None if line.starts_with('-') => line.split_once(", --").map(|(_, name)| name),
        None => None,
    });
    let name = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_lowercase() && c != '-');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let found: BTreeSet<_> = long.map(name).collect();
    assert!(10 < found.len(), "{command}: {found:?}");
    found
}

#[test]
fn short_help_fits_a_screen_of_24_lines() {
    for args in [&["-h"][..]]
        .into_iter()
        .map(<[_]>::to_vec)
        .chain(COMMANDS.map(|command| vec![command, "-h"]))
    {
        let help = shown(&args);
        assert!(help.lines().count() <= 24, "{args:?}:\n{help}");
        let widest = help.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{args:?}:\n{help}");
    }
}

#[test]
fn help_has_the_same_parts_in_the_same_order_for_every_command() {
    const PARTS: [&str; 11] = [
        "Usage:",
        "Arguments:",
        "Options:",
        "Assertions:",
        "Spool:",
        "Rotation:",
        "Server:",
        "Client:",
        "Output:",
        "Examples:",
        "Exit status:",
    ];
    for command in COMMANDS {
        let help = shown(&[command, "--help"]);
        let found = |part: &&str| help.find(&format!("\n{part}"));
        let places: Vec<_> = PARTS.iter().filter_map(found).collect();
        assert!(
            places.is_sorted() && 6 <= places.len(),
            "{command}:\n{help}"
        );
        for needed in ["Usage:", "Options:", "Output:", "Examples:", "Exit status:"] {
            assert!(found(&needed).is_some(), "{command}: {needed}\n{help}");
        }
        let last = help.lines().rfind(|line| line.ends_with(':'));
        assert_eq!(last, Some("Exit status:"), "{command}");
    }
}

#[test]
fn every_variable_in_the_help_is_ours() {
    let mut count = 0;
    for command in COMMANDS {
        let help = shown(&[command, "--help"]);
        for name in help.split("[env: ").skip(1) {
            count += 1;
            assert!(name.starts_with("METRICS_"), "{command}: {name}");
        }
    }
    assert!(3 < count, "{count}");
}

#[test]
fn completions_have_every_flag_and_no_hidden_command() {
    for shell in SHELLS {
        let script = shown(&["completions", shell]);
        for command in COMMANDS {
            for flag in flags_of(command) {
                // fish writes `-l flag`.
                let forms = [format!("--{flag}"), format!("-l {flag}")];
                let is_there = forms.iter().any(|form| script.contains(form));
                assert!(is_there, "{shell} lacks --{flag} of {command}");
            }
        }
        assert!(!script.contains("Print completions"), "{shell}");
    }
    let output = Metrics::new().args(["completions", "tcsh"]).run();
    output.code(2).stderr_has("tcsh");
}

#[test]
fn bash_completes_what_is_typed() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("metrics.bash");
    std::fs::write(&script, shown(&["completions", "bash"])).unwrap();
    for (words, expected) in [
        ("metrics re", "record replay"),
        ("metrics serve --tls", "--tls-cert --tls-key"),
        ("metrics watch --color al", "always"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let asks = format!(
            "source {script}; COMP_WORDS=({all}); COMP_CWORD={at}; _metrics metrics {last} {before}; echo ${{COMPREPLY[@]}}",
            script = script.display(),
            all = words.join(" "),
            at = words.len() - 1,
        );
        let output = Command::new("bash").args(["-c", &asks]).output().unwrap();
        let (answer, errors) = (output.stdout, String::from_utf8_lossy(&output.stderr));
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.trim(), expected, "{words:?}: {errors}");
    }
}

#[test]
fn man_pages_describe_every_flag() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("share/man1");
    let args = ["man".into(), pages.clone().into_os_string()];
    Metrics::new().args(&args).run().success().stdout_is("");
    let read = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert_eq!(std::fs::read_dir(&pages).unwrap().count(), 5);
    let whole = read("metrics.1");
    for command in COMMANDS {
        assert!(
            whole.contains(&format!("metrics\\-{command}(1)")),
            "{whole}"
        );
        let page = read(&format!("metrics-{command}.1"));
        for flag in flags_of(command) {
            let name = format!("\\-\\-{}\\f", flag.replace('-', "\\-"));
            let at = page.rfind(&name);
            let at = at.unwrap_or_else(|| panic!("{command} lacks --{flag}:\n{page}"));
            let text = page[at..].lines().nth(1).unwrap_or_default();
            let is_described = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '\\');
            assert!(is_described, "{command} --{flag}: {text:?}");
        }
        let help = shown(&[command, "--help"]);
        for rest in help.split("[env: ").skip(1) {
            let name = rest.split(|c: char| !c.is_ascii_uppercase() && c != '_');
            let name = name.into_iter().next().unwrap();
            assert!(page.contains(name), "{command} lacks {name}:\n{page}");
        }
        let usage = help.lines().find_map(|line| line.strip_prefix("Usage: "));
        let (_, synopsis) = page.split_once(".SH SYNOPSIS\n").unwrap();
        let synopsis = synopsis.lines().next().unwrap();
        let synopsis = synopsis.replace("\\fB", "").replace("\\fR", "");
        assert_eq!(Some(&*synopsis.replace("\\-", "-")), usage, "{command}");
        for section in [
            "NAME",
            "OPTIONS",
            "EXAMPLES",
            "\"EXIT STATUS\"",
            "\"SEE ALSO\"",
        ] {
            assert!(
                page.contains(&format!(".SH {section}\n")),
                "{section}\n{page}"
            );
        }
    }
    // A file is in the way.
    let taken = dir.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    let output = Metrics::new().arg("man").arg(&taken).run().code(1);
    output
        .stderr_has("cannot write the pages into '")
        .stderr_lacks("os error");
}

#[test]
fn hidden_commands_are_not_listed() {
    let help = shown(&["--help"]);
    assert!(
        !help.contains("completions") && !help.contains("man "),
        "{help}"
    );
}

#[test]
fn a_replay_of_nothing_mentions_the_demo() {
    assert!(shown(&["replay", "-h"]).contains("--demo"));
    let output = Metrics::new().arg("replay").run().code(2);
    output
        .stderr_has("metrics replay FILE")
        .stderr_has("--demo");
}
