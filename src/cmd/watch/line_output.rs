//! Lines for other programs: data on stdout, changes of state on stderr.

use std::collections::HashMap;
use std::io;

use crate::cli::GlobalArgs;
use crate::client::{ClientEvent, Received};
use crate::protocol::{HostName, MetricInfo, Numbered, Sample, Update, describe, escape_unsafe};
use crate::signals::Asked;
use crate::view::{ColumnChoice, plain_line};

use super::super::clock::reached;
use super::super::{announce, data};
use super::{End, EventSource, Session};

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// The message as it arrived.
    Json,
    /// Time, host and values.
    Plain,
}

/// Where lines are written.
pub(super) trait LineOutput {
    /// Writes `line` and a line break, however long that takes.
    async fn write(&mut self, line: String) -> io::Result<()>;
}

/// Standard output.
struct Stdout;

impl LineOutput for Stdout {
    async fn write(&mut self, mut line: String) -> io::Result<()> {
        line.push('\n');
        data::print(line.into_bytes()).await
    }
}

/// Prints lines until the end, a limit or a signal.
pub(super) async fn run(
    events: impl EventSource,
    format: LineFormat,
    session: &mut Session,
    global: &GlobalArgs,
    asked: &Asked,
) -> io::Result<End> {
    let say = |line: &str| announce::say(global, line);
    follow(events, format, session, &mut Stdout, say, asked).await
}

/// Writes data to `out`, and changes of state to `say`.
pub(super) async fn follow(
    mut events: impl EventSource,
    format: LineFormat,
    session: &mut Session,
    out: &mut impl LineOutput,
    mut say: impl FnMut(&str),
    asked: &Asked,
) -> io::Result<End> {
    let mut lines = Lines {
        format,
        choice: session.columns.choice.clone(),
        columns: HashMap::new(),
    };
    loop {
        let event = tokio::select! {
            biased;
            () = asked.stop.cancelled() => return Ok(End::Stopped(asked.signal())),
            () = reached(session.limits.until()) => return Ok(End::Over),
            event = events.next() => event,
        };
        let Some(event) = event else {
            return Ok(End::Over);
        };
        let line = match &event {
            ClientEvent::Message(received) if session.limits.wants(&received.host) => {
                lines.line(received)
            }
            _ => None,
        };
        // Before it is written: a reader that leaves does not undo what the message decides.
        let news = session.take(&event);
        if let Some(line) = line {
            tokio::select! {
                biased;
                written = out.write(line) => written?,
                () = data::given_up(&asked.stop, session.limits.until()) => {
                    return Ok(if asked.stop.is_cancelled() { End::Stopped(asked.signal()) } else { End::Over });
                }
            }
        }
        news.iter().for_each(|line| say(line));
        if session.is_over(&events) {
            return Ok(End::Over);
        }
    }
}

/// How messages become lines.
struct Lines {
    format: LineFormat,
    choice: ColumnChoice,
    /// The columns of each host's lines, once they are known.
    columns: HashMap<HostName, Vec<String>>,
}

impl Lines {
    /// The line for a message, if it has one.
    fn line(&mut self, received: &Received) -> Option<String> {
        let Received {
            host, update, raw, ..
        } = received;
        match (self.format, update) {
            (
                LineFormat::Json,
                Update::Numbered(_) | Update::Gap(_) | Update::Summary(_) | Update::End,
            ) => {
                // Whitespace between the tokens of JSON may be a line break; within a string it never is.
                let line = raw.as_str().replace(['\r', '\n'], " ");
                // A terminal would obey some characters that JSON may contain unescaped.
                Some(escape_unsafe(&line).into_owned())
            }
            (LineFormat::Plain, Update::Hello(hello)) => {
                let columns = self.choice.columns(host, &hello.metrics);
                self.columns.insert(host.clone(), columns);
                None
            }
            (
                LineFormat::Plain,
                Update::Numbered(Numbered {
                    alert: None,
                    sample,
                    ..
                }),
            ) => Some(plain_line(host, sample, self.columns_of(host, sample))),
            _ => None,
        }
    }

    /// The columns of a host; if it has announced nothing, its first sample shows what it has.
    fn columns_of(&mut self, host: &HostName, sample: &Sample) -> &[String] {
        let choice = &self.choice;

        (self.columns.entry(host.clone()).or_insert_with(|| {
            let names = sample.values.iter().map(|(name, _)| describe(name, 0));
            choice.columns(host, &names.collect::<Vec<MetricInfo>>())
        })) as _
    }
}
