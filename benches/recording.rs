//! The cost of a row: `cargo bench --bench recording`.
//!
//! A day of samples of 40 columns with eight processes is encoded, decoded and appended to, and also read by Python.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics_toolkit::disk::{Disk, SystemDisk};
use metrics_toolkit::protocol::{Numbered, Process, Sample, StreamId, round_to};
use metrics_toolkit::recording::{Columns, Encoder, Output, Reader, Row};

/// A day at the default interval of 2 s.
const ROWS: u32 = 43_200;

/// The best of this many runs counts: the others shared the machine.
const RUNS: usize = 5;

const PYTHON: &str = "
import csv, json, sys, time
start = time.perf_counter()
n = 0
for row in csv.DictReader(open(sys.argv[1], newline='')):
    n += len(json.dumps(row))
print(time.perf_counter() - start)
";

fn main() {
    let names: Vec<String> = (0..40).map(|nth| format!("metric{nth}:x")).collect();
    let columns = Columns::new(&names);
    let rows: Vec<Row> = (0..ROWS).map(|nth| row(&columns, nth)).collect();

    let mut file = Vec::new();
    let encoding = best(|| {
        file.clear();
        let mut encoder = Encoder::new(columns.clone());
        encoder.header(&mut file);
        for row in &rows {
            encoder.row(black_box(row), &mut file);
        }
    });
    let bytes = file.len();
    println!("{ROWS} rows, {} bytes each", bytes / rows.len());
    report("encode", encoding);

    let decoding = best(|| {
        let reader = Reader::new(&*file, "day.csv").expect("a recording");
        for row in reader {
            black_box(row.expect("a row"));
        }
    });
    report("decode", decoding);

    let place = tempfile::NamedTempFile::new().expect("a place for the file");
    place.as_file().write_all(&file).expect("room for the file");
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
    let appending = best(|| {
        black_box(Output::append(&disk, place.path()).expect("a recording"));
    });
    println!(
        "append: {:.1} ms for the file",
        appending.as_secs_f64() * 1e3
    );

    let python = Command::new("python3")
        .args(["-c", PYTHON])
        .arg(place.path())
        .output();
    match python {
        Ok(output) if output.status.success() => {
            let seconds = String::from_utf8_lossy(&output.stdout)
                .trim()
                .parse()
                .unwrap_or(f64::NAN);
            println!(
                "Python's DictReader and json.dumps: {:.2} µs a row",
                per_row(seconds)
            );
        }
        _ => println!("no python3 to compare with"),
    }
}

fn row(columns: &Columns, nth: u32) -> Row {
    let noise = |salt: u32| f64::from((nth * 7919 + salt * 104_729) % 10_007);
    let value = |column: usize| {
        let salt = u32::try_from(column).unwrap_or(0);
        match column % 4 {
            0 => (noise(salt) * 1e6).round(),
            1 => f64::from(salt),
            _ => round_to(noise(salt) / 100.0, 0.01),
        }
    };
    let process = |salt: u32| Process {
        pid: 1000 + salt,
        name: format!("process-{salt}"),
        cpu: round_to(noise(salt) / 200.0, 0.01),
        memory: round_to(noise(salt + 1) / 900.0, 0.01),
        ..Process::default()
    };
    Row::Numbered(Numbered {
        host: "web-1".parse().expect("a host name"),
        stream: StreamId(1_795_529_251_204),
        seq: u64::from(nth) + 1,
        alert: None,
        sample: Sample {
            timestamp: 1_795_529_251_204 + u64::from(nth) * 2000,
            values: (columns.names().iter().enumerate())
                .map(|(column, name)| (name.clone(), value(column)))
                .collect(),
            top: Some((0..8).map(process).collect()),
            containers: None,
        },
    })
}

fn best(mut run: impl FnMut()) -> Duration {
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    times.min().unwrap_or_default()
}

fn report(what: &str, time: Duration) {
    println!("{what}: {:.2} µs a row", per_row(time.as_secs_f64()));
}

fn per_row(seconds: f64) -> f64 {
    seconds * 1e6 / f64::from(ROWS)
}
