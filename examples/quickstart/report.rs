//! What a person sees of the run, and the line that a program reads.
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::produce::Produced;
use crate::readback::Spans;
use crate::windows::{Windows, rfc3339};

/// How many result lines the table shows.
const TABLE_ROWS: usize = 10;
/// The progress bar moves in steps of a thousandth of the file.
const STEPS: u64 = 1_000;

/// A bar on a terminal; nothing anywhere else.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn show(&self, share_read: f64, rows: u64) {
        self.0.set_position((share_read * STEPS as f64) as u64);
        self.0.set_message(rows.to_string());
    }

    pub(crate) fn finish(&self, rows: u64) {
        self.0.finish_with_message(rows.to_string());
    }
}

/// The figures of a run.
pub(crate) struct Summary {
    read: u64,
    dead_letters: u64,
    produced: usize,
    windows: usize,
    spans: Spans,
}

impl Summary {
    pub(crate) fn new(produced: &Produced, windows: &Windows, spans: Spans) -> Self {
        Self {
            read: produced.read,
            dead_letters: produced.dead_letters,
            produced: produced.delivered.len(),
            windows: windows.len(),
            spans,
        }
    }

    /// The run as one line of JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let partitions: Vec<_> = self
            .spans
            .iter()
            .map(|(at, (start, end))| {
                serde_json::json!({"topic": &*at.topic, "partition": at.partition.0, "start": start.0, "end": end.0})
            })
            .collect();
        serde_json::json!({
            "read": self.read,
            "dead_letters": self.dead_letters,
            "produced": self.produced,
            "windows": self.windows,
            "partitions": partitions,
        })
    }
}

/// The printed report.
pub(crate) struct Report;

impl Report {
    /// A progress bar for reading `file`.
    pub(crate) fn progress(file: &Path) -> Progress {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bar = ProgressBar::new(STEPS).with_prefix(name);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {percent} % · {msg} rows") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// Prints records and offsets per partition and the first windows.
    pub(crate) fn print(summary: &Summary, windows: &Windows) {
        println!(
            "{} rows read, {} produced, {} dead letters, {} windows",
            summary.read, summary.produced, summary.dead_letters, summary.windows
        );
        println!("\n{:<20} {:>9} {:>12} {:>12}", "partition", "records", "from offset", "to offset");
        for (partition, (start, end)) in &summary.spans {
            println!("{:<20} {:>9} {:>12} {:>12}", partition.to_string(), end.0 - start.0, start, end);
        }
        println!("\n{:<8} {:<22} {:>7} {:>9}", "key", "window", "count", "mean");
        for (key, start, sum) in windows.iter().take(TABLE_ROWS) {
            println!(
                "{key:<8} {:<22} {:>7} {:>9.2}",
                rfc3339(start).unwrap_or_default(),
                sum.count,
                sum.mean()
            );
        }
        if windows.len() > TABLE_ROWS {
            println!("… and {} more", windows.len() - TABLE_ROWS);
        }
    }
}
