//! The `metrics` command: parse, run, exit code.

use std::process::ExitCode;

use metrics_toolkit::cmd::{Cli, Exit, run};
use metrics_toolkit::{cli, signals, talk, terminal};

fn main() -> ExitCode {
    let cli: Cli = match cli::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => return say(&error),
    };
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
    ExitCode::from(exit.code())
}

/// Prints what is wrong with the command line, or the requested help.
fn say(error: &clap::Error) -> ExitCode {
    if let Some(line) = cli::explain(error) {
        talk::say(&format!("error: {line}"));
        talk::flush();
    } else {
        // Nothing can be done if stdout or stderr is gone.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()))
}
