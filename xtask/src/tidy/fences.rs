//! Doc examples are compiled and run: at least 95 % of the fences that hold Rust.

use super::source::Source;

/// The share of examples that must run, in percent.
pub(crate) const RUN_PERCENT_MIN: usize = 95;

/// How many examples there are and how many of them run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fences {
    /// Fences that hold Rust.
    pub(crate) rust: usize,
    /// Those that are neither `no_run` nor `ignore`.
    pub(crate) run: usize,
}

impl Fences {
    /// Adds another file's fences.
    pub(crate) fn add(&mut self, other: Self) {
        self.rust += other.rust;
        self.run += other.run;
    }

    /// Whether enough of them run.
    pub(crate) fn suffice(self) -> bool {
        self.run * 100 >= self.rust * RUN_PERCENT_MIN
    }
}

/// Counts the fences in a file's doc comments. The tools' own files are left out: their fixtures hold what is forbidden.
pub(crate) fn count(source: &Source) -> Fences {
    let mut fences = Fences::default();
    if source.path.starts_with("xtask/") || source.is_generated() {
        return fences;
    }
    let mut inside = false;
    for info in source.text.lines().filter_map(fence_info) {
        let is_rust = info.is_empty()
            || ["rust", "no_run", "ignore", "should_panic", "compile_fail", "edition"]
                .iter()
                .any(|word| info.starts_with(word));
        if !inside && is_rust {
            fences.rust += 1;
            fences.run += usize::from(!info.contains("no_run") && !info.contains("ignore"));
        }
        inside = !inside;
    }
    fences
}

/// What stands behind the three backticks, when a line is a fence in a doc comment.
fn fence_info(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    Some(text.strip_prefix(' ').unwrap_or(text).strip_prefix("```")?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Result;

    #[test]
    fn rust_fences_count_and_only_plain_ones_run() -> Result<()> {
        let fenced = |info: &str| format!("//! ```{info}\n//! x\n//! ```\n");
        let text: String =
            ["", "rust", "should_panic", "no_run", "ignore", "text", "sh"].map(fenced).concat();
        assert_eq!(count(&Source::parse("client/src/a.rs", text)?), Fences { rust: 5, run: 3 });
        Ok(())
    }

    #[test]
    fn ninety_five_percent_suffice() {
        assert!(Fences { rust: 20, run: 19 }.suffice());
        assert!(!Fences { rust: 19, run: 18 }.suffice());
    }
}
