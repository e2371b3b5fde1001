//! The flags of `metrics replay`, and what they ask for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::cli::{GlobalArgs, ServerArgs, after_help};
use crate::cmd::{DONE, FAILED, Failure, OF_COMMAND, STOPPED_TWICE, USAGE, announce};
use crate::millis::epoch_millis;
use crate::postgres::is_database;
use crate::protocol::{HostName, HostPattern, StreamId};
use crate::server::listen::ListenAddr;
use crate::source::recording::{
    Bound, ChaosPlan, Found, Input, Numbering, PlaybackOptions, RowOrder, Speed, Window,
};

use super::database::hosts_of_database;

/// How many of the files that a directory holds besides recordings are named.
const SKIPPED_SHOWN: usize = 10;

/// The speed of the demo: its first alert is there after ten seconds, and it begins anew every minute.
const DEMO_SPEED: f64 = 10.0;

/// Other names of standard input.
const STDIN_NAMES: [&str; 3] = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Flags of `metrics replay`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = after_help("\
  metrics replay --demo
  metrics replay incident.csv
  metrics replay incident.csv --speed 10 --rebase
  metrics replay incident.csv --alerts rules.txt --print-alerts
  metrics replay ci.csv --speed max -- metrics watch --json
  metrics replay incident.csv.gz
  metrics replay /var/lib/metrics/ --start 2026-11-24T14:00Z --end +30m
  metrics replay postgres://db/metrics --host web-1 --start 2026-11-24T14:00Z --end +30m", &[DONE, FAILED, USAGE,
  ("3", "too few viewers came within --wait-timeout"), STOPPED_TWICE, OF_COMMAND]))]
pub struct ReplayArgs {
    /// Recordings, directories or postgres://…; - is standard input
    ///
    /// Compressed with gzip or not, and merged by time.
    #[arg(required_unless_present = "demo", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Replay a built-in recording of an incident
    ///
    /// 10 times as fast as it happened, and over and over. A small web shop is given a release that leaks memory: it swaps,
    /// is killed, and the release before takes its place.
    #[arg(long, conflicts_with = "files")]
    pub(super) demo: bool,

    /// Of a database, replay this host only; repeatable, globs
    #[arg(long = "host", value_name = "NAME", conflicts_with = "demo")]
    pub(super) hosts: Vec<HostPattern>,

    /// Run this while serving
    ///
    /// It gets METRICS_SERVER and METRICS_URL in its environment; the exit status is its own.
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,

    /// A factor, or max [default: 1; 10 for --demo]
    ///
    /// max is as fast as the viewers can read, and the default with --print-alerts.
    #[arg(long, value_name = "FACTOR")]
    speed: Option<Speed>,

    /// Print what fires and what is resolved, one alert message per line, and serve nobody
    #[arg(long, conflicts_with_all = ["again", "wait", "notify_exec", "notify_webhook", "notify_webhook_file", "notify_test", "command"])]
    pub(super) print_alerts: bool,

    /// Start over at the end, forever
    #[arg(long = "loop")]
    again: bool,

    /// Hold back the first row until N viewers are connected [default: 1 with COMMAND]
    #[arg(long, value_name = "N", value_parser = crate::cli::count(0..=crate::cli::MANY))]
    wait: Option<u64>,

    /// Wait at most this long for viewers to connect and, at the end, to receive everything
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = crate::cli::duration)]
    pub(super) wait_timeout: Duration,

    /// Start this far into the recording, such as 5m
    ///
    /// Or at a time, such as 2026-11-24T14:07Z. Of a directory, only the files with wanted rows are read.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = start)]
    pub(super) start: Option<Bound>,

    /// Stop this far into the recording, or before a time
    ///
    /// Or this long after the start, such as +30m.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) end: Option<Bound>,

    /// Wait at most this long where the recording has a longer hole
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::duration)]
    pub(super) max_pause: Option<Duration>,

    /// Shift all timestamps so that the recording starts now
    #[arg(long)]
    pub(super) rebase: bool,

    /// Use this host name instead of the recorded one
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<HostName>,

    /// Let faults happen at these times of the recording: 'cut@10s stall@20s/5s restart@40s'
    #[arg(long, value_name = "PLAN", conflicts_with = "print_alerts")]
    pub(super) chaos: Option<ChaosPlan>,

    #[command(flatten)]
    pub(super) server: ServerArgs,
}

impl ReplayArgs {
    /// Whether there are files that can be reloaded.
    pub(in crate::cmd) fn can_reload(&self) -> bool {
        self.server.access.can_reload() || self.server.alerts.can_reload()
    }

    /// The speed; where only alerts are printed, there is nobody to pace for.
    pub(super) fn speed(&self) -> Speed {
        let default = match (self.print_alerts, self.demo) {
            (true, _) => Speed::Max,
            (false, true) => Speed::Factor(DEMO_SPEED),
            (false, false) => Speed::Factor(1.0),
        };
        self.speed.unwrap_or(default)
    }

    /// Whether it starts over at the end.
    pub(super) fn again(&self) -> bool {
        self.again || self.demo && !self.print_alerts
    }

    /// The addresses to listen on; with COMMAND, any free port will do.
    pub(super) fn listen(&self) -> Vec<ListenAddr> {
        let listen = self.server.listen.clone();
        if listen.is_empty() && !self.command.is_empty() {
            vec![ListenAddr::any_port()]
        } else {
            listen
        }
    }

    /// The standard input of COMMAND.
    pub(super) fn command_input(&self, inputs: &[Input]) -> Stdio {
        let is_ours = |input: &Input| match input {
            Input::Stdin => true,
            Input::Pipe(path) => STDIN_NAMES.iter().any(|name| path == Path::new(name)),
            _ => false,
        };
        if inputs.iter().any(is_ours) {
            Stdio::null()
        } else {
            Stdio::inherit()
        }
    }

    /// How many viewers are waited for.
    pub(super) fn wait(&self) -> u64 {
        self.wait.unwrap_or(u64::from(!self.command.is_empty()))
    }

    /// The recordings. Says what else their directories hold.
    pub(super) async fn inputs(&self, global: &GlobalArgs) -> Result<Vec<Input>, Failure> {
        let mut inputs: Vec<_> = self.demo.then_some(Input::Demo).into_iter().collect();
        for path in &self.files {
            if let Some(url) = path.to_str().filter(|url| is_database(url)) {
                inputs.extend(hosts_of_database(url, &self.hosts).await?);
            } else if !self.hosts.is_empty() {
                return Err(Failure::usage(
                    "--host chooses among the hosts of a database: write postgres://HOST/DATABASE",
                ));
            } else if path.is_dir() {
                let (found, notice) = recordings_below(path)?;
                inputs.extend(found);
                if let Some(notice) = notice {
                    announce::say(global, &notice);
                }
            } else {
                inputs.push(Input::of(path));
            }
        }
        self.check_pipes(&inputs)?;
        Ok(inputs)
    }

    fn check_pipes(&self, inputs: &[Input]) -> Result<(), Failure> {
        let stdin = inputs.iter().filter(|it| **it == Input::Stdin).count();
        if stdin > 1 {
            return Err(Failure::usage(
                "'-' is given twice: standard input can be read only once",
            ));
        }
        let Some(pipe) = inputs.iter().find(|input| input.is_piped()) else {
            return Ok(());
        };
        let pipe = match pipe {
            Input::Pipe(path) => format!("'{}' is not a regular file: it", path.display()),
            _ => "standard input".into(),
        };
        if self.again() {
            return Err(Failure::usage(format!(
                "{pipe} cannot be looped: save it to a file and replay that"
            )));
        }
        if inputs.len() > 1 {
            return Err(Failure::usage(format!(
                "{pipe} cannot be merged with others: save it to a file first"
            )));
        }
        Ok(())
    }

    pub(super) fn window(&self) -> Window {
        Window::new(self.start, self.end)
    }

    /// Checks that `--end` is after `--start`, in a recording whose first row has the time `first`.
    pub(super) fn check_window(&self, window: Window, first: Option<u64>) -> Result<(), Failure> {
        match (self.start, self.end) {
            (Some(start), Some(end)) if window.is_void(first) => Err(Failure::usage(format!(
                "--end {end} is not after --start {start}: there is nothing between them"
            ))),
            _ => Ok(()),
        }
    }

    /// `has_rules`: recorded alerts give way to what rules find.
    pub(super) fn run(&self, inputs: Vec<Input>, has_rules: bool) -> PlaybackOptions {
        let now = epoch_millis();
        let order = RowOrder::default();
        let restarts = self.chaos.as_ref().is_some_and(ChaosPlan::has_restart);
        let fresh = self.again() || self.rebase || self.name.is_some() || has_rules || restarts;
        PlaybackOptions {
            inputs,
            order,
            window: self.window(),
            numbering: if fresh {
                Numbering::Fresh {
                    stream: StreamId(now),
                    name: self.name.clone(),
                }
            } else {
                Numbering::Kept
            },
            again: self.again(),
            rebase_to: self.rebase.then_some(now),
            interval: 0,
        }
    }
}

/// A start, which counts from no other point than the first row.
fn start(text: &str) -> Result<Bound, String> {
    match text.parse()? {
        Bound::AfterStart(_) => Err(format!(
            "only --end counts from the start: write {} for that long after the first row",
            &text[1..]
        )),
        bound => Ok(bound),
    }
}

/// The recordings below a directory, and what to say about everything else in it.
fn recordings_below(directory: &Path) -> Result<(Vec<Input>, Option<String>), Failure> {
    let found = Found::below(directory).map_err(|(path, error)| {
        anyhow::Error::new(error).context(format!("cannot list '{}'", path.display()))
    })?;
    let shown = directory.display();
    if found.inputs.is_empty() {
        let reason = format!("nothing to replay: there is no *.csv or *.csv.gz below '{shown}'");
        return Err(anyhow::Error::msg(reason).into());
    }
    let names = found.skipped.iter().take(SKIPPED_SHOWN);
    let mut names: Vec<_> = names
        .map(|path| crate::protocol::shown(&path.to_string_lossy()).to_string())
        .collect();
    let more = found.skipped.len() - names.len();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let notice = format!("Skipped in '{shown}': {}.", names.join(", "));
    Ok((found.inputs, (!names.is_empty()).then_some(notice)))
}
