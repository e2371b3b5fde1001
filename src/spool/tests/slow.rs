//! A disk that stalls or lists slowly, and messages that find no room.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::locks::unpoisoned;

/// A disk whose writes wait while it is held, and that counts how often a directory is listed.
#[derive(Debug, Default)]
struct HeldDisk {
    held: Mutex<()>,
    listings: AtomicUsize,
}

impl Disk for HeldDisk {
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        drop(unpoisoned(self.held.lock()));
        SystemDisk.write(file, bytes)
    }

    fn list(&self, path: &Path) -> io::Result<std::fs::ReadDir> {
        self.listings.fetch_add(1, Ordering::Relaxed);
        SystemDisk.list(path)
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_disk_that_stalls_now_and_then_delays_one_message_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(HeldDisk::default());
    let spool = Spool::on_disk(Arc::clone(&disk) as _, options(directory.path())).unwrap();
    spool.announced(&host(), &announcement(1));
    spool.keep(&message(1, 1, BEGIN_MS));
    wait_until("written", || spool.status().unwrap().written == 1);
    assert!(spool.state.may_wait());
    let held = disk.held.lock().unwrap();
    for seq in 2..=9 {
        spool.keep(&message(1, seq, BEGIN_MS + seq));
    }
    assert!(!spool.state.may_wait());
    drop(held);
    wait_until("all written", || spool.status().unwrap().written == 9);
    // It has caught up, but may stall again.
    spool.keep(&message(1, 10, BEGIN_MS + 10));
    assert!(!spool.state.may_wait());
    wait_until("the last one", || spool.status().unwrap().written == 10);
    assert_eq!(spool.status().unwrap().lost, 0);
    spool.close();
}

#[test]
fn a_reader_lists_the_files_once_and_again_at_their_end() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(HeldDisk::default());
    let spool = Spool::on_disk(Arc::clone(&disk) as _, options(directory.path())).unwrap();
    keep(&spool, 1, 1..=60);
    spool.close();
    let before = disk.listings.load(Ordering::Relaxed);
    assert_eq!(found(&spool, PastFrom::Since(0), None), span(1, 1..=60));
    let listed = disk.listings.load(Ordering::Relaxed) - before;
    assert!(listed <= 2, "{listed}");
}

#[test]
fn a_new_file_has_the_columns_that_are_announced_even_if_the_queue_was_full() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(HeldDisk::default());
    let spool = Spool::on_disk(Arc::clone(&disk) as _, options(directory.path())).unwrap();
    spool.announced(&host(), &announcement(1));
    let held = disk.held.lock().unwrap();
    // Without waiting for each.
    let mut seq = 0;
    while spool.status().unwrap().lost == 0 {
        seq += 1;
        spool.keep(&message(1, seq, BEGIN_MS + seq));
    }
    let mut announced = (*announcement(1)).clone();
    announced.containers = true;
    spool.announced(&host(), &Arc::new(announced));
    drop(held);
    let taken = |count| move |spool: &Spool| spool.status().unwrap().written >= count;
    wait_until("written", || taken(seq - 1)(&spool));
    spool.keep(&message(1, seq + 1, BEGIN_MS + HOUR_MS));
    wait_until("the next file", || taken(seq)(&spool));
    spool.close();
    let file = std::fs::read_to_string(spool.directory().join("2026-11-24T15.csv")).unwrap();
    assert!(file.contains(",containers,"), "{file}");
}
