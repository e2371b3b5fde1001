//! Recordings as input for the binary, written from the description of the format by code that shares nothing with it.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::dice::Dice;
use super::wire::CONTRACT;

/// 2026-11-24T14:00:00Z
pub(crate) const BEGIN_MS: u64 = 1_795_528_800_000;

/// Names of columns: metrics of the catalogue, an instance that must be quoted, and an unknown one.
const MORE_COLUMNS: [&str; 10] = [
    "swap",
    "load1",
    "disk",
    "disk:/",
    "disk:/srv/a, \"b\"",
    "diskRead",
    "networkReceived:eth0",
    "temperature",
    "processCount",
    "queue:jobs",
];

const PROCESSES: [&str; 5] = ["postgres", "a, b", "kworker/0:1", "\"quoted\"", "ünï\\cödé"];

/// A recording and its contents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recording {
    pub(crate) csv: String,
    /// (stream, seq) of each numbered row.
    pub(crate) numbered: Vec<(String, u64)>,
    pub(crate) gaps: usize,
    pub(crate) alerts: usize,
}

/// A recording of `host` as `record` writes one: with alerts, holes, restarts, missing cells, `extra` and `top`.
pub(crate) fn random(dice: &mut Dice, host: &str, samples: u64) -> Recording {
    let mut columns: Vec<&str> = CONTRACT.to_vec();
    columns.extend(MORE_COLUMNS.iter().filter(|_| !dice.one_in(3)));
    if dice.one_in(3) {
        columns.swap(0, 3);
    }
    let mut writer = Writer::new(host, &columns, dice);
    for _ in 0..samples {
        writer.sample(dice);
    }
    writer.recording
}

/// A plain recording: `samples` samples, `step_ms` apart, numbered from 1. The `cpu` of a sample is its number modulo
/// 100.
pub(crate) fn plain(host: &str, samples: u64, step_ms: u64) -> String {
    let mut csv = String::from(
        "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond,top,extra\n",
    );
    for seq in 1..=samples {
        let time = timestamp(BEGIN_MS + seq * step_ms);
        writeln!(
            csv,
            "{time},{host},k3v9q2,{seq},,{},41.5,2,120.25,,",
            seq % 100
        )
        .unwrap();
    }
    csv
}

/// Writes a plain recording of each host into `dir`, with samples a second apart. Returns the files.
pub(crate) fn write_plain<H: AsRef<str>>(dir: &Path, hosts: &[H], samples: u64) -> Vec<PathBuf> {
    let write = |host: &str| {
        let file = dir.join(format!("{host}.csv"));
        std::fs::write(&file, plain(host, samples, 1000)).unwrap();
        file
    };
    hosts.iter().map(|host| write(host.as_ref())).collect()
}

/// Writes a long recording without holding it: `samples` samples a second apart, with `columns` columns.
pub(crate) fn write_long(path: &Path, samples: u64, columns: usize) {
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    write!(
        file,
        "timestamp,host,stream,seq,event,{}",
        CONTRACT.join(",")
    )
    .unwrap();
    let more = columns - CONTRACT.len();
    for column in 0..more {
        write!(file, ",cpu:{column}").unwrap();
    }
    writeln!(file, ",top,extra").unwrap();
    for seq in 1..=samples {
        let time = timestamp(BEGIN_MS + seq * 1000);
        let percent = seq % 97;
        write!(
            file,
            "{time},web-1,k3v9q2,{seq},,{percent}.25,61.5,2,120.75"
        )
        .unwrap();
        for column in 0..more {
            write!(file, ",{}.5", (seq + column as u64) % 100).unwrap();
        }
        writeln!(file, ",,").unwrap();
    }
    file.flush().unwrap();
}

struct Writer<'a> {
    host: &'a str,
    columns: &'a [&'a str],
    recording: Recording,
    now_ms: u64,
    stream: u64,
    seq: u64,
}

impl<'a> Writer<'a> {
    fn new(host: &'a str, columns: &'a [&'a str], dice: &mut Dice) -> Self {
        let mut writer = Self {
            host,
            columns,
            recording: Recording::default(),
            now_ms: BEGIN_MS + dice.within(0..10_000),
            stream: BEGIN_MS,
            seq: dice.within(0..40),
        };
        let fixed = ["timestamp", "host", "stream", "seq", "event"];
        let header = fixed.iter().chain(columns).chain(&["top", "extra"]);
        writer.line(header.map(|name| (*name).to_owned()));
        writer
    }

    /// One sample, and random events around it.
    fn sample(&mut self, dice: &mut Dice) {
        self.now_ms += dice.within(1..5_000);
        if dice.one_in(30) {
            // The clock was set back.
            self.now_ms -= 60_000;
        }
        let begun = !self.recording.numbered.is_empty();
        let restarted = begun && dice.one_in(25);
        // Only the alert after a lost sample was kept.
        let alert_only = begun && dice.one_in(40);
        if restarted {
            self.stream += dice.within(60_000..6_000_000);
            self.seq = if dice.one_in(3) { dice.within(1..9) } else { 0 };
        }
        let from = self.seq + 1;
        if begun && dice.one_in(15) {
            self.seq += dice.within(1..60);
        }
        self.seq += u64::from(alert_only);
        if restarted {
            self.gap("gap restarted".into());
        } else if from <= self.seq {
            self.gap(format!("gap expired {from}-{}", self.seq));
        }
        let cells = self.cells(dice);
        if !alert_only {
            self.numbered(String::new(), &cells);
        }
        if alert_only || begun && dice.one_in(8) {
            self.alert(dice, &cells);
        }
    }

    fn alert(&mut self, dice: &mut Dice, cells: &[String]) {
        let state = dice.pick(&["firing", "resolved"]);
        let (name, rule) = dice.pick(&[
            ("busy", "cpu > 90 for 30s"),
            ("a \\\"name\\\", odd", "disk:/ >= 95"),
        ]);
        let mut json =
            format!(r#"{{"name":"{name}","rule":"{rule}","state":"{state}","metric":"cpu""#);
        if !dice.one_in(4) {
            write!(json, r#","value":{},"threshold":90"#, number(dice)).unwrap();
        }
        write!(json, r#","since":{}}}"#, self.now_ms - 30_000).unwrap();
        self.recording.alerts += 1;
        self.numbered(format!("alert {json}"), cells);
    }

    fn numbered(&mut self, event: String, cells: &[String]) {
        self.seq += 1;
        let stream = base36(self.stream);
        self.recording.numbered.push((stream, self.seq));
        self.row(self.seq.to_string(), event, cells);
    }

    fn gap(&mut self, event: String) {
        self.recording.gaps += 1;
        let cells = vec![String::new(); self.columns.len() + 2];
        self.row(String::new(), event, &cells);
    }

    fn row(&mut self, seq: String, event: String, cells: &[String]) {
        let fixed = [
            timestamp(self.now_ms),
            self.host.to_owned(),
            base36(self.stream),
            seq,
            event,
        ];
        self.line(fixed.into_iter().chain(cells.iter().cloned()));
    }

    /// The cells of the columns, `top` and `extra`.
    fn cells(&self, dice: &mut Dice) -> Vec<String> {
        let value = |_| {
            let missing = dice.one_in(12);
            let number = number(dice);
            if missing { String::new() } else { number }
        };
        let mut cells: Vec<_> = (0..self.columns.len()).map(value).collect();
        cells.push(top(dice));
        cells.push(match dice.within(0..10) {
            0 => format!(r#"{{"disk:/mnt/usb":{}}}"#, number(dice)),
            1 => format!(r#"{{"z\"1\"":{},"a":{}}}"#, number(dice), number(dice)),
            _ => String::new(),
        });
        cells
    }

    fn line(&mut self, fields: impl Iterator<Item = String>) {
        let quoted: Vec<_> = fields.map(quote).collect();
        self.recording.csv.push_str(&quoted.join(","));
        self.recording.csv.push('\n');
    }
}

fn top(dice: &mut Dice) -> String {
    match dice.within(0..4) {
        0 => String::new(),
        1 => "[]".into(),
        _ => {
            let process = |_| {
                let name = dice
                    .pick(&PROCESSES)
                    .replace('\\', r"\\")
                    .replace('"', "\\\"");
                let pid = dice.within(1..100_000);
                let (cpu, memory) = (percent(dice), percent(dice));
                format!(r#"{{"pid":{pid},"name":"{name}","cpu":{cpu},"memory":{memory}}}"#)
            };
            let processes: Vec<_> = (0..3).map(process).collect();
            format!("[{}]", processes.join(","))
        }
    }
}

/// A number in the one form that the format has for it.
fn number(dice: &mut Dice) -> String {
    match dice.within(0..8) {
        0 => "0".into(),
        1 => dice.within(0..1_000_000_000_000).to_string(),
        2 => format!("-{}.5", dice.within(0..50)),
        // Needs all 17 digits.
        3 => format!("{}", 0.1 + dice.within(0..10) as f64 / 7.0),
        _ => percent(dice),
    }
}

fn percent(dice: &mut Dice) -> String {
    format!("{}", dice.within(0..10_001) as f64 / 100.0)
}

fn quote(field: String) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

fn base36(mut n: u64) -> String {
    let mut digits = Vec::new();
    while 0 < n || digits.is_empty() {
        digits.push(char::from_digit((n % 36) as u32, 36).unwrap());
        n /= 36;
    }
    digits.iter().rev().collect()
}

/// RFC 3339 in UTC with milliseconds (days to date: Howard Hinnant's `civil_from_days`).
pub(crate) fn timestamp(ms: u64) -> String {
    let (days, ms_of_day) = (ms / 86_400_000, ms % 86_400_000);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (s, ms) = (ms_of_day / 1000, ms_of_day % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}
