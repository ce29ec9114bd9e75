//! All clients of a row in turn, as often as asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use super::broker::{Counts, NullBroker};
use super::build::{self, Program};
use super::client::{CLIENTS, Client, Driver};
use super::host::{self, Host};
use super::matrix::{Row, rows};
use super::options::{Op, Options};
use super::sample::{self, Sample, Samples, Wire};
use super::{results, summary};
use crate::process::{self, Show};
use crate::steps::Count;
use crate::workspace;

/// No run takes longer; one that does has failed.
const RUN_LIMIT: Duration = Duration::from_secs(180);

/// Measures what is asked for and writes the results.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let rows = rows(options);
    let mut bench = Bench::prepare(root, options, &rows)?;
    for row in &rows {
        bench.row(row)?;
    }
    let results = results::render(&summary::tables(bench.samples.all()), &Host::of_this(root)?);
    println!("\n{results}");
    if !options.print {
        let path = root.join("bench/RESULTS.md");
        std::fs::write(&path, results)?;
        println!("written to {}", path.display());
    }
    println!("the runs are in {}", bench.csv.display());
    ensure!(bench.failed.is_empty(), "{} failed:\n{}", bench.failed.len(), bench.failed.join("\n"));
    Ok(())
}

/// Every client once at everything that it can do, with few records: the drivers work.
pub(crate) fn smoke(root: &Path) -> Result<Count> {
    let clients = CLIENTS.to_vec();
    // Where the rate is fixed and the time says how many.
    let (repeats, seconds, records) = (1, 1, Some(SMOKE_RECORDS));
    let options = Options { clients, repeats, seconds, records, print: true, ..Options::default() };
    let rows = rows(&options);
    let mut bench = Bench::prepare(root, &options, &rows)?;
    for row in &rows {
        bench.row(row)?;
    }
    bench.failed.iter().for_each(|failed| println!("failed: {failed}"));
    let passed = bench.samples.all().len();
    Ok(Count { passed, failed: bench.failed.len() })
}

/// Everything that is built, and what was measured so far.
struct Bench<'a> {
    options: &'a Options,
    broker: Program,
    drivers: BTreeMap<Driver, Program>,
    counter: Option<PathBuf>,
    csv: PathBuf,
    samples: Samples,
    failed: Vec<String>,
}

impl<'a> Bench<'a> {
    /// Builds the drivers of all clients that the rows need; says which are left out and why.
    fn prepare(root: &Path, options: &'a Options, rows: &[Row]) -> Result<Self> {
        let mut clients: Vec<Client> = Vec::new();
        for client in rows.iter().flat_map(|row| row.clients(options)) {
            if !clients.contains(&client) {
                clients.push(client);
            }
        }
        ensure!(!clients.is_empty(), "none of these clients can be measured at this");
        let idle: Vec<Client> =
            options.clients.iter().filter(|client| !clients.contains(client)).copied().collect();
        ensure!(idle.is_empty(), "{} cannot be measured at this", names(&idle));
        let broker = build::package_of(root, "bench-null-broker")?;
        let mut failed = Vec::new();
        let drivers = drivers(root, options, &clients, &mut failed);
        let counter = build::counter(root)
            .inspect_err(|error| println!("SKIPPED: allocations are not counted: {error:#}"))
            .ok();
        let csv = match &options.csv {
            Some(path) => path.clone(),
            None => fresh_csv(root)?,
        };
        let samples = Samples::open(&csv)?;
        Ok(Self { options, broker, drivers, counter, csv, samples, failed })
    }

    /// One row: a run of each client that counts allocations and shows how fast it is, then all in turn.
    fn row(&mut self, row: &Row) -> Result<()> {
        let clients = row.clients(self.options);
        let turns: Vec<Client> =
            clients.into_iter().filter(|client| self.drivers.contains_key(&client.driver)).collect();
        println!("\n=== {row}: {}", names(&turns));
        let mut records = BTreeMap::new();
        for client in &turns {
            let pilot = self.one(row, client, Turn::Pilot)?;
            let rate = pilot.map_or(0.0, |sample| sample.number("rec_s"));
            records.insert(client.name, self.records(row, rate));
        }
        for _ in 0..self.options.repeats {
            for client in &turns {
                let records = records.get(client.name).copied().unwrap_or(PILOT_RECORDS);
                self.one(row, client, Turn::Measured(records))?;
            }
        }
        Ok(())
    }

    /// How many records a run measures.
    fn records(&self, row: &Row, rate: f64) -> u64 {
        match self.options.records {
            // Many records would only take long.
            records if row.op.has_a_rate() => {
                records.unwrap_or(u64::MAX).min(u64::from(self.options.seconds) * FIXED_RATE * 2)
            }
            Some(records) => records,
            None => whole_records(rate * f64::from(self.options.seconds)),
        }
    }

    /// One run. A run that fails is remembered and does not stop the others.
    fn one(&mut self, row: &Row, client: &Client, turn: Turn) -> Result<Option<Sample>> {
        match self.attempt(row, client, turn) {
            Ok(sample) => {
                println!("{}", sample.line());
                self.samples.add(sample.clone())?;
                Ok(Some(sample))
            }
            Err(error) => {
                let text = format!("{row}: {}: {error:#}", client.name);
                println!("FAILED {text}");
                self.failed.push(text);
                Ok(None)
            }
        }
    }

    fn attempt(&self, row: &Row, client: &Client, turn: Turn) -> Result<Sample> {
        let driver = self.drivers.get(&client.driver).context("the driver is not built")?;
        let load = host::load();
        let broker = NullBroker::start(&self.broker, row, RUN_LIMIT.as_secs() + 60)?;
        let records = match turn {
            Turn::Pilot if row.op.has_a_rate() => FIXED_RATE,
            Turn::Pilot => PILOT_RECORDS.min(self.options.records.unwrap_or(PILOT_RECORDS)),
            Turn::Measured(records) => records,
        };
        let warmup = warmup(row, client, records);
        let counts_file = tempfile::NamedTempFile::new()?;
        let mut command = driver.command();
        let kind = match (turn, &self.counter) {
            (Turn::Measured(_), _) if row.op.has_a_rate() => sample::MEASURED_STORE,
            (Turn::Measured(_), _) => sample::MEASURED,
            (Turn::Pilot, Some(library)) if client.driver.uses_malloc() => {
                command.env("LD_PRELOAD", library).env("MALLOC_COUNT_FILE", counts_file.path());
                sample::COUNTED
            }
            (Turn::Pilot, _) => sample::PILOT,
        };
        parameters(&mut command, row, client, self.options.defaults);
        command.args(["--brokers", broker.address(), "--broker-pid", &broker.pid().to_string()]);
        command.args(["--broker-kind", kind, "--records", &records.to_string()]);
        command.args(["--warmup", &warmup.to_string()]);
        let outcome = process::run(&mut command, RUN_LIMIT, Show::Nothing)?;
        let counts = broker.stop()?;
        if !outcome.succeeded() {
            bail!("{}: {}", outcome.ending(), outcome.tail());
        }
        let line = outcome.stdout.last().context("the driver printed nothing")?;
        let sample = Sample::of_driver(line, &load, &wire(row, counts, line_records(line) + warmup as f64))?;
        let errors = sample.number("errors");
        ensure!(errors == 0.0, "{errors} records failed: {line}");
        Ok(sample)
    }
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// To count allocations and to see how many records take some seconds.
    Pilot,
    /// To measure so many records.
    Measured(u64),
}

/// The drivers of the clients, without those that cannot be built here. It is a failure if the client was asked for by
/// name, or if everything that the build needs is there.
fn drivers(
    root: &Path,
    options: &Options,
    clients: &[Client],
    failed: &mut Vec<String>,
) -> BTreeMap<Driver, Program> {
    let mut drivers = BTreeMap::new();
    let mut tried: Vec<Driver> = Vec::new();
    for client in clients {
        if tried.contains(&client.driver) {
            continue;
        }
        tried.push(client.driver);
        let sharing: Vec<Client> =
            clients.iter().filter(|other| other.driver == client.driver).copied().collect();
        let (reason, excusable) = match build::missing(client.driver) {
            Some(program) => (format!("`{program}` is not installed"), options.clients.is_empty()),
            None => match build::driver(root, client.driver, options.defaults) {
                Ok(program) => {
                    drivers.insert(client.driver, program);
                    continue;
                }
                Err(error) => (format!("{error:#}"), false),
            },
        };
        let text = format!("{}: {reason}", names(&sharing));
        println!("SKIPPED {text}");
        if !excusable {
            failed.push(text);
        }
    }
    drivers
}

/// The options that say what a row is.
fn parameters(command: &mut Command, row: &Row, client: &Client, defaults: bool) {
    command.args(["--client", client.name, "--op", row.op.name()]);
    command.args(["--value-size", &row.value_size.to_string(), "--compression", row.codec.name()]);
    command.args(["--partitioning", row.partitioning.name(), "--rate", &FIXED_RATE.to_string()]);
    if defaults {
        command.arg("--defaults");
    }
    if let Some(linger) = row.linger_ms {
        command.args(["--linger-ms", &linger.to_string()]);
    }
}

/// Records before the measured ones. Java warms up with as many as it measures, until its code is compiled.
fn warmup(row: &Row, client: &Client, records: u64) -> u64 {
    match client.driver {
        _ if row.op.has_a_rate() => FIXED_RATE / 2,
        Driver::Java => records,
        _ => WARMUP_RECORDS.min(records),
    }
}

/// What the broker's counts say about a run.
fn wire(row: &Row, counts: Counts, moved: f64) -> Wire {
    let records = match row.op {
        Op::Produce => counts.produced,
        Op::Consume => counts.fetched,
        // Whatever is kept is handed out once; nothing is counted.
        Op::E2e | Op::Send => moved,
    };
    let records_per_batch = if counts.batches > 0.0 { counts.produced / counts.batches } else { 0.0 };
    Wire { records_per_rec: records / moved.max(1.0), records_per_batch }
}

/// The number of records in a driver's line.
fn line_records(line: &str) -> f64 {
    line.split(',').nth(8).and_then(|field| field.parse().ok()).unwrap_or(0.0)
}

/// A number of records with two digits that count, within what a run can take.
fn whole_records(records: f64) -> u64 {
    let records = records.clamp(RECORDS_MIN, RECORDS_MAX);
    let unit = 10_f64.powf(records.log10().floor() - 1.0);
    ((records / unit).round() * unit) as u64
}

fn names(clients: &[Client]) -> String {
    clients.iter().map(|client| client.name).collect::<Vec<_>>().join(", ")
}

/// A file of its own for these runs.
fn fresh_csv(root: &Path) -> Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(workspace::target(root).join("bench").join(format!("{seconds}.csv")))
}

/// Enough to see that a driver works.
const SMOKE_RECORDS: u64 = 20_000;
/// Enough to see how fast a client is, and to count its allocations.
const PILOT_RECORDS: u64 = 600_000;
/// Until connections, metadata and buffers are there.
const WARMUP_RECORDS: u64 = 200_000;
const RECORDS_MIN: f64 = 300_000.0;
const RECORDS_MAX: f64 = 60_000_000.0;
/// Records per second where ages are measured.
const FIXED_RATE: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options::{Codec, Partitioning};

    fn row(op: Op) -> Row {
        Row { op, value_size: 100, codec: Codec::None, partitioning: Partitioning::Rr, linger_ms: Some(5) }
    }

    #[test]
    fn numbers_of_records_are_round_and_bounded() {
        assert_eq!(whole_records(9_123_456.0), 9_100_000);
        assert_eq!(whole_records(1_250_000.0), 1_300_000);
        assert_eq!(whole_records(0.0), 300_000);
        assert_eq!(whole_records(1e9), 60_000_000);
    }

    #[test]
    fn what_is_fetched_twice_shows() {
        let counts = Counts { produced: 0.0, batches: 0.0, fetched: 500.0 };
        assert_eq!(wire(&row(Op::Consume), counts, 100.0).records_per_rec, 5.0);
        let counts = Counts { produced: 100.0, batches: 4.0, fetched: 0.0 };
        let expected = Wire { records_per_rec: 1.0, records_per_batch: 25.0 };
        assert_eq!(wire(&row(Op::Produce), counts, 100.0), expected);
    }

    #[test]
    fn java_warms_up_with_as_many_records_as_it_measures() {
        let of = |name| warmup(&row(Op::Produce), &Client::named(name).unwrap(), 9_000_000);
        assert_eq!((of("java"), of("courant")), (9_000_000, 200_000));
    }

    #[test]
    fn the_records_of_a_line_are_found() {
        assert_eq!(line_records("a,null,produce,100,rr,none,5,131072,1000,1"), 1000.0);
        assert_eq!(line_records("a"), 0.0);
    }
}
