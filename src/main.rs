//! The `metrics` command: parse, run, exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use metrics_toolkit::cmd::{Cli, Exit, run};
use metrics_toolkit::{signals, terminal};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let asked = signals::catch(cli.hangup(), |signal| {
        terminal::restore();
        std::process::exit(128 + signal)
    });
    let exit = match run(cli, asked) {
        Ok(exit) => exit,
        Err(failure) => {
            // Nothing can be done about a stderr that is gone.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.exit
        }
    };
    match exit {
        Exit::Interrupted(signal) => ExitCode::from(128 + signal),
        other => ExitCode::from(other.code()),
    }
}
