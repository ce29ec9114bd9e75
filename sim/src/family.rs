//! A family of runs: the same test over many seeds, chosen by environment variables.
use crate::{Sim, SimError};
use std::fmt;

/// The same simulated test over many seeds.
///
/// `COURANT_SEEDS=100` runs the seeds 0 to 99, `COURANT_SEED=42` that one alone; without either, as many as the test says.
///
/// ```
/// use courant_sim::Family;
///
/// let report = Family::new("cargo test --test my_simulation").seeds(3).run(|sim| {
///     sim.run(async { 1 + 1 })?;
///     Ok(())
/// })?;
/// assert!(report.runs > 0);
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

    /// Runs `test` for each seed and stops at the first failure. A test says by its error what is wrong; the seed, the
    /// replay command and the end of the trace are added.
    ///
    /// # Errors
    /// The first failure, or an environment variable that is no number.
    pub fn run(
        &self,
        mut test: impl FnMut(&Sim) -> Result<(), Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<Report, FamilyError> {
        let (first, count) = match (number("COURANT_SEED")?, number("COURANT_SEEDS")?) {
            (Some(seed), _) => (seed, 1),
            (None, Some(count)) => (0, count),
            (None, None) => (0, self.seeds),
        };
        for seed in (0..count).map(|nth| first.wrapping_add(nth)) {
            let sim = Sim::new(seed).replayed_by(&self.command);
            if let Err(error) = test(&sim) {
                return Err(FamilyError(match error.downcast::<SimError>() {
                    Ok(error) => error.to_string(),
                    Err(error) => sim.failure(error).to_string(),
                }));
            }
        }
        Ok(Report { runs: count })
    }
}

/// A family that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many seeds were run.
    pub runs: u64,
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

impl std::error::Error for FamilyError {}

/// The command line that repeats a seed.
pub(crate) fn replay(seed: u64, command: Option<&str>) -> String {
    match command {
        Some(command) => format!("COURANT_SEED={seed} {command}"),
        None => format!("Sim::new({seed})"),
    }
}

fn number(variable: &str) -> Result<Option<u64>, FamilyError> {
    match std::env::var(variable) {
        Err(_) => Ok(None),
        Ok(text) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(FamilyError(format!("{variable} is `{text}`, which is no number"))),
        },
    }
}
