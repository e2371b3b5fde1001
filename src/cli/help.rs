//! What `-h` and `--help` show.

use clap::{Arg, Command};

/// The flags that `-h` shows of each command, by their long names; `--help` shows all of them.
const EVERYDAY: [(&str, &[&str]); 4] = [
    (
        "serve",
        &[
            "interval",
            "top",
            "statsd",
            "check",
            "spool",
            "listen",
            "token-file",
            "alert",
        ],
    ),
    (
        "watch",
        &[
            "once",
            "json",
            "plain",
            "until",
            "fail-on-alert",
            "host",
            "since",
            "token-file",
        ],
    ),
    (
        "record",
        &[
            "output", "force", "append", "rotate", "keep", "host", "since", "duration",
        ],
    ),
    (
        "replay",
        &[
            "demo", "check", "speed", "loop", "start", "end", "rebase", "listen", "alert",
        ],
    ),
];

/// The command line with short help that fits a screen.
pub(super) fn with_short_help(command: Command) -> Command {
    command
        .mut_args(|arg| only_everyday(arg, &[]))
        .mut_subcommands(|subcommand| {
            let name = subcommand.get_name().to_owned();
            let flags = EVERYDAY.iter().find(|(command, _)| *command == name);
            let flags = flags.map_or(&[][..], |(_, flags)| flags);
            subcommand.mut_args(|arg| only_everyday(arg, flags))
        })
}

fn only_everyday(arg: Arg, flags: &[&str]) -> Arg {
    let is_everyday = arg.get_long().is_none_or(|name| flags.contains(&name));
    arg.hide_short_help(!is_everyday)
}

/// The command line without hidden subcommands, and with the help of every flag where man pages look for it.
pub(super) fn without_hidden(command: &Command, version: &'static str) -> Command {
    let mut whole = Command::new("metrics")
        .version(version)
        .args(command.get_arguments().cloned());
    for (text, set) in [
        (command.get_about(), Command::about as fn(_, _) -> _),
        (command.get_after_long_help(), Command::after_long_help),
    ] {
        if let Some(text) = text {
            whole = set(whole, text.clone());
        }
    }
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
    whole
        .subcommands(shown.cloned())
        .mut_args(with_long_help)
        .mut_subcommands(|subcommand| subcommand.mut_args(with_long_help))
}

fn with_long_help(arg: Arg) -> Arg {
    match arg.get_long_help().or(arg.get_help()).cloned() {
        Some(help) => arg.long_help(help),
        None => arg,
    }
}

/// The text after the flags, for `--help` and man pages: sections in the same order for every command.
#[must_use]
pub fn after_help(examples: &str, exit_status: &[(&str, &str)]) -> String {
    let examples = examples.lines().map(|line| format!("\n  {}", line.trim()));
    let statuses = exit_status
        .iter()
        .map(|(status, meaning)| format!("\n  {status:<8}  {meaning}"));
    let [examples, statuses] = [examples.collect::<String>(), statuses.collect()];
    format!("Examples:{examples}\n\nExit status:{statuses}")
}
