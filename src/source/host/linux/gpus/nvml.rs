//! NVML, NVIDIA's library: loaded when it is needed, and never linked. The only user of nvml-wrapper.
//!
//! On an H200, what is read here takes 1 to 60 µs a call. Left out are the traffic on the bus (20 ms a call), the total
//! energy (3 to 8 ms) and the use by each process (2 to 3 ms, and its numbers are wrong in containers).

use std::path::PathBuf;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::nvidia::NvidiaLibrary;
use crate::source::host::linux::roots::Roots;
use crate::source::host::reading::{GpuValues, Occupancy};

/// Its name, for the linker to find.
const NAME: &str = "libnvidia-ml.so.1";

/// Where it may be although the linker doesn't know it, as in containers: it was put there after the image was made.
const PLACES: [&str; 8] = [
    "usr/local/nvidia/lib64",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib64-nvidia",
    "run/opengl-driver/lib",
    "run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "home/kubernetes/bin/nvidia/lib64",
];

/// What lowers the clock although more was asked of the card. A card that keeps within its power limit, or to the clocks
/// that somebody has set, does so all the time, and is as fast as it is meant to be.
const THROTTLED: ThrottleReasons = ThrottleReasons::HW_SLOWDOWN
    .union(ThrottleReasons::SW_THERMAL_SLOWDOWN)
    .union(ThrottleReasons::HW_THERMAL_SLOWDOWN)
    .union(ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN);

/// What [`nvml_wrapper::structs::device::MigMode`] says of a card that is divided.
const DIVIDED: u32 = 1;

/// Where to look for the library: by its name first, on this machine.
pub(super) fn libraries(roots: &Roots) -> Vec<PathBuf> {
    let by_name = roots.is_this_machine().then(|| NAME.into());
    let by_place = PLACES.map(|place| roots.other(place).join(NAME));
    by_name.into_iter().chain(by_place).collect()
}

/// Opens the first of `libraries` that can be loaded.
pub(super) fn open(libraries: &[PathBuf]) -> Result<Box<dyn NvidiaLibrary>, String> {
    let mut problem = format!("there is no {NAME}");
    for path in libraries {
        let has_directory = path.parent().is_some_and(|dir| !dir.as_os_str().is_empty());
        if has_directory && !path.exists() {
            continue;
        }
        match Nvml::builder().lib_path(path.as_os_str()).init() {
            Ok(nvml) => return Ok(Box::new(Library(nvml))),
            Err(NvmlError::LibloadingError(error)) if has_directory => problem = error.to_string(),
            Err(NvmlError::LibloadingError(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(problem)
}

struct Library(Nvml);

impl Library {
    fn device(&self, card: &str) -> Option<Device<'_>> {
        self.0.device_by_pci_bus_id(card).ok()
    }
}

impl NvidiaLibrary for Library {
    fn read(&mut self, card: &str) -> GpuValues {
        let Some(device) = self.device(card) else {
            return GpuValues::default();
        };
        let memory = device.memory_info().ok().map(|memory| Occupancy {
            used: memory.used,
            limit: memory.total,
        });
        let temperature = device.temperature(TemperatureSensor::Gpu).ok();
        GpuValues {
            busy: busy(&device),
            memory,
            power: device.power_usage().ok().map(|mw| f64::from(mw) / 1000.0),
            temperature: temperature.map(f64::from),
            clock: device.clock_info(Clock::Graphics).ok().map(f64::from),
            throttled: None,
        }
    }

    fn is_throttled(&mut self, card: &str) -> Option<bool> {
        let reasons = self.device(card)?.current_throttle_reasons().ok()?;
        Some(reasons.intersects(THROTTLED))
    }
}

/// In percent. A card that is divided doesn't know it, and some libraries then say 0.
fn busy(device: &Device<'_>) -> Option<f64> {
    let is_divided = device.mig_mode().is_ok_and(|mode| mode.current == DIVIDED);
    let use_of = device.utilization_rates().ok().filter(|_| !is_divided)?;
    Some(f64::from(use_of.gpu))
}
