//! `metrics man`: a page for each command, from the same definition as `--help`.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Exit, Failure};

/// The section of programs for users.
const SECTION: &str = "1";

/// Arguments of `metrics man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write the pages into this directory, which is created if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes the pages of `command` and its subcommands.
///
/// # Errors
/// When a file cannot be written.
pub fn write(args: &ManArgs, command: Command) -> Result<Exit, Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let commands: Vec<&Command> = std::iter::once(&command)
        .chain(command.get_subcommands())
        .collect();
    let names: Vec<String> = commands.iter().map(|it| name(it)).collect();
    let version = command.get_version().unwrap_or_default();
    let directory = &args.directory;
    let cannot = || format!("cannot write the pages into '{}'", directory.display());
    fs::create_dir_all(directory).with_context(cannot)?;
    for (page, name) in commands.into_iter().zip(&names) {
        let text = page_of(page, version, &names)?;
        fs::write(directory.join(format!("{name}.{SECTION}")), text).with_context(cannot)?;
    }
    Ok(Exit::Done)
}

/// `metrics-serve`
fn name(command: &Command) -> String {
    let name = command.get_display_name();
    name.unwrap_or_else(|| command.get_name()).to_owned()
}

fn page_of(command: &Command, version: &str, names: &[String]) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .section(SECTION)
        .source(format!("metrics {version}"))
        .manual("metrics");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(command).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    if let Some(text) = command.get_after_long_help() {
        sections(&text.to_string(), &mut rest);
    }
    see_also(&name(command), names, &mut rest);
    rest.to_writer(&mut page)?;
    Ok(page)
}

/// The usage line of the help: with all flags, and without their values, it would be long and wrong.
fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let name = command.get_bin_name().unwrap_or_default();
    let rest = usage.strip_prefix(name).unwrap_or(usage);
    let mut section = Roff::new();
    section.control("SH", ["SYNOPSIS"]);
    section.text([bold(name), roman(rest)]);
    section
}

/// The text after the flags: each of its sections has a line with a colon, and lines to be kept as they are.
fn sections(text: &str, page: &mut Roff) {
    for section in text.split("\n\n") {
        let (heading, lines) = section.split_once(":\n").unwrap_or(("Notes", section));
        page.control("SH", [heading.to_uppercase().as_str()]);
        page.control("nf", []);
        for line in lines.lines() {
            page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        page.control("fi", []);
    }
}

fn see_also(own: &str, names: &[String], page: &mut Roff) {
    page.control("SH", ["SEE ALSO"]);
    let others = names.iter().filter(|name| *name != own);
    let others: Vec<_> = others
        .map(|name| bold(format!("{name}({SECTION})")))
        .collect();
    let mut line = Vec::new();
    for name in others {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.push(name);
    }
    page.text(line);
}
