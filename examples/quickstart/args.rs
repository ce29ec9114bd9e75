//! The command line.
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

/// Brings the rows of a CSV file into Kafka, averages a column per key and window, and writes the means to a file.
///
/// Without BOOTSTRAP_SERVERS the run brings its own cluster of three brokers in memory.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
pub(crate) struct Args {
    /// The CSV file, with a header line [default: the project's departures of January 2013]
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/departures-2013-01.csv"), hide_default_value = true)]
    pub(crate) file: PathBuf,
    /// The column whose text is the record's key
    #[arg(long, value_name = "COLUMN", default_value = "carrier")]
    pub(crate) key: String,
    /// The column that holds the event's time, as RFC 3339
    #[arg(long, value_name = "COLUMN", default_value = "scheduled")]
    pub(crate) time: String,
    /// The column that is averaged; rows where it is empty do not count
    #[arg(long, value_name = "COLUMN", default_value = "delay_minutes")]
    pub(crate) value: String,
    /// The length of a window: a number and one of ms, s, m, h, d
    #[arg(long, value_name = "LENGTH", default_value = "1d", value_parser = window_length)]
    pub(crate) window: Duration,
    /// Where the result lines go, one JSON object a window
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Ends the output with one line of JSON that sums the run up
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    pub(crate) fn from_command_line() -> Self {
        Self::parse()
    }

    /// Whether the input can be read at all, before anything is started for it.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        std::fs::File::open(&self.file).with_context(|| format!("cannot open {}", self.file.display()))?;
        Ok(())
    }
}

fn window_length(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("`{text}` is not a window: write a number above 0 and a unit (ms, s, m, h, d), such as 1d")
    };
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(unit_ms) {
        Some(ms) if ms > 0 && i64::try_from(ms).is_ok() => Ok(Duration::from_millis(ms)),
        _ => Err(wrong()),
    }
}
