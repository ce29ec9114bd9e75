//! What a person sees at the end, and the line that a program reads.
use std::collections::BTreeMap;

use courant::{Offset, TopicPartition};

use crate::house::Counts;
use crate::means::Mean;
use crate::progress::{Progress, line};

/// How many windows the table shows.
const TABLE_ROWS: usize = 10;

/// The figures of a run.
pub(crate) struct Summary {
    counts: Counts,
    windows: Vec<Mean>,
    /// The end of each log before the run, and now.
    grown: BTreeMap<TopicPartition, (Offset, Offset)>,
}

impl Summary {
    pub(crate) fn new(
        counts: Counts,
        grown: &BTreeMap<TopicPartition, (Offset, Offset)>,
        progress: &Progress,
    ) -> Self {
        Self { counts, windows: progress.windows().all(), grown: grown.clone() }
    }

    /// The run as one line of JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let partitions: Vec<_> = self
            .grown
            .iter()
            .map(|(at, (start, end))| {
                serde_json::json!({"topic": &*at.topic, "partition": at.partition.0, "start": start.0, "end": end.0})
            })
            .collect();
        serde_json::json!({
            "read": self.counts.source.read,
            "dead_letters": self.counts.source.passed_over,
            "produced": self.counts.source.written,
            "windows": self.windows.len(),
            "delivered": self.counts.sink.written,
            "partitions": partitions,
        })
    }

    pub(crate) fn print(&self) {
        let Counts { source, sink } = &self.counts;
        println!(
            "{} rows read, {} produced, {} dead letters, {} windows changed, {} lines delivered",
            source.read,
            source.written,
            source.passed_over,
            self.windows.len(),
            sink.written
        );
        println!("\n{:<20} {:>9} {:>12} {:>12}", "partition", "records", "from offset", "to offset");
        for (partition, (start, end)) in &self.grown {
            println!("{:<20} {:>9} {:>12} {:>12}", partition.to_string(), end.0 - start.0, start, end);
        }
        println!("\n{:<8} {:<22} {:>7} {:>9}", "key", "window", "count", "mean");
        for mean in self.windows.iter().take(TABLE_ROWS) {
            println!("{}", line(mean));
        }
        if self.windows.len() > TABLE_ROWS {
            println!("… and {} more", self.windows.len() - TABLE_ROWS);
        }
    }
}
