//! The whole way from a library that is really loaded, and from files, to values.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::*;
use crate::source::host::linux::fixture::write;
use crate::source::host::reading::{GpuValues, Occupancy};

/// Makes a library below `root` that says what is in `root/nvml`.
pub(in crate::source::host) fn make_library(root: &Path) {
    let library = root.join("usr/local/nvidia/lib64/libnvidia-ml.so.1");
    fs::create_dir_all(library.parent().unwrap()).unwrap();
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/source/host/linux/gpus/tests/nvml.c"
    );
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]);
    command.arg(&library).arg(source);
    command.arg(format!("-DSTATE=\"{}\"", root.join("nvml").display()));
    let made = command.output().expect("a C compiler, cc");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// A machine with one card of NVIDIA that never sleeps.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let bound = "sys/bus/pci/drivers/nvidia/0000:41:00.0";
    fs::create_dir_all(root.path().join(bound)).unwrap();
    make_library(root.path());
    root
}

fn gpus(root: &Path) -> Gpus {
    Gpus::new(Roots::below(root, Arc::new(|_| None)))
}

fn read(gpus: &mut Gpus) -> GpuValues {
    gpus.settle(Duration::from_secs(60));
    let read = gpus.read(Instant::now());
    assert_eq!(read.len(), 1);
    read[0].now
}

fn calls(root: &Path) -> Vec<String> {
    let log = fs::read_to_string(root.join("nvml.log")).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

#[test]
fn a_library_outside_the_linkers_cache_is_found_and_used_until_the_end() {
    let root = machine();
    let state = |text: &str| write(&root.path().join("nvml"), text.as_bytes());
    state("0\n0000:41:00.0 0 97 300 400 612500 64 1980 0 0\n");
    let mut gpus = gpus(root.path());
    let expected = GpuValues {
        busy: Some(97.0),
        memory: Some(Occupancy {
            used: 300,
            limit: 400,
        }),
        power: Some(612.5),
        temperature: Some(64.0),
        clock: Some(1980.0),
        throttled: Some(0.0),
    };
    // The first reading was taken at the start.
    assert_eq!(gpus.read(Instant::now())[0].now, expected);
    assert!(gpus.read(Instant::now()).is_empty());

    // Slowed down by heat (0x40), not by its power limit (0x4).
    state("0\n0000:41:00.0 0 0 300 400 612500 88 900 68 0\n");
    let hot = read(&mut gpus);
    assert_eq!((hot.busy, hot.throttled), (Some(0.0), Some(100.0)));
    state("0\n0000:41:00.0 0 0 300 400 612500 88 900 5 0\n");
    assert_eq!(read(&mut gpus).throttled, Some(0.0));
    // Divided.
    state("0\n0000:41:00.0 0 0 300 400 612500 88 900 0 1\n");
    let divided = read(&mut gpus);
    assert_eq!((divided.busy, divided.temperature), (None, Some(88.0)));
    // It lacks most.
    state("0\n0000:41:00.0 0 -1 -1 -1 -1 50 -1 -1 -1\n");
    let expected = GpuValues {
        temperature: Some(50.0),
        ..GpuValues::default()
    };
    assert_eq!(read(&mut gpus), expected);
    assert_eq!(calls(root.path()), ["init"]);

    // The thread ends, and closes the library.
    drop(gpus);
    let deadline = Instant::now() + Duration::from_secs(60);
    while calls(root.path()) != ["init", "shutdown"] {
        assert!(Instant::now() < deadline, "the library is still open");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_lost_card_has_no_values_and_the_library_is_released() {
    let root = machine();
    let state = |text: &str| write(&root.path().join("nvml"), text.as_bytes());
    state("0\n0000:41:00.0 0 97 300 400 612500 64 1980 0 0\n");
    let mut gpus = gpus(root.path());
    assert!(read(&mut gpus).is_at_work());
    state("0\n0000:41:00.0 15 97 300 400 612500 64 1980 0 0\n");
    assert_eq!(read(&mut gpus), GpuValues::default());
    assert_eq!(calls(root.path()), ["init", "shutdown"]);
    // It is not opened again at once.
    assert_eq!(read(&mut gpus), GpuValues::default());
    assert_eq!(calls(root.path()), ["init", "shutdown"]);
}

#[test]
fn a_library_that_does_not_fit_its_driver_or_is_none_gives_no_values() {
    let root = machine();
    let path = root.path().join("usr/local/nvidia/lib64/libnvidia-ml.so.1");
    write(&root.path().join("nvml"), b"18\n");
    assert_eq!(read(&mut gpus(root.path())), GpuValues::default());
    write(&path, b"no library");
    assert_eq!(read(&mut gpus(root.path())), GpuValues::default());
    let error = |root: &Path| {
        let libraries = nvml::libraries(&Roots::below(root, Arc::new(|_| None)));
        nvml::open(&libraries).err().unwrap()
    };
    assert!(error(root.path()).contains("libnvidia-ml.so.1"));
    fs::remove_file(&path).unwrap();
    assert_eq!(error(root.path()), "there is no libnvidia-ml.so.1");
    assert_eq!(read(&mut gpus(root.path())), GpuValues::default());
}

#[test]
fn without_cards_there_is_no_thread_and_later_ones_are_found() {
    let root = tempfile::tempdir().unwrap();
    let mut gpus = gpus(root.path());
    let now = Instant::now();
    assert!(gpus.watch.is_none());
    gpus.prepare(now);
    assert!(gpus.read(now).is_empty());
    let device = root.path().join("sys/bus/pci/devices/0000:03:00.0");
    write(&device.join("gpu_busy_percent"), b"42\n");
    fs::create_dir_all(root.path().join("sys/bus/pci/drivers/amdgpu/0000:03:00.0")).unwrap();
    assert!(gpus.read(now).is_empty());
    assert!(gpus.watch.is_none());
    gpus.read(now + LOOK_AGE);
    assert_eq!(read(&mut gpus).busy, Some(42.0));
}
