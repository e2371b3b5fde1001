//! Parsing with clap, with errors in one line that say what to write.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command, CommandFactory, Error, FromArgMatches};

use crate::protocol::shown;

use super::help::with_short_help;

/// Values of these kinds may begin with a minus: the value's parser then explains what is wrong, instead of clap saying
/// that there is no such flag.
const NUMERIC: [&str; 5] = ["DURATION", "N", "FACTOR", "HOST:PORT", "TIME"];

/// Parses `args`, the first of which is the program's name.
///
/// # Errors
/// clap's error, or the requested help. [`explain`] puts an error in one line.
pub fn parse<C: CommandFactory + FromArgMatches>(args: Vec<OsString>) -> Result<C, Error> {
    let command = with_short_help(C::command());
    let mut command = command.mut_subcommands(|command| command.mut_args(prepare));
    let has_bare_end = args.last().is_some_and(|last| last == "--")
        && args.iter().filter(|arg| *arg == "--").count() == 1;
    let mut matches = command.try_get_matches_from_mut(args)?;
    if has_bare_end && let Some((name, chosen)) = matches.subcommand() {
        refuse_no_command(&mut command, name, chosen)?;
    }
    C::from_arg_matches_mut(&mut matches)
}

/// Refuses `--` without COMMAND, as where a script's variable is empty: what runs then would have no end.
fn refuse_no_command(command: &mut Command, name: &str, chosen: &ArgMatches) -> Result<(), Error> {
    match command.find_subcommand_mut(name) {
        Some(subcommand) if chosen.try_contains_id("command").is_ok() => {
            let reason = "-- needs a COMMAND after it: a program, and its arguments";
            Err(subcommand.error(ErrorKind::TooFewValues, reason))
        }
        _ => Ok(()),
    }
}

fn prepare(arg: Arg) -> Arg {
    let names = arg.get_value_names().unwrap_or_default();
    let is_numeric = !arg.is_positional() && names.iter().any(|name| NUMERIC.contains(&&**name));
    let arg = arg.allow_hyphen_values(is_numeric);
    // An empty variable counts as unset.
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|it| it.is_empty());
    if arg.get_env().is_some_and(is_empty) {
        arg.env(Resettable::<clap::builder::OsStr>::Reset)
    } else {
        arg
    }
}

/// What is wrong, in one line without "error: "; `None` if clap's own message is best.
#[must_use]
pub fn explain(error: &Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg)
        && error.kind() == ErrorKind::MissingRequiredArgument
        && missing.iter().any(|it| it.starts_with("<FILE>"))
    {
        let needed = "replay needs a recording: metrics replay FILE, or --demo for a built-in one";
        return Some(needed.to_owned());
    }
    // `--interval <DURATION>`, `-l <HOST:PORT>`, `[SERVER]...`
    let flag = text(ContextKind::InvalidArg)?.split(' ').next()?;
    match error.kind() {
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error)?.to_string();
            Some(named(flag, &reason))
        }
        ErrorKind::InvalidValue => match text(ContextKind::InvalidValue)? {
            "" => Some(format!("{flag} needs a value")),
            _ => None,
        },
        ErrorKind::UnknownArgument => unknown(flag),
        _ => None,
    }
}

/// The reason with the name of its flag; a positional argument has none.
fn named(flag: &str, reason: &str) -> String {
    if flag.starts_with('-') {
        format!("{flag}: {reason}")
    } else {
        reason.to_owned()
    }
}

/// A flag that belongs elsewhere, or a number instead of a flag.
fn unknown(flag: &str) -> Option<String> {
    let name = flag.split('=').next().unwrap_or_default();
    if matches!(name, "-i" | "--interval") {
        return Some(format!(
            "{name} belongs to the server, which takes the samples: metrics serve {name} 1s"
        ));
    }
    let is_number = name
        .trim_start_matches('-')
        .starts_with(|c: char| c.is_ascii_digit());
    is_number.then(|| format!("'{}' is neither a flag nor the value of one", shown(flag)))
}
