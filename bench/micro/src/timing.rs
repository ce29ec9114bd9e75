//! The best of many short repetitions.

use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Seconds that one call takes at best: repetitions of some 4 ms each, and the shortest of 40.
pub(crate) fn best(mut call: impl FnMut()) -> f64 {
    let mut calls = 1_u32;
    loop {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        if start.elapsed() > Duration::from_millis(4) || calls > 1 << 24 {
            break;
        }
        calls *= 2;
    }
    let mut least = f64::MAX;
    for _ in 0..40 {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        least = least.min(start.elapsed().as_secs_f64() / f64::from(calls));
    }
    least
}

/// One row.
pub(crate) fn row(group: &str, name: &str, size: usize, value: f64, unit: &str) {
    println!("{group},{name},{size},{value:.2},{unit}");
}

/// CPU seconds of this process so far.
pub(crate) fn cpu_secs() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6)
}
