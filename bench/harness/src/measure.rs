//! What a process has used so far, and a run between two such readings.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::Parameters;

/// What this process, and the broker, have used so far.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    pub(crate) at: Instant,
    pub(crate) user_secs: f64,
    pub(crate) system_secs: f64,
    pub(crate) broker_secs: f64,
    pub(crate) allocations: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) peak_rss_mib: f64,
}

impl Snapshot {
    /// Reads them.
    ///
    /// # Errors
    /// The system refuses to tell.
    pub fn take(parameters: &Parameters) -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).context("getrusage")?;
        let seconds = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e6;
        let (allocations, allocated_bytes) = allocations()?;
        Ok(Self {
            at: Instant::now(),
            user_secs: seconds(usage.user_time()),
            system_secs: seconds(usage.system_time()),
            broker_secs: process_secs(parameters.broker_pid),
            allocations,
            allocated_bytes,
            peak_rss_mib: peak_rss_mib()?,
        })
    }
}

/// A part of a run: how many records it moved, and how many failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    /// Records acknowledged or received.
    pub records: u64,
    /// Records that failed.
    pub errors: u64,
}

/// A measured run.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Before the first record.
    pub start: Snapshot,
    /// After the last one.
    pub end: Snapshot,
    /// What happened in between.
    pub part: Part,
    /// Ages of records, end to end or when they were acknowledged; else none.
    pub latencies_micros: Vec<f64>,
}

impl Measured {
    /// A run at a fixed rate that ends now, with the ages of its records.
    ///
    /// # Errors
    /// The system refuses to tell what was used.
    pub fn at_a_rate(parameters: &Parameters, start: Snapshot, latencies_micros: Vec<f64>) -> Result<Self> {
        let part = Part { records: latencies_micros.len() as u64, errors: 0 };
        Ok(Self { latencies_micros, ..finish(parameters, start, part)? })
    }
}

/// Runs the warm-up and then the records that are measured, each by the number of records to move.
///
/// # Errors
/// What the run fails with.
///
/// # Cancel safety
/// None: a run that is dropped has measured nothing.
pub async fn measured(
    parameters: &Parameters,
    mut run: impl AsyncFnMut(u64) -> Result<Part>,
) -> Result<Measured> {
    run(parameters.warmup).await?;
    let start = Snapshot::take(parameters)?;
    let part = run(parameters.records).await?;
    finish(parameters, start, part)
}

/// As [`measured`], for clients without futures.
///
/// # Errors
/// What the run fails with.
pub fn measured_blocking(
    parameters: &Parameters,
    mut run: impl FnMut(u64) -> Result<Part>,
) -> Result<Measured> {
    run(parameters.warmup)?;
    let start = Snapshot::take(parameters)?;
    let part = run(parameters.records)?;
    finish(parameters, start, part)
}

fn finish(parameters: &Parameters, start: Snapshot, part: Part) -> Result<Measured> {
    let end = Snapshot::take(parameters)?;
    ensure!(part.records > 0, "no record was moved");
    Ok(Measured { start, end, part, latencies_micros: Vec::new() })
}

/// The peak resident memory of this program. `getrusage` would count what started it as well.
fn peak_rss_mib() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    high_water_mark(&text).context("/proc/self/status tells no VmHWM")
}

/// `VmHWM:    123 kB` in MiB.
fn high_water_mark(status: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(value.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}

/// Calls of the allocator and bytes asked for, where `malloc_count.so` counts them into a file; else zeros.
fn allocations() -> Result<(u64, u64)> {
    let Some(path) = std::env::var_os(COUNTS_FILE) else { return Ok((0, 0)) };
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    counts(&bytes).with_context(|| format!("{} does not hold two counts", path.display()))
}

/// Two native-endian numbers.
fn counts(bytes: &[u8]) -> Option<(u64, u64)> {
    let (allocations, rest) = bytes.split_first_chunk::<8>()?;
    let (allocated_bytes, _) = rest.split_first_chunk::<8>()?;
    Some((u64::from_ne_bytes(*allocations), u64::from_ne_bytes(*allocated_bytes)))
}

/// CPU seconds of another process, in ticks of 10 ms; 0 if it cannot be read.
fn process_secs(pid: u32) -> f64 {
    if pid == 0 {
        return 0.0;
    }
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(0.0, |text| stat_secs(&text).unwrap_or(0.0))
}

/// CPU seconds out of the text of `/proc/PID/stat`. The second field may hold spaces and ends with the last bracket.
fn stat_secs(text: &str) -> Option<f64> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SEC)
}

/// Where `malloc_count.so` counts; `malloc_count.c` reads the same variable.
const COUNTS_FILE: &str = "MALLOC_COUNT_FILE";
/// `USER_HZ`, the same on every Linux that matters.
const TICKS_PER_SEC: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_spaces_and_brackets() {
        let text = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 2 0 100 1000 10";
        assert_eq!(stat_secs(text), Some(2.0));
        assert_eq!(stat_secs("7 (a"), None);
    }

    #[test]
    fn the_peak_is_read_in_mebibytes() {
        assert_eq!(high_water_mark("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n"), Some(2.0));
        assert_eq!(high_water_mark("VmPeak:\t 9 kB\n"), None);
    }

    #[test]
    fn counts_are_two_numbers() {
        let bytes: Vec<u8> = [3_u64, 400].iter().flat_map(|count| count.to_ne_bytes()).collect();
        assert_eq!(counts(&bytes), Some((3, 400)));
        assert_eq!(counts(&bytes[..15]), None);
    }
}
