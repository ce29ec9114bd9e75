//! What one core can do for the primitive operations of a Kafka client: `micro [crc|murmur|batch|channel|tcp|codec]…`.
//!
//! Prints CSV: group, name, size, value, unit. Every figure is the best of many short repetitions, so that it holds on a
//! machine with other work; the limits of a client are sums of these.

mod batch;
mod channel;
mod codec;
mod crc;
mod murmur;
mod tcp;
mod timing;

use anyhow::{Result, ensure};

/// A group's name, and what measures it.
type Group = (&'static str, fn() -> Result<()>);

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let groups: [Group; 6] = [
        ("crc", crc::measure),
        ("murmur", murmur::measure),
        ("batch", batch::measure),
        ("channel", channel::measure),
        ("tcp", tcp::measure),
        ("codec", codec::measure),
    ];
    for name in &asked {
        ensure!(groups.iter().any(|(group, _)| group == name), "there is no group `{name}`");
    }
    println!("group,name,size,value,unit");
    for (group, measure) in groups {
        if asked.is_empty() || asked.iter().any(|name| name == group) {
            measure()?;
        }
    }
    Ok(())
}
