//! Runs every rule over the workspace and prints what it found.

use std::path::Path;

use anyhow::{Result, bail};

use super::report::{Violation, percentiles};
use super::source::Source;
use super::{contracts, fences, headers, imports, manifests, purity, sizes, stubs, surface, words};
use crate::workspace;

/// What the whole workspace looks like.
#[derive(Default)]
struct House {
    files: Vec<usize>,
    functions: Vec<usize>,
    excused: Vec<Violation>,
    fences: fences::Fences,
    violations: Vec<Violation>,
}

/// Checks the workspace at `root`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut house = House::default();
    for path in workspace::files(root)? {
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
        house.violations.extend(words::check(&path, &text));
        if path.rsplit('/').next() == Some("Cargo.toml") {
            house.violations.extend(manifests::check(&path, &text));
        }
        if path.ends_with(".rs") {
            house.rust(&Source::parse(&path, text)?);
        }
    }
    house.violations.extend(imports::check(&workspace::metadata(root)?)?);
    house.finish()
}

impl House {
    /// Applies the rules for Rust files.
    fn rust(&mut self, source: &Source) {
        let sizes = sizes::measure(source);
        if !source.is_generated() {
            self.files.push(sizes.code_lines);
            self.functions.extend(sizes.functions.iter().map(|function| function.lines));
        }
        self.excused.extend(sizes.excused);
        self.violations.extend(sizes.violations);
        self.fences.add(fences::count(source));
        for rule in [headers::check, purity::check, stubs::check, contracts::check, surface::check] {
            self.violations.extend(rule(source));
        }
    }

    /// Prints the figures and fails when a rule is broken.
    fn finish(mut self) -> Result<()> {
        if self.excused.len() > sizes::EXCUSED_MAX {
            let text = format!(
                "{} functions are long for a reason; {} may be",
                self.excused.len(),
                sizes::EXCUSED_MAX
            );
            self.violations.push(Violation::of("workspace", text));
        }
        if !self.fences.suffice() {
            let text = format!("{} of {} doc examples run", self.fences.run, self.fences.rust);
            self.violations.push(Violation::of(
                "workspace",
                format!("{text}; {} % are the bar", fences::RUN_PERCENT_MIN),
            ));
        }
        let (count, lines) = (self.files.len(), self.files.iter().sum::<usize>());
        let (p50, p90) = percentiles(&mut self.files);
        println!(
            "files: {count}, {lines} lines without inline tests; p50 {p50}, p90 {p90}, longest {}",
            self.files.last().unwrap_or(&0)
        );
        let count = self.functions.len();
        let (p50, p90) = percentiles(&mut self.functions);
        println!(
            "functions of more than one line: {count}; p50 {p50}, p90 {p90}, longest {}",
            self.functions.last().unwrap_or(&0)
        );
        println!("doc examples that run: {} of {}", self.fences.run, self.fences.rust);
        println!("long for a reason: {} of at most {}", self.excused.len(), sizes::EXCUSED_MAX);
        self.excused.iter().for_each(|function| println!("  {function}"));
        self.violations.sort();
        self.violations.iter().for_each(|violation| println!("tidy: {violation}"));
        if !self.violations.is_empty() {
            bail!("{} house rules are broken", self.violations.len());
        }
        Ok(())
    }
}
