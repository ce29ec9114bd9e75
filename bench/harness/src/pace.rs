//! Records at a fixed rate, end to end.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{Parameters, Snapshot};

/// Sends the warm-up and the records that count at the rate that is asked for, once the consumer had time to begin.
/// Gives the reading from before the first record that counts.
///
/// It sends from a task, as applications do: what `block_on` runs stands on a thread beside the runtime's own, and each
/// wake-up between them costs more than all the rest.
///
/// # Errors
/// What a send fails with.
///
/// # Cancel safety
/// None: a run that is dropped has measured nothing.
pub async fn paced<Sent: Future<Output = Result<()>> + Send>(
    parameters: &Parameters,
    mut send: impl FnMut(usize) -> Sent + Send + 'static,
) -> Result<Snapshot> {
    let parameters = parameters.clone();
    let sending = tokio::spawn(async move {
        tokio::time::sleep(SETTLING).await;
        let pace = Pace::begin(&parameters)?;
        let mut start = pace.start;
        for index in 0..pace.total {
            tokio::time::sleep_until(pace.due(index).into()).await;
            if index == pace.warmup {
                start = Snapshot::take(&parameters)?;
            }
            send(index).await?;
        }
        anyhow::Ok(start)
    });
    sending.await?
}

/// As [`paced`], for clients without futures.
///
/// # Errors
/// What a send fails with.
pub fn paced_blocking(
    parameters: &Parameters,
    mut send: impl FnMut(usize) -> Result<()>,
) -> Result<Snapshot> {
    std::thread::sleep(SETTLING);
    let pace = Pace::begin(parameters)?;
    let mut start = pace.start;
    for index in 0..pace.total {
        std::thread::sleep(pace.due(index).saturating_duration_since(Instant::now()));
        if index == pace.warmup {
            start = Snapshot::take(parameters)?;
        }
        send(index)?;
    }
    Ok(start)
}

/// When each record is due.
struct Pace {
    start: Snapshot,
    warmup: usize,
    total: usize,
    interval: Duration,
}

impl Pace {
    fn begin(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            start: Snapshot::take(parameters)?,
            warmup: usize::try_from(parameters.warmup)?,
            total: usize::try_from(parameters.warmup.saturating_add(parameters.records))?,
            interval: Duration::from_secs(1) / u32::try_from(parameters.rate.max(1))?,
        })
    }

    fn due(&self, index: usize) -> Instant {
        self.start.at + self.interval.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// How long a consumer may take until it waits for records.
const SETTLING: Duration = Duration::from_millis(1500);
