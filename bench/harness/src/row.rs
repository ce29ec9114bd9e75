//! One row of CSV per run.

use std::fmt;

use crate::{Measured, Parameters};

/// The names of the columns. Whoever starts a driver may add some behind them.
pub const COLUMNS: &str = "client,broker,op,value,partitioning,codec,linger_ms,batch_size,records,secs,rec_s,MB_s,\
cpu_user,cpu_sys,cpu_s_per_Mrec,broker_cpu_s_per_Mrec,allocs_per_rec,alloc_bytes_per_rec,peak_rss_MiB,p50_us,p99_us,\
max_us,errors";

/// A run as a row under [`COLUMNS`].
#[derive(Debug)]
pub struct Row<'a> {
    parameters: &'a Parameters,
    measured: &'a Measured,
}

impl<'a> Row<'a> {
    /// The row of a run.
    pub fn new(parameters: &'a Parameters, measured: &'a Measured) -> Self {
        Self { parameters, measured }
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parameters, Measured { start, end, part, latencies_micros }) = (self.parameters, self.measured);
        let records = part.records as f64;
        let secs = end.at.duration_since(start.at).as_secs_f64();
        let (user, system) = (end.user_secs - start.user_secs, end.system_secs - start.system_secs);
        let per_million = |seconds: f64| seconds / records * 1e6;
        write!(f, "{},{},{},", parameters.client, parameters.broker_kind, parameters.op.name())?;
        write!(f, "{},{},", parameters.value_size, parameters.partitioning.name())?;
        let or_default = |setting: Option<u128>| match setting {
            Some(value) => value.to_string(),
            None => "default".to_owned(),
        };
        let linger = or_default(parameters.linger().map(|linger| linger.as_millis()));
        let batch_size = or_default((!parameters.defaults).then_some(parameters.batch_size as u128));
        write!(f, "{},{linger},{batch_size},", parameters.compression.name())?;
        let megabytes = records * parameters.value_size as f64 / 1e6;
        write!(f, "{},{secs:.3},{:.0},{:.1},", part.records, records / secs, megabytes / secs)?;
        write!(f, "{user:.3},{system:.3},{:.4},", per_million(user + system))?;
        write!(f, "{:.4},", per_million(end.broker_secs - start.broker_secs))?;
        let (allocations, bytes) =
            (end.allocations - start.allocations, end.allocated_bytes - start.allocated_bytes);
        write!(f, "{:.4},{:.0},", allocations as f64 / records, bytes as f64 / records)?;
        let mut sorted = latencies_micros.clone();
        sorted.sort_by(f64::total_cmp);
        let (p50, p99, max) = (quantile(&sorted, 0.5), quantile(&sorted, 0.99), quantile(&sorted, 1.0));
        write!(f, "{:.0},{p50:.0},{p99:.0},{max:.0},{}", end.peak_rss_mib, part.errors)
    }
}

/// The value below which a share of the sorted values lies; 0 without values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share) as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Part, Snapshot};
    use clap::Parser;
    use std::time::{Duration, Instant};

    #[test]
    fn a_row_has_a_value_for_each_column() {
        let parameters = Parameters::parse_from(["driver", "--client", "a", "--brokers", "b"]);
        let at = Instant::now();
        let start = Snapshot {
            at,
            user_secs: 1.0,
            system_secs: 0.5,
            broker_secs: 0.0,
            allocations: 10,
            allocated_bytes: 100,
            peak_rss_mib: 5.0,
        };
        let end = Snapshot {
            at: at + Duration::from_secs(2),
            user_secs: 2.0,
            system_secs: 1.0,
            allocations: 60,
            allocated_bytes: 1100,
            peak_rss_mib: 7.4,
            ..start
        };
        let part = Part { records: 1_000_000, errors: 0 };
        let measured = Measured { start, end, part, latencies_micros: vec![30.0, 10.0, 20.0] };
        let row = Row::new(&parameters, &measured).to_string();
        assert_eq!(
            row,
            "a,null,produce,100,rr,none,5,131072,1000000,2.000,500000,50.0,1.000,0.500,1.5000,0.0000,0.0001,0,7,20,20,30,0"
        );
        assert_eq!(row.split(',').count(), COLUMNS.split(',').count());
    }

    #[test]
    fn quantiles_of_nothing_are_zero() {
        assert_eq!(quantile(&[], 0.99), 0.0);
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.5), 2.0);
    }
}
