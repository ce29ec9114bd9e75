//! One run: a line of CSV.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// What a driver prints.
const DRIVER_COLUMNS: &str = "client,broker,op,value,partitioning,codec,linger_ms,batch_size,records,secs,rec_s,MB_s,\
cpu_user,cpu_sys,cpu_s_per_Mrec,broker_cpu_s_per_Mrec,allocs_per_rec,alloc_bytes_per_rec,peak_rss_MiB,p50_us,p99_us,\
max_us,errors";
/// What is added: the load average when the run began; records that went over the wire for each record that the client
/// moved, by the broker's count; records in a batch, likewise.
const ADDED_COLUMNS: &str = "load1,wire_records_per_rec,records_per_batch";

/// A run that is measured.
pub(crate) const MEASURED: &str = "null";
/// The same end to end, where the broker keeps records.
pub(crate) const MEASURED_STORE: &str = "null-store";
/// A run under the counter of allocations, whose times do not count.
pub(crate) const COUNTED: &str = "null+mc";
/// A run that only finds out how many records take some seconds.
pub(crate) const PILOT: &str = "null+pilot";

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    fields: Vec<String>,
}

impl Sample {
    /// Reads what a driver printed and adds what the driver cannot know.
    pub(crate) fn of_driver(line: &str, load: &str, wire: &Wire) -> Result<Self> {
        let expected = DRIVER_COLUMNS.split(',').count();
        let found = line.split(',').count();
        ensure!(found == expected, "the driver printed `{line}`: {found} columns instead of {expected}");
        let added = format!("{load},{:.3},{:.0}", wire.records_per_rec, wire.records_per_batch);
        Self::parse(&format!("{line},{added}"))
    }

    /// Reads a line of the file.
    fn parse(line: &str) -> Result<Self> {
        let sample = Self { fields: line.split(',').map(str::to_owned).collect() };
        ensure!(sample.fields.len() == header().split(',').count(), "`{line}` is no row of this benchmark");
        // Numbers are read here once, so that whoever uses them later need not fail.
        for name in ["value", "records", "secs", "rec_s", "cpu_s_per_Mrec", "peak_rss_MiB", "errors", "load1"]
        {
            sample.text(name).parse::<f64>().with_context(|| format!("{name} of `{line}` is no number"))?;
        }
        Ok(sample)
    }

    /// A column.
    pub(crate) fn text(&self, name: &str) -> &str {
        let index = header().split(',').position(|column| column == name);
        index.and_then(|index| self.fields.get(index)).map_or("", String::as_str)
    }

    /// A column with a number; 0 where there is none.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or(0.0)
    }

    /// Whether it is one of the runs that are compared.
    pub(crate) fn is_measured(&self) -> bool {
        [MEASURED, MEASURED_STORE].contains(&self.text("broker"))
    }

    /// As it stands in the file.
    pub(crate) fn line(&self) -> String {
        self.fields.join(",")
    }
}

/// What the broker counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Wire {
    /// Records that went over the wire for each record that the client moved, warm-up included.
    pub(crate) records_per_rec: f64,
    /// Records in a batch that the client made.
    pub(crate) records_per_batch: f64,
}

/// The columns of the file.
fn header() -> String {
    format!("{DRIVER_COLUMNS},{ADDED_COLUMNS}")
}

/// The file that runs are added to as they end, so that a run that is broken off leaves what it measured.
#[derive(Debug)]
pub(crate) struct Samples {
    file: File,
    samples: Vec<Sample>,
}

impl Samples {
    /// Opens a file, with what is in it already.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let text = match path.exists() {
            true => std::fs::read_to_string(path)?,
            false => String::new(),
        };
        let samples = parse_file(&text).with_context(|| format!("{} cannot be continued", path.display()))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if text.is_empty() {
            writeln!(file, "{}", header())?;
        }
        Ok(Self { file, samples })
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, sample: Sample) -> Result<()> {
        writeln!(self.file, "{}", sample.line())?;
        self.samples.push(sample);
        Ok(())
    }

    /// All runs, in order.
    pub(crate) fn all(&self) -> &[Sample] {
        &self.samples
    }
}

/// Reads a whole file.
fn parse_file(text: &str) -> Result<Vec<Sample>> {
    let mut lines = text.lines();
    match lines.next() {
        None => Ok(Vec::new()),
        Some(first) if first == header() => lines.map(Sample::parse).collect(),
        Some(first) => bail!("its columns are `{first}`"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of 1,000,000 records in one second.
    pub(crate) fn sample(client: &str, broker: &str, row: &str, cpu: f64, rate: f64, rss: u32) -> Sample {
        let line = format!(
            "{client},{broker},{row},5,131072,1000000,1.000,{rate},100,1,0,{cpu},0.01,0.5,64,{rss},0,0,0,0"
        );
        Sample::of_driver(&line, "0.50", &Wire { records_per_rec: 1.0, records_per_batch: 900.0 }).unwrap()
    }

    #[test]
    fn a_drivers_line_gains_what_the_driver_cannot_know() {
        let sample = sample("java", MEASURED, "produce,100,rr,none", 0.6, 3e6, 400);
        assert!(sample.line().ends_with(",400,0,0,0,0,0.50,1.000,900"), "{}", sample.line());
        assert_eq!((sample.text("codec"), sample.number("cpu_s_per_Mrec")), ("none", 0.6));
        assert!(sample.is_measured());
    }

    #[test]
    fn a_line_with_other_columns_or_without_numbers_is_an_error() {
        assert!(Sample::of_driver("java,null", "0.5", &Wire::default()).is_err());
        let line = "a,null,produce,100,rr,none,5,131072,x,1,1,1,1,0,1,0,0,0,1,0,0,0,0";
        let error = Sample::of_driver(line, "0.5", &Wire::default()).unwrap_err().to_string();
        assert!(error.starts_with("records of"), "{error}");
    }

    #[test]
    fn a_file_is_continued_and_another_kind_of_file_is_not() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("runs/a.csv");
        let run = sample("java", MEASURED, "produce,100,rr,none", 0.6, 3e6, 400);
        Samples::open(&path)?.add(run.clone())?;
        let mut again = Samples::open(&path)?;
        again.add(run.clone())?;
        assert_eq!(Samples::open(&path)?.all(), [run.clone(), run]);
        std::fs::write(&path, "client,secs\n")?;
        assert!(Samples::open(&path).is_err());
        Ok(())
    }
}
