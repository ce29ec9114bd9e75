//! A family of runs: the same test over many seeds, chosen by environment variables.
use crate::{Sim, SimError};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The same simulated test over many seeds.
///
/// [`chosen_seeds`] says which environment variables choose the seeds.
///
/// ```
/// use courant_sim::Family;
///
/// let report = Family::new("cargo test --test my_simulation").seeds(3).run(|sim| {
///     let sum = sim.run(async { 1 + 1 })?;
///     Ok(sum)
/// })?;
/// assert!(report.runs() > 0 && report.outcomes.iter().all(|sum| *sum == 2));
/// # Ok::<(), courant_sim::FamilyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "call run()"]
pub struct Family {
    command: String,
    seeds: u64,
}

impl Family {
    /// A family that `command` runs again.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), seeds: 20 }
    }

    /// How many seeds to run where the environment says nothing.
    pub fn seeds(mut self, count: u64) -> Self {
        self.seeds = count;
        self
    }

    /// Runs `test` for each seed, one seed per core at a time, and stops at the first failure. A test says by its error
    /// what is wrong; the seed, the replay command and the end of the trace are added.
    ///
    /// # Errors
    /// The failure of the lowest seed that failed, or an environment variable that is no number.
    ///
    /// # Panics
    /// With the panic of the lowest seed that failed, if that one panicked.
    pub fn run<T: Send>(
        &self,
        test: impl Fn(&Sim) -> Result<T, Box<dyn Error + Send + Sync>> + Sync,
    ) -> Result<Report<T>, FamilyError> {
        let seeds = chosen_seeds(self.seeds)?;
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let progress = Mutex::new(Progress { left: seeds, outcomes: Vec::new(), failure: None });
        let lock = || progress.lock().unwrap_or_else(PoisonError::into_inner);
        let one_after_another = || {
            loop {
                let Some(seed) = lock().next() else { return };
                let outcome = catch_unwind(AssertUnwindSafe(|| self.one(seed, &test)));
                lock().done(seed, outcome);
            }
        };
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(one_after_another);
            }
        });
        progress.into_inner().unwrap_or_else(PoisonError::into_inner).report()
    }

    /// Runs one seed twice, and gives what it came to if both runs did the same: one that depends on anything but its
    /// seed, as on the order of a map, could not be repeated if it failed.
    ///
    /// # Errors
    /// The failure of a run, or the first line of the trace that is another the second time.
    pub fn repeat<T: PartialEq>(
        &self,
        seed: u64,
        test: impl Fn(&Sim) -> Result<T, Box<dyn Error + Send + Sync>>,
    ) -> Result<T, FamilyError> {
        let traced = || {
            let sim = Sim::new(seed).replayed_by(&self.command);
            let outcome = told(&sim, test(&sim))?;
            Ok((outcome, sim.trace(), sim.trace_hash()))
        };
        let (first, second) = (traced()?, traced()?);
        let mut lines = first.1.lines().zip(second.1.lines()).enumerate();
        let what = match lines.find(|(_, (first, second))| first != second) {
            Some((at, (first, second))) => format!("line {at} of the trace was\n{first}\nand then\n{second}"),
            None if first == second => return Ok(first.0),
            None => "the traces are equal as far as they are kept, and what came of them is not".to_owned(),
        };
        Err(FamilyError(format!("seed {seed} ran otherwise the second time: {what}")))
    }

    fn one<T>(
        &self,
        seed: u64,
        test: &impl Fn(&Sim) -> Result<T, Box<dyn Error + Send + Sync>>,
    ) -> Result<T, FamilyError> {
        let sim = Sim::new(seed).replayed_by(&self.command);
        told(&sim, test(&sim))
    }
}

/// An outcome of a run, or its failure with the seed and the end of the trace.
fn told<T>(sim: &Sim, outcome: Result<T, Box<dyn Error + Send + Sync>>) -> Result<T, FamilyError> {
    outcome.map_err(|error| {
        FamilyError(match error.downcast::<SimError>() {
            Ok(error) => error.to_string(),
            Err(error) => sim.failure(error).to_string(),
        })
    })
}

/// What one seed came to: an outcome, a failure, or a panic.
type Run<T> = thread::Result<Result<T, FamilyError>>;

/// How far the threads of a family are.
///
/// Seeds are taken in order and each that was taken is finished, so the lowest that fails is the same every time.
struct Progress<T> {
    left: Range<u64>,
    outcomes: Vec<(u64, T)>,
    failure: Option<(u64, Failure)>,
}

enum Failure {
    Told(FamilyError),
    Panicked(Box<dyn Any + Send>),
}

impl<T> Progress<T> {
    fn next(&mut self) -> Option<u64> {
        if self.failure.is_some() { None } else { self.left.next() }
    }

    fn done(&mut self, seed: u64, run: Run<T>) {
        let failure = match run {
            Ok(Ok(outcome)) => return self.outcomes.push((seed, outcome)),
            Ok(Err(error)) => Failure::Told(error),
            Err(panic) => Failure::Panicked(panic),
        };
        if self.failure.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
            self.failure = Some((seed, failure));
        }
    }

    fn report(mut self) -> Result<Report<T>, FamilyError> {
        match self.failure {
            Some((_, Failure::Told(error))) => Err(error),
            Some((_, Failure::Panicked(panic))) => resume_unwind(panic),
            None => {
                self.outcomes.sort_by_key(|(seed, _)| *seed);
                Ok(Report { outcomes: self.outcomes.into_iter().map(|(_, outcome)| outcome).collect() })
            }
        }
    }
}

/// A family that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report<T = ()> {
    /// What the test returned for each seed, in the seeds' order.
    pub outcomes: Vec<T>,
}

impl<T> Report<T> {
    /// How many seeds were run.
    pub fn runs(&self) -> usize {
        self.outcomes.len()
    }

    /// The sum of a figure over all runs.
    ///
    /// A world in which nothing ever happens passes every check; a test says with this that enough happened.
    pub fn sum(&self, figure: impl Fn(&T) -> usize) -> usize {
        self.outcomes.iter().map(figure).sum()
    }
}

/// The failure of one seed, with the command that repeats it.
#[derive(Clone, PartialEq, Eq)]
pub struct FamilyError(String);

impl fmt::Display for FamilyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FamilyError {
    /// As `Display`, because tests show errors so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for FamilyError {}

/// The command line that repeats a seed.
pub(crate) fn replay(seed: u64, command: Option<&str>) -> String {
    match command {
        Some(command) => format!("COURANT_SEED={seed} {command}"),
        None => format!("Sim::new({seed})"),
    }
}

/// The seeds to run, as the environment says: `COURANT_SEED=42` is that one alone, `COURANT_SEEDS=100` the seeds 0 to 99,
/// `COURANT_SEEDS=100..200` the next hundred, and without either there are as many as the test says, from 0 on.
///
/// A [`Family`] asks by itself; this is for seeded tests that need no [`Sim`].
///
/// ```
/// for seed in courant_sim::chosen_seeds(3)? {
///     assert!(seed < u64::MAX, "a test of this seed");
/// }
/// # Ok::<(), courant_sim::FamilyError>(())
/// ```
///
/// # Errors
/// A variable that holds neither a number nor, for `COURANT_SEEDS`, a range.
pub fn chosen_seeds(otherwise: u64) -> Result<Range<u64>, FamilyError> {
    choose(|variable| std::env::var(variable).ok(), otherwise)
}

fn choose(variable: impl Fn(&str) -> Option<String>, otherwise: u64) -> Result<Range<u64>, FamilyError> {
    if let Some(text) = variable("COURANT_SEED") {
        let next = number(&text).and_then(|seed| Some(seed..seed.checked_add(1)?));
        return next.ok_or_else(|| wrong("COURANT_SEED", &text, "no seed"));
    }
    let Some(text) = variable("COURANT_SEEDS") else { return Ok(0..otherwise) };
    let seeds = match text.split_once("..") {
        Some((first, end)) => number(first).zip(number(end)).map(|(first, end)| first..end),
        None => number(&text).map(|count| 0..count),
    };
    let seeds = seeds.filter(|seeds| seeds.start <= seeds.end);
    seeds.ok_or_else(|| wrong("COURANT_SEEDS", &text, "neither a count of seeds nor a range like 100..200"))
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn wrong(variable: &str, text: &str, what: &str) -> FamilyError {
    FamilyError(format!("{variable} is `{text}`, which is {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Result<Range<u64>, FamilyError> {
        let of =
            |name: &str| variables.iter().find(|(each, _)| *each == name).map(|(_, text)| (*text).to_owned());
        choose(of, 20)
    }

    #[test]
    fn the_environment_chooses_a_seed_a_count_or_a_range() {
        assert_eq!(chosen(&[]), Ok(0..20));
        assert_eq!(chosen(&[("COURANT_SEEDS", "100")]), Ok(0..100));
        assert_eq!(chosen(&[("COURANT_SEEDS", "100..200")]), Ok(100..200));
        assert_eq!(chosen(&[("COURANT_SEEDS", "100"), ("COURANT_SEED", "7")]), Ok(7..8));
    }

    #[test]
    fn a_run_that_depends_on_more_than_its_seed_is_told_by_its_first_difference() {
        let family = Family::new("a test");
        let noted = |sim: &Sim, what: u64| {
            sim.note("the same");
            sim.note(format_args!("run {what}"));
            Ok(sim.run(async {})?)
        };
        family.repeat(3, |sim| noted(sim, sim.seed())).unwrap();
        let runs = std::cell::Cell::new(0);
        let counted = || runs.replace(runs.get() + 1);
        let error = family.repeat(3, |sim| noted(sim, counted())).unwrap_err().to_string();
        assert!(
            error.starts_with("seed 3 ran otherwise the second time: line 1 of the trace was\n"),
            "{error}"
        );
        assert!(error.contains("run 0\nand then\n") && error.ends_with("run 1"), "{error}");
        let error = family.repeat(3, |_| Ok(counted())).unwrap_err().to_string();
        assert!(error.contains("what came of them is not"), "{error}");
    }

    #[test]
    fn what_is_no_seed_is_refused_by_name() {
        for text in ["many", "200..100", "1..", "..", "-1"] {
            let error = chosen(&[("COURANT_SEEDS", text)]).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "COURANT_SEEDS is `{text}`, which is neither a count of seeds nor a range like 100..200"
                )
            );
        }
        let error = chosen(&[("COURANT_SEED", "x")]).unwrap_err().to_string();
        assert_eq!(error, "COURANT_SEED is `x`, which is no seed");
        assert!(chosen(&[("COURANT_SEED", &u64::MAX.to_string())]).is_err(), "a range cannot end behind it");
    }
}
