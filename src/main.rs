//! The `metrics` command: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use metrics_toolkit::cmd::{Cli, Exit, run};
use metrics_toolkit::{signals, talk, terminal};

fn main() -> ExitCode {
    let cli = Cli::parse();
    talk::report_panics();
    let asked = signals::catch(cli.hangup(), |signal| {
        terminal::restore();
        std::process::exit(128 + signal)
    });
    let exit = match run(cli, asked) {
        Ok(exit) => exit,
        Err(failure) => {
            talk::say(&format!("error: {failure}"));
            failure.exit
        }
    };
    talk::flush();
    match exit {
        Exit::Interrupted(signal) => ExitCode::from(128 + signal),
        other => ExitCode::from(other.code()),
    }
}
