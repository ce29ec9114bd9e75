//! The null broker's process.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::build::Program;
use super::matrix::Row;
use crate::workspace;

/// A running broker; killed when dropped.
#[derive(Debug)]
pub(crate) struct NullBroker {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    address: String,
}

/// What it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    /// Records that producers sent.
    pub(crate) produced: f64,
    /// Batches of them.
    pub(crate) batches: f64,
    /// Records that consumers were sent, where none are kept.
    pub(crate) fetched: f64,
}

impl NullBroker {
    /// Starts one for a row; it ends by itself after so many seconds.
    pub(crate) fn start(program: &Program, row: &Row, max_secs: u64) -> Result<Self> {
        let mut command = program.command();
        command.args(["--value-size", &row.value_size.to_string()]);
        command.args(["--batch-records", &row.batch_records().to_string()]);
        command.args(["--compression", row.codec.name(), "--max-secs", &max_secs.to_string()]);
        if row.op.has_a_rate() {
            command.arg("--store");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the null broker")?;
        let stdout = child.stdout.take().context("the null broker has no standard output")?;
        let mut broker = Self { child, output: BufReader::new(stdout).lines(), address: String::new() };
        broker.address = broker.output.next().context("the null broker did not start")??;
        Ok(broker)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it and gives what it counted.
    pub(crate) fn stop(mut self) -> Result<Counts> {
        workspace::capture(Command::new("kill").args(["-TERM", &self.pid().to_string()]))?;
        let line = self.output.next().context("the null broker told no counts")??;
        let status = self.child.wait()?;
        ensure!(status.success(), "the null broker ended with {status}");
        counts(&line).with_context(|| format!("the null broker told `{line}`"))
    }
}

impl Drop for NullBroker {
    fn drop(&mut self) {
        // One that was stopped is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `produce: req=… batches=… records=… bytes=… | fetch: req=… records=… bytes=… | other=…`.
fn counts(line: &str) -> Option<Counts> {
    let (produce, rest) = line.split_once(" | fetch: ")?;
    let number = |text: &str, name: &str| {
        let field = text.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
        field.parse::<f64>().ok()
    };
    Some(Counts {
        produced: number(produce, "records")?,
        batches: number(produce, "batches")?,
        fetched: number(rest, "records")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_brokers_last_line() {
        let line = "null-broker produce: req=2 batches=3 records=400 bytes=9 | fetch: req=1 records=50 bytes=7 | other=4";
        assert_eq!(counts(line), Some(Counts { produced: 400.0, batches: 3.0, fetched: 50.0 }));
        assert_eq!(counts("null-broker"), None);
    }
}
