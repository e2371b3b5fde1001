use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::source::host::linux::fixture::write;
use crate::source::host::linux::gpus::nvidia::NvidiaLibrary;

/// A library whose cards are as busy as told, in turn, and at the end idle.
struct FakeLibrary {
    busy: Arc<Mutex<VecDeque<f64>>>,
    open: Arc<Mutex<u32>>,
}

impl Drop for FakeLibrary {
    fn drop(&mut self) {
        *self.open.lock().unwrap() -= 1;
    }
}

impl NvidiaLibrary for FakeLibrary {
    fn read(&mut self, _card: &str) -> GpuValues {
        let busy = self.busy.lock().unwrap().pop_front();
        GpuValues {
            busy: busy.or(Some(0.0)),
            ..GpuValues::default()
        }
    }

    fn is_throttled(&mut self, _card: &str) -> Option<bool> {
        None
    }
}

struct Scene {
    root: tempfile::TempDir,
    reader: GpuReader,
    busy: Arc<Mutex<VecDeque<f64>>>,
    /// How often the library is open.
    open: Arc<Mutex<u32>>,
    start: Instant,
}

const AMD: &str = "0000:03:00.0";
const NVIDIA: &str = "0000:01:00.0";

fn device(root: &Path, card: &str) -> std::path::PathBuf {
    root.join("sys/bus/pci/devices").join(card)
}

impl Scene {
    /// A laptop with a card of each kind; both could sleep.
    fn new(status: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (driver, card) in [("nvidia", NVIDIA), ("amdgpu", AMD)] {
            let bound = root.path().join("sys/bus/pci/drivers").join(driver);
            fs::create_dir_all(bound.join(card)).unwrap();
            let device = device(root.path(), card);
            write(&device.join("power/control"), b"auto\n");
            write(&device.join("power/runtime_status"), status.as_bytes());
        }
        write(&device(root.path(), AMD).join("gpu_busy_percent"), b"0\n");
        let (busy, open) = (Arc::default(), Arc::new(Mutex::new(0)));
        let (script, count) = (Arc::clone(&busy), Arc::clone(&open));
        let nvidia = Nvidia::new(Box::new(move || {
            *count.lock().unwrap() += 1;
            Ok(Box::new(FakeLibrary {
                busy: Arc::clone(&script),
                open: Arc::clone(&count),
            }))
        }));
        let roots = Roots::below(root.path(), Arc::new(|_| None));
        let reader = GpuReader::new(&roots, nvidia).unwrap();
        Self {
            start: reader.listed,
            reader,
            root,
            busy,
            open,
        }
    }

    fn set(&self, card: &str, status: &str) {
        let file = device(self.root.path(), card).join("power/runtime_status");
        write(&file, format!("{status}\n").as_bytes());
    }

    fn at(&self, second: u64) -> Instant {
        self.start + Duration::from_secs(second)
    }

    /// How busy both are, NVIDIA's first, after so many seconds.
    fn read(&mut self, second: u64) -> [Option<f64>; 2] {
        let gpus = self.reader.read(self.at(second));
        [gpus[0].now.busy, gpus[1].now.busy]
    }

    fn is_open(&self) -> bool {
        *self.open.lock().unwrap() != 0
    }
}

#[test]
fn a_sleeping_card_is_not_woken_up() {
    let mut scene = Scene::new("suspended\n");
    for second in 0..200 {
        assert_eq!(scene.read(second), [None, None]);
        scene.reader.glance(scene.at(second));
        assert!(!scene.is_open());
    }
    scene.set(NVIDIA, "active");
    assert_eq!(scene.read(200), [Some(0.0), None]);
    assert!(scene.is_open());
    scene.set(AMD, "active");
    scene.set(NVIDIA, "suspending");
    assert_eq!(scene.read(201), [None, Some(0.0)]);
    assert!(!scene.is_open());
}

#[test]
fn an_idle_card_is_left_alone_and_a_busy_one_is_not() {
    let mut scene = Scene::new("active\n");
    scene.busy.lock().unwrap().extend([50.0; 30]);
    for second in 0..10 {
        assert_eq!(scene.read(second), [Some(50.0), Some(0.0)]);
    }
    for second in 10..30 {
        assert_eq!(scene.read(second), [Some(50.0), None]);
    }
    for second in 30..39 {
        assert_eq!(scene.read(second), [Some(0.0), None]);
    }
    for second in 39..70 {
        assert_eq!(scene.read(second), [None, None]);
        assert!(!scene.is_open());
    }
    // Both have stayed awake without us.
    assert_eq!(scene.read(70), [None, Some(0.0)]);
    assert_eq!(scene.read(99), [Some(0.0), Some(0.0)]);
}

#[test]
fn a_card_that_is_rarely_read_is_released_in_between() {
    let mut scene = Scene::new("active\n");
    scene.busy.lock().unwrap().push_back(50.0);
    scene.read(0);
    scene.reader.glance(scene.at(9));
    assert!(scene.is_open());
    scene.reader.glance(scene.at(10));
    assert!(!scene.is_open() && !scene.reader.is_worth_a_glance());
}

#[test]
fn cards_that_come_and_go_keep_their_numbers_and_manners() {
    let mut scene = Scene::new("active\n");
    scene.read(0);
    let bound = scene.root.path().join("sys/bus/pci/drivers/amdgpu");
    fs::remove_dir(bound.join(AMD)).unwrap();
    fs::create_dir(bound.join("0000:02:00.0")).unwrap();
    write(
        &device(scene.root.path(), "0000:02:00.0").join("gpu_busy_percent"),
        b"7\n",
    );
    let gpus = scene.reader.read(scene.at(60));
    let found: Vec<_> = gpus.iter().map(|gpu| (&*gpu.name, gpu.now.busy)).collect();
    // NVIDIA's has been idle for a minute.
    assert_eq!(found, [("0", None), ("2", Some(7.0))]);
}
