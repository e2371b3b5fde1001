//! A fleet on one machine: `scripts/fleet.sh`, and `examples/fleet` for those who use containers.

use std::path::Path;
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_metrics");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_script_starts_a_fleet_and_nothing_is_lost() {
    let output = Command::new(root().join("scripts/fleet.sh"))
        .args(["3", "2", "6", "3"])
        .arg(BINARY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    for expected in [
        "3 hosts, 2 relays, 6 viewers",
        ", 0 gaps",
        "relayers ",
        "A message costs",
        "recorder: 3 hosts",
    ] {
        assert!(text.contains(expected), "{expected}: {text}{errors}");
    }
}

/// Help is shown only if everything before it is understood.
#[test]
fn the_commands_of_the_containers_are_understood() {
    let compose = std::fs::read_to_string(root().join("examples/fleet/compose.yaml")).unwrap();
    let commands = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("command: "));
    let ours: Vec<_> = commands
        .filter(|command| !command.starts_with("redis-server"))
        .collect();
    assert_eq!(ours.len(), 4);
    for command in ours {
        let output = Command::new(BINARY)
            .args(command.split(' '))
            .arg("--help")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
    }
}
