//! What rules cost: `cargo bench --bench alerts`.
//!
//! 100 rules about 100 instances are asked about one sample: with nothing true, with all that may be pending, and with all
//! that may fire.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics_toolkit::alert::{Evaluator, KnownMetrics, Rule, parse_rule};
use metrics_toolkit::protocol::Sample;

const RULES: u32 = 100;

const INSTANCES: u32 = 100;

const ROUNDS: u32 = 2000;

/// The best of this many runs counts: the others shared the machine.
const RUNS: usize = 7;

fn main() {
    for (what, clause, value) in [
        ("nothing is true", "for 1m", 50.0),
        ("as many as may be pend", "for 100000h", 99.0),
        ("as many as may be fire", "", 99.0),
    ] {
        let best = (0..RUNS).map(|_| pass(&rules(clause), value)).min();
        println!("{what:24} {:.1?}", best.unwrap_or_default());
    }
}

fn rules(clause: &str) -> Arc<[Rule]> {
    let known = KnownMetrics::catalogue();
    let rules = (0..RULES).map(|nth| {
        let text = format!("r{nth}: cpu:* > {}.5 {clause}", 60 + nth % 30);
        parse_rule(&text, &known).expect("a rule")
    });
    rules.collect()
}

/// The time that a sample takes.
fn pass(rules: &Arc<[Rule]>, value: f64) -> Duration {
    let mut evaluator = Evaluator::new(Arc::clone(rules), 1000);
    let values = (0..INSTANCES).map(|core| (format!("cpu:{core}").into(), value));
    let mut sample = Sample {
        values: values.collect(),
        ..Sample::default()
    };
    black_box(evaluator.judge(&sample, false));
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        sample.timestamp += 1000;
        black_box(evaluator.judge(black_box(&sample), false));
    }
    begun.elapsed() / ROUNDS
}
