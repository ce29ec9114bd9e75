//! A pipeline, and its test: the real application on an in-memory cluster, in virtual time.
//!
//! `cargo run --example pipeline` shows the topology, `cargo test --example pipeline` tests it.
use std::time::Duration;

use courant::streams::codec::{I64Be, Utf8};
use courant::streams::{Store, StreamsBuilder, TimeWindows, Topology, TopologyError, tumbling};

fn minutes() -> TimeWindows {
    tumbling(Duration::from_secs(60)).grace(Duration::from_secs(10))
}

/// Revenue per customer and minute.
fn revenue() -> Result<Topology, TopologyError> {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, i64>("payments", (Utf8, I64Be))
        .filter(|_, cents| *cents > 0)
        .group_by_key()
        .windowed_by(minutes())
        .reduce(Store::named("revenue", (Utf8, I64Be)), |sum, cents| sum + cents)
        .to_stream()
        .to("revenue-per-minute", (minutes().codec(Utf8), I64Be));
    builder.build()
}

fn main() -> Result<(), TopologyError> {
    println!("{}", revenue()?.to_mermaid());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use courant::streams::TestDriver;

    #[test]
    fn a_crash_loses_no_payment_and_late_ones_do_not_count() -> Result<(), Box<dyn std::error::Error>> {
        let mut driver = TestDriver::builder(revenue()?).partitions(4).instances(2).seed(7).start()?;
        let payments = driver.input("payments", (Utf8, I64Be));
        let revenue = driver.output("revenue-per-minute", (minutes().codec(Utf8), I64Be));
        driver.send(&payments, "ann", 500, 1_000)?;
        driver.send(&payments, "bob", -20, 2_000)?;
        driver.settle()?;
        driver.crash_and_recover()?;
        driver.send(&payments, "ann", 250, 59_999)?;
        driver.send(&payments, "ann", 70, 70_000)?; // now the first minute and its grace are over
        driver.send(&payments, "ann", 1, 30_000)?;
        let revenue: Vec<_> = driver
            .drain_latest(&revenue)?
            .into_iter()
            .map(|(minute, cents)| (minute.key, minute.window.start_ms, cents))
            .collect();
        assert_eq!(revenue, [("ann".to_owned(), 0, 750), ("ann".to_owned(), 60_000, 70)]);
        Ok(())
    }
}
