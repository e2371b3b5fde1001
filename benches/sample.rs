//! The CPU time of a sample, of this process and its threads: back to back without processes, which are read once a
//! second, and after a pause of a second, in which the caches go cold, with processes.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use metrics_toolkit::source::host::{Options, Own, Sampler};
use rustix::time::{ClockId, clock_gettime};

const WARM: u32 = 500;
const COLD: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    let mut out = io::stdout();
    for top in [0, 5] {
        let begun = Instant::now();
        let mut sampler = Sampler::new(Options { top });
        let baseline = begun.elapsed();
        let warm = cost(WARM, || {
            sampler.sample(Own::default());
        });
        let mut cold = 0.0;
        for _ in 0..COLD {
            cold += cost(1, || {
                sampler.prepare(Instant::now() + PAUSE);
                sleep(PAUSE);
                sampler.sample(Own::default());
            });
        }
        let cold = cold / f64::from(COLD);
        let last = sampler.sample(Own::default());
        let get = |name| last.get(name).unwrap_or(f64::NAN);
        writeln!(
            out,
            "top {top}: {warm:.0} µs warm, {cold:.0} µs cold, baseline {baseline:.1?}, {} processes, {:.1} MiB resident",
            get("processCount"),
            get("agentMemory") / 1_048_576.0
        )?;
    }
    Ok(())
}

/// Microseconds of CPU time per run, for `times` runs.
fn cost(times: u32, mut run: impl FnMut()) -> f64 {
    let before = cpu();
    for _ in 0..times {
        run();
    }
    (cpu() - before) * 1e6 / f64::from(times)
}

/// CPU seconds that this process has used.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
