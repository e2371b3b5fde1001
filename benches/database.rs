//! Rows per second of the sink of a database alone: `cargo bench --bench database -- postgres://… RECORDING [ROWS]`.
//!
//! The rows of the recording are stored again and again, each with a number and a time of its own. Nothing is received,
//! and no text is parsed. `scripts/database/load.py` starts a database and runs this.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::Path;
use std::time::Instant;

use metrics_toolkit::postgres::{DatabaseAddress, RowStore, SchemaRequest};
use metrics_toolkit::protocol::{Hello, Numbered, describe};
use metrics_toolkit::recording::{Reader, Row};

fn main() {
    let args: Vec<_> = std::env::args()
        .skip(1)
        .filter(|it| it != "--bench")
        .collect();
    let [url, recording, rest @ ..] = &args[..] else {
        println!("a database and a recording are needed: scripts/database/load.py has them");
        return;
    };
    let rows = rest
        .first()
        .map_or(100_000, |it| it.parse().expect("a number"));
    let address = DatabaseAddress::parse(url).expect("the URL of a database");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let work = store(address, Path::new(recording), rows);
    runtime.expect("a runtime").block_on(work);
}

async fn store(address: DatabaseAddress, recording: &Path, rows: u64) {
    let (hello, templates) = read(recording);
    let request = SchemaRequest {
        create: true,
        keep: None,
    };
    let mut store = RowStore::open(&address, request).await.expect("a database");
    let host = templates[0].host.clone();
    store.begin(&host, &hello);
    let begun = Instant::now();
    for seq in 1..=rows {
        let template = &templates[usize::try_from(seq).unwrap_or(0) % templates.len()];
        let mut message = template.clone();
        message.seq = seq;
        message.sample.timestamp = templates[0].sample.timestamp + 2000 * seq;
        store
            .push(&message)
            .await
            .expect("a row that can be stored");
    }
    store.close().await.expect("rows that can be stored");
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_second = rows as f64 / begun.elapsed().as_secs_f64();
    println!("{per_second:.0}");
}

/// What a server would say about the recording, and its samples.
fn read(recording: &Path) -> (Hello, Vec<Numbered>) {
    let reader = Reader::open(recording).expect("a recording");
    let names = reader.columns().names().to_vec();
    let hello = Hello {
        metrics: names.iter().map(|name| describe(name, 2)).collect(),
        containers: reader.columns().has_containers(),
        ..Hello::default()
    };
    let rows = reader.map(|row| row.expect("a row"));
    let samples = rows.filter_map(|row| match row {
        Row::Numbered(message) if message.alert.is_none() => Some(message),
        _ => None,
    });
    (hello, samples.collect())
}
