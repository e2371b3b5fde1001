//! `metrics completions`: what a shell needs to complete our command lines.

use clap::Command;
use clap_complete::{Shell, generate};

use super::{Exit, Failure, data};

/// Arguments of `metrics completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

/// Prints a script that completes `command`.
///
/// # Errors
/// When it cannot be written.
pub async fn print(args: &CompletionsArgs, mut command: Command) -> Result<Exit, Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut command, name, &mut script);
    data::print_text(script).await?;
    Ok(Exit::Done)
}
