//! The spool in steps: from the files that sum up others, it is the same as from their rows.

use serde_json::Value;

use super::*;

/// A day in which everything happens: alerts, holes, restarts, a clock set back, a metric that comes and goes.
fn keep_a_day(spool: &Spool) -> u64 {
    let (mut time, mut stream, mut seq) = (BEGIN_MS, 1, 0);
    let mut kept = 0;
    // A disk that is too busy would lose messages.
    let mut keep = |message: &Numbered| {
        spool.keep(message);
        kept += 1;
        while kept % 100 == 0 && spool.status().unwrap().written < kept {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    spool.announced(&host(), &announcement(1));
    for nth in 0..4000_u64 {
        time += 7_000 + nth % 13 * 1000;
        seq += 1;
        match nth % 997 {
            150 => seq += 5,
            300 => time += 3 * HOUR_MS / 2,
            450 => time -= HOUR_MS / 4,
            600 => {
                (stream, seq) = (stream + 1, 1);
                spool.announced(&host(), &announcement(stream));
            }
            _ => {}
        }
        let mut sample = message(stream, seq, time);
        if nth % 100 < 30 {
            let value = f64::from(u32::try_from(nth).unwrap()) / 7.0;
            sample.sample.values.push(("queue".into(), value));
        }
        keep(&sample);
        if nth % 31 == 0 {
            seq += 1;
            let name = format!("a{}", nth % 3);
            keep(&alert(stream, seq, time, &name, AlertState::Firing));
        }
    }
    time
}

/// What a viewer gets that asks for steps, up to the newest sample.
fn summed_up(spool: &Arc<Spool>, query: &str) -> Vec<Value> {
    let retention = Retention {
        duration: Duration::from_secs(1),
        lossless: false,
    };
    let hub = Hub::with_past(retention, Arc::clone(spool) as Arc<dyn Past>);
    let _publisher = hub.publisher(Timeline::Live).host(&host());
    let mut viewer = hub.subscribe(Query::parse(query).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (mut head, mut frames) = (hub.head(), Vec::new());
    loop {
        match viewer.read(&mut frames, 10_000) {
            Batch::More => {}
            Batch::Waiting => runtime.block_on(head.changed()),
            Batch::Head | Batch::End => break,
        }
    }
    frames
        .iter()
        .map(|frame| serde_json::from_slice(frame.json()).unwrap())
        .collect()
}

/// Whether both are the same, but for the last digits of means, which are rounded for each minute.
fn are_alike(one: &Value, other: &Value) -> bool {
    if one["type"] == "hello" {
        // Which numbers it names depends on how far it was read.
        return one["stream"] == other["stream"] && one["metrics"] == other["metrics"];
    }
    let Value::Object(mean) = &one["mean"] else {
        return one == other;
    };
    let close = |(name, value): (&String, &Value)| {
        let other = other["mean"][name].as_f64().unwrap_or(f64::NAN);
        let value = value.as_f64().unwrap();
        (value - other).abs() <= 2e-5 * value.abs()
    };
    let without = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().unwrap().remove("mean");
        value
    };
    mean.iter().all(close) && without(one) == without(other)
}

fn remove_minutes(directory: &Path) -> usize {
    let mut removed = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "minutes") {
            std::fs::remove_file(path).unwrap();
            removed += 1;
        }
    }
    removed
}

#[test]
fn minutes_give_the_same_steps_as_rows() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path());
    let newest = keep_a_day(&first);
    first.close();
    let spool = Arc::new(open(directory.path()));
    let back = |ms: u64| (epoch_millis() - newest + ms) / 1000;
    let queries = [
        "last=99999&step=1m".to_owned(),
        "last=99999&step=1h".to_owned(),
        "last=2000&step=10m".to_owned(),
        "last=700&step=1m".to_owned(),
        format!("since={}&step=1m", back(5 * HOUR_MS)),
        format!("since={}&step=7m", back(2 * HOUR_MS + 1_234_567)),
        format!("since={}&step=1d", back(48 * HOUR_MS)),
        format!("since={}&step=30s", back(3 * HOUR_MS)),
    ];
    let from_minutes: Vec<_> = queries
        .iter()
        .map(|query| summed_up(&spool, query))
        .collect();
    let firing = spool.firing();
    let closed = files_in(&SystemDisk, spool.directory()).unwrap().len() - 1;
    assert!(closed > 10, "{closed}");
    assert_eq!(remove_minutes(spool.directory()), closed);
    for (query, from_minutes) in queries.iter().zip(&from_minutes) {
        let from_rows = summed_up(&spool, query);
        let kinds = |all: &[Value]| {
            let count = |kind: &str| all.iter().filter(|it| it["type"] == kind).count();
            ["hello", "summary", "alert", "gap"].map(count)
        };
        assert_eq!(kinds(from_minutes), kinds(&from_rows), "{query}");
        for (one, other) in from_minutes.iter().zip(&from_rows) {
            assert!(are_alike(one, other), "{query}\n{one}\n{other}");
        }
        assert!(kinds(&from_rows)[1] > 0, "{query}");
    }
    assert!(!firing.is_empty());
    assert_eq!(firing, spool.firing());
    spool.close();
    // What is missing is written again.
    open(directory.path()).close();
    assert_eq!(remove_minutes(spool.directory()), closed);
}

#[test]
fn a_damaged_file_of_minutes_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path());
    keep_a_day(&first);
    first.close();
    let spool = Arc::new(open(directory.path()));
    let whole = summed_up(&spool, "last=99999&step=10m");
    let files = files_in(&SystemDisk, spool.directory()).unwrap();
    for (nth, file) in files[..files.len() - 1].iter().enumerate() {
        let path = spool.directory().join(format!("{}.minutes", file.stem));
        let mut bytes = std::fs::read(&path).unwrap();
        match nth % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => bytes = b"something else\n".into(),
            _ => bytes.clear(),
        }
        std::fs::write(&path, bytes).unwrap();
    }
    let damaged = summed_up(&spool, "last=99999&step=10m");
    assert_eq!(whole.len(), damaged.len());
    for (one, other) in whole.iter().zip(&damaged) {
        assert!(are_alike(one, other), "{one}\n{other}");
    }
    spool.close();
}
