//! Lines for other programs: data on stdout, changes of state on stderr.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cli::GlobalArgs;
use crate::client::{Event, Received};
use crate::protocol::{Body, HostName, MetricInfo};
use crate::view::plain_line;

use super::super::announce;
use super::super::news::News;
use super::limits::Limits;
use super::{Events, reached};

/// How a message becomes a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it came.
    Json,
    /// Time, host and values.
    Plain,
}

/// Prints lines until the end, a limit or `stop`.
pub(super) async fn run(
    events: impl Events,
    form: Form,
    mut news: News,
    limits: Limits,
    global: &GlobalArgs,
    stop: &CancellationToken,
) -> io::Result<News> {
    let say = |line: &str| announce::say(global, line);
    let left = follow(
        events,
        form,
        &mut news,
        limits,
        &mut io::stdout(),
        say,
        stop,
    )
    .await?;
    Ok(if left { news.left() } else { news })
}

/// Writes to `out` and `say`; whether it was `stop` that ended it.
pub(super) async fn follow(
    mut events: impl Events,
    form: Form,
    news: &mut News,
    mut limits: Limits,
    out: &mut impl Write,
    mut say: impl FnMut(&str),
    stop: &CancellationToken,
) -> io::Result<bool> {
    let mut columns = HashMap::new();
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(true),
            () = reached(limits.until()) => return Ok(false),
            event = events.next() => event,
        };
        let Some(event) = event else { return Ok(false) };
        if let Some(line) = news.line(&event) {
            say(&line);
        }
        if let Event::Message(received) = &event
            && limits.wants(&received.host)
            && let Some(line) = line(form, received, &mut columns)
        {
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        limits.count(&event);
        if limits.reached() {
            return Ok(false);
        }
    }
}

type Columns = HashMap<HostName, Arc<[MetricInfo]>>;

/// The line for a message, if it has one.
fn line(form: Form, received: &Received, columns: &mut Columns) -> Option<String> {
    let Received {
        host, message, raw, ..
    } = received;
    match (form, &message.body) {
        (Form::Json, Body::Metric { .. } | Body::Alert { .. } | Body::Gap(_) | Body::End) => {
            // Whitespace between the tokens of JSON may be a line break; within a string it never is.
            Some(raw.as_str().replace(['\r', '\n'], " "))
        }
        (Form::Plain, Body::Hello(hello)) => {
            columns.insert(host.clone(), hello.metrics.clone());
            None
        }
        (Form::Plain, Body::Metric { sample, .. }) => {
            let columns = columns.get(host).map_or(&[][..], |columns| columns);
            Some(plain_line(host, sample, columns))
        }
        _ => None,
    }
}
