//! The rule above the charts: what the host is, and how much time the charts show.

use crate::protocol::System;
use crate::wording::{counted, exact_span};

use super::super::page_parts::Canvas;
use super::super::sanitize::clean;
use super::super::state::HostState;
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units;
use super::super::zoom::texts;
use super::ScreenChoice;
use super::picture::axis_of;

/// The rule above the screen of the selected one of several hosts: its name, and as many facts as there is room for.
pub(in crate::view) fn named_rule(
    host: &HostState,
    choice: ScreenChoice,
    canvas: Canvas,
) -> StyledLine {
    let mut facts = facts(host);
    facts.insert(0, host.name.to_string());
    rule_with(facts, &zoom_text(host, choice, canvas), canvas)
}

/// The least of the rule that remains between the facts and the zoom.
const LEAST_RULE: usize = 4;

/// The rule of `host`, with as many facts as there is room for. Without a `choice`, no charts are below it.
pub(in crate::view) fn rule_of(
    host: &HostState,
    choice: Option<ScreenChoice>,
    canvas: Canvas,
) -> StyledLine {
    let zoom = match choice {
        Some(choice) => zoom_text(host, choice, canvas),
        None => format!("last {}", exact_span(host.reach())),
    };
    rule_with(facts(host), &zoom, canvas)
}

/// A rule with as many of the `facts` as there is room for, and the `zoom` at its end.
fn rule_with(mut facts: Vec<String>, zoom: &str, canvas: Canvas) -> StyledLine {
    let rule = canvas.style.glyphs().rule;
    let room = canvas
        .width
        .saturating_sub(zoom.chars().count() + 8 + LEAST_RULE);
    let width =
        |facts: &[String]| -> usize { facts.iter().map(|fact| fact.chars().count() + 3).sum() };
    while width(&facts) > room && facts.pop().is_some() {}
    let left = if facts.is_empty() {
        rule.repeat(2)
    } else {
        format!("{} {} ", rule.repeat(2), facts.join("   "))
    };
    let right = format!(" {zoom} {}", rule.repeat(2));
    let mut line = StyledLine::new(Tone::Dim, left);
    let between = canvas
        .width
        .saturating_sub(line.width() + right.chars().count());
    line.push(Tone::Dim, rule.repeat(between));
    line.push(Tone::Dim, right);
    line
}

fn zoom_text(host: &HostState, choice: ScreenChoice, canvas: Canvas) -> String {
    let (axis, step) = axis_of(host, choice, canvas.width, canvas.now);
    let held = host.newest_time().saturating_sub(host.oldest_time());
    let [long, short, brief] = texts(choice.zoom.length(held), axis.dot, step);
    match canvas.width {
        160.. => long,
        60.. => short,
        _ => brief,
    }
}

/// The most important first.
fn facts(host: &HostState) -> Vec<String> {
    let every = format!("every {}", exact_span(host.interval));
    let mut facts = Vec::new();
    if let Some(replay) = host.replay
        && let Some((first, last)) = replay.first.zip(replay.last)
    {
        let time = |at| units::clock(at)[..5].to_owned();
        let day = |at| format!("{} {}", units::day(at), &units::date(at)[..4]);
        let until = if units::date(first) == units::date(last) {
            time(last)
        } else {
            format!("{} {}", day(last), time(last))
        };
        facts.push(format!(
            "recorded {} {} to {until} UTC",
            day(first),
            time(first)
        ));
    } else {
        facts.push(every);
    }
    if let Some(uptime) = host.value("uptime") {
        facts.push(format!("up {}", units::uptime(uptime)));
    }
    if let Some(system) = &host.system {
        facts.extend(size(system));
        let os = clean(&system.os).replace("GNU/Linux ", "");
        let kernel = clean(&system.kernel);
        facts.extend(Some(os).filter(|os| !os.is_empty()));
        facts.extend(Some(format!("kernel {kernel}")).filter(|_| !kernel.is_empty()));
    }
    facts
}

/// Cores and memory, if they are known.
pub(in crate::view) fn size(system: &System) -> Vec<String> {
    let cores = (system.cores != 0).then(|| counted(system.cores, "core"));
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let memory = (system.memory != 0).then(|| units::value(system.memory as f64, "B"));
    cores.into_iter().chain(memory).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_cores_and_memory_are_left_out() {
        for (cores, memory, shown) in [
            (8, 1 << 34, &["8 cores", "16.0 GiB"][..]),
            (0, 1 << 34, &["16.0 GiB"]),
            (8, 0, &["8 cores"]),
            (0, 0, &[]),
        ] {
            let system = System {
                cores,
                memory,
                ..System::default()
            };
            assert_eq!(size(&system), shown);
            let written = serde_json::to_string(&system).unwrap();
            assert!(!written.contains(":0"), "{written}");
            assert_eq!(serde_json::from_str::<System>(&written).unwrap(), system);
        }
    }
}
