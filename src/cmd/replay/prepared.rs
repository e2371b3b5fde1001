//! Recordings that have been read once and are ready to be played.

use crate::alert::KnownMetrics;
use crate::cli::{GlobalArgs, WrittenRules};
use crate::cmd::alerts::RulesInForce;
use crate::cmd::{Failure, announce};
use crate::protocol::HostName;
use crate::recording::ReadError;
use crate::source::recording::{Input, Playback, PlaybackOptions, Survey, Window, seek, survey};

use super::chaos;
use super::description::nothing;
use super::flags::ReplayArgs;

/// How many rows are read ahead of an input that can be read only once: they determine the interval.
const ROWS_AHEAD: usize = 11;

/// What is known of the recordings, and their rows.
pub(super) struct Prepared {
    pub(super) survey: Survey,
    pub(super) playback: Playback,
    /// Which part of them is played.
    window: Window,
}

/// Surveys the recordings and opens them again, on a thread that may block.
async fn prepare(mut run: PlaybackOptions) -> Result<Prepared, Failure> {
    let prepared = tokio::task::spawn_blocking(move || {
        if run.inputs.iter().any(Input::is_piped) {
            let mut playback = Playback::new(run)?;
            let survey = playback.look_ahead(ROWS_AHEAD)?;
            let window = playback.window();
            return Ok(Prepared {
                survey,
                playback,
                window,
            });
        }
        (run.inputs, run.window) = seek(run.inputs, run.window)?;
        let (survey, order) = survey(&run.inputs, run.window)?;
        run.order = order;
        run.interval = survey
            .hosts
            .values()
            .map(|host| host.interval)
            .min()
            .unwrap_or_default();
        let playback = Playback::new(run)?;
        let window = playback.window();
        Ok::<_, ReadError>(Prepared {
            survey,
            playback,
            window,
        })
    });
    Ok(prepared.await??)
}

/// Prepares `inputs`, says what is odd about them, and puts the rules that were `written` in force for them.
pub(super) async fn ready(
    args: &ReplayArgs,
    inputs: Vec<Input>,
    written: Option<WrittenRules>,
    global: &GlobalArgs,
) -> Result<(Prepared, Option<RulesInForce>), Failure> {
    let prepared = prepare(args.run(inputs, written.is_some())).await?;
    for warning in &prepared.survey.warnings {
        announce::say(global, &format!("warning: {warning}"));
    }
    args.check_window(prepared.window, prepared.survey.first)?;
    check(&prepared.survey, args)?;
    chaos::check(args, &prepared.survey)?;
    let known = KnownMetrics::catalogue().and(&prepared.survey.metrics);
    let rules = written.map(|it| RulesInForce::new(&args.server.alerts, &it, known));
    Ok((prepared, rules.transpose()?))
}

/// Checks that there is something to replay, and that the flags fit it.
fn check(survey: &Survey, args: &ReplayArgs) -> Result<(), Failure> {
    if survey.hosts.is_empty() {
        return Err(nothing(args));
    }
    if args.name.is_some() && survey.hosts.len() > 1 {
        let hosts: Vec<_> = survey.hosts.keys().map(HostName::as_str).collect();
        let hosts = hosts.join(", ");
        return Err(Failure::usage(format!(
            "--name needs a recording of one host; these have {hosts}"
        )));
    }
    Ok(())
}
