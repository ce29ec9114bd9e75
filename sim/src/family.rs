//! A family of runs: the same test over many seeds, chosen by environment variables.
use crate::{Sim, SimError};
use std::fmt;
use std::ops::Range;

/// The same simulated test over many seeds.
///
/// [`chosen_seeds`] says which environment variables choose the seeds.
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
        let seeds = chosen_seeds(self.seeds)?;
        let runs = seeds.end - seeds.start;
        for seed in seeds {
            let sim = Sim::new(seed).replayed_by(&self.command);
            if let Err(error) = test(&sim) {
                return Err(FamilyError(match error.downcast::<SimError>() {
                    Ok(error) => error.to_string(),
                    Err(error) => sim.failure(error).to_string(),
                }));
            }
        }
        Ok(Report { runs })
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
