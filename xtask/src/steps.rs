//! Named steps with their times, and the closing line.
//!
//! A failing step does not stop the others: one run shows everything that is wrong. Tests are counted from the test
//! runner's own lines, so that the last line, `N passed, N failed`, counts what was really tried.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How many things were tried in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// How many went well.
    pub(crate) passed: usize,
    /// How many did not.
    pub(crate) failed: usize,
}

impl Count {
    /// A step that is one thing, and went well.
    pub(crate) const ONE: Self = Self { passed: 1, failed: 0 };

    /// Adds up.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Reads the lines `test result: ok. 12 passed; 1 failed; …` of the test runner.
    pub(crate) fn of_tests<'a>(lines: impl IntoIterator<Item = &'a String>) -> Self {
        let mut count = Self::default();
        for line in lines.into_iter().filter(|line| line.contains("test result: ")) {
            let number_before = |word: &str| {
                let (before, _) = line.split_once(word)?;
                before.rsplit([' ', ';']).find(|part| !part.is_empty())?.parse().ok()
            };
            count.passed += number_before(" passed").unwrap_or(0);
            count.failed += number_before(" failed").unwrap_or(0);
        }
        count
    }
}

/// A finished step.
struct Done {
    name: String,
    took: Duration,
    count: Count,
    error: Option<String>,
}

/// The steps of one run.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

impl Steps {
    /// Runs a step, prints its name before and its time after it, and remembers how it went.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Count>) -> bool {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = step();
        let took = start.elapsed();
        let (mut count, error) = match outcome {
            Ok(count) if count.failed == 0 => (count, None),
            Ok(count) => (count, Some(format!("{} of {} failed", count.failed, count.passed + count.failed))),
            Err(error) => (Count::default(), Some(format!("{error:#}"))),
        };
        if error.is_some() && count.failed == 0 {
            count.failed = 1;
        }
        match &error {
            None => println!("=== ok: {name}, {}", seconds(took)),
            Some(error) => println!("=== FAILED: {name}, {}: {error}", seconds(took)),
        }
        let well = error.is_none();
        self.done.push(Done { name: name.to_owned(), took, count, error });
        well
    }

    /// Prints every step with its time, names those that failed, and ends with `N passed, N failed`.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\n=== steps");
        let mut total = Count::default();
        for step in &self.done {
            let verdict = if step.error.is_none() { "ok    " } else { "FAILED" };
            println!(
                "{verdict} {:>9}  {:>5} passed {:>3} failed  {}",
                seconds(step.took),
                step.count.passed,
                step.count.failed,
                step.name
            );
            total.add(step.count);
        }
        let failed: Vec<&Done> = self.done.iter().filter(|step| step.error.is_some()).collect();
        for step in &failed {
            println!("failed: {}: {}", step.name, step.error.as_deref().unwrap_or_default());
        }
        println!("{} passed, {} failed", total.passed, total.failed);
        if !failed.is_empty() {
            bail!("{} of {} steps failed", failed.len(), self.done.len());
        }
        Ok(())
    }
}

/// A duration with one decimal.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_from_the_runners_lines() {
        let lines = [
            "test a ... ok".to_owned(),
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s"
                .to_owned(),
            "test result: FAILED. 3 passed; 2 failed; 0 ignored".to_owned(),
        ];
        assert_eq!(Count::of_tests(&lines), Count { passed: 15, failed: 2 });
    }

    #[test]
    fn a_failing_step_is_remembered_and_the_others_still_run() {
        let mut steps = Steps::default();
        assert!(!steps.run("first", || bail!("broken")));
        assert!(!steps.run("second", || Ok(Count { passed: 3, failed: 1 })));
        assert!(steps.run("third", || Ok(Count::ONE)));
        let error = steps.finish().unwrap_err();
        assert_eq!(error.to_string(), "2 of 3 steps failed");
    }
}
