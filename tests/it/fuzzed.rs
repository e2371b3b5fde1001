//! The seeds of the fuzz targets, and everything they ever found, through the same entry points.

use std::path::Path;

#[path = "../../fuzz/entries.rs"]
mod entries;

#[test]
fn seeds_and_findings() {
    for (target, entry) in [
        ("message", entries::message as fn(&[u8])),
        ("recording", entries::recording),
        ("query", entries::query),
        ("rules", entries::rules),
        ("statsd", entries::statsd),
    ] {
        let mut files = 0;
        for kind in ["seeds", "findings"] {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/{kind}/{target}"));
            for file in std::fs::read_dir(&dir).into_iter().flatten() {
                let path = file.unwrap().path();
                println!("{}", path.display()); // shown for the one that panics
                entry(&std::fs::read(&path).unwrap());
                files += 1;
            }
        }
        assert!(2 < files, "{target}: only {files} files");
    }
}
